from pathlib import Path

from nas_controller.search_config import SearchConfig
from nas_controller.setup import measurement_key
from spinesearch.composition import search_setup
from spinesearch.home import Home
from trainer.data.dataset import data_hash
from trainer.data.generated import generate
from trainer.task import ImageCache, ImageForm


def test_the_measurement_key_holds_the_hash_that_evaluations_record(tmp_path: Path) -> None:
    generate(tmp_path / "data", num_train=4, num_val=2, image_size=64)
    splits = {name: {"images": name, "annotations": f"annotations/instances_{name}.json"} for name in ("train", "val")}
    config = SearchConfig.from_document({"space": "spinenet-49", "data": {"root": str(tmp_path / "data"), **splits}})
    assert config.data != "generated"
    setup = search_setup("s1", config, Home(tmp_path / "home", "", None))
    assert setup.measurement_key == measurement_key(config, data_hash(config.data.source()))
    assert setup.num_classes == 4
    assert setup.artifact_dir == tmp_path / "home" / "artifacts"
    assert setup.cache == ImageCache(folder=tmp_path / "home" / "cache", form=ImageForm.RAW)
    # 4 images of 160 x 160 x 3 are 307,200 bytes: above the limit they are encoded again, which is another measurement.
    small = search_setup("s1", config, Home(tmp_path / "home", "", None, cache_limit_bytes=307_199))
    assert small.cache is not None
    assert small.cache.form is ImageForm.JPEG
    assert small.measurement_key == measurement_key(config, data_hash(config.data.source(), ImageForm.JPEG))
    assert small.measurement_key != setup.measurement_key
