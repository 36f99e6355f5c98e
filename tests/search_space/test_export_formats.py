import pytest

from search_space.drawing.svg import draw
from search_space.export.formats import FORMATS, ExportFormatError, export_text
from search_space.export.pytorch import export_pytorch
from search_space.export.spec_json import export_spec
from search_space.plan import resolve
from search_space.reference import published_target, reference

SPEC, TARGET = reference("spinenet-49"), published_target("spinenet-49")


def test_each_format_has_its_text_media_type_and_suffix() -> None:
    assert export_text(SPEC, TARGET, "spec") == (export_spec(SPEC), "application/json", ".json")
    assert export_text(SPEC, TARGET, "pytorch") == (export_pytorch(SPEC, TARGET), "text/x-python", ".py")
    assert export_text(SPEC, TARGET, "svg") == (draw(SPEC, plan=resolve(SPEC, TARGET)), "image/svg+xml", ".svg")
    assert list(FORMATS) == ["spec", "pytorch", "svg"]


def test_an_unknown_format_names_those_offered() -> None:
    with pytest.raises(ExportFormatError, match="export format 'onnxx': must be one of spec, pytorch, svg"):
        export_text(SPEC, TARGET, "onnxx")
