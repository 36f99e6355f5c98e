"""The application behind a real server on a free port, for tests."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from api.settings import ApiSettings, hash_token

TOKEN = "token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def make_settings(**changes: object) -> ApiSettings:
    """Settings whose token is `TOKEN`, with event streams that look often, and no limit that a test would meet."""
    fields: dict[str, object] = {
        "token_sha256": hash_token(TOKEN),
        "session_secret": "s" * 32,
        "event_poll_seconds": 0.02,
        "writes_per_minute": 10_000_000,
        "failures_per_minute": 10_000_000,
        **changes,
    }
    return ApiSettings(**fields)  # type: ignore[arg-type]


@contextmanager
def serve(app: FastAPI, port: int = 0) -> Iterator[str]:
    """The address of the app; the server ends with the block."""
    # asyncio sends small answers at once only on what is said to be TCP.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config = uvicorn.Config(app, log_level="critical", ws="none", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline = time.monotonic() + 30
            while not server.started:
                assert thread.is_alive(), "the server ended while it started"
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.005)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)
            assert not thread.is_alive(), "the server does not end"
