"""Child processes: how they are ended together, and how long one that died is left alone."""

import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass

STABLE_SECONDS = 60.0
"""Who lived so long did not die of how it was started."""


@dataclass
class Backoff:
    """How long to leave alone what died: twice as long each time in a row that it died soon after its start.

    Args:
        first_seconds: the pause after a death, where the one before is long ago.
        longest_seconds: no pause is longer.
        last_seconds: the pause before; 0 for none.
    """

    first_seconds: float
    longest_seconds: float
    last_seconds: float = 0.0

    def pause_after(self, lived_seconds: float) -> float:
        """Seconds to wait before the next start of what died after so many."""
        if lived_seconds >= STABLE_SECONDS:
            self.forget()
        self.last_seconds = min(max(2 * self.last_seconds, self.first_seconds), self.longest_seconds)
        return self.last_seconds

    def forget(self) -> None:
        """The next pause is the first again."""
        self.last_seconds = 0.0


def end_children(children: Iterable["subprocess.Popen[bytes]"], seconds: float) -> None:
    """Asks every child to end, in this order, and returns when all have: those that take longer than so many seconds,
    all together, are killed."""
    children = list(children)
    for child in children:
        child.terminate()
    deadline = time.monotonic() + seconds
    for child in children:
        try:
            child.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
