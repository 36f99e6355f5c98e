"""The front door with images from a cache."""

from pathlib import Path

from search_space.reference import REFERENCES
from trainer.data.dataset import data_hash
from trainer.evaluate import evaluate_architecture
from trainer.task import DataSource, Evaluation, EvaluationRequest, ImageCache, ImageForm, ProxyTask

TASK = ProxyTask(
    image_size=64,
    width_scale=0.125,
    endpoint_channels=8,
    head_channels=8,
    head_convs=1,
    steps=2,
    batch_size=4,
    learning_rate=2e-3,
    scale_jitter=(0.8, 1.2),
)


def evaluated(data: DataSource, cache: ImageCache | None) -> Evaluation:
    spec = REFERENCES["spinenet-49"].spec
    return evaluate_architecture(EvaluationRequest(spec=spec, task=TASK, data=data, seed=3, device="cpu", cache=cache))


def test_cached_images_change_nothing_and_encoded_ones_say_so(small_data: DataSource, tmp_path: Path) -> None:
    in_memory, raw, jpeg = (
        evaluated(small_data, cache)
        for cache in (None, ImageCache(folder=tmp_path), ImageCache(folder=tmp_path, form=ImageForm.JPEG))
    )
    assert (raw.losses, raw.metrics, raw.provenance) == (in_memory.losses, in_memory.metrics, in_memory.provenance)
    assert jpeg.losses != raw.losses
    assert (raw.provenance["images"], jpeg.provenance["images"]) == ("rgb", "jpeg quality 95 4:4:4")
    assert jpeg.provenance["data"] == data_hash(small_data, ImageForm.JPEG) != raw.provenance["data"]
