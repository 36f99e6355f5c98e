"""Where the time of one trial goes, and how near that is to the machine's limits.

A whole trial is measured as it is; then its parts, called one after another as the trial calls them, each with the
clock around it. What a step's operators cost comes from torch's profiler, which slows small ones: only shares are said.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search_space.spec import ArchitectureSpec
from spinesearch.bench.proxy import PASSES, Limits, in_fresh_process, measure_limits
from trainer.task import DataSource, EvaluationRequest, ProxyTask, Split

_KIND_OF_WORD = (
    ("conv", "convolution"),
    ("batch_norm", "batch norm"),
    ("batchnorm", "batch norm"),
    ("adam", "optimizer"),
    ("pool", "pooling"),
    ("relu", "activation"),
    ("threshold", "activation"),
    ("clamp_min", "activation"),
    ("silu", "activation"),
    ("empty", "memory"),
    ("resize", "memory"),
    ("copy", "memory"),
    ("zero", "memory"),
    ("fill", "memory"),
    ("contiguous", "memory"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One part of a trial.

    Args:
        seconds: of wall time in a whole trial; of a step's parts, the median step times the number of steps.
        is_step: part of an optimizer step.
    """

    name: str
    seconds: float
    is_step: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorKind:
    """The operators of one kind in a step.

    Args:
        calls: in a step.
        share: of the step's time under the profiler, in [0, 1].
    """

    name: str
    calls: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one process measured of a trial: see `ProfileReport`."""

    device: str
    uses_bf16: bool
    steps: int
    multiply_adds: int
    trial_seconds: float
    phases: tuple[Phase, ...]
    operators: tuple[OperatorKind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileReport:
    """Where the time went.

    Args:
        trial_seconds: a whole trial, measured in one piece in the same process.
        phases: in the order of the trial.
        operators: by falling share.
        bare_seconds: the bare network's forward pass, backward pass and optimizer, as often as the trial has steps.
        arithmetic_seconds: the multiply-adds of these steps at the speed of the machine's own matrix product.
    """

    architecture: str
    device: str
    threads: int
    steps: int
    task: dict[str, Any]
    trial_seconds: float
    phases: tuple[Phase, ...]
    operators: tuple[OperatorKind, ...]
    bare_seconds: float
    arithmetic_seconds: float


def run_profile(
    *,
    name: str,
    spec: ArchitectureSpec,
    task: ProxyTask,
    data: DataSource,
    threads: int = 1,
    device: str = "auto",
) -> ProfileReport:
    """Measures one trial with seed 0, and the machine's limits, each in a process of its own.

    Args:
        name: of the architecture, for people.

    Raises:
        TaskError: a data set or a device that cannot be used.
    """
    request = EvaluationRequest(
        spec=spec, task=task, data=data, seed=0, split=Split.REWARD, threads=threads, device=device
    )
    limits: Limits = in_fresh_process(measure_limits, request)
    measured: Measured = in_fresh_process(measure_phases, request)
    peak = limits.bf16_flops if measured.uses_bf16 else limits.fp32_flops
    flops = PASSES * 2 * measured.multiply_adds * task.batch_size * measured.steps
    return ProfileReport(
        architecture=name,
        device=measured.device,
        threads=threads,
        steps=measured.steps,
        task=task.to_document(),
        trial_seconds=measured.trial_seconds,
        phases=measured.phases,
        operators=measured.operators,
        bare_seconds=measured.steps * limits.bare_step_seconds,
        arithmetic_seconds=flops / peak,
    )


def measure_phases(request: EvaluationRequest) -> Measured:
    """The parts of a trial, in this process."""
    from spinesearch.bench import profile_phases

    return profile_phases.measure(request)


def operator_kind(operator: str) -> str:
    """The kind of an operator by its name in torch.

    >>> operator_kind("aten::mkldnn_convolution"), operator_kind("aten::native_batch_norm_backward")
    ('convolution', 'batch norm')
    >>> operator_kind("aten::sum")
    'other'
    """
    lowered = operator.lower()
    return next((kind for word, kind in _KIND_OF_WORD if word in lowered), "other")


def operator_kinds(rows: Sequence[tuple[str, int, float]], num_steps: int) -> tuple[OperatorKind, ...]:
    """Kinds of operators by falling share, from (name, calls, microseconds of its own) over some steps."""
    calls: dict[str, int] = defaultdict(int)
    microseconds: dict[str, float] = defaultdict(float)
    for operator, number, own in rows:
        kind = operator_kind(operator)
        calls[kind] += number
        microseconds[kind] += own
    total = sum(microseconds.values())
    kinds = sorted(microseconds, key=lambda kind: -microseconds[kind])
    return tuple(
        OperatorKind(name=kind, calls=calls[kind] / num_steps, share=microseconds[kind] / total) for kind in kinds
    )
