"""The session of an attempt on a worker: what it reports goes to the dispatcher, checkpoints to the artifact store."""

import inspect
import logging
import re
import time
from collections.abc import Callable
from inspect import Parameter
from typing import TypeVar

from nas_controller.artifacts.base import ArtifactMissingError
from nas_controller.artifacts.directory import DirectoryArtifactStore
from trainer.session import MAX_FILES, Checkpoint, Measurement, TrainingEvent, TrainingSession, TrainingStopped
from trainer.task import EvaluationRequest, KeptFile

Given = TypeVar("Given")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,60}")

_log = logging.getLogger(__name__)


class WorkerSession(TrainingSession):
    """Reports in the order of events, a checkpoint only once it is durable.

    Args:
        report: called with each event in the training's thread.
        is_stopped: whether the training is to end with its last measurement.
        seconds: the clock behind `request.checkpoint_seconds`.
    """

    def __init__(
        self,
        request: EvaluationRequest,
        report: Callable[[TrainingEvent], object],
        is_stopped: Callable[[], bool],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._request = request
        self._report = report
        self._is_stopped = is_stopped
        self._seconds = seconds
        self._saved_at = seconds()
        self._files: dict[str, KeptFile] = {}

    def measured(self, measurement: Measurement) -> None:
        self._report(measurement)
        if self._is_stopped():
            raise TrainingStopped(f"stopped after step {measurement.step} of {measurement.num_steps}")

    def is_stopped(self) -> bool:
        return self._is_stopped()

    def load_checkpoint(self) -> bytes | None:
        """As the contract says; a checkpoint that is missing or damaged is logged, and none."""
        directory, key = self._request.artifact_dir, self._request.resume_from
        if directory is None or not key:
            return None
        try:
            with DirectoryArtifactStore(directory).open(key) as file:
                return file.read()
        except (ArtifactMissingError, OSError) as error:
            _log.warning("checkpoint %s cannot be read, the training begins at the beginning: %r", key, error)
            return None

    def wants_checkpoint(self) -> bool:
        is_due = self._seconds() - self._saved_at >= self._request.checkpoint_seconds
        return is_due and self._request.artifact_dir is not None

    def save_checkpoint(self, step: int, content: bytes) -> None:
        """As the contract says; where it cannot be written, that is logged and the training goes on without."""
        if self._request.artifact_dir is None:
            return
        try:
            key = DirectoryArtifactStore(self._request.artifact_dir).put(content)
        except OSError as error:
            _log.warning("the checkpoint after step %d cannot be written: %r", step, error)
            return
        finally:
            self._saved_at = self._seconds()
        self._report(Checkpoint(step=step, key=key, num_bytes=len(content)))

    def keep_file(self, name: str, media_type: str, content: bytes) -> str:
        """As the contract says; where it cannot be written, that is logged, and "" is the answer."""
        if not _FILE_NAME.fullmatch(name) or not _MEDIA_TYPE.fullmatch(media_type):
            raise ValueError(f"file {name!r} of type {media_type!r}: no name of a file, or no media type")
        if len(self._files | {name: None}) > MAX_FILES:
            raise ValueError(f"file {name!r}: at most {MAX_FILES} are kept")
        if self._request.artifact_dir is None:
            return ""
        try:
            key = DirectoryArtifactStore(self._request.artifact_dir).put(content)
        except OSError as error:
            _log.warning("%s cannot be kept: %r", name, error)
            return ""
        self._files[name] = KeptFile(name=name, key=key, media_type=media_type, num_bytes=len(content))
        return key

    @property
    def files(self) -> tuple[KeptFile, ...]:
        """What was kept, in the order of first names."""
        return tuple(self._files.values())


def call_evaluator(evaluator: Callable[..., Given], request: EvaluationRequest, session: TrainingSession) -> Given:
    """Calls it with the request, and with the session if it takes one."""
    return evaluator(request, session) if takes_session(evaluator) else evaluator(request)


def takes_session(evaluator: Callable[..., object]) -> bool:
    """Whether the second positional parameter is for the session: it has no default, or is called ``session``."""
    try:
        parameters = inspect.signature(evaluator).parameters.values()
    except ValueError:
        return False
    positional = [p for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    return len(positional) >= 2 and (positional[1].default is Parameter.empty or positional[1].name == "session")
