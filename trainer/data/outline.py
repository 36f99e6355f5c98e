"""Outlines of the parts of a mask, as COCO polygons."""

from typing import Any

import numpy as np

Corner = tuple[int, int]


def outlines(mask_HW: np.ndarray[Any, Any]) -> list[list[float]]:
    """One polygon x, y, x, y, ... for each connected part, along pixel borders; holes are filled.

    >>> outlines(np.array([[False, True], [False, True]]))
    [[1.0, 0.0, 2.0, 0.0, 2.0, 2.0, 1.0, 2.0]]
    """
    next_corners = _border(mask_HW)
    polygons = []
    while next_corners:
        corners = _walk(next_corners, next(iter(next_corners)))
        if _signed_area(corners) > 0:  # a border walked the other way round is that of a hole
            polygons.append([float(number) for corner in _without_straight(corners) for number in corner])
    return polygons


def _border(mask_HW: np.ndarray[Any, Any]) -> dict[Corner, list[Corner]]:
    """The sides between a pixel of the mask and one outside, each from corner to corner, clockwise."""
    padded = np.pad(mask_HW, 1)
    inside = padded[1:-1, 1:-1]
    sides = [
        (inside & ~padded[:-2, 1:-1], (0, 0), (1, 0)),  # top
        (inside & ~padded[1:-1, 2:], (1, 0), (1, 1)),  # right
        (inside & ~padded[2:, 1:-1], (1, 1), (0, 1)),  # bottom
        (inside & ~padded[1:-1, :-2], (0, 1), (0, 0)),  # left
    ]
    next_corners: dict[Corner, list[Corner]] = {}
    for is_side_HW, (from_x, from_y), (to_x, to_y) in sides:
        for y, x in np.argwhere(is_side_HW).tolist():
            next_corners.setdefault((x + from_x, y + from_y), []).append((x + to_x, y + to_y))
    return next_corners


def _walk(next_corners: dict[Corner, list[Corner]], start: Corner) -> list[Corner]:
    """The corners of one closed border, whose sides are taken out of `next_corners`."""
    corners, here, direction = [], start, (0, 0)
    while True:
        choices = next_corners[here]
        # Where two pixels touch in a corner only, turning right keeps to the same pixel.
        right = (here[0] - direction[1], here[1] + direction[0])
        there = right if right in choices else choices[0]
        choices.remove(there)
        if not choices:
            del next_corners[here]
        corners.append(here)
        direction = (there[0] - here[0], there[1] - here[1])
        here = there
        if here == start:
            return corners


def _signed_area(corners: list[Corner]) -> float:
    x, y = np.array(corners, dtype=np.float64).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def _without_straight(corners: list[Corner]) -> list[Corner]:
    """The corners where the border turns."""
    turning = []
    for before, here, after in zip(corners[-1:] + corners[:-1], corners, corners[1:] + corners[:1], strict=True):
        if (here[0] - before[0], here[1] - before[1]) != (after[0] - here[0], after[1] - here[1]):
            turning.append(here)
    return turning
