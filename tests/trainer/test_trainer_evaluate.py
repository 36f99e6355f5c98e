"""The front door on a small drawn data set, and on real photos where they are at hand."""

import math
from pathlib import Path

import pytest
import torch

from search_space.cost import cost
from search_space.plan import resolve
from search_space.reference import REFERENCES
from trainer.data.dataset import data_hash
from trainer.data.generated import generate
from trainer.evaluate import evaluate_architecture
from trainer.task import TRAINER_VERSION, CocoSource, DataSource, Evaluation, EvaluationRequest, ProxyTask, Split

SPINENET_49 = REFERENCES["spinenet-49"].spec
TASK = ProxyTask(
    image_size=64,
    width_scale=0.125,
    endpoint_channels=8,
    head_channels=8,
    head_convs=1,
    steps=2,
    batch_size=4,
    learning_rate=2e-3,
)
REAL_PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "bccd"


@pytest.fixture(scope="module")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return generate(tmp_path_factory.mktemp("drawn") / "data", num_train=12, num_val=5, image_size=64)


def evaluated(data: DataSource, *, split: Split = Split.REWARD, task: ProxyTask = TASK) -> Evaluation:
    return evaluate_architecture(
        EvaluationRequest(spec=SPINENET_49, task=task, data=data, seed=3, split=split, device="cpu")
    )


def test_an_evaluation_says_what_it_measured(drawn_data: DataSource) -> None:
    evaluation = evaluated(drawn_data)
    report = cost(resolve(SPINENET_49, TASK.network(num_classes=4)))
    assert evaluation.num_images == 2  # a fifth of 12
    assert (evaluation.parameters, evaluation.multiply_adds) == (report.parameters, report.multiply_adds)
    assert [step for step, _ in evaluation.losses] == [1, 2]
    assert all(math.isfinite(loss) for _, loss in evaluation.losses)
    assert len(evaluation.class_average_precision) == 4
    assert set(evaluation.metrics) >= {"ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar_100"}
    assert evaluation.device.startswith("cpu (")
    assert evaluation.provenance["trainer"] == str(TRAINER_VERSION)
    assert evaluation.provenance["data"] == data_hash(drawn_data)
    assert min(evaluation.train_seconds, evaluation.eval_seconds, evaluation.setup_seconds) > 0
    assert Evaluation.from_document(evaluation.to_document()) == evaluation


def test_one_seed_gives_one_result_and_val_is_another_split(drawn_data: DataSource) -> None:
    first, second = evaluated(drawn_data), evaluated(drawn_data)
    assert (first.losses, first.average_precision) == (second.losses, second.average_precision)
    val = evaluated(drawn_data, split=Split.VAL)
    assert val.losses == first.losses  # the same training
    assert val.num_images == 5


def test_threads_are_restored(drawn_data: DataSource) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        evaluated(drawn_data)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_at_most_so_many_images_are_evaluated(drawn_data: DataSource) -> None:
    task = ProxyTask.from_document({**TASK.to_document(), "max_eval_images": 3})
    assert evaluated(drawn_data, split=Split.VAL, task=task).num_images == 3


@pytest.mark.slow
@pytest.mark.skipif(not REAL_PHOTOS.is_dir(), reason=f"no photos in {REAL_PHOTOS}")
def test_the_small_cpu_preset_learns_real_photos() -> None:
    data = DataSource(
        train=CocoSource(
            images=REAL_PHOTOS / "train", annotations=REAL_PHOTOS / "annotations" / "instances_train.json"
        ),
        val=CocoSource(images=REAL_PHOTOS / "val", annotations=REAL_PHOTOS / "annotations" / "instances_val.json"),
    )
    evaluation = evaluated(data, task=ProxyTask.from_document({"preset": "cpu-small"}))
    assert evaluation.average_precision > 0.2
