"""Compiled trainings: how often they are compiled, and that they are those of the CPU."""

from dataclasses import replace

import pytest

from tests.xla.compilations import COUNTED, EXPECTED, Count, compiled, counted_training, uncompiled_operations
from tests.xla.trainings import TASK, begin
from trainer.data.dataset import load_split
from trainer.device import ComputeDevice, choose_device
from trainer.loop import reestimate_batch_norm, train_steps
from trainer.task import DataSource, ProxyTask

BF16 = replace(TASK, optimizer="sgd", learning_rate=0.02)
GROWN_ROUNDING = 5e-3
"""Share by which losses of eight steps may differ. The order of sums makes 1e-7 at the first; each update lets it grow,
measured to 1.4e-5 (AdamW) and 3.3e-4 (SGD) at the eighth. On the CPU alone, weights changed by 1e-6 make 1e-2."""


def losses(task: ProxyTask, data: DataSource, on: ComputeDevice) -> list[float]:
    """Of each step."""
    images = load_split(data, "train", task.image_size)
    small = begin(task, images, 0, on)
    for _ in train_steps(small.training, small.anchors_A4, images, task, 0, on):
        pass
    return [loss for _, loss in small.training.losses]


@pytest.fixture(scope="module")
def counted(small_data: DataSource) -> tuple[list[Count], tuple[float, ...]]:
    return counted_training(small_data, choose_device("xla", "fp32"))


def test_a_training_is_one_graph_and_so_are_statistics_and_evaluation(
    counted: tuple[list[Count], tuple[float, ...]],
) -> None:
    assert {count.part: count.graphs for count in counted[0]} == EXPECTED


@pytest.mark.usefixtures("counted")
def test_no_operation_is_left_to_the_host() -> None:
    assert uncompiled_operations() == []


def test_adamw_trains_as_on_the_cpu(counted: tuple[list[Count], tuple[float, ...]], small_data: DataSource) -> None:
    expected = losses(COUNTED, small_data, choose_device("cpu", "fp32"))
    assert list(counted[1]) == pytest.approx(expected, rel=GROWN_ROUNDING)


def test_sgd_trains_as_on_the_cpu(small_data: DataSource) -> None:
    task = replace(TASK, optimizer="sgd", learning_rate=0.02, weight_decay=0.1)
    own, expected = (losses(task, small_data, choose_device(name, "fp32")) for name in ("xla", "cpu"))
    assert own[0] == pytest.approx(expected[0], rel=1e-5)
    assert own == pytest.approx(expected, rel=GROWN_ROUNDING)


def test_bfloat16_trains_as_on_the_cpu(small_data: DataSource) -> None:
    own, expected = (losses(BF16, small_data, choose_device(name, "bf16")) for name in ("xla", "cpu"))
    # Products have 8 bits instead of 24; measured: 1.3e-2 at most.
    assert own == pytest.approx(expected, rel=4e-2)


def test_statistics_in_bfloat16_are_one_graph(small_data: DataSource) -> None:
    # Of six passes within one autocast context: its cache of rounded weights would make the first differ.
    images, on = load_split(small_data, "train", BF16.image_size), choose_device("xla", "bf16")
    model = begin(BF16, images, 0, on).training.model
    before, _ = compiled()
    reestimate_batch_norm(model, images, BF16, 0, on)
    assert compiled()[0] - before == 1
