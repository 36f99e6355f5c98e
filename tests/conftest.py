"""What holds for all tests."""

import gc
import os

# Tests run side by side, as many as there are cores. Threads of torch that share a core wait for each other, spinning:
# that was most of the time of all tests. Whatever is about threads sets their number itself.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is imported and collected, a million objects, stays to the end. To look through it for garbage again and again
# was a sixth of the time of all tests.
gc.disable()


def pytest_collection_finish() -> None:
    """From now on garbage is that of the tests."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    """Libraries that count what is left at the exit find nothing."""
    gc.unfreeze()
