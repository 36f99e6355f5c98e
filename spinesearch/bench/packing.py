"""How many trainings at once are best on this machine: the same trials in several packings.

A packing is a number of workers with their threads, and on a GPU with their shares of it. Its workers are those of a
search: they are started anew, load their libraries and train for two steps; only then the trials begin, on all at the
same time. What counts is the time in which all workers have a trial. Packings take turns over the rounds, so that a
busy machine slows all alike; numbers are medians over the rounds.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.progress import Progress

from nas_controller.dispatch.base import AttemptKey, AttemptOutcome, Dispatcher, WorkerPool
from nas_controller.records import FailureReason
from spinesearch.bench.proxy import in_fresh_process
from trainer.task import EvaluationRequest, TaskError, TrainingOutOfMemory

NUM_ROUNDS = 3
TRAININGS_ON_A_GPU = (1, 2, 3, 4, 6, 8)
GPU_DIGITS = 10_000  # Ray counts a GPU in ten-thousandths
WARM_UP_STEPS, WARM_UP_IMAGES = 2, 16
TIE = 0.03  # packings that are this near to the fastest are as good
START_SECONDS = 300.0

OpenDispatcher = Callable[[Sequence[WorkerPool]], Dispatcher]


@dataclass(frozen=True, slots=True)
class Packing:
    """So many workers, each with so many threads and GPUs.

    Args:
        gpus: 0 on a CPU, else the share of one GPU.
    """

    workers: int
    threads: int
    gpus: float = 0.0

    @property
    def name(self) -> str:
        """Workers by threads, for people."""
        return f"{self.workers} x {self.threads}"

    def pool(self) -> WorkerPool:
        """The workers as a dispatcher starts them."""
        return WorkerPool(count=self.workers, cpus=self.threads, gpus=self.gpus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where the trainings run, seen by a process of its own.

    Args:
        kind: ``cpu`` or ``cuda``.
        device: for people.
        cores: to divide among the trainings.
        training_bytes: estimated need of one training, with its process or its share of the driver.
        available_bytes: memory for all of them; None where it cannot be told.
    """

    kind: str
    device: str
    cores: int
    training_bytes: int
    available_bytes: int | None

    def fits(self, packing: Packing) -> bool:
        """Whether all trainings of a packing have room at once, by the estimate."""
        return self.available_bytes is None or packing.workers * self.training_bytes <= self.available_bytes


@dataclass(frozen=True, slots=True)
class Span:
    """One trial: its worker, its first and last second, and the peak memory of its worker so far, in bytes."""

    worker: str
    start: float
    end: float
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingResult:
    """What a packing reached: medians over the rounds.

    Args:
        ratio: trials an hour against those of one training at a time.
        trial_seconds: wall time of one trial beside the others.
        peak_memory_bytes: of the device, or of the processes on a CPU: the sum over the workers, in which pages that
            processes share count once for each.
        rounds: trials an hour, by round.
        oversubscribes: more threads than cores; it shows what that costs, and is not recommended.
    """

    packing: Packing
    trials_per_hour: float
    ratio: float
    trial_seconds: float
    peak_memory_bytes: int
    rounds: tuple[float, ...]
    oversubscribes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingReport:
    """What was measured.

    Args:
        num_trials: of each packing, in each round.
        left_out: packings that do not fit, each with the reason.
        workers: the recommended workers of a search document.
    """

    architecture: str
    task: dict[str, Any]
    machine: Machine
    num_trials: int
    results: tuple[PackingResult, ...]
    left_out: tuple[tuple[Packing, str], ...]
    workers: tuple[dict[str, float], ...]


def run_packing(
    *,
    name: str,
    request: EvaluationRequest,
    open_dispatcher: OpenDispatcher,
    cores: int | None = None,
    num_trials: int | None = None,
    num_rounds: int = NUM_ROUNDS,
    console: Console | None = None,
) -> PackingReport:
    """Trains the request with other seeds, the same ones in each packing of the machine.

    Args:
        name: of the architecture, for people.
        open_dispatcher: starts workers that train; closed by us.
        cores: to divide among the trainings; None for all.
        num_trials: of a packing in a round; None for one for each of the most workers.
        console: where progress is shown; None for nowhere.

    Raises:
        ValueError: no round, or fewer trials than workers.
        TaskError: a data set or a device that cannot be used, a training that failed, or a single one that does not
            fit.
    """
    machine = in_fresh_process(measure_machine, request)
    machine = replace(machine, cores=cores or machine.cores)
    packings = packings_on(machine)
    most = max(packing.workers for packing in packings)
    num_trials = most if num_trials is None else num_trials
    if num_trials < most or num_rounds < 1:
        raise ValueError(f"{num_trials} trials, {num_rounds} rounds: must be at least {most} and 1")
    requests = [replace(request, seed=request.seed + number) for number in range(num_trials)]
    turns = Turns(packings, machine)
    with Progress(console=console or Console(quiet=True)) as progress:
        for packing in progress.track(packings * num_rounds, description="training"):
            if not turns.is_left_out(packing):
                turns.take(packing, open_dispatcher, requests)
    results = tuple(packing_results(turns.spans, machine.cores))
    return PackingReport(
        architecture=name,
        task=request.task.to_document(),
        machine=machine,
        num_trials=num_trials,
        results=results,
        left_out=tuple(turns.left_out.items()),
        workers=(recommended_workers(results),),
    )


def measure_machine(request: EvaluationRequest) -> Machine:
    """The machine for a request, as this process sees it."""
    from search_space.plan import resolve
    from trainer.data.dataset import load_split
    from trainer.device import choose_device
    from trainer.memory import CUDA_CONTEXT_BYTES, available_bytes, training_bytes

    on = choose_device(request.device, request.task.precision)
    images = load_split(request.data, "train", request.task.image_size, request.cache)
    plan = resolve(request.spec, request.task.network(images.num_classes))
    needed = training_bytes(plan, request.task, images.boxes_NM4.shape[1], uses_bf16=on.uses_bf16)
    return Machine(
        kind=on.device.type,
        device=on.describe(),
        cores=len(os.sched_getaffinity(0)),
        training_bytes=needed + (CUDA_CONTEXT_BYTES if on.device.type == "cuda" else on.peak_memory_bytes()),
        available_bytes=available_bytes(on),
    )


def packings_on(machine: Machine) -> list[Packing]:
    """The packings to compare, one training at a time first.

    On a CPU every division of the cores, and one with twice as many threads as cores; on a GPU one to eight trainings,
    each with its part of the cores.

    Raises:
        TaskError: a device of another kind.
    """
    cores = machine.cores
    if machine.kind == "cpu":
        even = [Packing(workers, cores // workers) for workers in range(1, cores + 1) if cores % workers == 0]
        return [*even, Packing(cores, 2)]
    if machine.kind == "cuda":
        numbers = [number for number in TRAININGS_ON_A_GPU if number <= cores]
        return [Packing(number, cores // number, GPU_DIGITS // number / GPU_DIGITS) for number in numbers]
    raise TaskError(f"device: {machine.kind}: packings are measured on cpu and cuda")


class Turns:
    """The turns that packings take.

    Args:
        spans: of each round of a packing that fits.
        left_out: why a packing does not fit; one with as many workers is then not tried either.
    """

    def __init__(self, packings: Sequence[Packing], machine: Machine) -> None:
        self.spans: dict[Packing, list[list[Span]]] = {packing: [] for packing in packings}
        self.left_out: dict[Packing, str] = {}
        for packing in packings:
            if packing.workers > 1 and not machine.fits(packing):
                self._leave_out(packing, f"{packing.workers} times {machine.training_bytes:,} bytes do not fit")

    def is_left_out(self, packing: Packing) -> bool:
        """Whether the packing does not fit."""
        return packing in self.left_out

    def take(self, packing: Packing, open_dispatcher: OpenDispatcher, requests: Sequence[EvaluationRequest]) -> None:
        """One round of a packing.

        Raises:
            TaskError: a training failed, or a single one does not fit.
        """
        dispatcher = open_dispatcher([packing.pool()])
        try:
            self.spans[packing].append(train_all(dispatcher, packing.workers, requests))
        except TrainingOutOfMemory as error:
            if packing.workers == 1:
                raise TaskError(f"not even one training fits: {error}") from error
            self._leave_out(packing, str(error))
        finally:
            dispatcher.close()

    def _leave_out(self, packing: Packing, reason: str) -> None:
        for other in list(self.spans):
            if other.workers >= packing.workers:
                del self.spans[other]
                self.left_out[other] = reason


def train_all(
    dispatcher: Dispatcher,
    workers: int,
    requests: Sequence[EvaluationRequest],
    clock: Callable[[], float] = time.monotonic,
) -> list[Span]:
    """The trials of all requests, which begin when every worker has trained for two steps.

    Raises:
        TaskError: a training failed, or the workers do not start.
        TrainingOutOfMemory: a training did not fit.
    """
    give_up_at = clock() + START_SECONDS
    while len(dispatcher.free_workers()) < workers:
        dispatcher.wait(1.0)
        if clock() > give_up_at:
            raise TaskError(f"the workers do not start: {dispatcher.placement()}")
    _spans(dispatcher, "warm-up", [warm_up(requests[0])] * workers, clock)
    return _spans(dispatcher, "trial", requests, clock)


def warm_up(request: EvaluationRequest) -> EvaluationRequest:
    """A short training after which a process has loaded what the whole one needs."""
    task = request.task
    images = min(task.max_eval_images or WARM_UP_IMAGES, WARM_UP_IMAGES)
    short = replace(task, steps=WARM_UP_STEPS, epochs=None, warmup_steps=0, measure_at=(), max_eval_images=images)
    return replace(request, task=short)


def _spans(
    dispatcher: Dispatcher, label: str, requests: Sequence[EvaluationRequest], clock: Callable[[], float]
) -> list[Span]:
    """The trials of all requests, given in their order to whoever is free."""
    waiting = [(AttemptKey(f"{label} {number}", 1), request) for number, request in enumerate(requests)]
    running: dict[AttemptKey, tuple[str, float]] = {}
    spans: list[Span] = []
    while waiting or running:
        for worker in dispatcher.free_workers()[: len(waiting)]:
            key, request = waiting.pop(0)
            running[key] = worker, clock()
            dispatcher.submit(worker, key, request)
        for outcome in dispatcher.wait(1.0):
            worker, start = running.pop(outcome.key)
            spans.append(Span(worker, start, clock(), _peak_memory(outcome)))
    return spans


def _peak_memory(outcome: AttemptOutcome) -> int:
    """What a trial measured of its worker's memory.

    Raises:
        TrainingOutOfMemory, TaskError: there was not enough, or the trial failed otherwise.
    """
    failure = outcome.failure
    if failure is not None and failure.reason is FailureReason.OUT_OF_MEMORY:
        raise TrainingOutOfMemory(failure.message)
    if failure is not None:
        raise TaskError(f"a training failed: {failure.message}")
    assert outcome.evaluation is not None
    return outcome.evaluation.peak_memory_bytes


def packing_results(spans: dict[Packing, list[list[Span]]], cores: int) -> list[PackingResult]:
    """The medians of each packing; the first is what the others are held against."""
    results: list[PackingResult] = []
    for packing, rounds in spans.items():
        rates = [trials_per_hour(trials) for trials in rounds]
        rate = statistics.median(rates)
        trials = [span for trials in rounds for span in trials]
        results.append(
            PackingResult(
                packing=packing,
                trials_per_hour=rate,
                ratio=rate / results[0].trials_per_hour if results else 1.0,
                trial_seconds=statistics.median(span.end - span.start for span in trials),
                peak_memory_bytes=max(peak_memory_bytes(trials) for trials in rounds),
                rounds=tuple(rates),
                oversubscribes=packing.workers * packing.threads > cores,
            )
        )
    return results


def trials_per_hour(spans: Sequence[Span]) -> float:
    """Trials done in an hour, while every worker has one: from the last first start to the first last end.

    A trial that the window cuts counts by the part of its time that is inside.
    """
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    for span in spans:
        starts[span.worker] = min(span.start, starts.get(span.worker, span.start))
        ends[span.worker] = max(span.end, ends.get(span.worker, span.end))
    first, last = max(starts.values()), min(ends.values())
    done = sum(max(min(span.end, last) - max(span.start, first), 0.0) / (span.end - span.start) for span in spans)
    return 3600 * done / (last - first)


def peak_memory_bytes(spans: Sequence[Span]) -> int:
    """The peaks of all workers together."""
    peaks: dict[str, int] = {}
    for span in spans:
        peaks[span.worker] = max(span.peak_memory_bytes, peaks.get(span.worker, 0))
    return sum(peaks.values())


def recommended_workers(results: Sequence[PackingResult]) -> dict[str, float]:
    """The pool of a search document: the fewest workers that are as good as the fastest on the cores there are."""
    fair = [result for result in results if not result.oversubscribes]
    fastest = max(result.trials_per_hour for result in fair)
    good = [result for result in fair if result.trials_per_hour >= (1 - TIE) * fastest]
    packing = min((result.packing for result in good), key=lambda packing: packing.workers)
    pool: dict[str, float] = {"count": packing.workers, "cpus": packing.threads}
    return {**pool, "gpus": packing.gpus} if packing.gpus else pool
