"""What an algorithm says of itself (`SearchAlgorithm.diagnostics`) over time, thinned where it is much.

These numbers are not in the ledger: a controller notes them when it keeps its insight. What it had not noted when it
died is lost; a search that goes on notes on from there.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nas_controller.insight.buckets import paired

MAX_POINTS = 400
_DIGITS = 6
"""Significant ones: more than a chart can show, a third of the room that all would take."""


@dataclass(frozen=True, slots=True)
class DiagnosticPoint:
    """The numbers of one moment, or the means over neighbouring moments and the last time of these.

    Args:
        told: trials that the algorithm had been told.
        weight: moments that it stands for.
    """

    told: int
    at: datetime
    values: Mapping[str, float]
    weight: int = 1


@dataclass(slots=True)
class Diagnostics:
    """The points of one search, in the order of time."""

    points: list[DiagnosticPoint] = field(default_factory=list)

    def note(self, told: int, at: datetime, values: Mapping[str, float]) -> None:
        """One more point, where anything was told since the last; what is no finite number is left out."""
        if not values or (self.points and self.points[-1].told >= told):
            return
        finite = {name: _rounded(value) for name, value in values.items() if math.isfinite(value)}
        self.points.append(DiagnosticPoint(told, at, finite))
        if len(self.points) > MAX_POINTS:
            self.points = paired(self.points, _merged)

    def to_document(self) -> list[list[Any]]:
        """The points as JSON."""
        return [[point.told, point.at.isoformat(), dict(point.values), point.weight] for point in self.points]

    @classmethod
    def from_document(cls, document: Sequence[Sequence[Any]]) -> "Diagnostics":
        """What `to_document` gave."""
        points = [DiagnosticPoint(told, datetime.fromisoformat(at), *rest) for told, at, *rest in document]
        return cls(points)


def _merged(one: DiagnosticPoint, other: DiagnosticPoint) -> DiagnosticPoint:
    """One point for two; a number that only one of them has is that one's."""
    weight = one.weight + other.weight
    values = {**one.values, **other.values}
    for name in one.values.keys() & other.values.keys():
        values[name] = _rounded((one.values[name] * one.weight + other.values[name] * other.weight) / weight)
    return DiagnosticPoint(other.told, other.at, values, weight)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
