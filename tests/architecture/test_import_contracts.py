"""What each package may load, seen in a fresh process."""

import subprocess
import sys

import pytest

LOADED = "import sys, {module}; print(*(name for name in {names} if name in sys.modules))"


def loaded(module: str, *names: str) -> list[str]:
    code = LOADED.format(module=module, names=names)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return result.stdout.split()


@pytest.mark.parametrize("module", ["api.app", "nas_controller.search_config", "spinesearch.cli", "trainer.task"])
def test_no_torch_and_no_ray(module: str) -> None:
    assert loaded(module, "torch", "ray", "torchvision") == []


def test_the_search_space_needs_the_standard_library_only() -> None:
    assert loaded("search_space.export.formats", "torch", "ray", "numpy", "pydantic", "sqlalchemy") == []


def test_the_command_line_starts_without_the_database() -> None:
    assert loaded("spinesearch.cli", "sqlalchemy", "fastapi", "alembic") == []
