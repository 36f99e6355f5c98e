"""A process that sends webhooks, and is killed while it does. Each function is the body of one process."""

import os
import signal
from collections.abc import Mapping
from datetime import datetime

from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from nas_controller.store.sql import SqlStore
from nas_controller.webhooks.courier import Answer, Courier
from nas_controller.webhooks.deliverer import Deliverer
from nas_controller.webhooks.hosts import WebhookHosts
from tests.conformance.store_cases import at
from tests.conformance.store_processes import engine_that_kills

SESSION_SECRET = "s" * 32
COURIER = Courier(hosts=WebhookHosts.parse("http://127.0.0.1"))


def send_all(url: str, seconds: float) -> None:
    """Sends until nothing is left, that many seconds after the start."""
    store = open_store(url)
    _send_all(_deliverer(store, at(seconds)))
    store.close()


def send_and_die(url: str, seconds: float) -> None:
    """Is killed when the receiver has answered, and nothing is recorded."""

    def post(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        assert COURIER.post(url, headers, body).status == 204
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    deliverer = _deliverer(open_store(url), at(seconds))
    deliverer.post = post
    _send_all(deliverer)


def send_and_die_at(url: str, seconds: float, statement_number: int) -> None:
    """Is killed after so many statements; ends well where it needs fewer."""
    _send_all(_deliverer(SqlStore(engine_that_kills(url, statement_number)), at(seconds)))


def _deliverer(store: Store, now: datetime) -> Deliverer:
    return Deliverer(store, COURIER.post, SESSION_SECRET, lambda: now, lambda: 0.5, f"daemon {os.getpid()}")


def _send_all(deliverer: Deliverer) -> None:
    while deliverer.step():
        pass
