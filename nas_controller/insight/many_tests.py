"""What stands out where many things are tested at once."""

from collections.abc import Sequence

ERROR_RATE = 0.05
"""How often anything at all may be named that is only chance."""


def adjusted(chances: Sequence[float]) -> list[float]:
    """For each test the error rate at which Holm's procedure (Holm 1979) just names it; `ERROR_RATE` is compared with
    it. Whatever the tests have to do with one another, that rate holds for all together.

    >>> adjusted([0.04, 0.01, 0.03])
    [0.06, 0.03, 0.06]

    Args:
        chances: p-values.
    """
    rates, highest = [0.0] * len(chances), 0.0
    for place, index in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        highest = max(highest, min(1.0, chances[index] * (len(chances) - place)))
        rates[index] = highest
    return rates
