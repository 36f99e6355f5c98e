"""How fast a network is counted: our formulas against building it and letting a counter trace it.

All in one run, on one thread, and on the same networks: SpineNet-49 with its published RetinaNet at 640 pixels, for
which every counter must say the same multiply-adds.
"""

import importlib
import importlib.util
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from random import Random
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from search_space.budget import decode_within, own_budget
from search_space.cost import NetworkCostReport, cost
from search_space.decisions import random_genotype
from search_space.fingerprint import fingerprint
from search_space.plan import NetworkPlan, TargetNetwork, resolve
from search_space.reference import published_target, reference
from search_space.spaces import find_space
from search_space.spec import ArchitectureSpec

T = TypeVar("T")

REFERENCE = "spinenet-49"
FVCORE = "fvcore"
NUM_SPECS = 200
SECONDS, QUICK_SECONDS = 3.0, 0.2
MEMORY_ROUNDS, QUICK_MEMORY_ROUNDS = 20_000, 500


@dataclass(frozen=True, slots=True)
class Speed:
    """How often something is done in a second, on one core."""

    what: str
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostBenchReport:
    """What was measured.

    Args:
        ours: our own steps, on random genotypes.
        peers: other counters, each building and counting `REFERENCE` from nothing.
        ratios: our plan and cost of `REFERENCE` against each peer: how many times faster.
        multiply_adds: what every counter said of `REFERENCE`.
        memory_bytes: growth of what Python holds over `memory_rounds` plans and costs.
        left_out: peers that are not installed.
    """

    ours: tuple[Speed, ...]
    peers: tuple[Speed, ...]
    ratios: dict[str, float]
    multiply_adds: int
    memory_bytes: int
    memory_rounds: int
    left_out: tuple[str, ...]


def run_cost(*, quick: bool = False) -> CostBenchReport:
    """Measures every counter in turn; a few tens of seconds, or one if `quick`.

    Raises:
        AssertionError: a peer counted other multiply-adds than we do.
    """
    from nas_controller.algorithms.threads import single_thread

    with single_thread():
        return _measured(quick)


def _measured(quick: bool) -> CostBenchReport:
    seconds = QUICK_SECONDS if quick else SECONDS
    plan = resolve(reference(REFERENCE), published_target(REFERENCE))
    wanted = cost(plan).multiply_adds
    one = per_second(lambda: cost(resolve(plan.spec, plan.target)), seconds)
    counters: dict[str, Callable[[NetworkPlan], int]] = {"torch.utils.flop_counter, meta device": _torch_counter}
    if importlib.util.find_spec(FVCORE):
        counters[FVCORE] = _fvcore_counter
    peers = []
    for name, counter in counters.items():
        counted = counter(plan)
        assert counted == wanted, f"{name}: {counted:,} multiply-adds, where we count {wanted:,}"
        peers.append(Speed(name, per_second(partial(counter, plan), seconds)))
    rounds = QUICK_MEMORY_ROUNDS if quick else MEMORY_ROUNDS
    return CostBenchReport(
        ours=(Speed(f"plan and cost of {REFERENCE}", one), *_own_speeds(seconds)),
        peers=tuple(peers),
        ratios={peer.what: one / peer.per_second for peer in peers},
        multiply_adds=wanted,
        memory_bytes=_memory_growth(plan, rounds),
        memory_rounds=rounds,
        left_out=() if FVCORE in counters else (FVCORE,),
    )


def per_second(action: Callable[[], object], seconds: float) -> float:
    """How often `action` ran in a second of this process's CPU time, over at least `seconds` of it."""
    action()
    runs, started = 0, time.process_time()
    while (spent := time.process_time() - started) < seconds:
        action()
        runs += 1
    return runs / spent


def _own_speeds(seconds: float) -> Iterator[Speed]:
    """Of the steps from a genotype to a costed candidate, on random ones of two spaces."""
    for name, decoded in (("spinenet-49", "decode"), ("joint", "decode within the budget")):
        space, rng = find_space(name), Random(0)
        target, budget = space.target, own_budget(space, space.target)
        genotypes = [random_genotype(space, rng) for _ in range(NUM_SPECS)]
        specs = [decode_within(space, genotype, target, budget) for genotype in genotypes]
        plans = [resolve(spec, target) for spec in specs]
        decode = partial(decode_within, space, target=target, budget=budget)
        yield Speed(f"{name}: {decoded}", per_second(_in_turn(decode, genotypes), seconds))
        yield Speed(f"{name}: plan and cost", per_second(_in_turn(partial(_plan_and_cost, target), specs), seconds))
        yield Speed(f"{name}: cost of a plan", per_second(_in_turn(cost, plans), seconds))
        yield Speed(f"{name}: fingerprint of a plan", per_second(_in_turn(fingerprint, plans), seconds))


def _plan_and_cost(target: TargetNetwork, spec: ArchitectureSpec) -> NetworkCostReport:
    return cost(resolve(spec, target))


def _in_turn(step: Callable[[T], object], inputs: Sequence[T]) -> Callable[[], object]:
    """An action that takes the next input each time."""
    turn = cycle(inputs)
    return lambda: step(next(turn))


def _memory_growth(plan: NetworkPlan, rounds: int) -> int:
    """Bytes more that Python holds after `rounds` plans and costs than after the first."""
    cost(resolve(plan.spec, plan.target))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(rounds):
        cost(resolve(plan.spec, plan.target))
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after - before


def _torch_counter(plan: NetworkPlan) -> int:
    """Multiply-adds by `torch.utils.flop_counter`, which counts two for each."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from trainer.model.retinanet import RetinaNet

    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        RetinaNet(plan).eval()(torch.empty(1, 3, *plan.target.height_and_width))
    return int(counter.get_total_flops()) // 2


def _fvcore_counter(plan: NetworkPlan) -> int:
    """Multiply-adds of convolutions by fvcore, which counts one for each and runs the network to trace it."""
    import torch

    from trainer.model.retinanet import build_retinanet

    images = torch.zeros(1, 3, *plan.target.height_and_width)
    network = build_retinanet(plan, torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        analysis = importlib.import_module("fvcore.nn").FlopCountAnalysis(network, images)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        return int(analysis.by_operator()["conv"])


def print_cost_bench(report: CostBenchReport, console: Console) -> None:
    """Prints both tables."""
    table = Table(title="counting a network, one core")
    table.add_column("")
    table.add_column("a second", justify="right")
    table.add_column("ours is faster by", justify="right")
    for speed in report.ours:
        table.add_row(speed.what, f"{speed.per_second:,.0f}", "")
    for speed in report.peers:
        table.add_row(speed.what, f"{speed.per_second:,.2f}", f"{report.ratios[speed.what]:,.0f} times")
    console.print(table)
    console.print(f"{REFERENCE}: {report.multiply_adds:,} multiply-adds by every counter")
    console.print(f"memory: {report.memory_bytes:+,} bytes after {report.memory_rounds:,} plans and costs")
    for name in report.left_out:
        console.print(f"{name}: not installed, left out")
