"""Processes that are killed while they send: nothing is lost, nothing is counted twice, and repeats have their id."""

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas_controller.records import SearchState
from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from nas_controller.webhooks.deliverer import LEASE_SECONDS
from nas_controller.webhooks.records import MessageType
from nas_controller.webhooks.signing import key_sha256, signing_key
from tests.conformance.store_cases import START, at, claimed, finished
from tests.conformance.store_webhook_suite import make_webhook
from tests.fresh_processes import FRESH
from tests.nas_controller import webhook_processes as processes
from tests.nas_controller.webhook_receiver import Receiver, receiving


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'searches.sqlite'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url)
    yield store
    store.close()


@pytest.fixture
def receiver(store: Store) -> Iterator[Receiver]:
    """Who is told of everything that happens from now on."""
    key = signing_key(processes.SESSION_SECRET, "w1")
    types = (MessageType.SEARCH_STATE, MessageType.SEARCH_BEST)
    with receiving() as receiver:
        store.create_webhook(make_webhook(url=receiver.url(), types=types, secret_sha256=key_sha256(key)))
        yield receiver


def run(function: Any, *arguments: Any) -> int | None:
    """The exit code of a process."""
    process = FRESH.Process(target=function, args=arguments)
    process.start()
    process.join(120)
    return process.exitcode


def test_what_was_sent_and_not_recorded_is_sent_again_with_its_id(store: Store, receiver: Receiver, url: str) -> None:
    lease = claimed(store)
    finished(store, lease, 1, 0.5)
    store.set_search_state(lease, SearchState.SUCCEEDED, "", at(50))
    ids = ["w1_s1_1_state", "w1_s1_2_state", "w1_s1_5_best", "w1_s1_6_state"]
    assert run(processes.send_and_die, url, 60) == -signal.SIGKILL
    assert (receiver.ids, store.get_webhook("w1").num_delivered) == (ids[:1], 0)
    assert run(processes.send_all, url, 61) == 0
    assert receiver.ids == ids[:1], "who was killed may still send, as far as anybody knows"
    assert run(processes.send_all, url, 60 + LEASE_SECONDS) == 0
    assert receiver.ids == [ids[0], *ids]
    assert (store.get_webhook("w1").num_delivered, store.webhook_cursors("w1")) == (4, [])


def test_wherever_a_process_is_killed_the_next_goes_on(store: Store, receiver: Receiver, url: str) -> None:
    """Two messages; the process is killed after its first statement, the next after its second, and so on."""
    store.create_search("s1", "cells", {}, START)
    store.request_state("s1", SearchState.CANCELLED, "", at(1))
    for number in itertools.count(1):
        code = run(processes.send_and_die_at, url, number * LEASE_SECONDS, number)
        told = list(dict.fromkeys(receiver.ids))
        assert told == ["w1_s1_1_state", "w1_s1_2_state"][: len(told)]
        assert receiver.ids == sorted(receiver.ids), "none comes again when the next has come"
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert number > 30, "all that reads, claims, records and closes"
    assert len(told) == 2
    assert len(receiver.ids) > 2, "one was killed between delivery and record"
    assert (store.get_webhook("w1").num_delivered, store.webhook_cursors("w1")) == (2, [])
