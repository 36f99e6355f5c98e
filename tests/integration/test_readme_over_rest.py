"""The README's section "Over REST" does what it says, typed as it stands there."""

import csv
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from spinesearch.client import Client
from tests.integration.service import running_service

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("### Over REST\n")[2].partition("\n## ")[0]
NUM_TRIALS = 8


def block(language: str) -> str:
    """The section's one code block of a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", SECTION, flags=re.DOTALL | re.MULTILINE)
    return str(found)


def run(command: list[str], folder: Path) -> str:
    """What a command prints in the folder whose `.spinesearch` the service has; it must succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPINESEARCH_")}
    result = subprocess.run(
        command,
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def settings() -> dict[str, str]:
    """What the line that starts the service sets; its paths are relative to the repository."""
    (line,) = re.findall(r"^    (.+) spinesearch up$", SECTION, flags=re.MULTILINE)
    found = dict(pair.split("=", 1) for pair in line.split())
    assert found.pop("PYTHONPATH") == "."
    return found


def test_the_section_runs_as_it_stands(tmp_path: Path) -> None:
    home = tmp_path / ".spinesearch"
    with running_service(home, None, **settings()) as (_, client):
        printed = run(["sh", "-eu", "-c", block("sh")], tmp_path)
        (search,) = client.list_searches()
        assert_ended_well(client, search["id"])
        table = run([sys.executable, "-W", "error", "-c", block("python")], tmp_path)
    assert '"inside_budget"' in printed
    assert printed.count("event: trial.finished") >= NUM_TRIALS
    assert '"state":"succeeded"' in printed
    compile((tmp_path / "backbone.py").read_text(encoding="utf-8"), "backbone.py", "exec")
    rows = list(csv.DictReader((tmp_path / "trials.csv").read_text(encoding="utf-8").splitlines()))
    assert sum(row["state"] == "completed" and row["arm"] != "reference" for row in rows) == NUM_TRIALS
    assert f"[{len(rows)} rows x {len(rows[0])} columns]" in table
    assert stat.S_IMODE((home / "curl").stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR


def assert_ended_well(client: Client, search_id: str) -> None:
    search = client.get_search(search_id)
    assert search["state"] == "succeeded", search["reason"]
    assert search["config"]["limits"]["trials"] == NUM_TRIALS
    assert search["best"]["reward"] == pytest.approx(client.best_trials(search_id, 1)["trials"][0]["reward"])
