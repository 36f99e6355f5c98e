"""A lease that does not run out while its holder is busy with something else."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from nas_controller.records import SearchLease
from nas_controller.search_loop import LEASE_SECONDS
from nas_controller.store.base import LeaseLostError, Store


@contextmanager
def kept(
    store: Store, lease: SearchLease, now: Callable[[], datetime], every_seconds: float = LEASE_SECONDS / 4
) -> Iterator[None]:
    """Renews the lease again and again, on a thread of its own, until the end of the block or its loss: who holds it
    hears of that with the next thing that it writes."""
    is_over = threading.Event()

    def keep() -> None:
        try:
            while not is_over.wait(every_seconds):
                store.renew_lease(lease, now(), LEASE_SECONDS)
        except LeaseLostError:
            return

    thread = threading.Thread(target=keep, name="keep-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
