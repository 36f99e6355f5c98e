"""`spinesearch health`, which containers run to tell whether they do their work."""

from datetime import timedelta
from pathlib import Path

import pytest
import typer

from nas_controller.tallies import Heartbeat, ProcessRole
from spinesearch.commands.service import health
from spinesearch.composition import now, open_home_store
from spinesearch.home import Home


def exit_status() -> int:
    with pytest.raises(typer.Exit) as ending:
        health()
    return ending.value.exit_code


def test_a_service_is_well_while_a_controller_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPINESEARCH_HOME", str(tmp_path))
    assert exit_status() == 1
    store = open_home_store(Home.from_environment())
    ages = {"api": (ProcessRole.API, 0), "late": (ProcessRole.DAEMON, 60)}
    for name, (role, seconds) in ages.items():
        at = now() - timedelta(seconds=seconds)
        store.record_heartbeat(Heartbeat(name=name, role=role, at=at, numbers={}))
    assert exit_status() == 1
    assert capsys.readouterr().out.split() == ["api", "api"]
    store.record_heartbeat(Heartbeat(name="here", role=ProcessRole.DAEMON, at=now(), numbers={}))
    assert exit_status() == 0
    assert "daemon  here" in capsys.readouterr().out
    store.close()
