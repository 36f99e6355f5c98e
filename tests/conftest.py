"""What holds for all tests."""

import os

# Tests run side by side, as many as there are cores. Threads of torch that share a core wait for each other, spinning:
# that was most of the time of all tests. Whatever is about threads sets their number itself.
os.environ.setdefault("OMP_NUM_THREADS", "1")
