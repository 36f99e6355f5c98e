"""The search document: what a user writes, checked as a whole before anything starts.

YAML or JSON, safe loading only. `SearchConfig.model_json_schema()` is its published JSON Schema. The one
error type is `SearchConfigError`: it names the place, the value and what is allowed.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from nas_controller.reward import TargetForm
from nas_controller.section import Number, Section, Whole, parse_whole
from nas_controller.wanted_front import WantedFront
from nas_controller.wanted_latency import WantedLatency, require_one_device
from search_space.budget import FlopsBudget, budget_from
from search_space.plan import TargetNetwork
from search_space.reference import reference
from search_space.spaces import SPACES, find_space
from trainer.task import CocoSource, DataSource, ProxyTask, TaskError

SMOOTHED_OVER = 20
"""Rewards behind each value of a smoothed course: in `limits.plateau` and in the history chart."""


class SearchConfigError(ValueError):
    """A search document that cannot be run. `place` is the path of the value, e.g. ``limits.trials``."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place


def _reference_name(value: str) -> str:
    reference(value)
    return value


def _space_name(value: str) -> str:
    find_space(value)
    return value


SearchKey = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
ReferenceName = Annotated[str, AfterValidator(_reference_name)]
SpaceName = Annotated[str, AfterValidator(_space_name)]


class Target(Section):
    """The network that the user wants in the end; the budget is counted on it."""

    image_size: Whole = Field(default=640, ge=64, le=4096, description="left out: that of the space's own target")
    width_scale: Number = Field(default=1.0, gt=0, le=4)
    head: Literal["retinanet"] = "retinanet"
    num_classes: Whole = Field(default=91, ge=1, le=10_000)


class Budget(Section):
    """Allowed multiply-adds of the target's live backbone with endpoints, without the head."""

    relative_to: ReferenceName | None = Field(default=None, description="a reference architecture at the same target")
    multiply_adds: Number | None = Field(default=None, gt=0, description="an absolute number, e.g. 28G")
    tolerance: Number = Field(default=0.05, gt=0, le=1, description="relative distance allowed on both sides")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.relative_to is None) == (self.multiply_adds is None):
            raise ValueError("give exactly one of relative_to and multiply_adds")
        return self


class Algorithm(Section):
    """What proposes. `settings` are the algorithm's own, each with a default."""

    name: Literal[
        "mixed",
        "guided",
        "reinforce",
        "reinforce_recurrent",
        "evolution",
        "local_search",
        "random",
        "optuna_tpe",
        "optuna_nsga2",
        "optuna_cmaes",
    ] = "mixed"
    seed: Whole = Field(default=0, ge=0, lt=2**63)
    settings: dict[str, Number] = Field(default_factory=dict, max_length=100)
    control_share: Number = Field(
        default=0, ge=0, le=0.5, description="of the proposals that are random instead, to see what the algorithm gains"
    )


class CocoSplit(Section):
    """Paths of one split, relative to the data root."""

    images: str
    annotations: str


class CocoData(Section):
    """A COCO-format data set on disk."""

    root: Path
    train: CocoSplit
    val: CocoSplit
    reward_split: Number = Field(default=0.2, gt=0, description="share of train below 1, or a number of images")

    def source(self) -> DataSource:
        """The data set as the trainer understands it."""
        return DataSource(
            train=CocoSource(images=self.root / self.train.images, annotations=self.root / self.train.annotations),
            val=CocoSource(images=self.root / self.val.images, annotations=self.root / self.val.annotations),
            reward_split=self.reward_split,
        )


class CostTarget(Section):
    """What a cost should be: of the target's live backbone, or, where `latency` asks for it, the milliseconds of its
    whole network. The metric is multiplied by (cost / target) ** exponent, as in MnasNet. `soft`: -0.07 on both sides,
    so that half the cost is worth 5 % of the metric; `hard`: 0 below the target and -1 above."""

    cost: Literal["multiply_adds", "parameters", "latency_ms"]
    target: Number = Field(gt=0, description="e.g. 20M")
    form: TargetForm = TargetForm.SOFT


class Reward(Section):
    """What is maximised: COCO AP on the reward split, times a factor for each target."""

    metric: Literal["ap", "ap50"] = "ap"
    targets: tuple[CostTarget, ...] = Field(default=(), max_length=3)

    @field_validator("targets")
    @classmethod
    def _one_of_a_cost(cls, value: tuple[CostTarget, ...]) -> tuple[CostTarget, ...]:
        costs = [one.cost for one in value]
        if len(set(costs)) < len(costs):
            raise ValueError(f"two targets of {costs[0]}: give one")
        return value


class Limits(Section):
    """When the search ends; the first limit reached stops it."""

    trials: Whole = Field(default=100, ge=1, le=10_000_000, description="candidates trained, or with a reused reward")
    hours: Number | None = Field(default=None, gt=0, description="of the controller's work, pauses left out")
    gpu_hours: Number | None = Field(default=None, gt=0, description="of all attempts, by the GPUs of their workers")
    cost: Number | None = Field(default=None, gt=0, description="of all attempts, in the currency of `price`")
    plateau: Whole | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description=f"candidates trained since the mean reward of {SMOOTHED_OVER} in a row was best",
    )
    concurrent_trials: Whole | None = Field(
        default=None, ge=1, le=10_000, description="trainings at the same time, whatever the workers"
    )
    failures: Number = Field(default=0.25, gt=0, le=1, description="failed share of `trials` that pauses the search")


class Price(Section):
    """What an hour of work costs; each worker counts with what it has while it is at work on an attempt."""

    gpu_hour: Number = Field(default=0, ge=0)
    tpu_hour: Number = Field(default=0, ge=0)
    cpu_hour: Number = Field(default=0, ge=0, description="of one core")
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")

    @property
    def is_free(self) -> bool:
        """Whether nothing costs anything."""
        return self.gpu_hour == self.tpu_hour == self.cpu_hour == 0


class WarmStart(Section):
    """What is known already: references and the best of earlier searches are trained before anything is proposed, and
    the algorithm is told what these searches measured, as far as it is what this one would measure. Of any space; what
    this search's space does not have, or is off its budget, is left out."""

    searches: tuple[SearchKey, ...] = Field(default=(), max_length=100)
    references: tuple[ReferenceName, ...] = Field(default=(), max_length=100)
    top: Whole = Field(default=5, ge=1, le=1000, description="of all searches together, trained again")
    tell: Whole = Field(default=200, ge=0, le=1000, description="trials of all searches together that are told")

    @model_validator(mode="after")
    def _from_somewhere(self) -> Self:
        if not self.searches and not self.references:
            raise ValueError("give searches, references or both")
        if len(set(self.searches)) < len(self.searches):
            raise ValueError("searches: each once")
        return self


class Workers(Section):
    """A pool of equal workers, each running one attempt at a time."""

    count: Whole = Field(default=2, ge=1, le=10_000)
    cpus: Whole = Field(default=1, ge=1, le=1024)
    gpus: Number = Field(default=0, ge=0, le=64)
    tpus: Whole = Field(default=0, ge=0, le=64)


class Reevaluation(Section):
    """At the end: the best trials and the references, trained with fresh seeds and measured on val."""

    top: Whole = Field(default=3, ge=0, le=1000)
    seeds: Whole = Field(default=3, ge=1, le=100)
    references: tuple[ReferenceName, ...] = Field(default=("resnet-50-fpn", "spinenet-49"), max_length=100)


class Duplicates(Section):
    """What a repeated network costs. `remeasure`: it is trained again, with a seed of its own. `reuse`: it takes the
    reward that the same network got in this or another search of the store, by the same proxy task, data set,
    trainer and evaluator; an evaluator of one's own is known by its name only."""

    policy: Literal["remeasure", "reuse"] = "remeasure"


class EarlyStopping(Section):
    """Ends trainings that are behind the others. AP is measured after the shares `at` of the steps; a training that
    is given up at one of them ends a moment later, and its reward is what it measured last."""

    rule: Literal["none", "median", "successive_halving"] = Field(
        default="none", description="median: the worse half ends; successive_halving: all but the best 1 / eta"
    )
    at: tuple[Number, ...] = Field(default=(0.25, 0.5), min_length=1, max_length=100, description="rising, in (0, 1)")
    eta: Number = Field(default=3, gt=1, le=100)
    min_trials: Whole = Field(default=5, ge=1, description="trials measured at a step before one is ended there")


class Attempts(Section):
    """What one run of a training may take, and how often its state is kept: the next attempt goes on from there."""

    checkpoint_seconds: Number = Field(default=60, gt=0, description="wall time between two checkpoints")
    time_limit_minutes: Number | None = Field(default=None, gt=0, description="a training that takes longer failed")


class SearchConfig(Section):
    """A whole search. Only `space` and `data` have no default."""

    name: str = Field(default="search", min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    space: SpaceName
    target: Target = Target()
    budget: Budget | None = Field(default=None, description="left out: the space's own")
    front: WantedFront | None = Field(default=None, description="in place of `budget`")
    algorithm: Algorithm = Algorithm()
    data: CocoData | Literal["generated"]
    proxy: dict[str, Any] = Field(default_factory=lambda: {"preset": "cpu-small"})
    reward: Reward = Reward()
    latency: WantedLatency | None = Field(default=None, description="left out: no network is timed")
    limits: Limits = Limits()
    price: Price | None = Field(default=None, description="wanted by `limits.cost`")
    workers: tuple[Workers, ...] = Field(default=(Workers(),), min_length=1, max_length=100)
    reevaluate: Reevaluation = Reevaluation()
    duplicates: Duplicates = Duplicates()
    early_stopping: EarlyStopping = EarlyStopping()
    attempts: Attempts = Attempts()
    warm_start: WarmStart | None = None
    evaluator: str = Field(default="spinesearch.detection", pattern=r"^[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?$")

    @model_validator(mode="before")
    @classmethod
    def _image_size_of_the_space(cls, document: Any) -> Any:
        """A target that gives no image size has that of the space, where the document is so far one at all."""
        if not isinstance(document, Mapping):
            return document
        space, target = document.get("space"), document.get("target", {})
        if not isinstance(space, str) or space not in SPACES or not isinstance(target, Mapping):
            return document
        own = SPACES[space].target.image_size
        return {**document, "target": {"image_size": own, **target}}

    @field_validator("proxy")
    @classmethod
    def _proxy_is_a_task(cls, value: dict[str, Any]) -> dict[str, Any]:
        document = {key: parse_whole(item) for key, item in value.items()}
        try:
            ProxyTask.from_document(document)
        except (TaskError, TypeError) as error:
            raise ValueError(str(error)) from error
        return document

    @model_validator(mode="after")
    def _cost_has_a_price(self) -> Self:
        if self.limits.cost is not None and (self.price is None or self.price.is_free):
            raise ValueError("limits.cost: give price.gpu_hour, price.tpu_hour or price.cpu_hour too")
        return self

    @model_validator(mode="after")
    def _what_is_timed_is_comparable(self) -> Self:
        if self.latency is not None:
            require_one_device([(pool.cpus, pool.gpus, pool.tpus) for pool in self.workers])
        elif any(one.cost == "latency_ms" for one in self.reward.targets):
            raise ValueError("reward.targets: latency_ms is not measured: give latency too, e.g. latency: {}")
        return self

    @model_validator(mode="after")
    def _aims_once(self) -> Self:
        if self.front is not None and self.budget is not None:
            raise ValueError("front: it takes the place of budget: give one of them")
        if self.front is not None and any(one.cost == "multiply_adds" for one in self.reward.targets):
            raise ValueError("front: it has targets of multiply_adds: leave that of reward.targets out")
        return self

    @model_validator(mode="after")
    def _measured_where_it_is_decided(self) -> Self:
        """The shares of early stopping are a proxy task's, and the only ones where there is a rule."""
        given = tuple(self.proxy.get("measure_at", ()))
        if self.early_stopping.rule == "none":
            return self
        try:
            task = self.task()
        except TaskError as error:
            raise ValueError(f"early_stopping.at: {str(error).removeprefix('proxy.measure_at: ')}") from error
        if given not in ((), task.measure_at):
            raise ValueError("proxy.measure_at: leave it out: early_stopping.at says where AP is measured")
        return self

    def target_network(self) -> TargetNetwork:
        """The target as the search space understands it, with the head of the space's own target."""
        target = self.target
        return replace(
            find_space(self.space).target,
            image_size=target.image_size,
            width_scale=target.width_scale,
            num_classes=target.num_classes,
        )

    def timed_network(self) -> TargetNetwork:
        """The network whose latency is measured: the target, at the image size that is asked for."""
        size = self.target.image_size if self.latency is None else self.latency.image_size or self.target.image_size
        return replace(self.target_network(), image_size=size)

    def task(self) -> ProxyTask:
        """The proxy task with its preset filled in, measured where early stopping decides."""
        task = ProxyTask.from_document(self.proxy)
        return task if self.early_stopping.rule == "none" else replace(task, measure_at=self.early_stopping.at)

    def flops_budget(self) -> FlopsBudget:
        """What candidates may cost at the target: the range of the front, or a budget, by default the space's own."""
        if self.front is not None:
            return self.front.budget()
        space = find_space(self.space)
        default = Budget(relative_to=space.budget_reference, tolerance=space.budget_tolerance)
        budget = self.budget or default
        return budget_from(
            self.target_network(),
            relative_to=budget.relative_to,
            multiply_adds=budget.multiply_adds,
            tolerance=budget.tolerance,
        )

    def budget_near(self, multiply_adds: int) -> FlopsBudget:
        """Where the widths of an architecture that somebody names are settled, in spaces where they are: around that
        target of the front which is nearest to what it costs; without a front, the budget."""
        return self.flops_budget() if self.front is None else self.front.budget_near(multiply_adds)

    def to_document(self) -> dict[str, Any]:
        """The document as plain data with every default filled in, also those that depend on other values."""
        document = self.model_dump(mode="json")
        document["proxy"] = self.task().to_document()
        if self.latency is None:
            del document["latency"]  # documents that ask for none are what they were before there was any
        else:
            document["latency"]["image_size"] = self.timed_network().image_size
        if self.algorithm.name in ("mixed", "reinforce", "reinforce_recurrent"):
            document["algorithm"]["settings"].setdefault("horizon", float(self.limits.trials))
        return document

    @classmethod
    def from_document(cls, document: object) -> "SearchConfig":
        """The checked document.

        Raises:
            SearchConfigError: the first thing that is wrong, by place.
        """
        if not isinstance(document, Mapping):
            raise SearchConfigError("", f"a search is a mapping of keys to values, not {type(document).__name__}")
        try:
            return cls.model_validate(dict(document))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"] if part not in ("CocoData", "literal['generated']"))
            message = first["msg"].removeprefix("Value error, ")
            if message.startswith(("proxy.", "early_stopping.", "limits.", "front:", "reward.", "workers:")):
                place, _, message = message.partition(": ")
            elif first["type"] not in ("missing", "value_error"):
                message += f" (given: {_short(first['input'])})"
            raise SearchConfigError(place, message) from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def load_search_file(path: Path) -> SearchConfig:
    """The search in a YAML or JSON file; a relative data root is taken from the file's own folder.

    Raises:
        SearchConfigError: no such file, not YAML, or a wrong value.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SearchConfigError(str(path), error.strerror or str(error)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SearchConfigError(str(path), f"not YAML: {error}") from error
    if isinstance(document, dict) and isinstance(document.get("data"), dict) and "root" in document["data"]:
        root = (path.parent / str(document["data"]["root"])).resolve()
        document = {**document, "data": {**document["data"], "root": str(root)}}
    return SearchConfig.from_document(document)
