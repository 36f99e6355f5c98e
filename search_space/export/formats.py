"""The text formats that an architecture can be exported to: one table, one function."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from search_space.drawing.svg import draw
from search_space.export.card import export_card
from search_space.export.mmdet import export_mmdet
from search_space.export.provenance import Provenance
from search_space.export.pytorch import export_pytorch
from search_space.export.spec_json import export_spec
from search_space.export.tf_vision import export_tf_vision
from search_space.export.torchvision import export_torchvision
from search_space.plan import TargetNetwork, resolve
from search_space.spec import ArchitectureSpec

Write = Callable[[ArchitectureSpec, TargetNetwork, Provenance], str]
PYTHON = "text/x-python"


class ExportFormatError(ValueError):
    """A format that is not offered; the message lists those that are."""


class ExportedText(NamedTuple):
    """An export, its media type, and the end of its file name, e.g. ``.py``."""

    text: str
    media_type: str
    suffix: str


class TextFormat(NamedTuple):
    """How a format is written, and what its files are."""

    write: Write
    media_type: str
    suffix: str


FORMATS: Mapping[str, TextFormat] = MappingProxyType(
    {
        "spec": TextFormat(export_spec, "application/json", ".json"),
        "pytorch": TextFormat(lambda spec, target, _: export_pytorch(spec, target), PYTHON, ".py"),
        "torchvision": TextFormat(lambda spec, target, _: export_torchvision(spec, target), PYTHON, "_torchvision.py"),
        "tf-vision": TextFormat(lambda spec, target, _: export_tf_vision(spec, target), PYTHON, "_tf_vision.py"),
        "mmdet": TextFormat(lambda spec, target, _: export_mmdet(spec, target), PYTHON, "_mmdet.py"),
        "svg": TextFormat(lambda spec, target, _: draw(spec, plan=resolve(spec, target)), "image/svg+xml", ".svg"),
        "card": TextFormat(export_card, "text/markdown", ".md"),
    }
)
ONNX = "onnx"
"""The one format that is no text and needs torch: the command line and controllers write it, no API process does."""


def export_text(
    spec: ArchitectureSpec, target: TargetNetwork, format_name: str, provenance: Provenance | None = None
) -> ExportedText:
    """The architecture in one of `FORMATS`.

    Args:
        provenance: what the spec and the card say about its origin; None where nothing is known.

    Raises:
        ExportFormatError: no format of that name.
        TfVisionError: an architecture that ``tf-vision`` cannot express.
    """
    if format_name not in FORMATS:
        raise ExportFormatError(f"export format {format_name!r}: must be one of {', '.join(FORMATS)}")
    write, media_type, suffix = FORMATS[format_name]
    return ExportedText(write(spec, target, provenance or Provenance()), media_type, suffix)
