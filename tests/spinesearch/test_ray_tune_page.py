"""docs/ray-tune.md shows the example as it is, and Tune runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ray-tune.md").read_text(encoding="utf-8")


def test_the_page_shows_the_example() -> None:
    (shown,) = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert shown == (ROOT / "examples" / "ray_tune.py").read_text(encoding="utf-8")
    assert "$ python -m examples.ray_tune\n" in PAGE


@pytest.mark.slow
def test_tune_runs_the_example(tmp_path: Path) -> None:
    """The best of sixteen, and the state of the searcher among Tune's files."""
    environment = {
        **os.environ,
        "RAY_AIR_NEW_OUTPUT": "0",
        "HOME": str(tmp_path),
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "examples.ray_tune"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.search(r"^score (0\.\d+): genotype \[(.*)\]$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout[-3000:]
    assert float(found[1]) > 0.2, "of random architectures half have less"
    assert len(list((tmp_path / "ray_results").glob("*/searcher-state-*.safetensors"))) == 1
