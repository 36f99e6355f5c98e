"""What every dispatcher must do. A subclass gives the class-scoped fixture `dispatcher`: two workers that behave as
`tests.conformance.dispatch_evaluators` says."""

import time

import pytest

from nas_controller.dispatch.base import AttemptKey, AttemptOutcome, Dispatcher
from nas_controller.records import FailureKind
from tests.conformance.dispatch_evaluators import make_request

PATIENCE_SECONDS = 120.0


def until_free(dispatcher: Dispatcher, count: int) -> list[str]:
    """The names of the free workers, as soon as there are `count`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(workers := dispatcher.free_workers()) < count:
        assert time.monotonic() < deadline, f"{len(workers)} of {count} are free; {dispatcher.placement()}"
        assert dispatcher.wait(1.0) == []
    return workers


def next_outcomes(dispatcher: Dispatcher) -> list[AttemptOutcome]:
    """The next outcomes, at least one."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (outcomes := dispatcher.wait(1.0)):
        assert time.monotonic() < deadline, "no outcome"
    return outcomes


class DispatcherSuite:
    """One dispatcher serves all tests of a class; the last one closes it."""

    def let_pass(self, seconds: float) -> None:
        """Time passes while nobody waits for an outcome."""
        time.sleep(seconds)

    def test_workers_have_names_in_a_stable_order(self, dispatcher: Dispatcher) -> None:
        assert until_free(dispatcher, 2) == ["worker-1", "worker-2"]
        assert dispatcher.placement() == ""

    def test_every_attempt_is_given_exactly_once(self, dispatcher: Dispatcher) -> None:
        until_free(dispatcher, 2)
        behaviours = ["ok", "sleep:0.05", "bug", "sleep:0.02", "ok", "data", "ok", "sleep:0.01", "ok", "diverge"]
        waiting = [(AttemptKey(f"job-{n}", 1), make_request(name, n)) for n, name in enumerate(behaviours)]
        given: list[AttemptOutcome] = []
        while len(given) < len(behaviours):
            for worker in dispatcher.free_workers():
                if waiting:
                    dispatcher.submit(worker, *waiting.pop(0))
            given += next_outcomes(dispatcher)
        assert sorted(o.key.job_id for o in given) == sorted(f"job-{n}" for n in range(len(behaviours)))
        for outcome in given:
            number = int(outcome.key.job_id.removeprefix("job-"))
            failed = behaviours[number] in ("bug", "data", "diverge")
            assert (outcome.failure is not None) == failed
            assert outcome.evaluation is None or outcome.evaluation.average_precision == number / 1000
        assert dispatcher.wait(0.0) == []

    @pytest.mark.parametrize(
        ("behaviour", "kind", "message", "raised"),
        [
            ("bug", FailureKind.MODEL, "ValueError: no such block", "and a second line"),
            ("diverge", FailureKind.MODEL, "loss is nan at step 7", "TrainingDiverged"),
            ("memory", FailureKind.MODEL, "MemoryError", "MemoryError"),
            ("data", FailureKind.DATA, "images/3.jpg: is truncated", "TaskError"),
            ("wrong", FailureKind.MODEL, "TypeError: the evaluator gave int, not an Evaluation", "TypeError"),
            ("disk", FailureKind.INFRASTRUCTURE, "OSError: [Errno 28] No space left on device", "OSError"),
        ],
    )
    def test_what_raises_becomes_a_failure_with_its_kind_message_and_traceback(
        self, dispatcher: Dispatcher, behaviour: str, kind: FailureKind, message: str, raised: str
    ) -> None:
        worker = until_free(dispatcher, 2)[0]
        dispatcher.submit(worker, AttemptKey(behaviour, 1), make_request(behaviour))
        (outcome,) = next_outcomes(dispatcher)
        assert outcome.failure is not None
        assert (outcome.failure.kind, outcome.failure.message) == (kind, message)
        assert raised in outcome.failure.traceback
        assert "Traceback (most recent call last)" in outcome.failure.traceback
        assert worker in until_free(dispatcher, 2)

    def test_a_killed_worker_is_an_infrastructure_failure_and_serves_again(self, dispatcher: Dispatcher) -> None:
        first, second = until_free(dispatcher, 2)
        dispatcher.submit(second, AttemptKey("lives", 1), make_request("sleep:0.5", 7))
        dispatcher.submit(first, AttemptKey("dies", 1), make_request("kill"))
        outcomes: dict[str, AttemptOutcome] = {}
        while len(outcomes) < 2:
            outcomes |= {outcome.key.job_id: outcome for outcome in next_outcomes(dispatcher)}
        failure, evaluation = outcomes["dies"].failure, outcomes["lives"].evaluation
        assert failure is not None
        assert failure.kind is FailureKind.INFRASTRUCTURE
        assert failure.message.startswith(f"{first}: the worker ")
        assert evaluation is not None
        assert evaluation.average_precision == 7 / 1000
        assert until_free(dispatcher, 2) == [first, second]
        dispatcher.submit(first, AttemptKey("dies", 2), make_request("ok", 3))
        (outcome,) = next_outcomes(dispatcher)
        assert outcome.evaluation is not None

    def test_a_busy_or_unknown_worker_takes_nothing(self, dispatcher: Dispatcher) -> None:
        first, second = until_free(dispatcher, 2)
        dispatcher.submit(first, AttemptKey("a", 1), make_request("sleep:0.2"))
        assert dispatcher.free_workers() == [second]
        with pytest.raises(ValueError, match=f"{first}: is not a free worker"):
            dispatcher.submit(first, AttemptKey("b", 1), make_request("ok"))
        with pytest.raises(ValueError, match="worker-3: is not a free worker"):
            dispatcher.submit("worker-3", AttemptKey("b", 1), make_request("ok"))
        assert [outcome.key for outcome in next_outcomes(dispatcher)] == [AttemptKey("a", 1)]

    def test_waiting_ends_after_its_timeout(self, dispatcher: Dispatcher) -> None:
        worker = until_free(dispatcher, 2)[0]
        started = time.monotonic()
        assert dispatcher.wait(0.05) == []
        dispatcher.submit(worker, AttemptKey("slow", 1), make_request("sleep:0.4"))
        assert dispatcher.wait(0.05) == []
        assert time.monotonic() - started < 0.4
        assert len(next_outcomes(dispatcher)) == 1

    def test_outcomes_come_in_the_order_they_ended(self, dispatcher: Dispatcher) -> None:
        first, second = until_free(dispatcher, 2)
        dispatcher.submit(first, AttemptKey("late", 1), make_request("sleep:0.5"))
        dispatcher.submit(second, AttemptKey("early", 1), make_request("sleep:0.1"))
        self.let_pass(1.0)
        outcomes = next_outcomes(dispatcher)
        while len(outcomes) < 2:
            outcomes += next_outcomes(dispatcher)
        assert [outcome.key.job_id for outcome in outcomes] == ["early", "late"]

    def test_a_cancelled_attempt_fails_at_once_and_its_worker_serves_again(self, dispatcher: Dispatcher) -> None:
        worker = until_free(dispatcher, 2)[1]
        key = AttemptKey("long", 1)
        dispatcher.submit(worker, key, make_request("sleep:3600"))
        assert dispatcher.wait(0.2) == []
        dispatcher.cancel(key)
        dispatcher.cancel(key)
        (outcome,) = next_outcomes(dispatcher)
        assert outcome.failure is not None
        assert (outcome.key, outcome.failure.kind) == (key, FailureKind.INFRASTRUCTURE)
        assert outcome.failure.message == f"{worker}: cancelled"
        assert worker in until_free(dispatcher, 2)
        assert dispatcher.wait(0.0) == []

    def test_cancelling_what_is_unknown_or_has_ended_changes_nothing(self, dispatcher: Dispatcher) -> None:
        worker = until_free(dispatcher, 2)[0]
        dispatcher.cancel(AttemptKey("never seen", 1))
        dispatcher.submit(worker, AttemptKey("quick", 1), make_request("ok", 5))
        self.let_pass(1.0)
        dispatcher.cancel(AttemptKey("quick", 1))
        (outcome,) = next_outcomes(dispatcher)
        assert outcome.evaluation is not None
        dispatcher.cancel(AttemptKey("quick", 1))
        assert dispatcher.wait(0.0) == []

    def test_closing_twice_is_no_error_and_ends_everything(self, dispatcher: Dispatcher) -> None:
        worker = until_free(dispatcher, 2)[0]
        dispatcher.submit(worker, AttemptKey("cut", 1), make_request("sleep:3600"))
        dispatcher.close()
        dispatcher.close()
        assert dispatcher.free_workers() == []
        assert dispatcher.wait(0.0) == []
        dispatcher.cancel(AttemptKey("cut", 1))
        with pytest.raises(ValueError, match="is not a free worker"):
            dispatcher.submit(worker, AttemptKey("more", 1), make_request("ok"))
