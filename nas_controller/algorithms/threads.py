"""Torch with one thread, for sums that come out the same wherever they are computed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single_thread() -> Iterator[None]:
    """One torch thread inside, as many as before afterwards: sums in one order, and no start-up for tiny work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
