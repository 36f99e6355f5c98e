"""`deploy/README.md` has every variable that the code reads, and no other."""

import re

from tests.deploy.compose import ROOT, read_compose

README = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
PACKAGES = ("api", "nas_controller", "spinesearch", "trainer", "search_space")
OF_COMPOSE = {
    "SPINESEARCH_IMAGE",
    "SPINESEARCH_PORT",
    "SPINESEARCH_DATA_FOLDER",
    "SPINESEARCH_WORKER_CPUS",
    "SPINESEARCH_GPU_CPUS",
}
"""What `docker-compose.yml` alone reads."""


def test_the_table_has_the_variables_of_the_code() -> None:
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    read = {name for path in sources for name in re.findall(r"\bSPINESEARCH_[A-Z_]+\b", path.read_text("utf-8"))}
    rows = set(re.findall(r"^\| `(SPINESEARCH_[A-Z_]+)`", README, re.MULTILINE))
    assert rows == read
    assert set(re.findall(r"SPINESEARCH_[A-Z_]+", README)) == read | OF_COMPOSE


def test_the_variables_of_the_compose_file_are_named() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+):-", text))
    assert asked <= set(re.findall(r"SPINESEARCH_[A-Z_]+", README))
    assert asked >= OF_COMPOSE


def test_the_profiles_of_the_compose_file_are_named() -> None:
    profiles = {name for service in read_compose()["services"].values() for name in service.get("profiles", [])}
    assert set(re.findall(r"^ +--profile (\w+)", README, re.MULTILINE)) == profiles


def test_files_that_are_named_exist() -> None:
    named = set(re.findall(r"`((?:deploy|examples|docs)/[\w./-]+)`", README))
    made = {name for name in named if name.startswith("deploy/secrets")}
    assert named - made
    assert all((ROOT / name).exists() for name in named - made)
