"""What a running training tells, and what it is told: measurements, checkpoints, and when to end. No torch.

An evaluator gets a session with its request. It may leave it alone; then the trial has no curve, cannot be stopped
early and starts again from the beginning when its worker dies.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

MAX_FILES = 50


class TrainingStopped(Exception):  # noqa: N818 - not an error: somebody decided that this training has shown enough
    """The training is to end now; what was measured last is its result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """How far a training has come.

    Args:
        step, num_steps: optimizer steps done, and of the whole training.
        loss: mean total loss since the measurement before.
        average_precision: COCO AP on the request's split, measured as at the end.
        seconds: wall time of the training so far, that of an earlier attempt that it goes on from included.
    """

    step: int
    num_steps: int
    loss: float
    average_precision: float
    seconds: float

    def __post_init__(self) -> None:
        if not 1 <= self.step <= self.num_steps:
            raise ValueError(f"measurement at step {self.step}: must be 1 to {self.num_steps}")
        if not 0.0 <= self.average_precision <= 1.0:
            raise ValueError(f"measurement: average_precision {self.average_precision}: must be in [0, 1]")
        if not math.isfinite(self.loss) or not math.isfinite(self.seconds):
            raise ValueError(f"measurement: loss {self.loss} after {self.seconds} s: must be finite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A training's whole state after a step, kept where every worker can read it.

    Args:
        key: of the artifact.
    """

    step: int
    key: str
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """A stretch of what an attempt logged and printed, kept where everybody can read it.

    Args:
        start: where it begins, in bytes of the attempt's whole log.
        num_bytes: of the log that it has; a longer part with the same start takes its place.
        key: of the artifact.
    """

    start: int
    num_bytes: int
    key: str

    @property
    def end(self) -> int:
        """Where it ends, in bytes of the whole log."""
        return self.start + self.num_bytes


TrainingEvent = Measurement | Checkpoint
"""What a training tells."""
Progress = TrainingEvent | LogPart
"""What a worker tells of an attempt on the way."""


class TrainingSession(ABC):
    """The other end of a running training. Called from the training's thread only."""

    @abstractmethod
    def measured(self, measurement: Measurement) -> None:
        """Takes a measurement, in rising steps. Raises `TrainingStopped` when the training is to end with it."""

    def is_stopped(self) -> bool:
        """Whether the training is to end with the measurement that it took last; cheap, asked after every step. Who
        decides may need a while after a measurement."""
        return False

    @abstractmethod
    def load_checkpoint(self) -> bytes | None:
        """The state to go on from, as `save_checkpoint` got it; None to begin at the beginning."""

    @abstractmethod
    def wants_checkpoint(self) -> bool:
        """Whether it is time to save one; cheap, asked after every step."""

    @abstractmethod
    def save_checkpoint(self, step: int, content: bytes) -> None:
        """Keeps the state after `step`; a later one replaces it."""

    def keep_file(self, name: str, media_type: str, content: bytes) -> str:
        """The key of the content, which is kept as a file of the trial if the attempt gives an evaluation; "" where
        files are not kept. Of the same name the later one counts. Raises `ValueError` for a name that is no file
        name, and for more than `MAX_FILES`."""
        return ""


class LoneSession(TrainingSession):
    """A training that nobody watches."""

    def measured(self, measurement: Measurement) -> None:
        """Does nothing."""

    def load_checkpoint(self) -> bytes | None:
        """There is none."""
        return None

    def wants_checkpoint(self) -> bool:
        """Never."""
        return False

    def save_checkpoint(self, step: int, content: bytes) -> None:
        """Does nothing."""
