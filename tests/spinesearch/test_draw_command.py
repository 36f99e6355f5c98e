"""`spinesearch draw`, alone and against another architecture."""

from dataclasses import replace
from pathlib import Path

import pytest

from search_space.difference import compare
from search_space.drawing.svg import draw, draw_difference
from search_space.reference import reference
from tests.spinesearch.test_cli import spinesearch

SPINENET_49 = reference("spinenet-49")
# Block 16 reads 13 instead of 14.
OTHER = replace(
    SPINENET_49, name="other", blocks=(*SPINENET_49.blocks[:-1], replace(SPINENET_49.blocks[-1], parents=(12, 13)))
)


def test_a_drawing_is_the_one_of_the_library(tmp_path: Path) -> None:
    file = tmp_path / "a.svg"
    result = spinesearch(tmp_path, "draw", "--reference", "eff-spinenet-d0", "-o", str(file))
    assert (result.returncode, result.stdout) == (0, "")
    assert file.read_text(encoding="utf-8") == draw(reference("eff-spinenet-d0"))


@pytest.mark.parametrize("as_file", [True, False])
def test_against_another_it_draws_and_lists_what_differs(tmp_path: Path, as_file: bool) -> None:
    spec, other, file = tmp_path / "other.json", tmp_path / "spinenet.json", tmp_path / "a.svg"
    spec.write_text(OTHER.to_json())
    other.write_text(SPINENET_49.to_json())
    against = str(other) if as_file else "spinenet-49"
    result = spinesearch(tmp_path, "draw", str(spec), "--against", against, "-o", str(file))
    assert (result.returncode, result.stdout) == (0, "block 16 reads 13 instead of 14\n")
    assert file.read_text(encoding="utf-8") == draw_difference(compare(SPINENET_49, OTHER))


def test_without_a_file_it_only_lists(tmp_path: Path) -> None:
    result = spinesearch(tmp_path, "draw", "--reference", "spinenet-49", "--against", "spinenet-49")
    assert (result.returncode, result.stdout) == (0, "no difference\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--reference", "spinenet-49"), "give -o FILE.svg"),
        (("--reference", "spinenet-49", "--against", "spinenet-50"), "reference 'spinenet-50': unknown"),
        (("--reference", "spinenet-49", "--against", "nowhere.json"), "No such file or directory: 'nowhere.json'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = spinesearch(tmp_path, "draw", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
