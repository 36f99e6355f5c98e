"""What every store must do with trials, jobs and attempts. Part of `StoreSuite`."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest

from nas_controller.records import AttemptState, EntryKind, JobKind, JobState, SearchState, TrialState
from nas_controller.store.base import ConflictError, Store
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
    make_reference,
    readable,
    reevaluated,
    started,
)

T = TypeVar("T")


class StoreWorkSuite:
    """Trials, jobs, attempts, and what is read of them."""

    # Adding

    def test_a_new_trial_is_queued_with_one_proxy_job(self, store: Store) -> None:
        lease = claimed(store)
        trial = store.add_trial(lease, make_draft(1), 2**63 - 1, at(3))
        assert (trial.state, trial.created_at, trial.draft) == (TrialState.QUEUED, at(3), make_draft(1))
        assert (trial.reward, trial.started_at, trial.finished_at, trial.failure) == (None, None, None, "")
        assert store.get_trial("s1", 1) == trial
        (job,) = store.list_jobs("s1")
        assert (job.kind, job.seed, job.state, job.num_attempts) == (JobKind.PROXY, 2**63 - 1, JobState.QUEUED, 0)
        assert (job.trial_number, job.evaluation, job.failure) == (1, None, None)
        entry = store.read_ledger("s1")[-1]
        assert (entry.kind, entry.trial_number, entry.at) == (EntryKind.TRIAL_CREATED, 1, at(3))
        assert entry.payload == {
            "arm": "policy",
            "name": "",
            "genotype": [1, 0, 2],
            "log_probs": [-0.5, -1.25, 0.0],
            "fingerprint": "f1",
            "multiply_adds": 22,
            "parameters": 11,
        }

    @pytest.mark.parametrize("job_seed", [None, 5])
    def test_a_candidate_off_budget_is_told_and_never_trained(self, store: Store, job_seed: int | None) -> None:
        lease = claimed(store)
        trial = store.add_trial(lease, make_draft(1, infeasible_reason="30G is above 28G"), job_seed, at(3))
        assert (trial.state, trial.failure) == (TrialState.INFEASIBLE, "30G is above 28G")
        assert trial.finished_at == at(3)
        assert store.list_jobs("s1") == []
        created, told = store.read_ledger("s1")[-2:]
        assert (created.kind, told.kind) == (EntryKind.TRIAL_CREATED, EntryKind.TRIAL_FINISHED)
        assert told.payload == {
            "state": "infeasible",
            "reward": None,
            "average_precision": None,
            "failure": "30G is above 28G",
            "failure_reason": None,
            "stopped_at_step": None,
            "consumed": True,
            "reused_from": None,
        }

    def test_a_reference_is_complete_without_reward_and_job(self, store: Store) -> None:
        lease = claimed(store)
        trial = store.add_trial(lease, make_reference(1), None, at(3))
        assert (trial.state, trial.reward, trial.finished_at) == (TrialState.COMPLETED, None, at(3))
        assert store.list_jobs("s1") == []
        assert [entry.kind for entry in store.read_ledger("s1")][-1] is EntryKind.TRIAL_CREATED

    def test_trial_numbers_have_no_gap(self, store: Store) -> None:
        lease = claimed(store)
        added(store, lease, 1)
        before = readable(store)
        for number in (0, 1, 3):
            with pytest.raises(ConflictError):
                store.add_trial(lease, make_draft(number, fingerprint="another"), 1, at(4))
        assert readable(store) == before
        assert store.add_trial(lease, make_draft(2), 1, at(4)).number == 2

    @pytest.mark.parametrize("log_prob", [math.nan, -math.inf])
    def test_log_probabilities_are_finite(self, store: Store, log_prob: float) -> None:
        lease = claimed(store)
        with pytest.raises(ValueError, match="log_probs"):
            store.add_trial(lease, make_draft(1, log_probs=(0.0, log_prob, 0.0)), 1, at(4))
        assert store.list_trials("s1", 10) == []

    def test_the_same_job_is_made_once(self, store: Store) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.2)
        first = store.add_job(lease, 1, JobKind.REEVALUATE, 7, at(20))
        assert (first.state, first.kind, first.seed, first.created_at) == (
            JobState.QUEUED,
            JobKind.REEVALUATE,
            7,
            at(20),
        )
        second = store.add_job(lease, 1, JobKind.REEVALUATE, 8, at(21))
        assert store.add_job(lease, 1, JobKind.REEVALUATE, 7, at(22)) == first
        assert second.id != first.id
        assert store.list_jobs("s1", 1)[1:] == [first, second]

    def test_a_trial_has_one_proxy_job(self, store: Store) -> None:
        lease = claimed(store)
        job = added(store, lease, 1)
        assert store.add_job(lease, 1, JobKind.PROXY, job.seed, at(20)) == job
        with pytest.raises(ConflictError):
            store.add_job(lease, 1, JobKind.PROXY, job.seed + 1, at(20))

    @pytest.mark.parametrize("state", [SearchState.CANCELLED, SearchState.SUCCEEDED, SearchState.FAILED])
    def test_nothing_is_added_to_a_final_search(self, store: Store, state: SearchState) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.2)
        if state is SearchState.CANCELLED:
            store.request_state("s1", state, "", at(20))
        else:
            store.set_search_state(lease, state, "", at(20))
        before = readable(store)
        with pytest.raises(ConflictError):
            store.add_trial(lease, make_draft(2), 1, at(21))
        with pytest.raises(ConflictError):
            store.add_job(lease, 1, JobKind.REEVALUATE, 1, at(21))
        assert readable(store) == before

    # Attempts

    def test_an_attempt_runs_its_job_and_its_trial(self, store: Store) -> None:
        lease = claimed(store)
        job = added(store, lease, 1)
        attempt = store.start_attempt(lease, job.id, "worker-2", at(11))
        assert (attempt.job_id, attempt.number, attempt.state) == (job.id, 1, AttemptState.RUNNING)
        assert (attempt.worker, attempt.started_at, attempt.finished_at) == ("worker-2", at(11), None)
        assert store.list_attempts(job.id) == [attempt]
        assert store.get_job(job.id) == replace(job, state=JobState.RUNNING, num_attempts=1)
        trial = store.get_trial("s1", 1)
        assert (trial.state, trial.started_at) == (TrialState.RUNNING, at(11))
        entry = store.read_ledger("s1")[-1]
        assert (entry.kind, entry.trial_number, entry.payload) == (EntryKind.TRIAL_STARTED, 1, {})
        with pytest.raises(ConflictError):
            store.start_attempt(lease, job.id, "worker-1", at(12))

    def test_a_result_completes_attempt_job_and_trial(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        trial = store.complete_attempt(lease, job.id, 1, evaluation(0.25), 0.75, at(12))
        assert (trial.state, trial.reward, trial.average_precision) == (TrialState.COMPLETED, 0.75, 0.25)
        assert trial.finished_at == at(12)
        assert store.get_trial("s1", 1) == trial
        job = store.get_job(job.id)
        assert (job.state, job.finished_at, job.evaluation) == (JobState.COMPLETED, at(12), evaluation(0.25))
        (attempt,) = store.list_attempts(job.id)
        assert (attempt.state, attempt.finished_at) == (AttemptState.COMPLETED, at(12))
        entry = store.read_ledger("s1")[-1]
        assert (entry.kind, entry.trial_number) == (EntryKind.TRIAL_FINISHED, 1)
        assert entry.payload == {
            "state": "completed",
            "reward": 0.75,
            "average_precision": 0.25,
            "failure": "",
            "failure_reason": None,
            "stopped_at_step": None,
            "consumed": True,
            "reused_from": None,
        }

    def test_a_result_given_twice_counts_once(self, store: Store) -> None:
        lease = claimed(store)
        trial = finished(store, lease, 1, 0.25)
        before = readable(store)
        job_id = store.list_jobs("s1")[0].id
        assert store.complete_attempt(lease, job_id, 1, evaluation(0.9), 0.9, at(30)) == trial
        assert store.fail_attempt(lease, job_id, 1, MODEL_FAILURE, False, at(30)) == trial
        with pytest.raises(ConflictError):
            store.start_attempt(lease, job_id, "worker-1", at(30))
        assert readable(store) == before

    @pytest.mark.parametrize("reward", [math.nan, math.inf, -math.inf, None])
    def test_a_reward_is_a_finite_number(self, store: Store, reward: float | None) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        before = readable(store)
        with pytest.raises(ValueError, match="reward"):
            store.complete_attempt(lease, job.id, 1, evaluation(0.5), reward, at(12))
        assert readable(store) == before

    @pytest.mark.parametrize("document", [{}, {"average_precision": math.nan}, {"average_precision": None}])
    def test_an_average_precision_is_a_finite_number(self, store: Store, document: dict[str, float]) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        before = readable(store)
        with pytest.raises(ValueError, match="average_precision"):
            store.complete_attempt(lease, job.id, 1, document, 0.5, at(12))
        with pytest.raises(ValueError, match="JSON"):
            store.complete_attempt(lease, job.id, 1, {**evaluation(0.5), "ap50": math.inf}, 0.5, at(12))
        assert readable(store) == before

    def test_a_failure_of_the_model_is_told(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        trial = store.fail_attempt(lease, job.id, 1, MODEL_FAILURE, False, at(12))
        assert (trial.state, trial.failure, trial.finished_at) == (TrialState.FAILED, MODEL_FAILURE.message, at(12))
        assert store.get_trial("s1", 1) == trial
        job = store.get_job(job.id)
        assert (job.state, job.failure, job.finished_at) == (JobState.FAILED, MODEL_FAILURE, at(12))
        (attempt,) = store.list_attempts(job.id)
        assert (attempt.state, attempt.failure, attempt.finished_at) == (AttemptState.FAILED, MODEL_FAILURE, at(12))
        payload = store.read_ledger("s1")[-1].payload
        assert payload == {
            "state": "failed",
            "reward": None,
            "average_precision": None,
            "failure": "loss is nan at step 3",
            "failure_reason": "diverged",
            "stopped_at_step": None,
            "consumed": True,
            "reused_from": None,
        }

    def test_a_retry_queues_the_job_again(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        trial = store.fail_attempt(lease, job.id, 1, LOST_WORKER, True, at(12))
        assert (trial.state, trial.failure, trial.finished_at) == (TrialState.QUEUED, "", None)
        assert store.get_job(job.id).state is JobState.QUEUED
        sequence = store.get_search("s1").last_sequence
        assert store.fail_attempt(lease, job.id, 1, MODEL_FAILURE, False, at(13)) == trial
        assert store.get_search("s1").last_sequence == sequence
        second = store.start_attempt(lease, job.id, "worker-2", at(14))
        assert second.number == 2
        trial = store.complete_attempt(lease, job.id, 2, evaluation(0.3), 0.3, at(15))
        assert (trial.reward, trial.started_at) == (0.3, at(11))
        states = [attempt.state for attempt in store.list_attempts(job.id)]
        assert states == [AttemptState.FAILED, AttemptState.COMPLETED]

    def test_a_result_of_a_lost_worker_still_counts_and_one_of_a_failed_model_does_not(self, store: Store) -> None:
        lease = claimed(store)
        lost, failed = started(store, lease, 1), started(store, lease, 2)
        store.fail_attempt(lease, lost.id, 1, LOST_WORKER, True, at(12))
        queued = store.fail_attempt(lease, failed.id, 1, MODEL_FAILURE, True, at(12))
        store.start_attempt(lease, lost.id, "worker-2", at(13))
        trial = store.complete_attempt(lease, lost.id, 1, evaluation(0.4), 0.4, at(14))
        assert (trial.state, trial.reward) == (TrialState.COMPLETED, 0.4)
        attempts = store.list_attempts(lost.id)
        assert [attempt.state for attempt in attempts] == [AttemptState.COMPLETED, AttemptState.LOST]
        assert attempts[0].failure is None
        before = readable(store)
        assert store.complete_attempt(lease, failed.id, 1, evaluation(0.9), 0.9, at(14)) == queued
        assert readable(store) == before

    def test_attempts_that_are_kept_go_on_and_the_others_are_queued_again(self, store: Store) -> None:
        lease = claimed(store)
        jobs = [started(store, lease, number) for number in (1, 2, 3)]
        before = store.list_attempts(jobs[1].id)
        lost = store.requeue_lost_attempts(lease, at(30), keep=[jobs[1].id, "of another search"])
        assert [job.id for job in lost] == [jobs[0].id, jobs[2].id]
        assert store.get_job(jobs[1].id) == jobs[1]
        assert store.list_attempts(jobs[1].id) == before
        assert store.get_trial("s1", 2).state is TrialState.RUNNING
        assert store.complete_attempt(lease, jobs[1].id, 1, evaluation(0.3), 0.3, at(31)).reward == 0.3

    def test_the_same_call_again_gives_the_same_answer_and_changes_nothing(self, store: Store) -> None:
        """What a controller does that does not know whether its call was committed."""
        lease = claimed(store)

        def twice(call: Callable[[], T]) -> T:
            first, before = call(), readable(store)
            assert call() == first
            assert readable(store) == before
            return first

        twice(lambda: store.set_search_state(lease, SearchState.RUNNING, "workers start", at(2)))
        trials = [twice(partial(store.add_trial, lease, make_draft(n), 1, at(3))) for n in (1, 2)]
        twice(lambda: store.add_trial(lease, make_draft(3, infeasible_reason="off budget"), None, at(3)))
        twice(lambda: store.add_trial(lease, make_reference(4), None, at(3)))
        first, second = (store.list_jobs("s1", trial.number)[0].id for trial in trials)
        twice(lambda: store.start_attempt(lease, first, "worker-1", at(4)))
        twice(lambda: store.start_attempt(lease, second, "worker-2", at(4)))
        twice(lambda: store.record_progress(lease, first, 1, make_measurement(25, 0.5), at(5)))
        twice(lambda: store.record_progress(lease, first, 1, make_checkpoint(30), at(5)))
        assert twice(lambda: store.fail_attempt(lease, first, 1, LOST_WORKER, True, at(6))).state is TrialState.QUEUED
        assert twice(lambda: store.start_attempt(lease, first, "worker-1", at(7))).number == 2
        twice(lambda: store.complete_attempt(lease, first, 2, evaluation(0.5), 0.5, at(8)))
        twice(lambda: store.fail_attempt(lease, second, 1, MODEL_FAILURE, False, at(8)))
        twice(lambda: store.add_job(lease, 1, JobKind.REEVALUATE, 7, at(9)))
        twice(lambda: store.set_search_state(lease, SearchState.SUCCEEDED, "limit reached", at(10)))

    def test_a_failure_may_hold_any_text(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        failure = replace(MODEL_FAILURE, message="broken b\udce9.jpg", traceback="\0")
        trial = store.fail_attempt(lease, job.id, 1, failure, False, at(12))
        assert trial.failure == "broken b\\udce9.jpg"
        assert store.get_trial("s1", 1) == trial
        assert store.get_job(job.id).failure == replace(failure, message=trial.failure, traceback="\\x00")

    def test_lost_attempts_are_queued_again(self, store: Store) -> None:
        lease = claimed(store)
        running = [started(store, lease, number) for number in (1, 2)]
        added(store, lease, 3)
        finished(store, lease, 4, 0.1)
        lost = store.requeue_lost_attempts(lease, at(30))
        assert lost == [replace(job, state=JobState.QUEUED) for job in running]
        assert [store.get_job(job.id) for job in lost] == lost
        for job in running:
            (attempt,) = store.list_attempts(job.id)
            assert (attempt.state, attempt.finished_at) == (AttemptState.LOST, at(30))
        assert store.count_trials("s1").by_state == {TrialState.QUEUED: 3, TrialState.COMPLETED: 1}
        assert store.requeue_lost_attempts(lease, at(31)) == []

    def test_the_first_completed_attempt_wins(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        store.requeue_lost_attempts(lease, at(30))
        store.start_attempt(lease, job.id, "worker-2", at(31))
        late = store.complete_attempt(lease, job.id, 1, evaluation(0.4), 0.4, at(32))
        assert late.reward == 0.4
        before = readable(store)
        assert store.complete_attempt(lease, job.id, 2, evaluation(0.6), 0.6, at(33)) == late
        assert readable(store) == before
        states = [attempt.state for attempt in store.list_attempts(job.id)]
        assert states == [AttemptState.COMPLETED, AttemptState.LOST]
        told = [entry for entry in store.read_ledger("s1") if entry.kind is EntryKind.TRIAL_FINISHED]
        assert len(told) == 1

    @pytest.mark.parametrize("by_user", [True, False])
    def test_a_final_state_cancels_what_is_open(self, store: Store, by_user: bool) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.1)
        running = started(store, lease, 2)
        added(store, lease, 3)
        reevaluation = store.add_job(lease, 1, JobKind.REEVALUATE, 5, at(20))
        if by_user:
            store.request_state("s1", SearchState.CANCELLED, "", at(40))
        else:
            store.set_search_state(lease, SearchState.FAILED, "", at(40))
        trials = store.list_trials("s1", 10)
        assert [trial.state for trial in trials] == [TrialState.COMPLETED, TrialState.CANCELLED, TrialState.CANCELLED]
        assert [trial.finished_at for trial in trials] == [at(12), at(40), at(40)]
        assert store.list_jobs("s1", open_only=True) == []
        assert store.get_job(reevaluation.id).state is JobState.CANCELLED
        (attempt,) = store.list_attempts(running.id)
        assert (attempt.state, attempt.finished_at) == (AttemptState.CANCELLED, at(40))
        told, queued, state = store.read_ledger("s1")[-3:]
        assert [told.trial_number, queued.trial_number, state.kind] == [2, 3, EntryKind.SEARCH_STATE]
        assert (told.payload["state"], told.payload["consumed"]) == ("cancelled", False)
        before = readable(store)
        late = store.complete_attempt(lease, running.id, 1, evaluation(0.5), 0.5, at(41))
        assert late.state is TrialState.CANCELLED
        assert readable(store) == before

    # Measuring again on val

    def test_each_trial_has_its_own_mean_over_what_was_measured(self, store: Store) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.5)
        finished(store, lease, 2, 0.5)
        failing = store.add_job(lease, 1, JobKind.REEVALUATE, 1, at(20))
        store.start_attempt(lease, failing.id, "worker-1", at(21))
        store.fail_attempt(lease, failing.id, 1, MODEL_FAILURE, False, at(22))
        store.add_job(lease, 1, JobKind.REEVALUATE, 2, at(20))
        reevaluated(store, lease, 2, 1, 0.9)
        measured = reevaluated(store, lease, 1, 3, 0.2)
        # Not in it: the proxy job's 0.5, the failed and the waiting job, and the 0.9 of the other trial.
        assert (measured.val_average_precision, measured.val_count) == (0.2, 1)

    def test_a_measurement_that_is_lost_or_tried_again_leaves_its_trial_completed(self, store: Store) -> None:
        lease = claimed(store)
        trial = finished(store, lease, 1, 0.5)
        job = store.add_job(lease, 1, JobKind.REEVALUATE, 1, at(20))
        store.start_attempt(lease, job.id, "worker-1", at(21))
        assert store.fail_attempt(lease, job.id, 1, LOST_WORKER, True, at(22)) == trial
        store.start_attempt(lease, job.id, "worker-1", at(23))
        assert store.requeue_lost_attempts(lease, at(24)) == [replace(job, num_attempts=2)]
        assert store.get_trial("s1", 1) == trial
        late = store.complete_attempt(lease, job.id, 2, evaluation(0.3), None, at(25))
        assert (late.state, late.val_average_precision) == (TrialState.COMPLETED, 0.3)

    def test_val_is_the_mean_over_seeds_with_its_standard_error(self, store: Store) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.5)
        store.add_job(lease, 1, JobKind.REEVALUATE, 99, at(19))  # stays open
        one = reevaluated(store, lease, 1, 1, 0.2)
        assert (one.val_average_precision, one.val_standard_error, one.val_count) == (0.2, None, 1)
        reevaluated(store, lease, 1, 2, 0.3)
        three = reevaluated(store, lease, 1, 3, 0.4)
        # Deviations -0.1, 0, 0.1: sample variance 0.02 / 2 = 0.01, standard error sqrt(0.01 / 3).
        assert three.val_average_precision == pytest.approx(0.3)
        assert three.val_standard_error == pytest.approx(math.sqrt(0.01 / 3))
        assert three.val_count == 3
        assert (three.reward, three.average_precision, three.finished_at) == (0.5, 0.5, at(12))
        assert store.get_trial("s1", 1) == three

    def test_measuring_again_is_no_news_to_the_algorithm(self, store: Store) -> None:
        lease = claimed(store)
        store.add_trial(lease, make_reference(1), None, at(3))
        sequence = store.get_search("s1").last_sequence
        reevaluated(store, lease, 1, 9, 0.2)
        (entry,) = store.read_ledger("s1", after=sequence)
        assert (entry.kind, entry.trial_number) == (EntryKind.JOB_FINISHED, 1)
        assert entry.payload == {
            "job_id": store.list_jobs("s1", 1)[0].id,
            "kind": "reevaluate",
            "state": "completed",
            "average_precision": 0.2,
            "val_average_precision": 0.2,
            "val_standard_error": None,
            "val_count": 1,
        }
        assert store.get_trial("s1", 1).state is TrialState.COMPLETED

    def test_a_failed_measurement_leaves_the_mean_alone(self, store: Store) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.5)
        measured = reevaluated(store, lease, 1, 1, 0.2)
        job = store.add_job(lease, 1, JobKind.REEVALUATE, 2, at(20))
        store.start_attempt(lease, job.id, "worker-1", at(21))
        assert store.get_trial("s1", 1).state is TrialState.COMPLETED
        assert store.fail_attempt(lease, job.id, 1, MODEL_FAILURE, False, at(22)) == measured
        payload = store.read_ledger("s1")[-1].payload
        assert (payload["job_id"], payload["state"]) == (job.id, "failed")
        assert (payload["average_precision"], payload["val_average_precision"], payload["val_count"]) == (None, 0.2, 1)
