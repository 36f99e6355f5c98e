"""The text formats that an architecture can be exported to: one table, one function."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from search_space.drawing.svg import draw
from search_space.export.pytorch import export_pytorch
from search_space.export.spec_json import export_spec
from search_space.plan import TargetNetwork, resolve
from search_space.spec import ArchitectureSpec


class ExportFormatError(ValueError):
    """A format that is not offered; the message lists those that are."""


class ExportedText(NamedTuple):
    """An export, its media type, and the end of its file name, e.g. ``.py``."""

    text: str
    media_type: str
    suffix: str


def _spec(spec: ArchitectureSpec, target: TargetNetwork) -> ExportedText:
    return ExportedText(export_spec(spec), "application/json", ".json")


def _pytorch(spec: ArchitectureSpec, target: TargetNetwork) -> ExportedText:
    return ExportedText(export_pytorch(spec, target), "text/x-python", ".py")


def _svg(spec: ArchitectureSpec, target: TargetNetwork) -> ExportedText:
    return ExportedText(draw(spec, plan=resolve(spec, target)), "image/svg+xml", ".svg")


FORMATS: Mapping[str, Callable[[ArchitectureSpec, TargetNetwork], ExportedText]] = MappingProxyType(
    {"spec": _spec, "pytorch": _pytorch, "svg": _svg}
)


def export_text(spec: ArchitectureSpec, target: TargetNetwork, format_name: str) -> ExportedText:
    """The architecture in one of `FORMATS`; the spec itself is the same for every target.

    Raises:
        ExportFormatError: no format of that name.
    """
    if format_name not in FORMATS:
        raise ExportFormatError(f"export format {format_name!r}: must be one of {', '.join(FORMATS)}")
    return FORMATS[format_name](spec, target)
