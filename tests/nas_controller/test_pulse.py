"""Heartbeats and what they count, in a time that the test moves."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from nas_controller.pulse import Pulse, Stopwatch
from nas_controller.store.memory import MemoryStore
from nas_controller.tallies import ProcessRole

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_steps_are_counted_with_their_time() -> None:
    times: Iterator[float] = iter([0.0, 2.0, 10.0, 13.0, 20.0, 20.5])
    stopwatch = Stopwatch(lambda: next(times))
    with stopwatch.measure("ask"):
        pass
    with stopwatch.measure("ask"):
        pass
    with pytest.raises(ValueError, match="tell"), stopwatch.measure("tell"):
        raise ValueError("tell")
    assert stopwatch.numbers() == {"ask.count": 2.0, "ask.seconds": 5.0, "tell.count": 1.0, "tell.seconds": 0.5}


def test_a_heartbeat_is_due_every_five_seconds() -> None:
    store = MemoryStore()
    pulse = Pulse(store, "search:s1", ProcessRole.SEARCH, "s1")
    assert pulse.is_due(NOON)
    pulse.beat(NOON, {"ask.count": 1.0, "entropy": 0.5})
    assert not pulse.is_due(NOON + timedelta(seconds=4.9))
    assert pulse.is_due(NOON + timedelta(seconds=5))
    (heartbeat,) = store.list_heartbeats()
    assert (heartbeat.name, heartbeat.search_id, heartbeat.at) == ("search:s1", "s1", NOON)
    assert heartbeat.numbers == {"ask.count": 1.0, "entropy": 0.5}


def test_what_is_not_a_number_is_left_out() -> None:
    store = MemoryStore()
    pulse = Pulse(store, "search:s1", ProcessRole.SEARCH, "s1")
    pulse.beat(NOON, {"entropy": float("nan"), "spread": float("inf"), "told": 3.0})
    assert store.list_heartbeats()[0].numbers == {"told": 3.0}
