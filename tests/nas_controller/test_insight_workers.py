from datetime import datetime, timedelta

from nas_controller.insight.workers import WorkerState, WorkSpan, workers_of
from nas_controller.records import Attempt, AttemptState, Failure, FailureReason, JobKind
from tests.nas_controller.insight_ledger import START

NOW = START + timedelta(seconds=100)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def span(
    worker: str,
    trial: int,
    began: float,
    ended: float | None,
    state: AttemptState = AttemptState.COMPLETED,
    reason: FailureReason | None = None,
) -> WorkSpan:
    attempt = Attempt(
        job_id=f"s1.{trial}.proxy.0",
        number=1,
        state=state,
        worker=worker,
        started_at=after(began),
        finished_at=None if ended is None else after(ended),
        failure=None if reason is None else Failure(reason=reason, message="it failed"),
    )
    return WorkSpan(trial_number=trial, kind=JobKind.PROXY, attempt=attempt)


def test_a_worker_is_what_its_last_attempt_says() -> None:
    running, failed, lost = AttemptState.RUNNING, AttemptState.FAILED, AttemptState.LOST
    spans = [
        span("b", 9, 90, None, running),
        span("a", 8, 70, 80, failed, FailureReason.DIVERGED),
        span("d", 7, 60, 65, failed, FailureReason.WORKER_LOST),
        span("c", 6, 50, 62, lost),
        span("b", 5, 40, 45, lost),
        span("a", 4, 10, 30),
    ]
    workers = workers_of(spans, NOW)
    assert [(w.name, w.state, w.span.trial_number, w.since) for w in workers] == [
        ("a", WorkerState.IDLE, 8, after(80)),
        ("b", WorkerState.BUSY, 9, after(90)),
        ("c", WorkerState.LOST, 6, after(62)),
        ("d", WorkerState.LOST, 7, after(65)),
    ]
    assert [(w.num_attempts, w.busy_seconds, w.num_lost) for w in workers] == [
        (2, 30.0, 0),
        (2, 15.0, 1),
        (1, 12.0, 1),
        (1, 5.0, 1),
    ]


def test_a_worker_whose_newer_attempt_ended_first_is_busy() -> None:
    spans = [span("a", 2, 20, 30), span("a", 1, 10, None, AttemptState.RUNNING)]
    assert [(w.state, w.span.trial_number) for w in workers_of(spans, NOW)] == [(WorkerState.BUSY, 1)]


def test_clocks_that_differ_give_no_negative_time() -> None:
    spans = [span("a", 1, 120, None, AttemptState.RUNNING), span("a", 2, 10, 5)]
    assert workers_of(spans, NOW)[0].busy_seconds == 0.0


def test_without_attempts_there_are_no_workers() -> None:
    assert workers_of([], NOW) == []
