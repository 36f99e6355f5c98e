"""What every store must say of the time that workers took. Part of `StoreSuite`."""

import pytest

from nas_controller.records import EntryKind, JobKind
from nas_controller.store.base import NotFoundError, Store
from tests.conformance.store_cases import (
    LOST_WORKER,
    MODEL_FAILURE,
    added,
    at,
    claimed,
    evaluation,
    finished,
    make_draft,
)


class StoreUsageSuite:
    """`worker_seconds`, and the entries of some kinds."""

    def test_every_attempt_counts_for_its_worker_whatever_became_of_it(self, store: Store) -> None:
        lease = claimed(store)
        one, two = added(store, lease, 1), added(store, lease, 2)
        store.start_attempt(lease, one.id, "worker-1", at(20))
        store.complete_attempt(lease, one.id, 1, evaluation(0.25), 0.25, at(23))
        store.start_attempt(lease, two.id, "worker-2", at(30))
        store.fail_attempt(lease, two.id, 1, LOST_WORKER, True, at(35))
        store.start_attempt(lease, two.id, "worker-1", at(40))
        store.fail_attempt(lease, two.id, 2, MODEL_FAILURE, False, at(47))
        again = store.add_job(lease, 1, JobKind.REEVALUATE, 7, at(50))
        store.start_attempt(lease, again.id, "worker-3", at(51))
        store.requeue_lost_attempts(lease, at(62))
        assert store.worker_seconds("s1", at(100)) == {"worker-1": 3 + 7, "worker-2": 5, "worker-3": 11}

    def test_what_runs_counts_up_to_now_and_never_below_zero(self, store: Store) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.25)  # one second on worker-1
        store.start_trial(lease, make_draft(2), 7, "worker-1", at(20))
        store.start_trial(lease, make_draft(3), 8, "worker-2", at(20))
        assert store.worker_seconds("s1", at(24)) == {"worker-1": 1 + 4, "worker-2": 4}
        assert store.worker_seconds("s1", at(19)) == {"worker-1": 1, "worker-2": 0}  # by a slower clock

    def test_other_searches_and_workers_without_work_do_not_count(self, store: Store) -> None:
        finished(store, claimed(store, "s2"), 1, 0.25)
        claimed(store, "s1")
        assert store.worker_seconds("s1", at(100)) == {}
        with pytest.raises(NotFoundError):
            store.worker_seconds("none", at(100))

    def test_entries_of_some_kinds_are_read_in_pages(self, store: Store) -> None:
        lease = claimed(store)
        for number in (1, 2, 3):
            finished(store, lease, number, 0.25)
        told = [entry for entry in store.read_ledger("s1") if entry.kind is EntryKind.TRIAL_FINISHED]
        kinds = [EntryKind.TRIAL_FINISHED, EntryKind.JOB_FINISHED]
        assert store.read_ledger("s1", kinds=kinds) == told
        assert store.read_ledger("s1", told[0].sequence, 1, kinds) == told[1:2]
        assert store.read_ledger("s1", told[-1].sequence, kinds=kinds) == []
