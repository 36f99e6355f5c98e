"""What follows from each reason of a failure; the expected numbers are those of the table in words."""

import pytest

from nas_controller.records import FAILURE_RULES, Failure, FailureKind, FailureReason, JobKind, SearchState, TrialState
from tests.nas_controller.test_search_loop import Bench
from trainer.task import Evaluation, EvaluationRequest

ATTEMPTS = {
    FailureReason.DIVERGED: 1,
    FailureReason.OUT_OF_MEMORY: 2,
    FailureReason.TIME_LIMIT: 1,
    FailureReason.RAISED: 1,
    FailureReason.WORKER_LOST: 3,
    FailureReason.MACHINE_ERROR: 3,
}


@pytest.mark.parametrize("reason", ATTEMPTS)
def test_a_job_that_always_fails_is_tried_as_often_as_its_reason_allows(reason: FailureReason) -> None:
    bench = Bench(trials=1)

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        return Failure(reason=reason, message=reason)

    bench.finish(bench.claim(evaluate))
    (job,) = [job for job in bench.store.list_jobs("s1") if job.kind is JobKind.PROXY]
    assert job.num_attempts == ATTEMPTS[reason]
    assert job.failure == Failure(reason=reason, message=reason)
    trial = bench.store.get_trial("s1", job.trial_number)
    assert (trial.state, trial.reward) == (TrialState.FAILED, None)


def test_broken_data_ends_the_search_at_the_first_attempt() -> None:
    bench = Bench(trials=5)

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        return Failure(reason=FailureReason.BROKEN_DATA, message="images/7.jpg: truncated")

    assert bench.finish(bench.claim(evaluate)) is SearchState.FAILED


def test_every_reason_has_a_rule_and_only_the_architectures_own_failures_count_against_it() -> None:
    assert set(FAILURE_RULES) == set(FailureReason)
    own = {reason for reason, rule in FAILURE_RULES.items() if rule.kind is FailureKind.MODEL}
    assert own == {
        FailureReason.DIVERGED,
        FailureReason.OUT_OF_MEMORY,
        FailureReason.TIME_LIMIT,
        FailureReason.RAISED,
    }
