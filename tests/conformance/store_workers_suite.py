"""What every store must tell of the last attempts of a search. Part of `StoreSuite`."""

import pytest

from nas_controller.records import AttemptState, JobKind
from nas_controller.store.base import NotFoundError, Store
from tests.conformance.store_cases import LOST_WORKER, added, at, claimed, evaluation, started


class StoreWorkersSuite:
    """Attempts, the last one first."""

    def test_attempts_are_told_with_what_they_worked_on(self, store: Store) -> None:
        lease = claimed(store, "s1")
        job = started(store, lease, 1)  # at 11 s
        store.complete_attempt(lease, job.id, 1, evaluation(0.5), 0.5, at(12))
        again = store.add_job(lease, 1, JobKind.REEVALUATE, 77, at(13))
        store.start_attempt(lease, again.id, "worker-2", at(14))
        other = added(store, lease, 2)
        store.start_attempt(lease, other.id, "worker-1", at(13))
        found = store.last_attempts("s1", 10)
        assert [(span.trial_number, span.kind, span.attempt.worker) for span in found] == [
            (1, JobKind.REEVALUATE, "worker-2"),
            (2, JobKind.PROXY, "worker-1"),
            (1, JobKind.PROXY, "worker-1"),
        ]
        assert [span.attempt for span in found] == [
            *store.list_attempts(again.id),
            *store.list_attempts(other.id),
            *store.list_attempts(job.id),
        ]

    def test_every_attempt_of_a_job_is_one(self, store: Store) -> None:
        lease = claimed(store, "s1")
        job = started(store, lease, 1)
        store.fail_attempt(lease, job.id, 1, LOST_WORKER, True, at(20))
        store.start_attempt(lease, job.id, "worker-2", at(30))
        store.requeue_lost_attempts(lease, at(40))
        states = [(span.attempt.number, span.attempt.state, span.is_lost) for span in store.last_attempts("s1", 10)]
        assert states == [(2, AttemptState.LOST, True), (1, AttemptState.FAILED, True)]

    def test_of_attempts_that_started_at_once_the_order_is_that_of_jobs(self, store: Store) -> None:
        lease = claimed(store, "s1")
        jobs = [added(store, lease, number) for number in range(1, 12)]
        for job in jobs:
            store.start_attempt(lease, job.id, "worker-1", at(20))
        ids = sorted((job.id for job in jobs), reverse=True)
        assert [span.attempt.job_id for span in store.last_attempts("s1", 100)] == ids
        assert [span.attempt.job_id for span in store.last_attempts("s1", 4)] == ids[:4]

    def test_attempts_are_those_of_one_search(self, store: Store) -> None:
        one, other = claimed(store, "s1"), claimed(store, "s2")
        started(store, one, 1)
        assert store.last_attempts("s2", 10) == []
        started(store, other, 1)
        assert [span.attempt.job_id for span in store.last_attempts("s2", 10)] == [store.list_jobs("s2", 1)[0].id]
        with pytest.raises(NotFoundError):
            store.last_attempts("s3", 10)
