"""The runner of exported files: what is out of reach is out of reach, what is named is not."""

from pathlib import Path

import pytest

from tests.search_space.alone import run_alone


@pytest.mark.parametrize(
    ("name", "packages", "is_found"),
    [
        ("search_space.spec", ("torch",), False),
        ("spinesearch", ("torch", "torchvision"), False),
        ("pydantic", ("torch", "torchvision"), False),
        ("torchvision", ("torch", "numpy"), False),
        ("torchvision", ("torch", "torchvision"), True),
        ("sympy", ("torch",), True),  # torch needs it
        ("json", (), True),
    ],
)
def test_only_named_packages_and_their_needs_are_in_reach(
    tmp_path: Path, name: str, packages: tuple[str, ...], is_found: bool
) -> None:
    path = tmp_path / "file.py"
    path.write_text(f"import sys\nimport {name}\nprint(sys.argv[1:], __name__)\n")
    done = run_alone(path, "a", packages=packages)
    assert (done.returncode == 0) == is_found, done.stderr
    assert done.stdout == ("['a'] __main__\n" if is_found else "")
