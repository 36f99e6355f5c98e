"""The front door on a small drawn data set, and on real photos where they are at hand."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from search_space.cost import cost
from search_space.plan import resolve
from search_space.reference import REFERENCES
from tests.trainer.sessions import RecordingSession
from trainer.data.dataset import data_hash
from trainer.data.generated import generate
from trainer.device import ComputeDevice
from trainer.evaluate import batches_of_positions, evaluate_architecture
from trainer.pictures import ALBUM
from trainer.task import (
    TRAINER_VERSION,
    CocoSource,
    DataSource,
    Evaluation,
    EvaluationRequest,
    ProxyTask,
    Split,
    TimeLimitReached,
    TrainingOutOfMemory,
)

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


def test_val_is_shown_in_pictures_and_the_reward_split_is_not(drawn_data: DataSource) -> None:
    request = EvaluationRequest(spec=SPINENET_49, task=TASK, data=drawn_data, seed=3, split=Split.VAL, device="cpu")
    session = RecordingSession()
    evaluate_architecture(request, session)
    album = json.loads(session.files[ALBUM][1])
    assert len(album["pictures"]) == 5
    assert len(album["classes"]) == 4
    for number, picture in enumerate(album["pictures"], start=1):
        _, content = session.files[f"picture-{number}.webp"]
        assert picture["key"] == hashlib.sha256(content).hexdigest()
    other = RecordingSession()
    evaluate_architecture(replace(request, seed=4), other)
    of_images = [name for name in session.files if name != ALBUM]
    assert [other.files[name] for name in of_images] == [session.files[name] for name in of_images]
    unseen = RecordingSession()
    evaluate_architecture(replace(request, split=Split.REWARD), unseen)
    assert unseen.files == {}


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


def test_batches_of_positions_end_with_the_last_image() -> None:
    on_cpu, on_xla = (ComputeDevice(torch.device(name), uses_bf16=False) for name in ("cpu", "xla"))
    assert batches_of_positions(5, 2, on_cpu) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    # Where each shape is compiled all batches have one.
    padded = batches_of_positions(5, 2, on_xla)
    assert [part.tolist() for part in padded if isinstance(part, torch.Tensor)] == [[0, 1], [2, 3], [4, 4]]
    whole = batches_of_positions(4, 2, on_xla)
    assert [part.tolist() for part in whole if isinstance(part, torch.Tensor)] == [[0, 1], [2, 3]]


LEARNING = replace(TASK, endpoint_channels=16, head_channels=16, steps=30, batch_size=8, learning_rate=8e-3)


def requested(data: DataSource, task: ProxyTask = TASK, **fields: Any) -> EvaluationRequest:
    return EvaluationRequest(spec=SPINENET_49, task=task, data=data, seed=3, device="cpu", **fields)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_measuring_on_the_way_changes_nothing(drawn_data: DataSource, precision: str) -> None:
    alone, watched = RecordingSession(checkpoint_at=(6,)), RecordingSession(checkpoint_at=(6,))
    task = replace(TASK, steps=6, precision=precision)
    first = evaluate_architecture(requested(drawn_data, task), alone)
    second = evaluate_architecture(requested(drawn_data, replace(task, measure_at=(0.3, 0.5, 0.9))), watched)
    # The nearest steps of 6 are 1.8, 3 and 5.4; half a step is rounded to the even one, which none is.
    assert [measurement.step for measurement in watched.measurements] == [2, 3, 5]
    assert alone.measurements == []
    assert results(first) == results(second)
    weights, again = (safetensors.torch.load(session.checkpoints[6]) for session in (alone, watched))
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_a_measurement_is_what_the_end_would_measure_there(drawn_data: DataSource) -> None:
    # A constant learning rate: the first two thirds of `step` without warm-up.
    task = replace(LEARNING, schedule="step", warmup_steps=0, measure_at=(0.4, 0.5))
    session = RecordingSession()
    whole = evaluate_architecture(requested(drawn_data, replace(task, steps=45)), session)
    assert [measurement.step for measurement in session.measurements] == [18, 22]
    short = RecordingSession(stop_at=22)
    stopped = evaluate_architecture(requested(drawn_data, replace(task, steps=45)), short)
    assert stopped.stopped_at_step == 22
    assert whole.stopped_at_step is None
    assert stopped.average_precision == session.measurements[1].average_precision > 0
    assert stopped.losses == whole.losses[:22]
    assert session.measurements[1].loss == pytest.approx(sum(loss for _, loss in whole.losses[18:22]) / 4, rel=1e-5)
    assert 0 < session.measurements[0].seconds < session.measurements[1].seconds
    assert session.measurements[1].num_steps == 45


def test_a_stop_that_comes_late_ends_the_training_with_its_last_measurement(drawn_data: DataSource) -> None:
    class LateStop(RecordingSession):
        def is_stopped(self) -> bool:
            return self.steps_seen >= 3

    task = replace(TASK, steps=8, measure_at=(0.25, 0.75))
    late = LateStop()
    stopped = evaluate_architecture(requested(drawn_data, task), late)
    assert [measurement.step for measurement in late.measurements] == [2]
    assert late.steps_seen == 3
    assert stopped.stopped_at_step == 2
    assert stopped.average_precision == late.measurements[0].average_precision


def test_a_stop_before_the_first_measurement_waits_for_it(drawn_data: DataSource) -> None:
    class EarlyStop(RecordingSession):
        def is_stopped(self) -> bool:
            return True

    session = EarlyStop()
    task = replace(TASK, steps=8, measure_at=(0.5,))
    assert evaluate_architecture(requested(drawn_data, task), session).stopped_at_step == 4


def test_a_time_limit_ends_a_training(drawn_data: DataSource) -> None:
    with pytest.raises(TimeLimitReached, match=r"at step 1 of 2 after .* s; the limit is 1e-06 s"):
        evaluate_architecture(requested(drawn_data, time_limit_seconds=1e-6))


def test_what_surely_does_not_fit_is_refused_before_it_starts(drawn_data: DataSource) -> None:
    session = RecordingSession()
    with pytest.raises(TrainingOutOfMemory, match=r"estimated to need [\d,]+ bytes, there were [\d,]+"):
        evaluate_architecture(requested(drawn_data, replace(TASK, batch_size=50_000_000)), session)
    assert session.steps_seen == 0


def test_memory_that_runs_out_on_the_way_is_named(drawn_data: DataSource) -> None:
    class Greedy(RecordingSession):
        def wants_checkpoint(self) -> bool:
            torch.empty(2**55, dtype=torch.uint8)
            return False

    with pytest.raises(TrainingOutOfMemory, match=r"memory ran out: it was estimated to need [\d,]+ bytes"):
        evaluate_architecture(requested(drawn_data), Greedy())


def results(evaluation: Evaluation) -> tuple[Any, ...]:
    """What does not depend on the clock."""
    return evaluation.losses, evaluation.average_precision, evaluation.metrics, evaluation.class_average_precision


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
