"""Limits on what an architecture may cost, as a query says them: `multiply_adds<=2G`."""

import math
import re
from collections.abc import Mapping, Sequence

from api.errors import FieldError, ProblemError
from api.pareto_schemas import CostKind
from nas_controller.section import parse_number

_FORM = re.compile(r"\s*([a-z_]+)\s*<=\s*(.+)")
_LIMITED = (CostKind.MULTIPLY_ADDS, CostKind.PARAMETERS)
"""What an index of the store holds."""
_LARGEST = 1e18
"""Nothing costs more, and a database can hold it."""


def limits_of(constraints: Sequence[str]) -> Mapping[CostKind, int]:
    """The lowest limit on each kind of cost that has one.

    Raises:
        ProblemError: 422: one of them has another form.
    """
    limits: dict[CostKind, int] = {}
    for index, constraint in enumerate(constraints):
        found = _limit(constraint)
        if found is None:
            forms = " or ".join(f"{kind}<=NUMBER" for kind in _LIMITED)
            message = f"{constraint!r}: must be {forms}; numbers as in 2000000000, 2e9, 2G or 350M"
            error = FieldError(place=f"query.constraint.{index}", message=message)
            raise ProblemError(422, "request.invalid", f"{error.place}: {message}", [error])
        kind, limit = found
        limits[kind] = min(limit, limits.get(kind, limit))
    return limits


def _limit(constraint: str) -> tuple[CostKind, int] | None:
    """What is limited, and how; None where that is not what the text says."""
    match = _FORM.fullmatch(constraint)
    number = None if match is None else parse_number(match[2])
    if match is None or match[1] not in _LIMITED or not isinstance(number, float):
        return None
    return CostKind(match[1]), math.floor(min(number, _LARGEST))
