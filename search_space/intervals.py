"""Interval estimates of a share."""

import math

Z_95 = 1.959963984540054


def wilson_interval(successes: int, draws: int) -> tuple[float, float]:
    """Lower and upper bound of the 95 % Wilson score interval of a share (Wilson 1927).

    Centre (p + z²/2n) / (1 + z²/n), half width z/(1 + z²/n) * sqrt(p(1-p)/n + z²/4n²).

    >>> [round(bound, 4) for bound in wilson_interval(10, 100)]
    [0.0552, 0.1744]

    Raises:
        ValueError: no draws, or more successes than draws.
    """
    if not 0 <= successes <= draws or draws == 0:
        raise ValueError(f"{successes} successes in {draws} draws: needs draws, and no more successes than draws")
    share = successes / draws
    spread = Z_95**2 / draws
    centre = (share + spread / 2) / (1 + spread)
    half = Z_95 / (1 + spread) * math.sqrt(share * (1 - share) / draws + spread / (4 * draws))
    return max(0.0, centre - half), min(1.0, centre + half)
