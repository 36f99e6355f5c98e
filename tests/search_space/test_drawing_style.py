"""Colours that everyone can tell apart, on every surface."""

import math

import pytest

from search_space.drawing.style import LEVEL_COLOURS, SURFACES

# Machado et al. 2009, severity 1, on linear RGB.
VISIONS = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def _linear(colour: str) -> list[float]:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def _times(matrix: tuple[tuple[float, ...], ...], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _oklab(linear: list[float]) -> list[float]:
    """Ottosson 2020: a space where distance is what people see; 0.02 is just noticeable."""
    to_cones = (
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    )
    to_lab = (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    )
    return _times(to_lab, [max(0.0, cone) ** (1 / 3) for cone in _times(to_cones, linear)])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_level_colours_stay_apart_for_everyone(theme: str, vision: str) -> None:
    seen = [
        _oklab([max(0.0, part) for part in _times(VISIONS[vision], _linear(colour))])
        for colour in LEVEL_COLOURS[theme].values()
    ]
    assert len(seen) == 7
    assert min(math.dist(a, b) for k, a in enumerate(seen) for b in seen[:k]) >= 0.075


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out_from_the_surface(theme: str) -> None:
    """WCAG 2.1: 3 to 1 for graphics, 4.5 to 1 for text."""

    def contrast(colour: str) -> float:
        lights = sorted(
            sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), _linear(c), strict=True))
            for c in (colour, SURFACES[theme]["surface"])
        )
        return (lights[1] + 0.05) / (lights[0] + 0.05)

    assert all(contrast(colour) >= 3 for colour in LEVEL_COLOURS[theme].values())
    assert all(contrast(SURFACES[theme][name]) >= 3 for name in ("added", "removed"))
    assert all(contrast(SURFACES[theme][name]) >= 4.5 for name in ("ink", "muted"))
