"""What every dispatcher must do. A subclass gives the class-scoped fixture `dispatcher`: two workers that behave as
`tests.conformance.dispatch_evaluators` says, with a lease of `LEASE_SECONDS`."""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.dispatch.base import AttemptKey, AttemptOutcome, Dispatcher
from nas_controller.dispatch.results import ResultSpool
from nas_controller.records import FailureReason
from tests.conformance.dispatch_evaluators import make_latency_request, make_request, measurement
from trainer.session import Checkpoint, Measurement, Progress

PATIENCE_SECONDS = 120.0
LEASE_SECONDS = 4.0


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


def next_reports(dispatcher: Dispatcher) -> list[tuple[AttemptKey, Progress]]:
    """The next reports of running attempts, at least one; no attempt ends in the meantime."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (reports := dispatcher.progress()):
        assert time.monotonic() < deadline, "nothing was reported"
        assert dispatcher.wait(1.0) == []
    return reports


def watch(dispatcher: Dispatcher, key: AttemptKey) -> tuple[list[Progress], AttemptOutcome]:
    """All that the only running attempt reports from now on, and its outcome."""
    events: list[Progress] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        reports = dispatcher.progress()
        assert {reported for reported, _ in reports} <= {key}
        events += [event for _, event in reports]
        for outcome in dispatcher.wait(1.0):
            assert outcome.key == key
            return events, outcome
    raise AssertionError("no outcome")


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
        ("behaviour", "reason", "message", "raised"),
        [
            ("bug", FailureReason.RAISED, "ValueError: no such block", "and a second line"),
            ("wrong", FailureReason.RAISED, "TypeError: the evaluator gave int, not an Evaluation", "TypeError"),
            ("diverge", FailureReason.DIVERGED, "loss is nan at step 7", "TrainingDiverged"),
            ("memory", FailureReason.OUT_OF_MEMORY, "MemoryError", "MemoryError"),
            ("no space", FailureReason.OUT_OF_MEMORY, "OSError: [Errno 12] Cannot allocate memory", "OSError"),
            ("large", FailureReason.OUT_OF_MEMORY, "needs about 9 GB, 2 GB are free", "TrainingOutOfMemory"),
            ("slow", FailureReason.TIME_LIMIT, "60 s are over after step 12 of 140", "TimeLimitReached"),
            ("data", FailureReason.BROKEN_DATA, "images/3.jpg: is truncated", "TaskError"),
            ("disk", FailureReason.MACHINE_ERROR, "OSError: [Errno 28] No space left on device", "OSError"),
        ],
    )
    def test_what_raises_becomes_a_failure_with_its_reason_message_and_traceback(
        self, dispatcher: Dispatcher, behaviour: str, reason: FailureReason, message: str, raised: str
    ) -> None:
        worker = until_free(dispatcher, 2)[0]
        dispatcher.submit(worker, AttemptKey(behaviour, 1), make_request(behaviour))
        (outcome,) = next_outcomes(dispatcher)
        assert outcome.failure is not None
        assert (outcome.failure.reason, outcome.failure.message) == (reason, message)
        assert raised in outcome.failure.traceback
        assert "Traceback (most recent call last)" in outcome.failure.traceback
        assert worker in until_free(dispatcher, 2)

    def test_a_killed_worker_is_lost_and_serves_again(self, dispatcher: Dispatcher) -> None:
        first, second = until_free(dispatcher, 2)
        dispatcher.submit(second, AttemptKey("lives", 1), make_request("sleep:0.5", 7))
        dispatcher.submit(first, AttemptKey("dies", 1), make_request("kill"))
        outcomes: dict[str, AttemptOutcome] = {}
        while len(outcomes) < 2:
            outcomes |= {outcome.key.job_id: outcome for outcome in next_outcomes(dispatcher)}
        failure, evaluation = outcomes["dies"].failure, outcomes["lives"].evaluation
        assert failure is not None
        assert failure.reason is FailureReason.WORKER_LOST
        assert failure.message.startswith(f"{first}: the worker ")
        assert evaluation is not None
        assert evaluation.average_precision == 7 / 1000
        assert until_free(dispatcher, 2) == [first, second]
        dispatcher.submit(first, AttemptKey("dies", 2), make_request("ok", 3))
        (outcome,) = next_outcomes(dispatcher)
        assert outcome.evaluation is not None

    def test_a_worker_that_stands_still_is_lost_after_its_lease_and_serves_again(self, dispatcher: Dispatcher) -> None:
        first, second = until_free(dispatcher, 2)
        dispatcher.submit(first, AttemptKey("stands still", 1), make_request("stand still"))
        dispatcher.submit(second, AttemptKey("lives", 1), make_request(f"sleep:{LEASE_SECONDS + 1}", 7))
        outcomes: dict[str, AttemptOutcome] = {}
        while len(outcomes) < 2:
            outcomes |= {outcome.key.job_id: outcome for outcome in next_outcomes(dispatcher)}
        failure, evaluation = outcomes["stands still"].failure, outcomes["lives"].evaluation
        assert failure is not None
        assert failure.reason is FailureReason.WORKER_LOST
        silence = re.fullmatch(f"{first}: the worker did not answer for ([0-9]+) s", failure.message)
        assert silence is not None
        assert int(silence[1]) >= LEASE_SECONDS
        assert evaluation is not None
        assert evaluation.average_precision == 7 / 1000
        assert until_free(dispatcher, 2) == [first, second]
        dispatcher.submit(first, AttemptKey("stands still", 2), make_request("ok", 3))
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
        dispatcher.submit(first, AttemptKey("late", 1), make_request("sleep:2"))
        dispatcher.submit(second, AttemptKey("early", 1), make_request("steps:1:0.1"))
        self.let_pass(2.5)
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
        assert (outcome.key, outcome.failure.reason) == (key, FailureReason.CANCELLED)
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

    def test_each_measurement_comes_once_in_order_and_before_the_outcome(self, dispatcher: Dispatcher) -> None:
        numbers = {"a": 5, "b": 3}
        for worker, name in zip(until_free(dispatcher, 2), numbers, strict=True):
            dispatcher.submit(worker, AttemptKey(name, 1), make_request(f"steps:{numbers[name]}:0.1"))
        told: dict[str, list[Progress]] = {name: [] for name in numbers}
        ended: set[str] = set()
        while len(ended) < 2:
            for key, event in dispatcher.progress():
                assert key.job_id not in ended
                told[key.job_id].append(event)
            for outcome in dispatcher.wait(1.0):
                assert outcome.evaluation is not None
                assert outcome.evaluation.stopped_at_step is None
                ended.add(outcome.key.job_id)
        for name, number in numbers.items():
            assert told[name] == [measurement(step, number) for step in range(1, number + 1)]
        assert dispatcher.progress() == []

    def test_who_never_asks_for_progress_gets_outcomes_all_the_same(self, dispatcher: Dispatcher) -> None:
        worker = until_free(dispatcher, 2)[0]
        dispatcher.submit(worker, AttemptKey("unwatched", 1), make_request("steps:3:0.05"))
        assert next_outcomes(dispatcher)[0].key.job_id == "unwatched"
        assert dispatcher.progress() == []

    def test_a_stopped_attempt_ends_with_its_next_measurement(self, dispatcher: Dispatcher) -> None:
        worker, key = until_free(dispatcher, 2)[1], AttemptKey("hopeless", 1)
        dispatcher.submit(worker, key, make_request("steps:600:0.1", 9))
        before = [event for _, event in next_reports(dispatcher) if isinstance(event, Measurement)]
        dispatcher.stop(key)
        after, outcome = watch(dispatcher, key)
        assert outcome.evaluation is not None
        assert outcome.evaluation.average_precision == 9 / 1000
        last = outcome.evaluation.stopped_at_step
        assert last is not None
        assert before[-1].step <= last < 600
        assert [*before, *after] == [measurement(step, 600) for step in range(1, last + 1)]
        dispatcher.stop(key)

    def test_an_attempt_may_be_stopped_as_soon_as_it_is_submitted(self, dispatcher: Dispatcher) -> None:
        worker, key = until_free(dispatcher, 2)[0], AttemptKey("at once", 1)
        dispatcher.submit(worker, key, make_request("steps:5:0.3"))
        dispatcher.stop(key)
        events, outcome = watch(dispatcher, key)
        assert events == [measurement(1, 5)]
        assert outcome.evaluation is not None
        assert outcome.evaluation.stopped_at_step == 1

    def test_stopping_what_is_unknown_has_ended_or_never_measures_changes_nothing(self, dispatcher: Dispatcher) -> None:
        worker = until_free(dispatcher, 2)[0]
        dispatcher.stop(AttemptKey("never seen", 1))
        deaf, whole = AttemptKey("deaf", 1), AttemptKey("whole", 1)
        dispatcher.submit(worker, deaf, make_request("sleep:0.3", 4))
        dispatcher.stop(deaf)
        events, outcome = watch(dispatcher, deaf)
        assert (events, outcome.failure) == ([], None)
        dispatcher.stop(deaf)
        dispatcher.submit(worker, whole, make_request("steps:2:0.1"))
        dispatcher.stop(deaf)
        events, outcome = watch(dispatcher, whole)
        assert events == [measurement(1, 2), measurement(2, 2)]
        assert outcome.evaluation is not None
        assert outcome.evaluation.stopped_at_step is None

    def test_an_attempt_goes_on_from_the_checkpoint_of_one_that_was_ended(
        self, dispatcher: Dispatcher, tmp_path: Path
    ) -> None:
        worker, first, second = until_free(dispatcher, 2)[0], AttemptKey("long", 1), AttemptKey("long", 2)
        request = replace(make_request("steps:25:0.1"), artifact_dir=tmp_path, checkpoint_seconds=0.0)
        dispatcher.submit(worker, first, request)
        saved: list[Checkpoint] = []
        while not saved:
            saved = [event for _, event in next_reports(dispatcher) if isinstance(event, Checkpoint)]
        dispatcher.cancel(first)
        assert next_outcomes(dispatcher)[0].failure is not None
        newest = saved[-1]
        content = str(newest.step).encode()
        assert newest.num_bytes == len(content)
        assert DirectoryArtifactStore(tmp_path).open(newest.key).read() == content
        until_free(dispatcher, 2)
        dispatcher.submit(worker, second, replace(request, resume_from=newest.key))
        events, outcome = watch(dispatcher, second)
        assert outcome.evaluation is not None
        steps = [event.step for event in events if isinstance(event, Measurement)]
        assert steps == list(range(newest.step + 1, 26))

    def test_what_an_attempt_gave_is_kept_before_it_is_reported(self, dispatcher: Dispatcher, tmp_path: Path) -> None:
        results = ResultSpool(tmp_path)
        for number, behaviour in enumerate(["steps:3:0.01", "diverge", "kill"]):
            worker, key = until_free(dispatcher, 2)[0], AttemptKey(f"kept {behaviour}", number)
            dispatcher.submit(worker, key, replace(make_request(behaviour, 7), artifact_dir=tmp_path))
            _, outcome = watch(dispatcher, key)
            kept = results.find(key)
            if behaviour == "kill":
                assert kept is None
                continue
            assert kept is not None
            assert kept.outcome == outcome
            expected = [measurement(step, 3) for step in (1, 2, 3)] if behaviour.startswith("steps") else []
            assert list(kept.measurements) == expected

    def test_a_file_that_an_attempt_keeps_is_an_artifact_that_its_evaluation_names(
        self, dispatcher: Dispatcher, tmp_path: Path
    ) -> None:
        worker, key = until_free(dispatcher, 2)[0], AttemptKey("keeps", 1)
        dispatcher.submit(worker, key, replace(make_request("keep"), artifact_dir=tmp_path))
        _, outcome = watch(dispatcher, key)
        assert outcome.evaluation is not None
        (file,) = outcome.evaluation.files
        assert (file.name, file.media_type, file.num_bytes) == ("words.txt", "text/plain", 19)
        assert DirectoryArtifactStore(tmp_path).open(file.key).read() == b"words of an attempt"
        results = ResultSpool(tmp_path)
        kept = results.find(key)
        assert kept is not None
        assert kept.outcome == outcome
        assert results.artifact_keys() == {file.key}

    def test_a_latency_is_measured_whatever_the_evaluator(self, dispatcher: Dispatcher, tmp_path: Path) -> None:
        worker, key = until_free(dispatcher, 2)[0], AttemptKey("timed", 1)
        dispatcher.submit(worker, key, replace(make_latency_request(), threads=7, artifact_dir=tmp_path))
        outcome = watch(dispatcher, key)[1]
        assert outcome.latency is not None, outcome.failure
        assert (outcome.latency.rounds, outcome.latency.discarded) == (6, 0)
        assert outcome.latency.device.threads < 7, "as many as the worker has CPUs"
        kept = ResultSpool(tmp_path).find(key)
        assert kept is not None
        assert kept.outcome == outcome

    def test_what_runs_here_is_adopted_and_nothing_else(self, dispatcher: Dispatcher) -> None:
        worker, here = until_free(dispatcher, 2)[0], AttemptKey("here", 2)
        assert dispatcher.adopt([here]) == []
        dispatcher.submit(worker, here, make_request("sleep:0.2", 3))
        assert dispatcher.adopt([AttemptKey("here", 1), here, AttemptKey("gone", 1)]) == [here]
        assert [outcome.key for outcome in next_outcomes(dispatcher)] == [here]
        assert dispatcher.adopt([here]) == []

    def test_closing_twice_is_no_error_and_ends_everything(self, dispatcher: Dispatcher) -> None:
        worker = until_free(dispatcher, 2)[0]
        dispatcher.submit(worker, AttemptKey("cut", 1), make_request("sleep:3600"))
        dispatcher.close()
        dispatcher.close()
        assert dispatcher.free_workers() == []
        assert dispatcher.wait(0.0) == []
        assert dispatcher.progress() == []
        dispatcher.cancel(AttemptKey("cut", 1))
        dispatcher.stop(AttemptKey("cut", 1))
        with pytest.raises(ValueError, match="is not a free worker"):
            dispatcher.submit(worker, AttemptKey("more", 1), make_request("ok"))
