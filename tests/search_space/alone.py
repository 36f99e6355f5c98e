"""Runs an exported Python file as its reader does: in another process, where little can be imported."""

import os
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement

_RUN = """
import runpy, sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, path, target)

HIDDEN = frozenset(sys.argv.pop(1).split(","))
sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
TORCH = ("torch", "numpy")
"""NumPy is not used, but torch warns where it is missing, and a warning is an error here."""
OURS = ("search_space", "trainer", "nas_controller", "api", "spinesearch", "tests")


def run_alone(path: Path, *arguments: str, packages: tuple[str, ...] = TORCH) -> "subprocess.CompletedProcess[str]":
    """The file run where the standard library, the named packages and what these need can be imported, and no more."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-P", "-c", _RUN, ",".join(hidden(packages)), path.name, *arguments],
        cwd=path.parent,
        env={**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@cache
def hidden(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Importable names that belong to none of the packages, ours included."""
    allowed = _with_needs(packages)
    by_name = packages_distributions()
    others = [name for name, owners in by_name.items() if not {_plain(owner) for owner in owners} & allowed]
    return (*OURS, *sorted(set(others) - set(OURS)))


def _with_needs(packages: tuple[str, ...]) -> set[str]:
    """The packages, what they need, what that needs, and so on."""
    found: set[str] = set()
    left = [_plain(name) for name in packages]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needs = [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:  # of another platform
            continue
        left += [_plain(need.name) for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
