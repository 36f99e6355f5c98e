"""What follows from each reason of a failure; the expected numbers are those of the table in words."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from nas_controller.records import (
    FAILURE_RULES,
    Attempt,
    EntryKind,
    Failure,
    FailureKind,
    FailureReason,
    JobKind,
    SearchState,
    TrialState,
)
from nas_controller.replay import replay
from nas_controller.search_loop import run_search
from tests.nas_controller.test_search_loop import Bench, measured
from trainer.task import Evaluation, EvaluationRequest

ATTEMPTS = {
    FailureReason.DIVERGED: 1,
    FailureReason.OUT_OF_MEMORY: 2,
    FailureReason.TIME_LIMIT: 1,
    FailureReason.RAISED: 1,
    FailureReason.WORKER_LOST: 5,
    FailureReason.MACHINE_ERROR: 5,
    FailureReason.UNFIT_DEVICE: 5,
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


LOST = Failure(reason=FailureReason.WORKER_LOST, message="worker-1: gone")
OUT_OF_MEMORY = Failure(reason=FailureReason.OUT_OF_MEMORY, message="needs more")
DIVERGED = Failure(reason=FailureReason.DIVERGED, message="loss is nan at step 3")


def scripted(first: list[Failure]) -> Callable[[EvaluationRequest], Evaluation | Failure]:
    """The attempts of the first trial that is trained end so, then it is measured, as is every other."""
    left, seeds = list(first), list[int]()

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        seeds.append(request.seed)
        return left.pop(0) if left and request.seed == seeds[0] else measured(request)

    return evaluate


class FailureBench(Bench):
    """A random search of a few trials without reevaluation; what became of the first of them."""

    def __init__(self, trials: int, failures: float = 1.0) -> None:
        limits = {"trials": trials, "failures": failures}
        super().__init__(trials, algorithm="random", limits=limits, reevaluate={"top": 0})

    def first_attempts(self) -> list[Attempt]:
        return self.store.list_attempts(self.store.list_jobs("s1")[0].id)


def pauses(attempts: list[Attempt]) -> list[float]:
    """Seconds between the end of each attempt and the next one's start."""
    return [(b.started_at - a.finished_at).total_seconds() for a, b in pairwise(attempts) if a.finished_at is not None]


def test_after_each_failure_of_the_infrastructure_a_job_waits_twice_as_long_and_the_others_do_not() -> None:
    bench = FailureBench(trials=6)
    assert bench.finish(bench.claim(scripted([LOST] * 4), workers=2)) is SearchState.SUCCEEDED
    first = bench.first_attempts()
    # The next turn after the time is over; it comes when the other worker ends something, or after a second.
    assert all(wait <= pause for wait, pause in zip([1, 2, 4, 8], pauses(first), strict=True))
    started = [bench.store.list_attempts(job.id)[0].started_at for job in bench.store.list_jobs("s1")]
    assert first[-1].finished_at is not None
    assert sum(at < first[-1].finished_at for at in started) == 6


def test_a_lone_job_is_tried_again_as_soon_as_it_may() -> None:
    bench = FailureBench(trials=1)
    bench.finish(bench.claim(scripted([LOST] * 4), workers=2))
    assert pauses(bench.first_attempts()) == [1.0, 2.0, 4.0, 8.0]


def test_another_controller_keeps_the_pause() -> None:
    bench = FailureBench(trials=1)
    evaluate = scripted([LOST] * 4)
    turns = run_search(bench.claim(evaluate))
    while len(bench.store.list_jobs("s1")) == 0 or sum(a.failure is not None for a in bench.first_attempts()) < 4:
        next(turns)
    bench.finish(bench.claim(evaluate))
    assert pauses(bench.first_attempts())[-1] == 8.0


@pytest.mark.parametrize(
    ("script", "state", "num_attempts"),
    [
        ([LOST, LOST, OUT_OF_MEMORY], TrialState.COMPLETED, 4),
        ([OUT_OF_MEMORY, LOST, LOST, LOST, LOST], TrialState.COMPLETED, 6),
        ([OUT_OF_MEMORY, LOST, OUT_OF_MEMORY], TrialState.FAILED, 3),
        ([LOST, DIVERGED], TrialState.FAILED, 2),
        ([LOST, OUT_OF_MEMORY, LOST, LOST, LOST, LOST], TrialState.FAILED, 6),
    ],
)
def test_only_failures_of_one_kind_use_up_its_attempts(
    script: list[Failure], state: TrialState, num_attempts: int
) -> None:
    bench = FailureBench(trials=2)
    bench.finish(bench.claim(scripted(script), workers=1))
    attempts = bench.first_attempts()
    assert len(attempts) == num_attempts
    assert bench.store.get_trial("s1", bench.store.list_jobs("s1")[0].trial_number).state is state


@pytest.mark.parametrize(("failure", "is_told"), [(LOST, False), (DIVERGED, True)])
def test_an_algorithm_is_told_of_the_architectures_own_failures_only(failure: Failure, is_told: bool) -> None:
    bench = Bench(trials=3, limits={"trials": 3, "failures": 1.0}, reevaluate={"top": 0})
    search = bench.claim(scripted([failure] * 5))
    assert bench.finish(search) is SearchState.SUCCEEDED
    (failed,) = bench.store.list_trials("s1", 100, states=[TrialState.FAILED])
    assert (failed.failure, failed.failure_reason) == (failure.message, failure.reason)
    entries = bench.store.read_ledger("s1", limit=10_000)
    of_trial = [e for e in entries if e.trial_number == failed.number and e.kind is EntryKind.TRIAL_FINISHED]
    assert [entry.payload["consumed"] for entry in of_trial] == [is_told]
    replayed = bench.algorithm()
    replay(bench.store, "s1", replayed)
    state, expected = replayed.state_dict(), search.algorithm.state_dict()
    assert all(state[name].tobytes() == expected[name].tobytes() for name in expected)


def every(number: int, failure: Failure) -> Callable[[EvaluationRequest], Evaluation | Failure]:
    """All attempts fail but each `number`-th."""
    seen: list[int] = []

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        seen.append(request.seed)
        return measured(request) if len(seen) % number == 0 else failure

    return evaluate


def test_more_failures_than_the_budget_allows_pause_a_search() -> None:
    bench = FailureBench(trials=20, failures=0.25)
    assert bench.finish(bench.claim(every(3, DIVERGED))) is SearchState.PAUSED
    reason = "6 trials failed, limits.failures allows 0.25 of 20; the last: diverged: loss is nan at step 3"
    assert bench.store.get_search("s1").reason == reason


def test_more_than_half_of_the_last_40_trials_pause_a_search_of_any_length() -> None:
    bench = FailureBench(trials=1000)
    assert bench.finish(bench.claim(every(3, DIVERGED), workers=1)) is SearchState.PAUSED
    # 40 of them: every third was measured.
    reason = "27 of the last 40 trials failed; the last: diverged: loss is nan at step 3"
    assert bench.store.get_search("s1").reason == reason
    half = FailureBench(trials=60)
    assert half.finish(half.claim(every(2, DIVERGED), workers=1)) is SearchState.SUCCEEDED


def test_a_machine_on_which_nothing_runs_pauses_a_search_that_goes_on_when_it_is_resumed() -> None:
    bench = FailureBench(trials=12)
    assert bench.finish(bench.claim(every(10**9, LOST), workers=3)) is SearchState.PAUSED
    # Three attempts for each of three workers, and those that were running then.
    reason = (
        "9 attempts in a row failed for other reasons than their architecture; the last: worker_lost: worker-1: gone"
    )
    assert bench.store.get_search("s1").reason == reason
    assert bench.store.list_trials("s1", 100, states=[TrialState.FAILED]) == []
    bench.store.request_state("s1", SearchState.PENDING, "", bench.clock.now())
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    assert bench.store.count_trials("s1")[TrialState.COMPLETED] == 12


def test_workers_that_are_lost_now_and_then_pause_nothing() -> None:
    bench = FailureBench(trials=12)
    assert bench.finish(bench.claim(every(4, LOST), workers=3)) is SearchState.SUCCEEDED
