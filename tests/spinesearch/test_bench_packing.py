"""The packing benchmark: a quick run end to end, its turns in virtual time, its arithmetic."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from nas_controller.dispatch.base import Dispatcher, WorkerPool
from nas_controller.dispatch.local import LocalDispatcher
from nas_controller.dispatch.simulated import SimulatedDispatcher, VirtualClock
from nas_controller.dispatch.worker import DETECTION, failure_of
from nas_controller.records import Failure
from nas_controller.search_config import SearchConfig
from search_space.reference import reference
from spinesearch.bench.packing import (
    Machine,
    Packing,
    PackingReport,
    PackingResult,
    Span,
    Turns,
    packing_results,
    packings_on,
    peak_memory_bytes,
    recommended_workers,
    run_packing,
    train_all,
    trials_per_hour,
    warm_up,
)
from spinesearch.bench.packing_table import print_packing
from spinesearch.bench.proxy import quick_task
from tests.conformance.dispatch_evaluators import make_request, measure
from trainer.data.generated import generate
from trainer.task import PRESETS, Evaluation, EvaluationRequest, TaskError, TrainingOutOfMemory

MACHINE = Machine(kind="cpu", device="cpu (fp32)", cores=2, training_bytes=100, available_bytes=1000)


def local(pools: Sequence[WorkerPool]) -> Dispatcher:
    return LocalDispatcher(pools, DETECTION)


@pytest.fixture
def request_to_train(tmp_path: Path) -> EvaluationRequest:
    data = generate(tmp_path / "data", num_train=10, num_val=1, image_size=64)
    task = quick_task(PRESETS["cpu-tiny"])
    return EvaluationRequest(spec=reference("spinenet-49"), task=task, data=data, seed=0, device="cpu")


@pytest.mark.slow
def test_a_quick_run_recommends_workers_that_a_search_takes(request_to_train: EvaluationRequest) -> None:
    report = run_packing(
        name="spinenet-49", request=request_to_train, open_dispatcher=local, cores=1, num_trials=2, num_rounds=1
    )
    assert (report.machine.kind, report.machine.cores, report.num_trials) == ("cpu", 1, 2)
    assert [result.packing for result in report.results] == [Packing(1, 1), Packing(1, 2)]
    assert report.results[0].ratio == 1.0
    for result in report.results:
        assert result.rounds == (result.trials_per_hour,)
        assert result.trials_per_hour > 0
        assert 10**8 < result.peak_memory_bytes < 10**10  # it has imported torch
    assert 10**8 < report.machine.training_bytes < 10**10
    document = json.loads(json.dumps(asdict(report)))
    assert document["results"][0]["packing"] == {"workers": 1, "threads": 1, "gpus": 0.0}
    console = Console(record=True, width=200)
    print_packing(report, console)
    lines = console.export_text().split("for a search document:\n")[1]
    config = SearchConfig.from_document({"space": "spinenet-49", "data": "generated", **yaml.safe_load(lines)})
    assert [(pool.count, pool.cpus) for pool in config.workers] == [(1, 1)]


def test_too_few_trials_or_rounds_are_refused(
    request_to_train: EvaluationRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spinesearch.bench.packing.in_fresh_process", lambda measure, request: MACHINE)
    with pytest.raises(ValueError, match="1 trials, 3 rounds: must be at least 2 and 1"):
        run_packing(name="", request=request_to_train, open_dispatcher=local, cores=2, num_trials=1)
    with pytest.raises(ValueError, match="0 rounds"):
        run_packing(name="", request=request_to_train, open_dispatcher=local, num_rounds=0)


def test_packings_of_a_cpu_divide_its_cores_and_one_has_too_many_threads() -> None:
    assert packings_on(MACHINE) == [Packing(1, 2), Packing(2, 1), Packing(2, 2)]
    six = [Packing(1, 6), Packing(2, 3), Packing(3, 2), Packing(6, 1), Packing(6, 2)]
    assert packings_on(replace(MACHINE, cores=6)) == six
    with pytest.raises(TaskError, match="xla"):
        packings_on(replace(MACHINE, kind="xla"))


def test_packings_of_a_gpu_share_it_and_the_cores() -> None:
    packings = packings_on(replace(MACHINE, kind="cuda", cores=7))
    assert [(p.workers, p.threads) for p in packings] == [(1, 7), (2, 3), (3, 2), (4, 1), (6, 1)]
    assert [p.gpus for p in packings] == [1.0, 0.5, 0.3333, 0.25, 0.1666]
    assert packings[1].pool() == WorkerPool(count=2, cpus=3, gpus=0.5)


def simulated(count: int, clock: VirtualClock, fails: str = "") -> SimulatedDispatcher:
    """Workers that take as many seconds as a seed says, 1 for a warm-up; one seed or all warm-ups may not fit."""

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        if fails in (str(request.seed), "all"):
            return failure_of(TrainingOutOfMemory("9 bytes are too many"))
        if fails == "broken":
            return failure_of(TaskError("images/3.jpg: is truncated"))
        return replace(measure(request), peak_memory_bytes=request.seed)

    def seconds(request: EvaluationRequest) -> float:
        return 1.0 if request.task.max_eval_images == 16 else float(request.seed)

    return SimulatedDispatcher(count, seconds, evaluate, clock, start_seconds=5.0)


def requests(*seeds: int) -> list[EvaluationRequest]:
    return [make_request("ok", seed) for seed in seeds]


def test_all_workers_begin_together_when_each_is_warm() -> None:
    clock = VirtualClock()
    spans = train_all(simulated(2, clock), 2, requests(30, 40, 20), lambda: clock.seconds)
    # Up after 5 s, warm after 6; then 30 and 40 s, and 20 s for whoever is free first.
    assert spans == [
        Span("worker-1", 6.0, 36.0, 30),
        Span("worker-2", 6.0, 46.0, 40),
        Span("worker-1", 36.0, 56.0, 20),
    ]
    assert peak_memory_bytes(spans) == 30 + 40


def test_only_the_time_in_which_all_workers_have_a_trial_counts() -> None:
    # From 6 to 46: worker-2 ends there for good. Done: one of 30 s, one of 40 s, 10 s of one of 20 s.
    spans = [Span("a", 6, 36, 0), Span("b", 6, 46, 0), Span("a", 36, 56, 0)]
    assert trials_per_hour(spans) == pytest.approx(2.5 / 40 * 3600)
    # The last first start is 10: the first has then 20 s of its 30 left.
    late = [Span("a", 0, 30, 0), Span("b", 10, 30, 0)]
    assert trials_per_hour(late) == pytest.approx((2 / 3 + 1) / 20 * 3600)
    assert trials_per_hour([Span("a", 0, 10, 0), Span("a", 10, 30, 0)]) == pytest.approx(2 / 30 * 3600)


def test_the_warm_up_is_short_and_reads_the_same_images() -> None:
    request = make_request("ok", 7)
    long = replace(request, task=replace(request.task, steps=None, epochs=5, measure_at=(0.5,), warmup_steps=9))
    short = warm_up(long)
    assert (short.task.steps, short.task.epochs, short.task.measure_at) == (2, None, ())
    assert short.task.max_eval_images == 16
    assert (short.task.image_size, short.data, short.spec) == (long.task.image_size, long.data, long.spec)
    few = replace(request, task=replace(request.task, max_eval_images=3))
    assert warm_up(few).task.max_eval_images == 3


def test_a_packing_that_runs_out_of_memory_ends_it_and_all_larger_ones() -> None:
    packings = [Packing(1, 4), Packing(2, 2), Packing(4, 1), Packing(4, 2)]
    turns = Turns(packings, replace(MACHINE, cores=4))

    def open_dispatcher(pools: Sequence[WorkerPool]) -> Dispatcher:
        return simulated(pools[0].count, VirtualClock(), fails="" if pools[0].count == 1 else "8")

    for packing in packings[:2]:
        turns.take(packing, open_dispatcher, requests(9, 8, 9, 9))
    assert [len(rounds) for rounds in turns.spans.values()] == [1]
    assert turns.left_out == dict.fromkeys(packings[1:], "9 bytes are too many")
    assert [turns.is_left_out(packing) for packing in packings] == [False, True, True, True]
    with pytest.raises(TaskError, match="not even one training fits: 9 bytes"):
        turns.take(packings[0], lambda pools: simulated(1, VirtualClock(), fails="all"), requests(9))
    with pytest.raises(TaskError, match=r"a training failed: images/3\.jpg: is truncated"):
        turns.take(packings[0], lambda pools: simulated(1, VirtualClock(), fails="broken"), requests(9))


def test_a_packing_that_cannot_fit_by_the_estimate_is_never_tried() -> None:
    packings = [Packing(1, 4), Packing(2, 2), Packing(4, 1)]
    turns = Turns(packings, replace(MACHINE, training_bytes=300))
    assert turns.left_out == {Packing(4, 1): "4 times 300 bytes do not fit"}
    assert list(turns.spans) == packings[:2]
    # One at a time is always tried: the training itself says what it needs.
    assert list(Turns(packings, replace(MACHINE, training_bytes=2000)).spans) == packings[:1]
    assert Turns(packings, replace(MACHINE, available_bytes=None)).left_out == {}


def test_results_are_medians_of_the_rounds_against_one_at_a_time() -> None:
    one, two = Packing(1, 2), Packing(2, 2)
    rounds_of_one = [[Span("a", 0, seconds, 5)] for seconds in (36, 30, 90)]
    rounds_of_two = [[Span("a", 0, seconds, 5), Span("b", 0, seconds, 6)] for seconds in (20, 24, 90)]
    first, second = packing_results({one: rounds_of_one, two: rounds_of_two}, cores=2)
    assert (first.trials_per_hour, first.ratio, first.trial_seconds, first.oversubscribes) == (100, 1.0, 36, False)
    assert first.rounds == (100, 120, 40)
    assert (second.trials_per_hour, second.ratio, second.trial_seconds) == (300, 3.0, 24)
    assert (second.peak_memory_bytes, second.oversubscribes) == (11, True)


def result(packing: Packing, trials_per_hour: float, *, oversubscribes: bool = False) -> PackingResult:
    return PackingResult(
        packing=packing,
        trials_per_hour=trials_per_hour,
        ratio=1.0,
        trial_seconds=1.0,
        peak_memory_bytes=1,
        rounds=(trials_per_hour,),
        oversubscribes=oversubscribes,
    )


def test_the_fewest_workers_that_are_as_good_as_the_fastest_are_recommended() -> None:
    one, two, four = Packing(1, 4), Packing(2, 2), Packing(4, 1)
    assert recommended_workers([result(one, 96), result(two, 98), result(four, 100)]) == {"count": 2, "cpus": 2}
    assert recommended_workers([result(one, 90), result(two, 96), result(four, 100)]) == {"count": 4, "cpus": 1}
    too_many = result(Packing(4, 2), 200, oversubscribes=True)
    assert recommended_workers([result(one, 100), result(two, 50), too_many]) == {"count": 1, "cpus": 4}
    shares = [result(Packing(1, 4, 1.0), 50), result(Packing(3, 1, 0.3333), 80)]
    assert recommended_workers(shares) == {"count": 3, "cpus": 1, "gpus": 0.3333}


def test_the_table_names_what_was_left_out() -> None:
    shared = result(Packing(2, 2, 0.5), 90, oversubscribes=True)
    report = PackingReport(
        architecture="spinenet-49",
        task=PRESETS["paper"].to_document(),
        machine=MACHINE,
        num_trials=8,
        results=(result(Packing(1, 4, 1.0), 50), shared),
        left_out=((Packing(8, 1, 0.125), "[8 times] too large"),),
        workers=({"count": 1, "cpus": 4, "gpus": 1.0},),
    )
    console = Console(record=True, width=200)
    print_packing(report, console)
    text = console.export_text()
    assert "512 px, batch 64, 5 epochs" in text
    assert "8 x 1: left out: [8 times] too large" in text
    assert "* more threads than cores" in text
    assert "2 x 2 *" in text
    assert "workers:\n- count: 1\n  cpus: 4\n  gpus: 1.0\n" in text
