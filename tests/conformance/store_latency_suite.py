"""What every store must do with latencies: `store.latencies`, and what other verbs do where a trial has one. Part of
`StoreSuite`."""

import pytest

from nas_controller.records import EntryKind, Job, JobKind, JobState, SearchLease, SearchState, TrialState
from nas_controller.store.base import ConflictError, LeaseLostError, NotFoundError, Store
from nas_controller.trial_summaries import TrialSummary
from tests.conformance.store_cases import (
    LOST_WORKER,
    MODEL_FAILURE,
    at,
    claimed,
    evaluation,
    finished,
    make_draft,
    make_latency,
    make_measurement,
    readable_search,
)

SEED = 2**63 - 1
LATENCY = make_latency(12.5)


def timing(store: Store, lease: SearchLease, number: int = 1, **changes: object) -> Job:
    """The LATENCY job of a new trial, whose first attempt runs."""
    return store.start_trial(lease, make_draft(number, **changes), SEED, "worker-1", at(7), first=JobKind.LATENCY)


def kinds(store: Store, search_id: str = "s1") -> list[EntryKind]:
    """Of the ledger's entries, without those of the search itself."""
    entries = store.read_ledger(search_id)
    return [entry.kind for entry in entries if entry.kind is not EntryKind.SEARCH_STATE]


class StoreLatencySuite:
    """A trial that is timed, then trained."""

    def test_a_trial_may_begin_with_its_latency(self, store: Store) -> None:
        lease = claimed(store)
        job = timing(store, lease)
        assert (job.kind, job.seed, job.state) == (JobKind.LATENCY, SEED, JobState.RUNNING)
        assert store.list_jobs("s1") == [job]
        trial = store.get_trial("s1", 1)
        assert (trial.state, trial.started_at, trial.latency) == (TrialState.RUNNING, at(7), None)
        before = readable_search(store, "s1")
        assert timing(store, lease) == job
        assert readable_search(store, "s1") == before

    def test_with_the_latency_the_training_is_queued(self, store: Store) -> None:
        lease = claimed(store)
        job = timing(store, lease)
        trial = store.complete_latency(lease, job.id, 1, LATENCY, at(9))
        assert trial == store.get_trial("s1", 1)
        assert (trial.state, trial.latency) == (TrialState.QUEUED, LATENCY)
        assert (trial.reward, trial.finished_at) == (None, None)
        done, proxy = store.list_jobs("s1")
        assert (done.state, done.finished_at, done.evaluation) == (JobState.COMPLETED, at(9), None)
        assert (proxy.kind, proxy.seed, proxy.state) == (JobKind.PROXY, SEED, JobState.QUEUED)
        assert store.list_summaries("s1", 10) == [TrialSummary.of(trial)]
        store.start_attempt(lease, proxy.id, "worker-2", at(10))
        told = store.complete_attempt(lease, proxy.id, 1, evaluation(0.5), 0.25, at(12))
        assert (told.state, told.reward, told.latency) == (TrialState.COMPLETED, 0.25, LATENCY)
        assert (told.started_at, told.finished_at) == (at(7), at(12))
        assert kinds(store) == [
            EntryKind.TRIAL_CREATED,
            EntryKind.TRIAL_STARTED,
            EntryKind.TRIAL_TIMED,
            EntryKind.TRIAL_STARTED,
            EntryKind.TRIAL_FINISHED,
        ]
        (timed,) = store.read_ledger("s1", kinds=[EntryKind.TRIAL_TIMED])
        assert timed.payload == {"latency": LATENCY.to_document(), "reused_from": None}

    def test_the_first_latency_of_a_job_wins(self, store: Store) -> None:
        lease = claimed(store)
        job = timing(store, lease)
        store.requeue_lost_attempts(lease, at(8))
        assert store.get_trial("s1", 1).state is TrialState.QUEUED
        store.start_attempt(lease, job.id, "worker-2", at(9))
        store.complete_latency(lease, job.id, 1, LATENCY, at(10))
        before = readable_search(store, "s1")
        assert store.complete_latency(lease, job.id, 2, make_latency(99.0), at(11)).latency == LATENCY
        assert store.complete_latency(lease, job.id, 1, LATENCY, at(10)).latency == LATENCY
        assert readable_search(store, "s1") == before

    def test_a_latency_that_failed_for_good_fails_its_trial(self, store: Store) -> None:
        lease = claimed(store)
        first, second = timing(store, lease), timing(store, lease, 2)
        store.fail_attempt(lease, first.id, 1, LOST_WORKER, True, at(8))
        assert store.get_trial("s1", 1).state is TrialState.QUEUED
        assert store.fail_attempt(lease, second.id, 1, MODEL_FAILURE, False, at(8)).state is TrialState.FAILED
        assert store.list_jobs("s1", 2) == [store.get_job(second.id)]
        (told,) = store.read_ledger("s1", kinds=[EntryKind.TRIAL_FINISHED])
        assert (told.trial_number, told.payload["consumed"]) == (2, True)
        assert store.complete_latency(lease, first.id, 1, LATENCY, at(9)).latency == LATENCY, "its worker was only lost"

    def test_a_latency_is_taken_over_within_a_search(self, store: Store) -> None:
        lease = claimed(store)
        store.complete_latency(lease, timing(store, lease).id, 1, LATENCY, at(9))
        timed, twin = store.get_trial("s1", 1), make_draft(2, fingerprint="f1")
        job = store.start_trial(lease, twin, 5, "worker-1", at(10), timed=timed)
        assert (job.kind, store.get_trial("s1", 2).latency) == (JobKind.PROXY, LATENCY)
        entries = store.read_ledger("s1", kinds=[EntryKind.TRIAL_TIMED])
        assert entries[1].payload == {"latency": LATENCY.to_document(), "reused_from": {"search": "s1", "trial": 1}}
        assert kinds(store)[-3:] == [EntryKind.TRIAL_CREATED, EntryKind.TRIAL_TIMED, EntryKind.TRIAL_STARTED]
        before = readable_search(store, "s1")
        with pytest.raises(ValueError, match="trial 1 of s1 says nothing of its latency"):
            store.start_trial(lease, make_draft(3), 5, "worker-1", at(11), timed=timed)
        with pytest.raises(ValueError, match="cannot begin with a job of kind reevaluate"):
            store.start_trial(lease, make_draft(3), 5, "worker-1", at(11), first=JobKind.REEVALUATE)
        other = claimed(store, "s2")
        with pytest.raises(ValueError, match="trial 1 of s1 says nothing"):
            store.start_trial(other, make_draft(1), 5, "worker-1", at(11), timed=timed)
        assert readable_search(store, "s1") == before

    def test_a_reused_reward_comes_with_its_latency(self, store: Store) -> None:
        lease = claimed(store)
        timed = timing(store, lease, measurement_key="k")
        store.complete_latency(lease, timed.id, 1, LATENCY, at(9))
        proxy = store.list_jobs("s1")[1]
        store.start_attempt(lease, proxy.id, "worker-1", at(10))
        measured = store.complete_attempt(lease, proxy.id, 1, evaluation(0.5), 0.25, at(11))
        twin = make_draft(2, fingerprint="f1", measurement_key="k")
        trial = store.add_reused_trial(lease, twin, measured, at(12))
        assert (trial.reward, trial.latency) == (0.25, LATENCY)
        assert store.get_trial("s1", 2) == trial
        assert kinds(store)[-3:] == [EntryKind.TRIAL_CREATED, EntryKind.TRIAL_TIMED, EntryKind.TRIAL_FINISHED]

    def test_the_first_trial_with_a_latency_is_found(self, store: Store) -> None:
        lease = claimed(store)
        assert store.first_timed("s1") is None
        finished(store, lease, 1, 0.5)
        jobs = [timing(store, lease, number, fingerprint=f"f{number % 2}") for number in (2, 3, 4)]
        assert store.first_timed("s1") is None
        for job in reversed(jobs):
            store.complete_latency(lease, job.id, 1, LATENCY, at(9))
        found = [store.first_timed("s1", fingerprint) for fingerprint in (None, "f0", "f1", "f7")]
        assert [trial and trial.number for trial in found] == [2, 2, 3, None]
        with pytest.raises(NotFoundError):
            store.first_timed("s2")

    def test_each_job_gives_what_its_kind_measures(self, store: Store) -> None:
        lease = claimed(store)
        job = timing(store, lease)
        proxy = store.start_trial(lease, make_draft(2), 5, "worker-2", at(7))
        store.record_progress(lease, job.id, 1, make_measurement(25, 0.25), at(8))
        assert store.list_measurements("s1", 1) == []
        before = readable_search(store, "s1")
        with pytest.raises(ValueError, match="a latency job gives no evaluation"):
            store.complete_attempt(lease, job.id, 1, evaluation(0.5), None, at(9))
        with pytest.raises(ValueError, match="is of kind proxy, and gives no latency"):
            store.complete_latency(lease, proxy.id, 1, LATENCY, at(9))
        with pytest.raises(ConflictError, match="a trial has one latency job"):
            store.add_job(lease, 1, JobKind.LATENCY, 6, at(9))
        assert readable_search(store, "s1") == before

    def test_nothing_is_timed_without_the_lease_or_in_a_search_that_ended(self, store: Store) -> None:
        old = claimed(store, seconds=60)
        job = timing(store, old)
        new = store.claim_search("s1", "other", at(100), 60)
        assert new is not None
        with pytest.raises(LeaseLostError):
            store.complete_latency(old, job.id, 1, LATENCY, at(101))
        store.request_state("s1", SearchState.CANCELLED, "", at(102))
        before = readable_search(store, "s1")
        assert store.complete_latency(new, job.id, 1, LATENCY, at(103)).state is TrialState.CANCELLED
        assert readable_search(store, "s1") == before
