"""A request for everything that can be got from the API, made from its own table of routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from annotated_types import Le
from fastapi import FastAPI
from fastapi.routing import APIRoute

BEGINNINGS = ("after", "page_token")
"""They say where to begin, not how much to give."""
CHOICES = ("poll", "with", "attempt")
"""They choose an answer over a stream, one that compares, or by a number: always given."""
STREAMS = ("/v1/searches/{search_id}/table.csv", "/v1/searches/{search_id}/table.parquet")
"""They give the whole search, page by page."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One request.

    Args:
        route: the template of its path.
        query: what is asked for.
    """

    route: str
    path: str
    query: Mapping[str, str]

    @property
    def is_stream(self) -> bool:
        """Whether the answer has no end in sight."""
        return self.route in STREAMS


def readings(app: FastAPI, values: Mapping[str, object], *, most: bool) -> list[Reading]:
    """A request for each route that can be got, the pages of the dashboard too.

    Args:
        values: what stands in a path, and in a query that must have it or chooses, by the name of the parameter.
        most: whether each is for as much as the route gives at once, or as it is by default.

    Raises:
        KeyError: a route wants something that has no value.
    """
    return [_reading(route, values, most) for route in _routes(app)]


def _routes(app: FastAPI) -> list[APIRoute]:
    found: list[APIRoute] = []

    def walk(routes: list[Any]) -> None:
        for route in routes:
            if isinstance(route, APIRoute):
                found.extend([route] if "GET" in (route.methods or ()) else [])
            else:
                # What is neither a route nor made of routes (a mount, a plain route) serves no search.
                included = getattr(route, "original_router", None)
                walk([] if included is None else included.routes)

    walk(app.routes)
    return found


def _reading(route: APIRoute, values: Mapping[str, object], most: bool) -> Reading:
    query: dict[str, str] = {}
    for parameter in route.dependant.query_params:
        name = parameter.alias
        bounds = [each.le for each in parameter.field_info.metadata if isinstance(each, Le)]
        if name in CHOICES or parameter.field_info.is_required():
            query[name] = _value(route, values, name)
        elif most and bounds and name not in BEGINNINGS:
            query[name] = str(bounds[0])
    names = [parameter.name for parameter in route.dependant.path_params]
    return Reading(route.path, route.path.format(**{name: _value(route, values, name) for name in names}), query)


def _value(route: APIRoute, values: Mapping[str, object], name: str) -> str:
    if name not in values:
        raise KeyError(f"{route.path}: no value for {name}")
    return str(values[name])
