"""Sessions that watch a training in a test, and cut it short."""

import hashlib

from trainer.session import LoneSession, Measurement, TrainingStopped


class Interrupted(Exception):  # noqa: N818
    """The training was cut here."""


class RecordingSession(LoneSession):
    """Keeps what it is told.

    Args:
        checkpoint_at: steps after which it wants a checkpoint.
        cut_at: the save after which the training is cut; 0 for never.
        stop_at: the step with whose measurement the training is stopped; 0 for never.
        begins_with: the checkpoint to go on from.
    """

    def __init__(
        self,
        *,
        checkpoint_at: tuple[int, ...] = (),
        cut_at: int = 0,
        stop_at: int = 0,
        begins_with: bytes | None = None,
    ) -> None:
        self.measurements: list[Measurement] = []
        self.checkpoints: dict[int, bytes] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self.steps_seen = 0
        self._checkpoint_at, self._cut_at, self._stop_at = checkpoint_at, cut_at, stop_at
        self._begins_with = begins_with

    def measured(self, measurement: Measurement) -> None:
        self.measurements.append(measurement)
        if measurement.step == self._stop_at:
            raise TrainingStopped

    def load_checkpoint(self) -> bytes | None:
        return self._begins_with

    def wants_checkpoint(self) -> bool:
        self.steps_seen += 1
        return not self._checkpoint_at or self.steps_seen in self._checkpoint_at

    def keep_file(self, name: str, media_type: str, content: bytes) -> str:
        self.files[name] = (media_type, content)
        return hashlib.sha256(content).hexdigest()

    def save_checkpoint(self, step: int, content: bytes) -> None:
        self.checkpoints[step] = content
        if step == self._cut_at:
            raise Interrupted
