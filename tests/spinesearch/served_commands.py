"""Commands of ours against an API that is served, as the environment names it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.app import create_app
from api.settings import hash_token
from nas_controller.store.base import Store
from spinesearch.cli import app
from tests.api.serving import make_settings, serve

TOKEN = "token-of-the-tests" * 2


@contextmanager
def commands_of(
    store: Store, folder: Path, patch: pytest.MonkeyPatch, artifacts: Any = None, *, clock: Any = None, **settings: Any
) -> Iterator[None]:
    """While the block runs, commands work on the store through an API.

    Args:
        folder: the home of these commands; their token is in it.
        clock: of the API; None for the real one.
        settings: of the API, as in `make_settings`.
    """
    file = folder / "token"
    file.write_text(TOKEN)
    known = make_settings(token_sha256=hash_token(TOKEN), **settings)
    clocks = {} if clock is None else {"clock": clock}
    with serve(create_app(store, artifacts, known, **clocks)) as url:
        patch.setenv("SPINESEARCH_HOME", str(folder))
        patch.setenv("SPINESEARCH_URL", url)
        patch.setenv("SPINESEARCH_TOKEN_FILE", str(file))
        yield


def said(*arguments: str, exit_code: int = 0) -> str:
    """What a command prints; it ends with this code."""
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result.stdout
