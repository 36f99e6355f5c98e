"""What the loop does with measurements and checkpoints: simulated trainings of 100 steps, one a second."""

import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from nas_controller.dispatch.base import AttemptKey
from nas_controller.dispatch.simulated import SimulatedDispatcher
from nas_controller.records import EntryKind, Failure, FailureReason, JobKind, SearchState, Trial, TrialState
from nas_controller.replay import replay
from nas_controller.running_search import RunningSearch
from nas_controller.search_loop import run_search
from tests.nas_controller.test_search_loop import Bench, closed_form_ap, measured
from trainer.session import Measurement, Progress, TrainingSession, TrainingStopped
from trainer.task import Evaluation, EvaluationRequest, Split

STEPS = 100
MEDIAN = {"rule": "median", "at": [0.25, 0.5], "min_trials": 5}
HALVING = {"rule": "successive_halving", "at": [0.25, 0.5], "eta": 3, "min_trials": 5}


def seconds(request: EvaluationRequest) -> float:
    return float(STEPS)


def staggered(request: EvaluationRequest) -> float:
    """Between 50 and 250 s, so that the fast ones overtake the slow ones."""
    return 50.0 + 50 * (request.seed % 5)


def evaluation(request: EvaluationRequest, average_precision: float, stopped_at_step: int | None) -> Evaluation:
    document = measured(request)
    assert isinstance(document, Evaluation)
    changed = {"average_precision": average_precision, "stopped_at_step": stopped_at_step}
    return Evaluation.from_document({**document.to_document(), **changed})


def crossing(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
    """Some are fast at first, some at last: who is behind at one step may be ahead at another."""
    return trained(request, session, power=0.5 + request.seed % 4 / 2)


def trained(
    request: EvaluationRequest, session: TrainingSession, power: float = 1.0, final: float | None = None
) -> Evaluation:
    """AP rises with a power of the steps; a checkpoint holds the step."""
    final = closed_form_ap(request) if final is None else final
    measured_at = [round(share * STEPS) for share in request.task.measure_at]
    content = session.load_checkpoint()
    for step in range(first_step(content) + 1, STEPS + 1):
        now = final * (step / STEPS) ** power
        if step in measured_at:
            point = Measurement(step=step, num_steps=STEPS, loss=1 / step, average_precision=now, seconds=float(step))
            try:
                session.measured(point)
            except TrainingStopped:
                return evaluation(request, now, step)
        if session.wants_checkpoint():
            session.save_checkpoint(step, f"{step} {request.seed}".encode())
    return evaluation(request, final, None)


def first_step(content: bytes | None) -> int:
    """The step that a checkpoint was written after; 0 for none."""
    return 0 if content is None else int(content.split()[0])


class CurveBench(Bench):
    """A search whose trainings are measured on the way; no reevaluation unless asked for."""

    def __init__(self, trials: int = 24, artifact_dir: Path | None = None, **document: object) -> None:
        few = {"reevaluate": {"top": 0}, "attempts": {"checkpoint_seconds": 1}}
        super().__init__(trials, artifact_dir=artifact_dir, **{"algorithm": "random", **few, **document})  # type: ignore[arg-type]

    def claimed(self) -> RunningSearch:
        return self.claim(trained, workers=4, seconds=seconds)

    def trials(self) -> list[Trial]:
        return self.store.list_trials(self.search_id, 1000, states=[TrialState.COMPLETED, TrialState.STOPPED_EARLY])

    def given_up_at(self, step: int) -> list[int]:
        """The trials that the search's rule gives up at a step, told from the ledger alone."""
        settings = self.config.early_stopping
        before: list[float] = []
        found: list[int] = []
        for entry in self.store.read_ledger(self.search_id, limit=100_000):
            if entry.kind is EntryKind.TRIAL_MEASURED and entry.payload["step"] == step:
                value = entry.payload["average_precision"]
                if len(before) >= settings.min_trials and is_behind(settings.rule, before, value):
                    found.append(entry.trial_number or 0)
                before.append(value)
        return sorted(found)

    def assert_no_checkpoint_is_left(self) -> None:
        """Of those that the loop heard of: a simulated worker puts all of a training at once, also those that it
        does not come to."""
        checkpoints = [job.checkpoint for job in self.store.list_jobs(self.search_id) if job.checkpoint]
        if self.artifacts is not None:
            assert checkpoints
            assert not any(self.artifacts.exists(checkpoint.key) for checkpoint in checkpoints)

    def assert_only_snapshots_are_left(self) -> None:
        assert self.artifacts is not None
        files = [snapshot.artifact_key for snapshot in self.store.list_snapshots(self.search_id)]
        assert self.artifacts.list() == sorted(key for key in files if key is not None)

    def expected_stops(self) -> dict[int, int]:
        """Trial and step: who is given up at a step ends at the next; after the last, there is none to end at."""
        steps = [round(share * STEPS) for share in self.config.early_stopping.at]
        stops: dict[int, int] = {}
        for step, following in pairwise(steps):
            for number in self.given_up_at(step):
                stops.setdefault(number, following)
        return stops

    def assert_stopped_as_the_ledger_says(self) -> None:
        stopped = {}
        for trial in self.trials():
            (job,) = self.store.list_jobs(self.search_id, trial.number)
            assert job.evaluation is not None
            step = job.evaluation["stopped_at_step"]
            assert (trial.state is TrialState.STOPPED_EARLY) == (step is not None)
            if step is not None:
                stopped[trial.number] = step
                last = self.store.list_measurements(self.search_id, trial.number)[-1]
                assert (last.step, last.average_precision) == (step, trial.reward)
        assert stopped == self.expected_stops()


def is_behind(rule: str, before: Sequence[float], value: float) -> bool:
    """The rules once more, by sorting: below the median; or not within the best third, oneself included."""
    if rule == "median":
        return value < statistics.median(before)
    return value not in sorted([*before, value], reverse=True)[: (len(before) + 1) // 3]


def worked_seconds(bench: Bench) -> float:
    """Of all workers."""
    jobs = bench.store.list_jobs(bench.search_id)
    attempts = [attempt for job in jobs for attempt in bench.store.list_attempts(job.id)]
    return sum((a.finished_at - a.started_at).total_seconds() for a in attempts if a.finished_at is not None)


def test_by_default_nothing_is_measured_on_the_way_and_nothing_stopped() -> None:
    bench = CurveBench(trials=8)
    assert bench.finish(bench.claimed()) is SearchState.SUCCEEDED
    assert {trial.state for trial in bench.trials()} == {TrialState.COMPLETED}
    assert all(bench.store.list_measurements(bench.search_id, trial.number) == [] for trial in bench.trials())


def test_a_curve_may_be_asked_for_without_a_rule() -> None:
    bench = CurveBench(trials=8, proxy={"preset": "paper", "measure_at": [0.1, 0.5]})
    bench.finish(bench.claimed())
    assert {trial.state for trial in bench.trials()} == {TrialState.COMPLETED}
    for trial in bench.trials():
        points = bench.store.list_measurements(bench.search_id, trial.number)
        assert [point.step for point in points] == [10, 50]
        expected = [0.1 * (trial.reward or 0), 0.5 * (trial.reward or 0)]
        assert [point.average_precision for point in points] == pytest.approx(expected)


@pytest.mark.parametrize("rule", [MEDIAN, HALVING], ids=["median", "halving"])
def test_a_rule_ends_who_is_behind_and_saves_their_time(rule: dict[str, object]) -> None:
    whole, short = CurveBench(), CurveBench(early_stopping=rule)
    for bench in (whole, short):
        assert bench.finish(bench.claimed()) is SearchState.SUCCEEDED
        assert bench.store.get_search(bench.search_id).reason == "limit reached: 24 trials"
    short.assert_stopped_as_the_ledger_says()
    num_stopped = len(short.expected_stops())
    assert num_stopped >= 6
    assert worked_seconds(whole) == pytest.approx(24 * STEPS)
    assert worked_seconds(short) == pytest.approx(24 * STEPS - num_stopped * STEPS / 2)
    assert short.clock.seconds < whole.clock.seconds
    # Random search proposes the same in both, and the best is behind nobody.
    assert short.store.best_trials(short.search_id, 1)[0].draft == whole.store.best_trials(whole.search_id, 1)[0].draft


def test_what_is_measured_on_val_is_neither_measured_on_the_way_nor_stopped() -> None:
    asked: list[EvaluationRequest] = []

    def evaluate(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
        asked.append(request)
        return trained(request, session)

    bench = CurveBench(trials=12, early_stopping=MEDIAN, reevaluate={"top": 2, "seeds": 3})
    bench.finish(bench.claim(evaluate, workers=4, seconds=seconds))
    shares = {request.split: request.task.measure_at for request in asked}
    assert shares == {Split.REWARD: (0.25, 0.5), Split.VAL: ()}
    on_val = [job for job in bench.store.list_jobs(bench.search_id) if job.kind is JobKind.REEVALUATE]
    assert len(on_val) == 4 * 3
    assert all(job.evaluation is not None and job.evaluation["stopped_at_step"] is None for job in on_val)
    assert all(trial.state is TrialState.COMPLETED for trial in bench.store.best_trials(bench.search_id, 2))


@pytest.mark.parametrize("keeps_checkpoints", [False, True])
@pytest.mark.parametrize("cut_at", range(130, 380, 50))
def test_a_search_cut_at_any_time_decides_alike(tmp_path: Path, cut_at: int, keeps_checkpoints: bool) -> None:
    """Steps 20, 40, 60 and 80 are measured, and not all of them kept: an attempt that goes on comes once more to the
    step where its trial was given up, or not."""
    bench = CurveBench(
        artifact_dir=tmp_path if keeps_checkpoints else None,
        algorithm="reinforce",
        early_stopping={**MEDIAN, "at": [0.2, 0.4, 0.6, 0.8], "min_trials": 3},
        attempts={"checkpoint_seconds": 35},
        trials=16,
    )
    for _ in run_search(bench.claim(crossing, workers=4, seconds=staggered)):
        if bench.clock.seconds >= cut_at:
            break
    second = bench.claim(crossing, workers=4, seconds=staggered)
    assert bench.finish(second) is SearchState.SUCCEEDED
    assert len(bench.trials()) == 16
    assert len(set(bench.expected_stops().values())) >= 2
    bench.assert_stopped_as_the_ledger_says()
    bench.assert_no_checkpoint_is_left()
    replayed = bench.algorithm()
    replay(bench.store, bench.search_id, replayed)
    state, expected = replayed.state_dict(), second.algorithm.state_dict()
    assert all(state[name].tobytes() == expected[name].tobytes() for name in expected)


def number_of(request: EvaluationRequest) -> int:
    """The trial that a request is of."""
    return int(request.spec.name.rpartition("-")[2])


def cut(bench: CurveBench, at_seconds: float, evaluate: Callable[..., Evaluation]) -> None:
    """Runs the search until then, and once more, by another controller, to its end; trial 1 is a little faster."""

    def pace(request: EvaluationRequest) -> float:
        return STEPS - 10.0 * (number_of(request) == 1)

    for _ in run_search(bench.claim(evaluate, workers=4, seconds=pace)):
        if bench.clock.seconds >= at_seconds:
            break
    bench.finish(bench.claim(evaluate, workers=4, seconds=pace))


def test_what_was_measured_later_does_not_count_when_asked_again() -> None:
    """Trial 1 comes first to step 25, where nobody is to compare it with, and does so again after a crash."""

    def evaluate(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
        return trained(request, session, final=0.1 if number_of(request) == 1 else 0.5)

    bench = CurveBench(trials=4, early_stopping={**MEDIAN, "min_trials": 3})
    cut(bench, 30.0, evaluate)
    assert bench.store.measured_at(bench.search_id, 25) == [(1, 0.025), (2, 0.125), (3, 0.125), (4, 0.125)]
    (job,) = bench.store.list_jobs(bench.search_id, 1)
    assert (job.num_attempts, bench.store.get_trial(bench.search_id, 1).state) == (2, TrialState.COMPLETED)


@pytest.mark.parametrize(("checkpoint_seconds", "goes_on_from"), [(25, 30), (50, 50), (1000, 0)])
def test_who_was_given_up_before_a_crash_ends_at_the_same_step(
    tmp_path: Path, checkpoint_seconds: float, goes_on_from: int
) -> None:
    """Trial 4 has 0.2 at every step: more than the others' 0.15 at 30, less than their 0.25 at 50."""
    starts: list[int] = []

    def evaluate(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
        if number_of(request) == 4:
            starts.append(first_step(session.load_checkpoint()))
        power, final = (0.0, 0.2) if number_of(request) == 4 else (1.0, 0.5)
        return trained(request, session, power, final)

    rule = {**MEDIAN, "at": [0.3, 0.5, 0.75], "min_trials": 3}
    bench = CurveBench(
        trials=4, artifact_dir=tmp_path, early_stopping=rule, attempts={"checkpoint_seconds": checkpoint_seconds}
    )
    cut(bench, 60.0, evaluate)
    assert (starts[0], starts[-1]) == (0, goes_on_from)
    assert bench.expected_stops() == {4: 75}
    bench.assert_stopped_as_the_ledger_says()


def test_two_runs_stop_the_same_trials() -> None:
    ledgers = []
    for _ in range(2):
        bench = CurveBench(trials=12, early_stopping=HALVING)
        bench.finish(bench.claimed())
        ledgers.append(bench.store.read_ledger(bench.search_id, limit=100_000))
    assert ledgers[0] == ledgers[1]


def test_a_lost_attempt_goes_on_from_its_newest_checkpoint(tmp_path: Path) -> None:
    starts: dict[int, list[int]] = {}

    def evaluate(request: EvaluationRequest, session: TrainingSession) -> Evaluation | Failure:
        starts.setdefault(request.seed, []).append(first_step(session.load_checkpoint()))
        result = trained(request, session)
        lost = Failure(reason=FailureReason.WORKER_LOST, message="the worker was lost")
        return lost if len(starts[request.seed]) == 1 else result

    proxy = {"preset": "paper", "measure_at": [0.25, 0.5]}
    bench = CurveBench(trials=3, artifact_dir=tmp_path, proxy=proxy)
    assert bench.finish(bench.claim(evaluate, seconds=seconds)) is SearchState.SUCCEEDED
    # The simulated clock of a session moves with its measurements: at 25 and 50; then a checkpoint is due.
    assert list(starts.values()) == [[0, 50]] * 3
    for trial in bench.trials():
        points = bench.store.list_measurements(bench.search_id, trial.number)
        assert [point.step for point in points] == [25, 50]
        (job,) = bench.store.list_jobs(bench.search_id, trial.number)
        assert (job.num_attempts, job.checkpoint and job.checkpoint.step) == (2, 50)
    bench.assert_only_snapshots_are_left()


def test_only_the_newest_checkpoint_of_a_running_job_is_kept(tmp_path: Path) -> None:
    shares = [0.1, 0.2, 0.3, 0.4, 0.5]
    bench = CurveBench(trials=9, artifact_dir=tmp_path, proxy={"preset": "paper", "measure_at": shares})
    assert bench.artifacts is not None
    most = 0
    turns = run_search(bench.claimed())
    for _ in turns:
        needed = [
            job.checkpoint.key for job in bench.store.list_jobs(bench.search_id, open_only=True) if job.checkpoint
        ]
        most = max(most, len(needed))
        # What a worker has put and the loop has not heard of yet is there too; the simulated ones put all at once.
        assert set(needed) <= set(bench.artifacts.list())
    assert most == 4
    bench.assert_only_snapshots_are_left()


@pytest.mark.parametrize("state", [SearchState.CANCELLED, SearchState.FAILED])
def test_a_search_that_ends_otherwise_leaves_no_checkpoint(tmp_path: Path, state: SearchState) -> None:
    broken = Failure(reason=FailureReason.BROKEN_DATA, message="images/7.jpg: truncated")

    def evaluate(request: EvaluationRequest, session: TrainingSession) -> Evaluation | Failure:
        result = trained(request, session)
        return broken if state is SearchState.FAILED and request.seed == first_seed(bench) else result

    bench = CurveBench(artifact_dir=tmp_path, proxy={"preset": "paper", "measure_at": [0.25]})
    for _ in run_search(bench.claim(evaluate, workers=4, seconds=seconds)):
        if state is SearchState.CANCELLED and bench.clock.seconds > 60:
            bench.store.request_state(bench.search_id, state, "", bench.clock.now())
    assert bench.store.get_search(bench.search_id).state is state
    bench.assert_no_checkpoint_is_left()


def first_seed(bench: Bench) -> int:
    return bench.store.list_jobs(bench.search_id)[0].seed


class Repeating(SimulatedDispatcher):
    """Says everything that was ever reported again, each time it is asked."""

    def progress(self) -> list[tuple[AttemptKey, Progress]]:
        self.said = [*getattr(self, "said", []), *super().progress()]
        return list(self.said)


def test_progress_that_comes_late_or_twice_changes_nothing(tmp_path: Path) -> None:
    ledgers = []
    for dispatcher_class in (SimulatedDispatcher, Repeating):
        bench = CurveBench(trials=10, artifact_dir=tmp_path, early_stopping=MEDIAN)
        search = bench.claimed()
        search.dispatcher = dispatcher_class(4, seconds, trained, bench.clock)
        assert bench.finish(search) is SearchState.SUCCEEDED
        ledgers.append(bench.store.read_ledger(bench.search_id, limit=100_000))
    assert ledgers[0] == ledgers[1]
