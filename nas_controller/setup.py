"""A search's fixed parts, and a candidate's way from genotype to a costed draft."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nas_controller.algorithms.base import Proposal
from nas_controller.records import Job, JobKind, NetworkCost, TrialDraft
from nas_controller.requests import ARMS, RequestDraft
from nas_controller.search_config import SearchConfig
from search_space.budget import FlopsBudget, backbone_multiply_adds, decode_within
from search_space.cost import cost
from search_space.decisions import Genotype, SearchSpace
from search_space.fingerprint import fingerprint
from search_space.plan import NetworkPlan, TargetNetwork, resolve
from search_space.reference import reference
from search_space.spec import ArchitectureSpec
from trainer.latency_task import LatencyRequest
from trainer.task import TRAINER_VERSION, DataSource, EvaluationRequest, ImageCache, ProxyTask, Split

FULL_FACTOR = 4
"""A full training has so many times the proxy's steps, unless somebody says how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSetup:
    """What does not change while a search runs.

    Args:
        num_classes: categories of the data set: outputs of the network that is trained.
        measurement_key: of the function of that name.
        cache: where workers keep resized images; None: in the memory of each.
        artifact_dir: where workers keep checkpoints; None: nowhere.
    """

    search_id: str
    config: SearchConfig
    space: SearchSpace
    budget: FlopsBudget
    target: TargetNetwork
    task: ProxyTask
    data: DataSource
    num_classes: int
    measurement_key: str
    cache: ImageCache | None = None
    artifact_dir: Path | None = None

    def draft(self, proposal: Proposal, number: int) -> TrialDraft:
        """The candidate decoded, resolved, counted and held against the budget."""
        budget = self.budget if self.config.front is None else self.config.front.budget_for(number)
        draft = self._counted(self._decoded(proposal.genotype, budget, number), number, proposal.arm)
        multiply_adds, reason = draft.target_cost.backbone_multiply_adds, ""
        if not self.budget.contains(multiply_adds):
            reason = f"{multiply_adds:,} multiply-adds: budget {self.budget.describe()}"
        return replace(
            draft,
            genotype=proposal.genotype,
            log_probs=proposal.log_probs,
            parents=proposal.parents,
            edits=proposal.edits,
            infeasible_reason=reason,
        )

    def draft_requested(self, request: RequestDraft, number: int) -> TrialDraft:
        """The architecture that somebody asked for, resolved and counted; whoever asked has minded the budget. A user
        takes each decision of it for certain.

        Raises:
            ValueError: it cannot be decoded or built.
        """
        spec = ArchitectureSpec.from_document(request.spec or {}).renamed(f"{self.config.name}-{number}")
        if request.genotype:
            budget = self.config.budget_near(backbone_multiply_adds(spec, self.target))
            spec = self._decoded(request.genotype, budget, number)
        return replace(
            self._counted(spec, number, ARMS[request.verb]),
            name=request.name,
            genotype=request.genotype,
            log_probs=(0.0,) * len(request.genotype),
            parents=request.parents,
            edits=request.edits,
            source=request.source,
        )

    def _decoded(self, genotype: Genotype, budget: FlopsBudget, number: int) -> ArchitectureSpec:
        return decode_within(self.space, genotype, self.target, budget, f"{self.config.name}-{number}")

    def _counted(self, spec: ArchitectureSpec, number: int, arm: str) -> TrialDraft:
        plan = resolve(spec, self.target)
        return TrialDraft(
            number=number,
            arm=arm,
            spec=spec.to_document(),
            fingerprint=fingerprint(plan),
            target_cost=network_cost(plan),
            proxy_cost=self._proxy_cost(spec),
            num_dead_blocks=plan.num_dead_blocks,
            measurement_key=self.reward_key,
        )

    @property
    def reward_key(self) -> str:
        """`measurement_key`; with latencies, of this search alone: another one may have another device."""
        if self.config.latency is None:
            return self.measurement_key
        return hashlib.sha256(f"{self.measurement_key} {self.search_id}".encode()).hexdigest()

    def draft_reference(self, name: str, number: int) -> TrialDraft:
        """A published architecture as a trial of this search: same target, same proxy, no genotype."""
        return replace(self._counted(reference(name), number, "reference"), name=name, measurement_key=None)

    def _proxy_cost(self, spec: ArchitectureSpec) -> NetworkCost:
        return network_cost(resolve(spec, self.task.network(self.num_classes)))

    def latency_request(self, draft: TrialDraft) -> LatencyRequest:
        """What a worker needs to measure how long the target network of one candidate takes.

        Raises:
            ValueError: the search asks for no latency.
        """
        wanted = self.config.latency
        if wanted is None:
            raise ValueError(f"search {self.search_id}: asks for no latency")
        return LatencyRequest(
            spec=ArchitectureSpec.from_document(draft.spec),
            target=self.config.timed_network(),
            protocol=wanted.protocol(),
            batch_size=wanted.batch_size,
            precision=wanted.precision,
            artifact_dir=self.artifact_dir,
        )

    def request(self, draft: TrialDraft, job: Job) -> EvaluationRequest:
        """What a worker needs to train and measure one candidate once; on val there is one measurement, at the end."""
        is_proxy = job.kind is JobKind.PROXY
        return EvaluationRequest(
            spec=ArchitectureSpec.from_document(draft.spec),
            task=self._task(job),
            data=self.data,
            seed=job.seed,
            split=Split.REWARD if is_proxy else Split.VAL,
            cache=self.cache,
            time_limit_seconds=self._time_limit_seconds(job),
            artifact_dir=self.artifact_dir,
            checkpoint_seconds=self.config.attempts.checkpoint_seconds,
            resume_from="" if job.checkpoint is None else job.checkpoint.key,
            is_full=job.kind is JobKind.FULL_TRAIN,
        )

    def _task(self, job: Job) -> ProxyTask:
        """The proxy task, and a longer one for a full training."""
        if job.kind is JobKind.PROXY:
            return self.task
        task = replace(self.task, measure_at=())
        if job.kind is not JobKind.FULL_TRAIN:
            return task
        return task.longer(FULL_FACTOR) if job.num_steps is None else replace(task, steps=job.num_steps, epochs=None)

    def _time_limit_seconds(self, job: Job) -> float | None:
        """That of a proxy training, and so many times as much for a full one as it is longer; None for no limit, and
        where that is not known: steps were asked for where the proxy counts epochs."""
        minutes = self.config.attempts.time_limit_minutes
        if minutes is None:
            return None
        factor: float = FULL_FACTOR if job.kind is JobKind.FULL_TRAIN else 1
        if job.num_steps is not None:
            if self.task.steps is None:
                return None
            factor = max(1.0, job.num_steps / self.task.steps)
        return minutes * 60 * factor


def network_cost(plan: NetworkPlan) -> NetworkCost:
    """Counted cost of a plan, as it is stored with a trial."""
    report = cost(plan)
    return NetworkCost(
        backbone_parameters=report.backbone.parameters,
        backbone_multiply_adds=report.backbone.multiply_adds,
        detector_parameters=report.parameters,
        detector_multiply_adds=report.multiply_adds,
    )


def measurement_key(config: SearchConfig, data_hash: str) -> str:
    """64 hexadecimal digits: all that a reward depends on, but for the network and the seed.

    The target is in it because a fingerprint says which network it is there: at another target the same
    fingerprint may be another spec, and so another network in the proxy task.

    Args:
        data_hash: of the data set, its division into train and reward split included.
    """
    task = config.task().to_document()
    del task["measure_at"]
    document: dict[str, Any] = {
        "target": asdict(config.target_network()),
        "task": task,
        "data": data_hash,
        "trainer": TRAINER_VERSION,
        "evaluator": config.evaluator,
        "metric": config.reward.metric,
    }
    if config.reward.targets:
        document["targets"] = [one.model_dump(mode="json") for one in config.reward.targets]
    # A preset's 10.0 comes back as 10 from a stored document: every number is written as one with a point.
    with_points = json.loads(json.dumps(document), parse_int=float)
    return hashlib.sha256(json.dumps(with_points, sort_keys=True).encode()).hexdigest()


def derive_seed(search_seed: int, *labels: str | int) -> int:
    """A seed in [0, 2**31) that depends on the search's seed and on what it is for.

    >>> derive_seed(7, "proxy", 1) == derive_seed(7, "proxy", 1)
    True
    >>> derive_seed(7, "proxy", 1) == derive_seed(7, "proxy", 2)
    False
    """
    text = "/".join(str(part) for part in (search_seed, *labels))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1
