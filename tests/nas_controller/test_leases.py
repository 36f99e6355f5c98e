"""A lease lives as long as the block that keeps it, and no longer."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from nas_controller.leases import kept
from nas_controller.records import SearchLease
from nas_controller.search_loop import LEASE_SECONDS
from nas_controller.store.base import LeaseLostError
from nas_controller.store.memory import MemoryStore

START = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE_SECONDS = 30.0


class Watched(MemoryStore):
    """Says when a renewal was tried."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = threading.Semaphore(0)
        self.create_search("a", "a", {}, START)

    def renew_lease(self, lease: SearchLease, at: datetime, seconds: float) -> SearchLease:
        try:
            return super().renew_lease(lease, at, seconds)
        finally:
            self.tried.release()

    def await_renewal(self) -> None:
        """One that begins after this call."""
        while self.tried.acquire(blocking=False):
            pass
        for _ in range(2):
            assert self.tried.acquire(timeout=PATIENCE_SECONDS)

    def claim(self, owner: str, seconds: float) -> SearchLease | None:
        return self.claim_search("a", owner, START + timedelta(seconds=seconds), LEASE_SECONDS)


def test_nobody_else_gets_the_search_meanwhile_however_long_it_takes() -> None:
    store = Watched()
    lease = store.claim("builder", 0)
    assert lease is not None
    with kept(store, lease, lambda: START + timedelta(seconds=100), every_seconds=0.001):
        store.await_renewal()
        assert store.claim("another", 100 + LEASE_SECONDS - 1) is None
    assert "keep-lease" not in [thread.name for thread in threading.enumerate()]
    assert store.claim("another", 100 + LEASE_SECONDS) is not None


def test_a_lease_that_is_lost_stays_lost() -> None:
    store = Watched()
    lease = store.claim("builder", 0)
    taken = store.claim("another", LEASE_SECONDS)
    assert lease is not None
    assert taken is not None
    with kept(store, lease, lambda: START, every_seconds=0.001):
        assert store.tried.acquire(timeout=PATIENCE_SECONDS)
    with pytest.raises(LeaseLostError):
        store.renew_lease(lease, START, LEASE_SECONDS)
    assert store.claim("a third", LEASE_SECONDS + 1) is None, "the other has it still"
