import pytest

from search_space.drawing.svg import draw
from search_space.export.card import export_card
from search_space.export.formats import FORMATS, ExportFormatError, export_text
from search_space.export.mmdet import export_mmdet
from search_space.export.provenance import Provenance
from search_space.export.pytorch import export_pytorch
from search_space.export.spec_json import export_spec
from search_space.export.tf_vision import export_tf_vision
from search_space.export.torchvision import export_torchvision
from search_space.plan import resolve
from search_space.reference import published_target, reference
from tests.search_space.origins import FOUND

SPEC, TARGET = reference("spinenet-49"), published_target("spinenet-49")
PYTHON = "text/x-python"


def test_each_format_has_its_text_media_type_and_suffix() -> None:
    expected = {
        "spec": (export_spec(SPEC, TARGET, FOUND), "application/json", ".json"),
        "pytorch": (export_pytorch(SPEC, TARGET), PYTHON, ".py"),
        "torchvision": (export_torchvision(SPEC, TARGET), PYTHON, "_torchvision.py"),
        "tf-vision": (export_tf_vision(SPEC, TARGET), PYTHON, "_tf_vision.py"),
        "mmdet": (export_mmdet(SPEC, TARGET), PYTHON, "_mmdet.py"),
        "svg": (draw(SPEC, plan=resolve(SPEC, TARGET)), "image/svg+xml", ".svg"),
        "card": (export_card(SPEC, TARGET, FOUND), "text/markdown", ".md"),
    }
    assert list(FORMATS) == list(expected)
    assert {name: export_text(SPEC, TARGET, name, FOUND) for name in FORMATS} == expected


def test_without_an_origin_nothing_is_said_of_it() -> None:
    assert export_text(SPEC, TARGET, "spec").text == export_spec(SPEC, TARGET, Provenance())


def test_an_unknown_format_names_those_offered() -> None:
    with pytest.raises(ExportFormatError, match="export format 'onnxx': must be one of spec, pytorch, torchvision"):
        export_text(SPEC, TARGET, "onnxx")
