"""States of algorithms: named arrays, compared before one is taken over."""

import numpy as np

from nas_controller.algorithms.base import StateDict


def require_like(own: StateDict, state: StateDict, name: str) -> None:
    """Returns when a state has the arrays of another.

    Raises:
        ValueError: the first array that is missing, unknown, of another shape or type, or not finite.
    """
    if set(state) != set(own):
        raise ValueError(f"{name}: a state of {len(own)} arrays differs in {min(set(state) ^ set(own))!r}")
    for key, array in own.items():
        given = state[key]
        if given.shape != array.shape or given.dtype != array.dtype or not np.isfinite(given).all():
            raise ValueError(f"{name}: state {key!r}: must be finite, {array.dtype}, of shape {array.shape}")
