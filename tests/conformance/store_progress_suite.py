"""What every store must do with what running attempts report, and with trials stopped early. Part of `StoreSuite`."""

import pytest

from nas_controller.records import EntryKind, JobKind, SearchState, TrialKey, TrialState
from nas_controller.store.base import LeaseLostError, NotFoundError, Store
from tests.conformance.store_cases import (
    LOST_WORKER,
    MODEL_FAILURE,
    added,
    at,
    claimed,
    evaluation,
    finished,
    make_checkpoint,
    make_draft,
    make_measurement,
    readable,
    started,
    stopped,
)


class StoreProgressSuite:
    """Curves, checkpoints, and trials that were stopped early."""

    # Curves

    def test_a_measurement_is_kept_and_said_in_the_ledger(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        measurement = make_measurement(25, 0.125)
        sequence = store.get_search("s1").last_sequence
        store.record_progress(lease, job.id, 1, measurement, at(13))
        assert store.list_measurements("s1", 1) == [measurement]
        (entry,) = store.read_ledger("s1", after=sequence)
        assert (entry.kind, entry.trial_number, entry.at) == (EntryKind.TRIAL_MEASURED, 1, at(13))
        assert entry.payload == {
            "step": 25,
            "num_steps": 100,
            "loss": 1.5,
            "average_precision": 0.125,
            "seconds": 12.5,
        }
        assert store.get_search("s1").last_sequence == sequence + 1
        assert store.get_trial("s1", 1).state is TrialState.RUNNING
        assert store.get_job(job.id) == job

    def test_a_curve_is_read_by_step_and_of_one_trial(self, store: Store) -> None:
        lease = claimed(store)
        jobs = [started(store, lease, number) for number in (1, 2)]
        for number, step in ((1, 50), (0, 25), (0, 50), (1, 25)):
            store.record_progress(lease, jobs[number].id, 1, make_measurement(step, (number + 1) / 10), at(13))
        assert store.list_measurements("s1", 1) == [make_measurement(25, 0.1), make_measurement(50, 0.1)]
        assert store.list_measurements("s1", 2) == [make_measurement(25, 0.2), make_measurement(50, 0.2)]
        assert store.list_measurements("s1", 3) == []
        with pytest.raises(NotFoundError):
            store.list_measurements("s2", 1)

    def test_what_others_had_at_a_step_comes_in_the_order_of_commit(self, store: Store) -> None:
        leases = [claimed(store, "s1"), claimed(store, "s2")]
        jobs = {number: started(store, leases[0], number) for number in (1, 2, 3)}
        other = started(store, leases[1], 1)
        store.record_progress(leases[1], other.id, 1, make_measurement(25, 0.9), at(13))
        for number, step, value in ((3, 25, 0.3), (1, 25, 0.1), (1, 50, 0.6), (2, 25, 0.2)):
            store.record_progress(leases[0], jobs[number].id, 1, make_measurement(step, value), at(14))
        assert store.measured_at("s1", 25) == [(3, 0.3), (1, 0.1), (2, 0.2)]
        assert store.measured_at("s1", 50) == [(1, 0.6)]
        assert store.measured_at("s1", 75) == []
        with pytest.raises(NotFoundError):
            store.measured_at("s3", 25)

    def test_a_step_that_was_measured_is_left_as_it_was(self, store: Store) -> None:
        """Also by the attempt that went on from a checkpoint before it."""
        lease = claimed(store)
        job = started(store, lease, 1)
        store.record_progress(lease, job.id, 1, make_measurement(25, 0.125), at(13))
        store.requeue_lost_attempts(lease, at(14))
        store.start_attempt(lease, job.id, "worker-2", at(15))
        before = readable(store)
        store.record_progress(lease, job.id, 2, make_measurement(25, 0.5), at(16))
        assert readable(store) == before
        store.record_progress(lease, job.id, 2, make_measurement(50, 0.5), at(17))
        assert store.list_measurements("s1", 1) == [make_measurement(25, 0.125), make_measurement(50, 0.5)]

    def test_a_measurement_on_val_is_no_part_of_the_curve(self, store: Store) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.5)
        job = store.add_job(lease, 1, JobKind.REEVALUATE, 7, at(20))
        store.start_attempt(lease, job.id, "worker-1", at(21))
        before = readable(store)
        store.record_progress(lease, job.id, 1, make_measurement(25, 0.5), at(22))
        assert readable(store) == before
        store.record_progress(lease, job.id, 1, make_checkpoint(30), at(23))
        assert store.get_job(job.id).checkpoint == make_checkpoint(30)

    def test_a_trial_that_ended_otherwise_keeps_its_curve(self, store: Store) -> None:
        lease = claimed(store)
        for number in (1, 2, 3):
            job = started(store, lease, number)
            store.record_progress(lease, job.id, 1, make_measurement(25, number / 10), at(13))
        store.fail_attempt(lease, store.list_jobs("s1", 1)[0].id, 1, MODEL_FAILURE, False, at(14))
        store.complete_attempt(lease, store.list_jobs("s1", 2)[0].id, 1, evaluation(0.4), 0.4, at(15))
        store.request_state("s1", SearchState.CANCELLED, "", at(16))
        states = [trial.state for trial in store.list_trials("s1", 10)]
        assert states == [TrialState.FAILED, TrialState.COMPLETED, TrialState.CANCELLED]
        assert store.measured_at("s1", 25) == [(1, 0.1), (2, 0.2), (3, 0.3)]

    def test_what_is_late_is_not_kept(self, store: Store) -> None:
        lease = claimed(store)
        lost, failed, completed = (started(store, lease, number) for number in (1, 2, 3))
        store.complete_attempt(lease, completed.id, 1, evaluation(0.4), 0.4, at(12))
        store.fail_attempt(lease, failed.id, 1, LOST_WORKER, True, at(12))
        store.requeue_lost_attempts(lease, at(12))
        store.start_attempt(lease, lost.id, "worker-2", at(13))
        before = readable(store)
        for job in (lost, failed, completed):
            store.record_progress(lease, job.id, 1, make_measurement(25, 0.5), at(14))
            store.record_progress(lease, job.id, 1, make_checkpoint(30), at(14))
        assert readable(store) == before

    def test_progress_is_refused_like_any_other_write(self, store: Store) -> None:
        old = claimed(store)
        job = started(store, old, 1)
        lease = store.claim_search("s1", "controller", at(20), 60)
        assert lease is not None
        before = readable(store)
        for progress in (make_measurement(25, 0.5), make_checkpoint(30)):
            with pytest.raises(LeaseLostError):
                store.record_progress(old, job.id, 1, progress, at(21))
            with pytest.raises(NotFoundError):
                store.record_progress(lease, "none", 1, progress, at(21))
            with pytest.raises(NotFoundError):
                store.record_progress(lease, job.id, 2, progress, at(21))
            with pytest.raises(ValueError, match="time zone"):
                store.record_progress(lease, job.id, 1, progress, at(21).replace(tzinfo=None))
        assert readable(store) == before

    # Checkpoints

    def test_the_newest_checkpoint_replaces_the_one_before_without_news(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        assert job.checkpoint is None
        sequence = store.get_search("s1").last_sequence
        for step in (30, 60):
            store.record_progress(lease, job.id, 1, make_checkpoint(step), at(13))
            assert store.get_job(job.id).checkpoint == make_checkpoint(step)
        assert store.get_search("s1").last_sequence == sequence

    def test_an_attempt_that_is_lost_or_tried_again_leaves_its_checkpoint(self, store: Store) -> None:
        lease = claimed(store)
        lost, failed = (started(store, lease, number) for number in (1, 2))
        for job in (lost, failed):
            store.record_progress(lease, job.id, 1, make_checkpoint(30), at(13))
        store.fail_attempt(lease, failed.id, 1, LOST_WORKER, True, at(14))
        (requeued,) = store.requeue_lost_attempts(lease, at(15))
        assert requeued.checkpoint == make_checkpoint(30)
        for job in (lost, failed):
            assert store.get_job(job.id).checkpoint == make_checkpoint(30)
            store.start_attempt(lease, job.id, "worker-2", at(16))
            assert store.get_job(job.id).checkpoint == make_checkpoint(30)
        assert [job.checkpoint for job in store.list_jobs("s1", open_only=True)] == [make_checkpoint(30)] * 2

    # Stopped early

    def test_a_trial_that_was_stopped_is_told_its_reward(self, store: Store) -> None:
        lease = claimed(store)
        trial = stopped(store, lease, 1, 0.25)
        assert (trial.state, trial.reward, trial.average_precision) == (TrialState.STOPPED_EARLY, 0.25, 0.25)
        assert trial.finished_at == at(12)
        assert store.get_trial("s1", 1) == trial
        entry = store.read_ledger("s1")[-1]
        assert entry.kind is EntryKind.TRIAL_FINISHED
        assert entry.payload == {
            "state": "stopped_early",
            "reward": 0.25,
            "average_precision": 0.25,
            "failure": "",
            "failure_reason": None,
            "stopped_at_step": 50,
            "consumed": True,
            "reused_from": None,
        }
        (job,) = store.list_jobs("s1")
        assert (job.state.value, (job.evaluation or {})["stopped_at_step"]) == ("completed", 50)

    def test_a_whole_training_may_say_so(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        whole = {**evaluation(0.25), "stopped_at_step": None}
        assert store.complete_attempt(lease, job.id, 1, whole, 0.25, at(12)).state is TrialState.COMPLETED

    def test_a_trial_that_was_stopped_is_never_among_the_best(self, store: Store) -> None:
        """Nor does it hide its twin, however much better or earlier it was."""
        lease = claimed(store)
        stopped(store, lease, 1, 0.9, fingerprint="same")
        stopped(store, lease, 2, 0.3, fingerprint="same")
        finished(store, lease, 3, 0.3, fingerprint="same")
        stopped(store, lease, 4, 0.8)
        assert [trial.number for trial in store.best_trials("s1", 10)] == [3]

    def test_a_trial_that_was_stopped_counts_as_trained(self, store: Store) -> None:
        lease = claimed(store)
        stopped(store, lease, 1, 0.1)
        finished(store, lease, 2, 0.2)
        added(store, lease, 3)
        counts = store.count_trials("s1")
        assert (counts[TrialState.STOPPED_EARLY], counts[TrialState.COMPLETED], counts.trained) == (1, 1, 2)

    def test_the_reward_of_a_trial_that_was_stopped_is_not_reused(self, store: Store) -> None:
        lease = claimed(store)
        short = stopped(store, lease, 1, 0.1, fingerprint="same", measurement_key="k")
        assert store.first_measured("k", "same") is None
        before = readable(store)
        with pytest.raises(ValueError, match="did not measure it"):
            store.add_reused_trial(lease, make_draft(2, fingerprint="same", measurement_key="k"), short, at(20))
        assert readable(store) == before
        whole = finished(store, lease, 2, 0.2, fingerprint="same", measurement_key="k")
        assert store.first_measured("k", "same") == whole
        reused = store.add_reused_trial(lease, make_draft(3, fingerprint="same", measurement_key="k"), whole, at(21))
        assert reused.reused_from == TrialKey(search_id="s1", number=2)
