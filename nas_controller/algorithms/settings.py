"""The settings that a search document gives an algorithm, checked."""

from collections.abc import Mapping

Ranges = Mapping[str, tuple[float, float]]


def checked_settings(settings: Mapping[str, float], ranges: Ranges) -> dict[str, float]:
    """The settings, each known and in its range.

    Raises:
        ValueError: an unknown setting, or a value out of range.
    """
    for name, value in settings.items():
        if name not in ranges:
            raise ValueError(f"algorithm.settings.{name}: unknown; known are {', '.join(ranges)}")
        low, high = ranges[name]
        if not low <= value <= high:
            raise ValueError(f"algorithm.settings.{name}: {value!r}: must be {low:g} to {high:g}")
    return dict(settings)


def whole_settings(settings: Mapping[str, float], ranges: Ranges) -> dict[str, int]:
    """The same of settings that are whole numbers."""
    checked = checked_settings(settings, ranges)
    for name, value in checked.items():
        if value != int(value):
            raise ValueError(f"algorithm.settings.{name}: {value!r}: must be a whole number")
    return {name: int(value) for name, value in checked.items()}
