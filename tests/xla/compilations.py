"""Counts the graphs that torch_xla compiles for each part of a training.

`PJRT_DEVICE=CPU .venv-xla/bin/python -m tests.xla.compilations [REFERENCE]` prints them, of the small network of
the tests or of a reference architecture.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from torch_xla.debug import metrics

from search_space.reference import REFERENCES
from search_space.spec import ArchitectureSpec
from tests.xla.trainings import SMALL, TASK, SmallTraining, begin
from trainer.data.dataset import load_split
from trainer.data.generated import generate
from trainer.data.tensors import DetectionTensors
from trainer.device import ComputeDevice, choose_device
from trainer.evaluate import detection_rows
from trainer.loop import reestimated_batch_norm, train_steps
from trainer.model.anchors import anchors_by_level
from trainer.task import DataSource

Result = TypeVar("Result")

COUNTED = replace(TASK, endpoint_channels=24)
"""Of another width than other trainings in the process, whose graphs would serve this one."""
NUM_TRAIN, NUM_VAL = 20, 40  # 40 images are two batches and a half
EXPECTED = {
    "beginning": 1,  # the zeros for losses, gradients and optimizer
    "step 1": 1,
    "steps 2 to 4": 0,
    "statistics, 6 batches": 1,
    "evaluation, 3 batches": 1,
    "statistics restored": 0,
    "steps 5 to 8": 0,
    "another measurement": 0,
    "another training": 0,
}
"""Graphs of each part, in the order of the parts."""


@dataclass(frozen=True, slots=True)
class Count:
    """What a part of a training took.

    Args:
        graphs: that were compiled for it.
        compile_seconds, seconds: spent compiling, and as a whole.
    """

    part: str
    graphs: int
    compile_seconds: float
    seconds: float


class Counter:
    """Counts part after part; torch_xla's own numbers are those of the whole process."""

    def __init__(self) -> None:
        self.counts: list[Count] = []

    def count(self, part: str, run: Callable[[], Result]) -> Result:
        """What `run` returns; its compilations are added to `counts`."""
        graphs, compile_seconds = compiled()
        started = time.perf_counter()
        result = run()
        seconds = time.perf_counter() - started
        graphs_then, compile_seconds_then = compiled()
        self.counts.append(Count(part, graphs_then - graphs, compile_seconds_then - compile_seconds, seconds))
        return result


def compiled() -> tuple[int, float]:
    """Graphs that the process compiled so far, and the seconds that this took."""
    data = metrics.metric_data("CompileTime")
    return (data[0], data[1] / 1e9) if data else (0, 0.0)


def uncompiled_operations() -> list[str]:
    """Operations that were computed on the host, each of which cut a graph in two."""
    return sorted(name for name in metrics.counter_names() if name.startswith("aten::"))


def counted_training(
    data: DataSource, on: ComputeDevice, spec: ArchitectureSpec = SMALL
) -> tuple[list[Count], tuple[float, ...]]:
    """The parts of a training of 8 steps, measured twice, and of another one; and the losses of the first."""
    images, val_images = (load_split(data, part, COUNTED.image_size) for part in ("train", "val"))
    counter = Counter()
    first = counter.count("beginning", lambda: begin(COUNTED, images, 0, on, spec))
    counter.count("step 1", lambda: train_to(1, first, images, on))
    counter.count("steps 2 to 4", lambda: train_to(4, first, images, on))
    predicting = reestimated_batch_norm(first.training.model, images, COUNTED, 0, on)
    counter.count("statistics, 6 batches", predicting.__enter__)
    counter.count("evaluation, 3 batches", lambda: evaluate(first, val_images, on))
    counter.count("statistics restored", lambda: predicting.__exit__(None, None, None))
    counter.count("steps 5 to 8", lambda: train_to(8, first, images, on))
    counter.count("another measurement", lambda: measure(first, images, val_images, on))
    counter.count("another training", lambda: train_and_measure(images, val_images, on, spec))
    return counter.counts, tuple(loss for _, loss in first.training.losses)


def train_to(step: int, small: SmallTraining, images: DetectionTensors, on: ComputeDevice) -> None:
    """Trains until so many steps are done."""
    for done in train_steps(small.training, small.anchors_A4, images, COUNTED, 0, on):
        if done == step:
            return


def evaluate(small: SmallTraining, images: DetectionTensors, on: ComputeDevice) -> None:
    """Detects on all images."""
    model, levels = small.training.model, anchors_by_level(small.plan)
    detection_rows(model, small.anchors_A4, levels, images, images.num_images, on)


def measure(small: SmallTraining, images: DetectionTensors, val_images: DetectionTensors, on: ComputeDevice) -> None:
    """Detects on all images with the statistics of the training images."""
    with reestimated_batch_norm(small.training.model, images, COUNTED, 0, on):
        evaluate(small, val_images, on)


def train_and_measure(
    images: DetectionTensors, val_images: DetectionTensors, on: ComputeDevice, spec: ArchitectureSpec
) -> None:
    """A whole training from other weights."""
    small = begin(COUNTED, images, 1, on, spec)
    train_to(8, small, images, on)
    measure(small, images, val_images, on)


def main() -> None:
    """Prints the table."""
    on, name = choose_device("xla", COUNTED.precision), sys.argv[1] if len(sys.argv) > 1 else ""
    spec = REFERENCES[name].spec if name else SMALL
    with tempfile.TemporaryDirectory() as directory:
        data = generate(Path(directory) / "data", num_train=NUM_TRAIN, num_val=NUM_VAL, image_size=COUNTED.image_size)
        counts, _ = counted_training(data, on, spec)
    print(f"{spec.name} on {on.describe()}\n\n{'part':24} {'graphs':>6} {'compiling, s':>12} {'whole, s':>9}")
    for count in counts:
        print(f"{count.part:24} {count.graphs:6} {count.compile_seconds:12.1f} {count.seconds:9.1f}")
    print(f"{'all':24} {sum(count.graphs for count in counts):6}")


if __name__ == "__main__":
    main()
