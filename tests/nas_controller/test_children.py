"""How children are ended and how long the dead are left alone."""

import signal
import subprocess
import sys

from nas_controller.children import STABLE_SECONDS, Backoff, end_children

SLEEP = "import time; time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(first_seconds=1.0, longest_seconds=10.0)
    assert [backoff.pause_after(0.5) for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_long_life_or_a_good_end_makes_the_next_pause_the_first_again() -> None:
    backoff = Backoff(first_seconds=1.0, longest_seconds=10.0)
    assert [backoff.pause_after(STABLE_SECONDS - 1), backoff.pause_after(STABLE_SECONDS - 1)] == [1.0, 2.0]
    assert [backoff.pause_after(STABLE_SECONDS), backoff.pause_after(0.0)] == [1.0, 2.0]
    backoff.forget()
    assert backoff.pause_after(0.0) == 1.0


def test_children_are_asked_to_end_and_the_deaf_are_killed() -> None:
    deaf = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE)
    assert deaf.stdout is not None
    assert deaf.stdout.readline() == b"deaf\n"
    deaf.stdout.close()
    willing = subprocess.Popen([sys.executable, "-c", SLEEP])
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    end_children([deaf, willing, gone], 0.5)
    assert [child.returncode for child in (deaf, willing, gone)] == [-signal.SIGKILL, -signal.SIGTERM, 0]
