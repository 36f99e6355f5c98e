"""Commands as they are typed."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from spinesearch.cli import main


class Said(NamedTuple):
    """What a command came to: its exit status, and what it printed to either stream."""

    status: int
    out: str
    err: str


Typed = Callable[..., Said]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Runs `spinesearch` with the arguments as its own process would, but in this one."""

    def run(*arguments: str) -> Said:
        monkeypatch.setattr("sys.argv", ["spinesearch", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, *capsys.readouterr())

    return run
