"""What `deploy/Dockerfile` copies exists and is all that the program needs."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from tests.deploy.compose import ROOT, image_environment

TEXT = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
COPIED = [source for line in re.findall(r"^COPY (.+)$", TEXT, re.MULTILINE) for source in line.split()[:-1]]


def test_what_is_copied_exists_and_is_let_into_the_build() -> None:
    assert all((ROOT / source).exists() for source in COPIED)
    ignored, *let_in = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] in "*!"]
    assert ignored == "*"
    assert {line.removeprefix("!") for line in let_in if line.startswith("!")} == set(COPIED)


def test_every_package_of_the_distribution_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {pattern.removesuffix("*") for pattern in patterns} <= set(COPIED)


def test_the_image_runs_as_nobody_in_particular() -> None:
    assert re.findall(r"^USER (.+)$", TEXT, re.MULTILINE) == ["10001:10001"]
    assert "useradd --uid 10001" in TEXT


def test_folders_that_are_mounted_belong_to_that_user_from_the_start() -> None:
    """A new volume takes owner and mode from what the image has in its place."""
    (made,) = re.findall(r"install -d -o spinesearch -g spinesearch -m 700 (.+) \\", TEXT)
    environment = image_environment()
    assert made.split() == [environment["SPINESEARCH_HOME"], environment["SPINESEARCH_CACHE"]]


def test_no_secret_is_built_in() -> None:
    assert not [name for name in image_environment() if re.search("PASSWORD|SECRET|TOKEN", name)]
    assert not [line for line in TEXT.splitlines() if line.startswith("ARG") and re.search("(?i)password|token", line)]


def test_python_is_the_one_that_the_tests_run_on() -> None:
    (version,) = re.findall(r"^ARG PYTHON=(\S+)$", TEXT, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert f">={version}" == project["project"]["requires-python"]


def test_what_is_no_python_gets_into_the_installed_program(tmp_path: Path) -> None:
    """Templates, scripts, styles, migrations: the image has no other copy of them."""
    source = tmp_path / "source"
    source.mkdir()
    for name in COPIED:
        subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*pip, str(tmp_path), str(source)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("spinesearch-*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    packages = [name for name in COPIED if (ROOT / name / "__init__.py").exists()]
    tracked = subprocess.run(
        ["git", "ls-files", *packages], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert {name for name in tracked if not name.endswith(".md")} <= packed
