"""A whole search without training: the service's own loop over a memory store, with simulated workers.

What a worker gives is an objective's value with noise, as an AP; some trainings fail, and how long one takes depends on
the architecture. Everything else is what a real search goes through.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nas_controller.algorithms.base import SearchAlgorithm
from nas_controller.dispatch.simulated import SimulatedDispatcher, VirtualClock
from nas_controller.pulse import Stopwatch
from nas_controller.records import EntryKind, Failure, FailureReason, TrialState
from nas_controller.search_config import SearchConfig
from nas_controller.search_loop import run_search
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from search_space.spec import ArchitectureSpec, BlockType
from spinesearch.bench.claimed_search import claimed_search
from spinesearch.bench.dispatch_work import untrained
from spinesearch.bench.objectives.base import Standardised
from spinesearch.bench.objectives.synthetic import normal
from trainer.task import Evaluation, EvaluationRequest

NOISE = 0.25
"""Standard deviation of a reward, in that of the values: an intraclass correlation of 0.94, as docs/noise.md has it."""
FAILING_SHARE = 0.02
MEAN_AP, AP_SPREAD = 0.3, 0.03
"""Of random architectures, as far as APs of short trainings go."""
TRAINING_SECONDS, DURATION_SPREAD = 600.0, 0.47
"""Of a training: median, and spread of its logarithm (a coefficient of variation of one half)."""
PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is searched, and by how many.

    Args:
        algorithm: its name, and its own settings.
        seed: of the search: of the algorithm, the noise, the failures and the durations.
        more: further sections of the document; with `budget`, in place of the objective's.
    """

    objective: Standardised
    algorithm: str
    seed: int
    num_trials: int
    num_workers: int
    settings: dict[str, float] = field(default_factory=dict)
    name: str = "simulated"
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What became of a search.

    Args:
        observed, true: of each trained trial in the order in which they ended; None for both where it failed.
        multiply_adds: of each, of the backbone at target size.
        virtual_seconds: when each ended.
        controller_seconds: of the CPU, for asking and telling, all together.
        arms: which part of the algorithm proposed each.
    """

    observed: tuple[float | None, ...]
    true: tuple[float | None, ...]
    multiply_adds: tuple[int, ...]
    virtual_seconds: tuple[float, ...]
    arms: tuple[str, ...]
    controller_seconds: float

    def incumbent_at(self, num_trials: int) -> float:
        """The true value of the trial that looked best among the first so many; -inf where all failed."""
        pairs = [
            (observed, true)
            for observed, true in zip(self.observed[:num_trials], self.true[:num_trials], strict=True)
            if observed is not None and true is not None
        ]
        return max(pairs)[1] if pairs else -math.inf


def run_simulated(work: Workload, algorithm: SearchAlgorithm | None = None, store: Store | None = None) -> Course:
    """Runs the search to its end, with another algorithm than the workload names where one is given; in a store of its
    own, or in one that has other searches."""
    config, clock, store = _config(work), VirtualClock(), store or MemoryStore()
    evaluator = SimulatedTraining(work.objective, work.seed)
    dispatcher = SimulatedDispatcher(work.num_workers, evaluator.seconds, evaluator.evaluate, clock)
    stopwatch = Stopwatch(time.process_time)
    search = claimed_search(store, config, dispatcher, clock.now, stopwatch=stopwatch, algorithm=algorithm)
    search.insight.max_seconds_behind = math.inf  # between two trials minutes of the simulated clock go by
    for _state in run_search(search):
        pass
    watch = search.stopwatch.seconds
    return _course(store, search.search_id, evaluator, watch.get("ask", 0.0) + watch.get("tell", 0.0))


class SimulatedTraining:
    """What a training gives, and how long it takes; a pure function of the request."""

    def __init__(self, objective: Standardised, seed: int) -> None:
        self._objective = objective
        self._seed = seed
        self.true: dict[str, float] = {}
        """Values by the name of the spec, which is the trial's own."""

    def evaluate(self, request: EvaluationRequest) -> Evaluation | Failure:
        """The true value with noise, as an AP in [0, 1]."""
        value = self._objective.value(request.spec)
        self.true[request.spec.name] = value
        if _uniform(self._seed, "failure", request.seed) < FAILING_SHARE:
            return Failure(reason=FailureReason.DIVERGED, message="the loss is not a number")
        observed = value + NOISE * normal(self._seed, "noise", request.seed)
        return untrained(min(max(MEAN_AP + AP_SPREAD * observed, 0.0), 1.0))

    def seconds(self, request: EvaluationRequest) -> float:
        """Log-normal, and the longer the more bottlenecks."""
        share = _bottleneck_share(request.spec)
        return TRAINING_SECONDS * (0.75 + 0.5 * share) * math.exp(DURATION_SPREAD * normal(self._seed, request.seed))


def _uniform(seed: int, *about: object) -> float:
    """A number in (0, 1) that depends on the arguments alone."""
    return 0.5 * math.erfc(-normal(seed, *about) / math.sqrt(2))


def _bottleneck_share(spec: ArchitectureSpec) -> float:
    return sum(block.block_type is BlockType.BOTTLENECK for block in spec.blocks) / len(spec.blocks)


def _config(work: Workload) -> SearchConfig:
    objective = work.objective.objective
    space = objective.space
    document: dict[str, Any] = {
        "name": work.name,
        "space": space.name,
        "data": "generated",
        "budget": {"relative_to": space.budget_reference, "tolerance": objective.tolerance},
        "algorithm": {"name": work.algorithm, "seed": work.seed, "settings": work.settings},
        "limits": {"trials": work.num_trials, "failures": 1.0},
        "workers": [{"count": work.num_workers}],
        "reevaluate": {"top": 0},
        "evaluator": "spinesearch.bench.dispatch_work:no_op",
        **work.more,
    }
    return SearchConfig.from_document(SearchConfig.from_document(document).to_document())


def _course(store: Store, search_id: str, evaluator: SimulatedTraining, controller_seconds: float) -> Course:
    observed, true, multiply_adds, seconds, arms = [], [], [], [], []
    began = store.get_search(search_id).created_at
    after = 0
    while entries := store.read_ledger(search_id, after, PAGE, [EntryKind.TRIAL_FINISHED]):
        after = entries[-1].sequence
        for entry in entries:
            assert entry.trial_number is not None
            trial = store.get_trial(search_id, entry.trial_number)
            if trial.state is TrialState.INFEASIBLE:
                continue
            is_whole = trial.state is TrialState.COMPLETED
            reward = trial.reward
            observed.append(reward if is_whole else None)
            true.append(evaluator.true.get(str(trial.draft.spec["name"])) if is_whole else None)
            multiply_adds.append(trial.draft.target_cost.backbone_multiply_adds)
            seconds.append((entry.at - began).total_seconds())
            arms.append(trial.draft.arm)
    return Course(
        observed=tuple(observed),
        true=tuple(true),
        multiply_adds=tuple(multiply_adds),
        virtual_seconds=tuple(seconds),
        arms=tuple(arms),
        controller_seconds=controller_seconds,
    )
