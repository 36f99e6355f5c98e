"""A trial's architecture with all that an export says of it, out of the store."""

from typing import Any, NamedTuple

from api.comparison import compare
from nas_controller.records import Job, JobKind, JobState, NetworkCost, Search, Trial
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import Store
from search_space.export.provenance import Provenance, ReferencePrecision, TrialOrigin, ValPrecision
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


def found_architecture(store: Store, search: Search, trial: Trial) -> FoundArchitecture:
    """The trial's architecture under a name that says where it comes from, and the search's target."""
    config = SearchConfig.from_document(search.config)
    name = trial.draft.name or f"{search.name} trial {trial.number}"
    reference = REFERENCES.get(trial.draft.name) if trial.draft.arm == REFERENCE_ARM else None
    return FoundArchitecture(
        spec=ArchitectureSpec.from_document(trial.draft.spec).renamed(name),
        target=config.target_network(),
        provenance=Provenance(
            source=reference.source if reference is not None else "", trial=_origin(store, search, config, trial)
        ),
    )


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
