"""The parameters of a policy: named arrays that are views of one vector, so that one step moves all of them."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Parameters:
    """Zeros at first.

    Args:
        shapes: of each array, in the order in which the vector has them.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = dict(shapes)
        sizes = [math.prod(shape) for shape in shapes.values()]
        self.vector_P: Array = np.zeros(sum(sizes))
        parts = np.split(self.vector_P, np.cumsum(sizes)[:-1])
        self._arrays = {name: part.reshape(shapes[name]) for name, part in zip(shapes, parts, strict=True)}

    def __getitem__(self, name: str) -> Array:
        """The array; what is written into it is written into the vector."""
        return self._arrays[name]

    def filled(self, values: Mapping[str, float]) -> Array:
        """A vector like this one with a number for each array."""
        other = Parameters(self.shapes)
        for name in self.shapes:
            other[name][...] = values[name]
        return other.vector_P
