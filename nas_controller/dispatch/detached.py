"""Workers that outlive the dispatcher which started them, and how they prove that they reach the artifact store."""

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nas_controller.artifacts.base import ArtifactMissingError
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.dispatch.base import AttemptKey, AttemptRequest
from nas_controller.dispatch.worker import Answer, Worker, failure_of
from nas_controller.records import Failure
from trainer.session import Progress

IDLE_SECONDS = 300.0
"""After so long without a word from a dispatcher, a worker without work ends itself: what it holds is free again."""
BUSY_SECONDS = 3600.0
"""The same for one that runs an attempt: its result is kept, and the next controller may still want it."""
WATCH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class StoreProbe:
    """Write here, read there: a worker is used only where it reads what the controller wrote, and the other way round.

    Args:
        artifact_dir: where controller and worker should find the same artifacts.
        token: another one for each start of a worker.
    """

    artifact_dir: Path
    token: str

    def ask(self) -> None:
        """In the controller, before the worker starts. Raises OSError where it cannot write itself."""
        DirectoryArtifactStore(self.artifact_dir).put(self._question)

    def answer(self) -> None:
        """In the worker. Raises OSError with a sentence for people where the artifact store is not the controller's."""
        place = f"node {socket.gethostname()} does not reach the artifact store {self.artifact_dir}"
        if not self.artifact_dir.is_dir():
            raise OSError(f"{place}: there is no such folder")
        try:
            artifacts = DirectoryArtifactStore(self.artifact_dir)
            artifacts.open(_key(self._question)).close()
            artifacts.put(self._reply)
        except ArtifactMissingError:
            raise OSError(f"{place}: what the controller wrote is not there") from None
        except OSError as error:
            raise OSError(f"{place}: {error}") from error

    def problem(self) -> str:
        """In the controller, after the worker answered: why it must not be used; "" where it may."""
        artifacts = DirectoryArtifactStore(self.artifact_dir)
        if not artifacts.exists(_key(self._reply)):
            return f"what it wrote is not in the artifact store {self.artifact_dir}"
        return ""

    def forget(self) -> None:
        """In the controller: removes both artifacts, if they are there."""
        artifacts = DirectoryArtifactStore(self.artifact_dir)
        for content in (self._question, self._reply):
            artifacts.delete(_key(content))

    @property
    def _question(self) -> bytes:
        return f"spinesearch probe {self.token}: the controller".encode()

    @property
    def _reply(self) -> bytes:
        return f"spinesearch probe {self.token}: the worker".encode()


def _key(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class DetachedWorker(Worker):
    """A worker that another dispatcher may find later and ask what it does.

    It ends itself when no dispatcher has said anything for a while: what nobody comes back for is not held for ever.

    Args:
        probe: answered when it starts; None for a worker that needs no artifact store.
        seconds: the clock behind that while.
        end: ends the process.
    """

    def __init__(
        self,
        evaluator_name: str,
        probe: StoreProbe | None = None,
        seconds: Callable[[], float] = time.monotonic,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        super().__init__(evaluator_name)
        self._probe = probe
        self._seconds = seconds
        self._end = end
        self._heard_at = seconds()
        self._watch: threading.Thread | None = None

    def start(self) -> tuple[float, Failure | None]:
        """As for every worker, after the artifact store was reached; a second time changes nothing."""
        self.touch()
        if self._watch is None:
            self._watch = threading.Thread(target=self._end_when_forgotten, name="end-when-forgotten", daemon=True)
            self._watch.start()
        try:
            if self._probe is not None:
                self._probe.answer()
                self._probe = None
        except OSError as error:
            return time.time(), failure_of(error)
        return super().start()

    def evaluate(self, key: AttemptKey, request: AttemptRequest | None) -> Answer:
        self.touch()
        answer = super().evaluate(key, request)
        self.touch()
        return answer

    def progress(self, key: AttemptKey | None, num_known: int) -> list[Progress]:
        self.touch()
        return super().progress(key, num_known)

    def touch(self) -> None:
        """A dispatcher is there."""
        self._heard_at = self._seconds()

    def work(self) -> tuple[AttemptKey | None, bool]:
        """The attempt that it was given last, and whether that runs."""
        self.touch()
        return self._told[0], self._is_busy

    def is_forgotten(self) -> bool:
        """Whether no dispatcher has said anything for too long."""
        return self._seconds() - self._heard_at > (BUSY_SECONDS if self._is_busy else IDLE_SECONDS)

    def _end_when_forgotten(self) -> None:
        while not self.is_forgotten():
            time.sleep(WATCH_SECONDS)
        self._end(0)
