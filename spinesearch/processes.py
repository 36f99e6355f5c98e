"""Child processes that are started again when they die, and that end when their parent does."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field

from nas_controller.children import Backoff, end_children

POLL_SECONDS = 0.5
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
TERMINATION_SECONDS = 30.0


def command(*arguments: str) -> list[str]:
    """The command line of this program with other arguments, in the same Python."""
    return [sys.executable, "-m", "spinesearch", *arguments]


def child_command(*arguments: str) -> list[str]:
    """The command line of an internal command that ends with this process."""
    return command("internal", *arguments, "--parent", str(os.getpid()))


def end_with_parent(parent: int | None = None) -> None:
    """From now on the process gets SIGTERM soon after its parent went away, however that died.

    Args:
        parent: process id, of whoever has started this one: it may have died before this is called. In a process of
            `multiprocessing` that is known; else whoever is the parent now where it is left out.
    """
    known, expected = multiprocessing.parent_process(), parent or os.getppid()

    def watch() -> None:
        while known.is_alive() if known is not None else os.getppid() == expected:
            time.sleep(POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def end_with_parent_on_one_core() -> None:
    """The same, for one of several processes that compute; called before it imports NumPy, whose linear algebra would
    take all cores."""
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    end_with_parent()


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
class _Kept:
    """A child that is kept running.

    Args:
        process: None before the first start.
        has_died: whether its end was seen, and it waits for its next start.
        start_at: not before; `started_at` and this are seconds of the supervisor's clock.
    """

    arguments: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None
    has_died: bool = False
    started_at: float = 0.0
    start_at: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS))


@dataclass
class Supervisor:
    """Keeps named children running: a child that dies is started again, after a pause that grows where it dies soon.

    Args:
        clock: seconds, from wherever they count.
    """

    commands: InitVar[Mapping[str, Sequence[str]]]
    report: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    children: dict[str, _Kept] = field(init=False)

    def __post_init__(self, commands: Mapping[str, Sequence[str]]) -> None:
        self.children = {name: _Kept(arguments) for name, arguments in commands.items()}

    def step(self) -> None:
        """Starts what is not running, unless it died so recently that it must wait."""
        now = self.clock()
        for name, child in self.children.items():
            if child.process is not None and not child.has_died:
                code = child.process.poll()
                if code is None:
                    continue
                child.has_died = True
                seconds = child.backoff.pause_after(now - child.started_at)
                child.start_at = now + seconds
                self.report(f"{name} ended with code {code}; it is started again after {seconds:g} s")
            if now >= child.start_at:
                # A session of its own: Ctrl-C reaches the supervisor only, which then ends the children in order.
                child.process = subprocess.Popen(list(child.arguments), start_new_session=True)
                child.has_died, child.started_at = False, now

    def close(self) -> None:
        """Ends every child, those first that come last."""
        processes = [child.process for child in self.children.values() if child.process is not None]
        end_children(reversed(processes), TERMINATION_SECONDS)
