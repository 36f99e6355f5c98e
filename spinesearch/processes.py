"""Child processes that are started again when they die, and that end when their parent does."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

POLL_SECONDS = 0.5
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
STABLE_SECONDS = 30.0
TERMINATION_SECONDS = 30.0


def command(*arguments: str) -> list[str]:
    """The command line of this program with other arguments, in the same Python."""
    return [sys.executable, "-m", "spinesearch", *arguments]


def end_with_parent() -> None:
    """From now on the process gets SIGTERM soon after its parent went away, however that died."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


@dataclass
class StopFlag:
    """Set by SIGINT or SIGTERM; a second SIGINT interrupts at once."""

    is_set: bool = False

    def listen(self) -> None:
        """Takes over both signals of the main thread."""
        signal.signal(signal.SIGTERM, self._set)
        signal.signal(signal.SIGINT, self._set)

    def _set(self, number: int, _frame: object) -> None:
        if self.is_set and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.is_set = True


@dataclass
class Supervisor:
    """Keeps named children running: a child that dies is started again, sooner the longer it had lived."""

    commands: dict[str, Sequence[str]]
    report: Callable[[str], None]
    children: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    backoff: dict[str, float] = field(default_factory=dict)

    def step(self) -> None:
        """Starts what is not running, unless it died so recently that it must wait."""
        for name, arguments in self.commands.items():
            child = self.children.get(name)
            if child is not None and child.poll() is None:
                continue
            if child is not None and not self._may_restart(name, child.returncode):
                continue
            # A session of its own: Ctrl-C reaches the supervisor only, which then ends the children in order.
            self.children[name] = subprocess.Popen(list(arguments), start_new_session=True)
            self.started[name] = time.monotonic()

    def _may_restart(self, name: str, code: int) -> bool:
        lived = time.monotonic() - self.started[name]
        backoff = self.backoff.get(name, FIRST_BACKOFF_SECONDS)
        if lived < backoff:
            return False
        self.backoff[name] = (
            FIRST_BACKOFF_SECONDS if lived > STABLE_SECONDS else min(backoff * 2, LONGEST_BACKOFF_SECONDS)
        )
        self.report(f"{name} ended with code {code}; starting it again")
        return True

    def close(self) -> None:
        """Ends every child, in reverse order of starting."""
        for child in reversed(self.children.values()):
            child.terminate()
        for child in self.children.values():
            try:
                child.wait(TERMINATION_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
