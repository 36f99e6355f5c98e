"""A trial's architecture with all that an export says of it, out of the store."""

from dataclasses import replace
from enum import StrEnum
from typing import Any, NamedTuple

from api.comparison import compare
from nas_controller.records import Job, JobKind, JobState, NetworkCost, Search, Trial
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store
from search_space.export.provenance import FullTraining, Provenance, ReferencePrecision, TrialOrigin, ValPrecision
from search_space.operations import Cost
from search_space.plan import TargetNetwork
from search_space.reference import REFERENCES
from search_space.spec import ArchitectureSpec

REFERENCE_ARM = "reference"
VERSIONS = ("data", "images", "trainer", "torch", "torchvision", "machine", "threads")
"""What our own trainer notes beside its numbers; notes of other evaluators may be anything, and stay here."""


class FoundArchitecture(NamedTuple):
    """What an export is made of."""

    spec: ArchitectureSpec
    target: TargetNetwork
    provenance: Provenance


class ExportSize(StrEnum):
    """Which network of an architecture is written: that of the search's target, or the smaller one that was trained."""

    TARGET = "target"
    TRAINED = "trained"


def require_size(size: ExportSize, format_name: str) -> None:
    """Raises ValueError where a format is written at the target's size only."""
    if size is ExportSize.TRAINED and format_name != "pytorch":
        raise ValueError(f"size {size}: goes with the format pytorch only, whose file takes the weights of a training")


def found_architecture(
    store: Store, search: Search, trial: Trial, size: ExportSize = ExportSize.TARGET
) -> FoundArchitecture:
    """The trial's architecture under a name that says where it comes from, and the network it is written for; the one
    that was trained is written without its head."""
    config = SearchConfig.from_document(search.config)
    name = trial.draft.name or f"{search.name} trial {trial.number}"
    reference = REFERENCES.get(trial.draft.name) if trial.draft.arm == REFERENCE_ARM else None
    return FoundArchitecture(
        spec=ArchitectureSpec.from_document(trial.draft.spec).renamed(name),
        target=config.target_network() if size is ExportSize.TARGET else _trained_network(config),
        provenance=Provenance(
            source=reference.source if reference is not None else "", trial=_origin(store, search, config, trial)
        ),
    )


def _trained_network(config: SearchConfig) -> TargetNetwork:
    return replace(config.task().network(config.target.num_classes), head=None)


def _origin(store: Store, search: Search, config: SearchConfig, trial: Trial) -> TrialOrigin:
    jobs = _completed(store, trial)
    proxy = next((job for job in jobs if job.kind is JobKind.PROXY), None)
    proxy_backbone, proxy_detector = _costs(trial.draft.proxy_cost)
    return TrialOrigin(
        search=search.id,
        search_name=search.name,
        trial=trial.number,
        arm=trial.draft.arm,
        space=config.space,
        algorithm=config.algorithm.name,
        search_seed=config.algorithm.seed,
        budget=config.flops_budget().describe(),
        data="generated" if config.data == "generated" else "own",
        proxy=config.task().to_document(),
        proxy_backbone=proxy_backbone,
        proxy_detector=proxy_detector,
        num_trained=store.count_trials(search.id).trained,
        reward=trial.reward,
        average_precision=trial.average_precision,
        seed=None if proxy is None else proxy.seed,
        val=_val(trial, jobs),
        full_trainings=tuple(_full_training(job) for job in jobs if job.kind is JobKind.FULL_TRAIN),
        references=tuple(
            _reference(store, trial, other)
            for other in store.reference_trials(search.id)
            if other.number != trial.number and other.val_count
        ),
        versions=_versions(jobs),
    )


def _completed(store: Store, trial: Trial) -> list[Job]:
    jobs = store.list_jobs(trial.search_id, trial.number)
    return [job for job in jobs if job.state is JobState.COMPLETED]


def _val(trial: Trial, jobs: list[Job]) -> ValPrecision:
    return ValPrecision(
        average_precision=trial.val_average_precision,
        standard_error=trial.val_standard_error,
        seeds=tuple(job.seed for job in jobs if job.kind is JobKind.REEVALUATE),
    )


def _full_training(job: Job) -> FullTraining:
    evaluation: Any = job.evaluation or {}
    losses = evaluation.get("losses") or [[job.num_steps]]
    return FullTraining(average_precision=evaluation.get("average_precision"), seed=job.seed, num_steps=losses[-1][0])


def _reference(store: Store, trial: Trial, reference: Trial) -> ReferencePrecision:
    difference = compare(trial, reference)
    return ReferencePrecision(
        name=reference.draft.name,
        val=_val(reference, _completed(store, reference)),
        difference=None if difference is None else difference.value,
        half_width=None if difference is None else difference.half_width,
    )


def _costs(counted: NetworkCost) -> tuple[Cost, Cost]:
    backbone = Cost(counted.backbone_parameters, counted.backbone_multiply_adds)
    return backbone, Cost(counted.detector_parameters, counted.detector_multiply_adds)


def _versions(jobs: list[Job]) -> dict[str, str]:
    """Of the first training whose result was kept."""
    evaluation: Any = next((job.evaluation for job in jobs if job.evaluation is not None), {})
    noted = evaluation.get("provenance", {})
    return {name: str(noted[name]) for name in VERSIONS if name in noted}
