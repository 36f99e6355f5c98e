"""The lowest versions that may be installed are those that SECURITY.md gives a reason for, or later ones."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
FLOORS = dict(re.findall(r"^\| ([a-z0-9-]+) \| ([0-9.]+) \| ", (ROOT / "SECURITY.md").read_text("utf-8"), re.MULTILINE))
HOLES = {
    "h11": "0.15",
    "jinja2": "3.1.5",
    "pillow": "12.3.0",
    "ray": "2.53.0",
    "starlette": "1.2.1",
}
"""The last release of each that has what it is in the table for."""


def requirements() -> dict[str, Requirement]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found = [Requirement(text) for text in document["project"]["dependencies"]]
    return {requirement.name: requirement for requirement in found}


def test_the_table_is_read() -> None:
    assert set(FLOORS) == {*HOLES, "fastapi"}


@pytest.mark.parametrize("name", sorted(FLOORS))
def test_what_may_be_installed_begins_at_the_floor(name: str) -> None:
    (specifier,) = requirements()[name].specifier
    assert specifier.operator == ">="
    assert Version(specifier.version) >= Version(FLOORS[name])
    assert Version(version(name)) >= Version(FLOORS[name])
    if name in HOLES:
        assert Version(HOLES[name]) not in requirements()[name].specifier


@pytest.mark.parametrize("constraints", ["constraints.txt", "constraints-tpu.txt"])
def test_the_pinned_versions_are_above_the_floors(constraints: str) -> None:
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / constraints).read_text("utf-8").lower(), re.MULTILINE))
    assert {name for name in FLOORS if Version(pinned[name]) < Version(FLOORS[name])} == set()


def test_what_would_read_forms_is_not_asked_for() -> None:
    assert "python-multipart" not in requirements()


def test_the_tests_that_are_named_are_there() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", (ROOT / "SECURITY.md").read_text("utf-8")))
    assert len(named) >= 10
    assert {name for name in named if not (ROOT / name).is_file()} == set()
