"""Consecutive trials in a bounded number of equal buckets: when there are too many, neighbours become one.

What a search does over time is kept so in the same room, whether it has a hundred trials or a hundred thousand.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def widened(trial_number: int, width: int, max_buckets: int) -> int:
    """The width, doubled until the trial's bucket is among the first `max_buckets`."""
    while (trial_number - 1) // width >= max_buckets:
        width *= 2
    return width


def paired(items: Sequence[T], add: Callable[[T, T], T]) -> list[T]:
    """Each two neighbours added up; the last one alone where their number is odd.

    >>> paired([1, 2, 3], lambda one, other: one + other)
    [3, 3]
    """
    pairs = [add(items[place], items[place + 1]) for place in range(0, len(items) - 1, 2)]
    return pairs + list(items[len(pairs) * 2 :])


def limits(place: int, width: int, last_trial: int) -> tuple[int, int]:
    """Numbers of the first and the last trial of a bucket, in a search that has `last_trial` of them.

    >>> limits(1, 5, 8)
    (6, 8)
    """
    return place * width + 1, min((place + 1) * width, last_trial)
