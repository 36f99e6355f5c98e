"""How fast a proxy training is: ours against torchvision's detector around the same backbone, and against the machine.

All contenders train the same network plan from the same seeds with the same optimizer settings, schedule, batch, image
size, steps and threads, each trial in a fresh process. They take turns, so that a busy machine slows all alike;
times are medians over the rounds.
"""

import multiprocessing
import os
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import Progress

from search_space.spec import ArchitectureSpec
from spinesearch.processes import end_with_parent
from trainer.task import DataSource, EvaluationRequest, ProxyTask, Split

T = TypeVar("T")

OURS, STOCK, TUNED = "ours", "stock", "tuned"
CONTENDERS = (OURS, STOCK, TUNED)
NUM_SEEDS = 3
DEFAULT_DOCUMENT = {"space": "spinenet-49", "data": "generated", "proxy": {"preset": "cpu-small", "steps": 150}}
QUICK_STEPS, QUICK_IMAGE_SIZE, QUICK_EVAL_IMAGES = 2, 64, 4
TARGETS = {"cpu": {STOCK: 2.0, TUNED: 1.2}, "cuda": {STOCK: 3.0, TUNED: 2.0}}
ALLOWED_OVERHEAD, ALLOWED_SECONDS = 0.1, 2.0
MULTIPLY_ADDS_TOLERANCE = 0.01
PASSES = 3  # a training step costs a forward pass, and two of its size backward


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One training of one contender, in a fresh process that had imported everything before.

    Args:
        uses_bf16: convolutions ran in bfloat16.
        multiply_adds: of the network at the proxy's size, head included, for one image.
        setup_seconds: before the first step: reading data, building the network.
        train_seconds: of the optimizer steps, with what brings their batches.
        eval_seconds: after the last step.
        seconds: of the whole trial.
        peak_memory_bytes: of the device, or of the process on a CPU; loader processes not counted.
    """

    contender: str
    uses_bf16: bool
    average_precision: float
    multiply_adds: int
    setup_seconds: float
    train_seconds: float
    eval_seconds: float
    seconds: float
    num_eval_images: int
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds a training on this machine, measured in a process of its own.

    Args:
        bare_step_seconds: forward pass, backward pass and optimizer of our network on random tensors.
        bf16_flops, fp32_flops: floating-point operations a second of a large matrix product, two a multiply-add.
    """

    bare_step_seconds: float
    bf16_flops: float
    fp32_flops: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ContenderReport:
    """Medians over the trials of a contender.

    Args:
        outside_seconds: part of a trial that is not optimizer steps.
        peak_share: arithmetic of the steps (`PASSES` forward passes) against the machine's matrix product in the
            precision that the contender trains in.
        average_precision: by seed.
        standard_error: of their mean; 0 for a single seed.
    """

    name: str
    uses_bf16: bool
    multiply_adds: int
    train_images_per_second: float
    eval_images_per_second: float
    trial_seconds: float
    outside_seconds: float
    peak_share: float
    peak_memory_bytes: int
    average_precision: tuple[float, ...]
    mean: float
    standard_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as fast as a peer ours is.

    Args:
        trial, training, evaluation: of whole trials, of images a second in steps and in the evaluation.
        target: what a whole trial should reach.
        is_as_precise: our mean AP is not below the peer's by more than one standard error of their difference.
    """

    peer: str
    trial: float
    training: float
    evaluation: float
    target: float
    is_as_precise: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyReport:
    """What was measured.

    Args:
        bare_seconds: the bare network's steps, as many as a trial has.
        allowed_seconds: what a whole trial of ours may take to reach its target.
    """

    architecture: str
    device: str
    threads: int
    steps: int
    task: dict[str, Any]
    limits: Limits
    bare_seconds: float
    allowed_seconds: float
    contenders: tuple[ContenderReport, ...]
    ratios: tuple[Ratio, ...]


def quick_task(task: ProxyTask) -> ProxyTask:
    """The task made so small that it only shows that everything runs."""
    return replace(
        task,
        image_size=QUICK_IMAGE_SIZE,
        steps=QUICK_STEPS,
        epochs=None,
        batch_size=2,
        warmup_steps=0,
        max_eval_images=QUICK_EVAL_IMAGES,
        measure_at=(),
    )


def run_proxy(
    *,
    name: str,
    spec: ArchitectureSpec,
    task: ProxyTask,
    data: DataSource,
    num_seeds: int = NUM_SEEDS,
    device: str = "auto",
    threads: int | None = None,
    console: Console | None = None,
) -> ProxyReport:
    """Trains every contender once with each seed, and measures the machine as often.

    Args:
        name: of the architecture, for people.
        threads: CPU threads that compute; None for all cores.
        console: where progress is shown; None for nowhere.

    Raises:
        ValueError: no seed; or a head that torchvision's cannot equal, or whose multiply-adds differ.
        TaskError: a data set or a device that cannot be used.
    """
    if num_seeds < 1:
        raise ValueError(f"{num_seeds} seeds: must be at least 1")
    threads = threads or len(os.sched_getaffinity(0))
    requests = [
        EvaluationRequest(
            spec=spec, task=task, data=data, seed=seed, split=Split.REWARD, threads=threads, device=device
        )
        for seed in range(num_seeds)
    ]
    trials: list[Trial] = []
    limits: list[Limits] = []
    with Progress(console=console or Console(quiet=True)) as progress:
        bar = progress.add_task("training", total=num_seeds * (len(CONTENDERS) + 1))
        for request in requests:
            limits.append(in_fresh_process(measure_limits, request))
            progress.advance(bar)
            for contender in CONTENDERS:
                trials.append(in_fresh_process(measure_trial, request, contender))
                progress.advance(bar)
    return _report(name, requests[0], trials, limits)


def in_fresh_process(function: Callable[..., T], *arguments: object) -> T:
    """What a function of a module gives in a process that has imported nothing."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=end_with_parent) as worker:
        return worker.submit(function, *arguments).result()


def measure_limits(request: EvaluationRequest) -> Limits:
    """The machine's limits for a request, in this process."""
    from spinesearch.bench import proxy_limits

    return proxy_limits.measure(request)


def measure_trial(request: EvaluationRequest, contender: str) -> Trial:
    """One trial of a contender, in this process."""
    if contender == OURS:
        return _our_trial(request)
    from spinesearch.bench import proxy_peers

    return proxy_peers.measure(request, contender)


def _our_trial(request: EvaluationRequest) -> Trial:
    import time

    from trainer.device import choose_device
    from trainer.evaluate import evaluate_architecture

    started = time.perf_counter()
    evaluation = evaluate_architecture(request)
    return Trial(
        contender=OURS,
        uses_bf16=choose_device(request.device, request.task.precision).uses_bf16,
        average_precision=evaluation.average_precision,
        multiply_adds=evaluation.multiply_adds,
        setup_seconds=evaluation.setup_seconds,
        train_seconds=evaluation.train_seconds,
        eval_seconds=evaluation.eval_seconds,
        seconds=time.perf_counter() - started,
        num_eval_images=evaluation.num_images,
        peak_memory_bytes=evaluation.peak_memory_bytes,
    )


def _report(name: str, request: EvaluationRequest, trials: Sequence[Trial], limits: Sequence[Limits]) -> ProxyReport:
    from trainer.data.dataset import coco_ground_truth
    from trainer.device import choose_device
    from trainer.loop import num_steps

    task = request.task
    steps = num_steps(task, len(coco_ground_truth(request.data, "train")["images"]))
    middle = Limits(
        bare_step_seconds=statistics.median(one.bare_step_seconds for one in limits),
        bf16_flops=statistics.median(one.bf16_flops for one in limits),
        fp32_flops=statistics.median(one.fp32_flops for one in limits),
    )
    contenders = tuple(
        contender_report([trial for trial in trials if trial.contender == contender], steps * task.batch_size, middle)
        for contender in CONTENDERS
    )
    on = choose_device(request.device, task.precision)
    bare_seconds = steps * middle.bare_step_seconds
    return ProxyReport(
        architecture=name,
        device=on.describe(),
        threads=request.threads,
        steps=steps,
        task=task.to_document(),
        limits=middle,
        bare_seconds=bare_seconds,
        allowed_seconds=(1 + ALLOWED_OVERHEAD) * bare_seconds + ALLOWED_SECONDS,
        contenders=contenders,
        ratios=tuple(ratio(contenders[0], peer, TARGETS[on.device.type][peer.name]) for peer in contenders[1:]),
    )


def contender_report(trials: Sequence[Trial], num_images: int, limits: Limits) -> ContenderReport:
    """The medians of a contender's trials.

    Args:
        num_images: that the steps of one trial train on, repeats included.
    """
    first = trials[0]
    train_seconds = statistics.median(trial.train_seconds for trial in trials)
    values = [trial.average_precision for trial in trials]
    peak = limits.bf16_flops if first.uses_bf16 else limits.fp32_flops
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return ContenderReport(
        name=first.contender,
        uses_bf16=first.uses_bf16,
        multiply_adds=first.multiply_adds,
        train_images_per_second=num_images / train_seconds,
        eval_images_per_second=first.num_eval_images / statistics.median(trial.eval_seconds for trial in trials),
        trial_seconds=statistics.median(trial.seconds for trial in trials),
        outside_seconds=statistics.median(trial.seconds - trial.train_seconds for trial in trials),
        peak_share=PASSES * 2 * first.multiply_adds * num_images / train_seconds / peak,
        peak_memory_bytes=max(trial.peak_memory_bytes for trial in trials),
        average_precision=tuple(values),
        mean=statistics.fmean(values),
        standard_error=deviation / len(values) ** 0.5,
    )


def ratio(ours: ContenderReport, peer: ContenderReport, target: float) -> Ratio:
    """Ours against a peer.

    Raises:
        ValueError: their multiply-adds differ by more than `MULTIPLY_ADDS_TOLERANCE`.
    """
    if abs(peer.multiply_adds - ours.multiply_adds) > MULTIPLY_ADDS_TOLERANCE * ours.multiply_adds:
        raise ValueError(f"{peer.name}: {peer.multiply_adds:,} multiply-adds, where ours has {ours.multiply_adds:,}")
    error = (ours.standard_error**2 + peer.standard_error**2) ** 0.5
    return Ratio(
        peer=peer.name,
        trial=peer.trial_seconds / ours.trial_seconds,
        training=ours.train_images_per_second / peer.train_images_per_second,
        evaluation=ours.eval_images_per_second / peer.eval_images_per_second,
        target=target,
        is_as_precise=ours.mean >= peer.mean - error,
    )
