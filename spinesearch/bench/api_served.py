"""The API over the store of `bench api`, in a process of its own: `python -m spinesearch.bench.api_served URL FOLDER`.

It prints its address and ends when its standard input does. `/bench/rows` gives the rows fetched since it was asked
last, and `/bench/forget` puts a new application in place of the old one, which holds nothing yet.
"""

import gc
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from api.app import create_app, keep_for_good
from api.settings import ApiSettings, hash_token
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from nas_controller.store.sql import SqlStore
from spinesearch.bench.api_rows import RowCount

ROWS, FORGET = "/bench/rows", "/bench/forget"
TOKEN = "token-of-the-benchmark"


def make_app(store: Store, folder: Path) -> FastAPI:
    """The application as the service has it; its limits are none that a benchmark meets."""
    settings = ApiSettings(token_sha256=hash_token(TOKEN), session_secret="s" * 32)
    return create_app(store, DirectoryArtifactStore(folder), settings)


class CountedApp:
    """The application, whose rows are counted."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder, self._count = url, folder, RowCount()
        self._store, self._app = self._made()
        keep_for_good()

    def _made(self) -> tuple[SqlStore, FastAPI]:
        store = open_store(self._url)
        assert isinstance(store, SqlStore)
        self._count.watch(store.engine)
        return store, make_app(store, self._folder)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request."""
        if scope["path"] not in (ROWS, FORGET):
            await self._app(scope, receive, send)
            return
        if scope["path"] == FORGET:
            self._store.close()
            gc.unfreeze()
            self._store, self._app = self._made()
            keep_for_good()
        body = str(self._count.rows).encode()
        self._count.reset()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def main(url: str, folder: Path) -> None:
    """Serves until standard input ends."""
    # asyncio sends small answers at once only on what is said to be TCP.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(CountedApp(url, folder), log_level="critical", ws="none", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        listener.listen()
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        thread.start()
        sys.stdin.read()
        server.should_exit = True
        thread.join(timeout=10)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
