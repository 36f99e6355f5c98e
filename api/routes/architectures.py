"""The architecture of a trial: what it costs, how it was decided, and what differs from another one."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.architecture_schemas import Comparison, CostTable, Decisions, Variant
from api.architectures import Compared, compared, cost_table, decisions
from api.context import ApiContext, Context
from api.enqueueing import refused
from api.errors import FieldError, problem_docs
from api.routes.parameters import SearchId, TrialNumber
from api.variants import variant_of, variant_spec, wrong_decisions
from nas_controller.records import Search, Trial
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import NotFoundError
from search_space.decisions import Genotype
from search_space.difference import compare
from search_space.drawing.svg import draw_difference
from search_space.reference import REFERENCES
from search_space.spaces import find_space
from search_space.spec import ArchitectureSpec

router = APIRouter(
    prefix="/v1/searches/{search_id}/trials/{number}", tags=["trials"], responses=problem_docs(401, 404, 422)
)

OtherArchitecture = Annotated[
    str,
    Query(
        alias="with",
        pattern=r"^(([a-z0-9][a-z0-9-]{0,63}/)?[1-9][0-9]{0,8}|[a-z][a-z0-9-]{0,63})$",
        description="number of a trial of the search; or of another one: `SEARCH/NUMBER`; or name of a reference",
        examples=["17", "blood-cells-3f9a1c/17", "spinenet-49"],
    ),
]
DRAWING: dict[int | str, dict[str, Any]] = {
    200: {"description": "the drawing", "content": {"image/svg+xml": {"schema": {"type": "string"}}}}
}
EditedGenotype = Annotated[
    str,
    Query(
        pattern=r"^[0-9]{1,6}(,[0-9]{1,6}){0,999}$",
        description="the option that is taken at each decision of the space, with commas",
        examples=["3,0,1"],
    ),
]


@router.get("/cost", operation_id="getTrialCost", summary="What each part of the network costs")
def get_cost(search_id: SearchId, number: TrialNumber, context: Context) -> CostTable:
    """Parameters and multiply-adds of stem, blocks, their inputs, endpoints and head at the search's target."""
    search, trial = _found(context, search_id, number)
    spec = ArchitectureSpec.from_document(trial.draft.spec)
    return cost_table(spec, SearchConfig.from_document(search.config).target_network())


@router.get("/decisions", operation_id="getTrialDecisions", summary="How an architecture was decided")
def get_decisions(search_id: SearchId, number: TrialNumber, context: Context) -> Decisions:
    """Each decision of the genotype: what was taken, of how many options, and how likely that was."""
    search, trial = _found(context, search_id, number)
    found = decisions(find_space(search.config["space"]), trial.draft.genotype, trial.draft.log_probs)
    return Decisions(decisions=found)


@router.get("/variant", operation_id="getTrialVariant", summary="What a trial would be with other decisions")
def get_variant(search_id: SearchId, number: TrialNumber, genotype: EditedGenotype, context: Context) -> Variant:
    """The architecture of a genotype of the search's space, as a variant of the trial: its decisions with their
    options, what it costs, and whether it is within the budget. `trials:enqueue` has it trained."""
    search, trial = _found(context, search_id, number)
    config = SearchConfig.from_document(search.config)
    return variant_of(config, trial, _edited(config, genotype))


@router.get(
    "/variant/drawing",
    operation_id="drawVariant",
    summary="What a trial would be with other decisions, as a picture",
    response_class=Response,
    responses=DRAWING,
)
def draw_variant(search_id: SearchId, number: TrialNumber, genotype: EditedGenotype, context: Context) -> Response:
    """The architecture of a genotype of the search's space, with all that leads to it from the trial's."""
    search, trial = _found(context, search_id, number)
    config = SearchConfig.from_document(search.config)
    variant = variant_spec(config, trial, _edited(config, genotype))
    return Response(draw_difference(compare(_named(trial).spec, variant)), media_type="image/svg+xml")


@router.get("/comparison", operation_id="compareTrial", summary="What differs from another architecture")
def compare_trial(search_id: SearchId, number: TrialNumber, other: OtherArchitecture, context: Context) -> Comparison:
    """What leads from the other architecture to the trial's, with the cost of both at the search's target."""
    search, trial = _found(context, search_id, number)
    target = SearchConfig.from_document(search.config).target_network()
    return compared(_other(context, search_id, other), _named(trial), target)


@router.get(
    "/comparison/drawing",
    operation_id="drawComparison",
    summary="What differs from another architecture, as one picture",
    response_class=Response,
    responses=DRAWING,
)
def draw_comparison(search_id: SearchId, number: TrialNumber, other: OtherArchitecture, context: Context) -> Response:
    """The trial's architecture with all that leads to it from the other one, in words as well."""
    _, trial = _found(context, search_id, number)
    difference = compare(_other(context, search_id, other).spec, _named(trial).spec)
    return Response(draw_difference(difference), media_type="image/svg+xml")


def _found(context: ApiContext, search_id: str, number: int) -> tuple[Search, Trial]:
    return context.store.get_search(search_id), context.store.get_trial(search_id, number)


def _edited(config: SearchConfig, genotype: str) -> Genotype:
    """The genotype that a query gives, one of the search's space."""
    taken = tuple(map(int, genotype.split(",")))
    if wrong := wrong_decisions(find_space(config.space), taken):
        raise refused([FieldError(place=f"query.{each.place}", message=each.message) for each in wrong])
    return taken


def _other(context: ApiContext, search_id: str, other: str) -> Compared:
    """What `with` names. A reference that the search has a trial of comes with that trial."""
    other_search, _, number = other.rpartition("/")
    if number.isdecimal():
        return _named(context.store.get_trial(other_search or search_id, int(number)), search_id)
    if other not in REFERENCES:
        raise NotFoundError(f"no reference {other}")
    trials = context.store.reference_trials(search_id)
    trial = next((trial for trial in trials if trial.draft.name == other), None)
    return Compared(spec=REFERENCES[other].spec, trial=trial)


def _named(trial: Trial, here: str = "") -> Compared:
    """The trial under a name for people; one of another search than `here` says of which."""
    name = trial.draft.name or f"trial {trial.number}"
    if here not in ("", trial.search_id):
        name = f"{name} of {trial.search_id}"
    return Compared(spec=ArchitectureSpec.from_document(trial.draft.spec).renamed(name), trial=trial)
