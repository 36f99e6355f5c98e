"""What can be searched, what it is compared with, and what a search document looks like."""

from functools import cache
from typing import Any

from fastapi import APIRouter

from api import schemas
from api.errors import problem_docs
from api.search_schema import search_schema
from search_space.cost import cost
from search_space.decisions import SearchSpace
from search_space.heads import head_name
from search_space.plan import resolve
from search_space.reference import REFERENCES, Reference
from search_space.spaces import SPACES

router = APIRouter(prefix="/v1", tags=["spaces"], responses=problem_docs(401))


@router.get("/spaces", operation_id="listSpaces", summary="The search spaces")
def list_spaces() -> schemas.Spaces:
    """Their names are what `space` in a search document may say."""
    return schemas.Spaces(spaces=[_space(space) for space in SPACES.values()])


def _space(space: SearchSpace) -> schemas.SpaceSummary:
    return schemas.SpaceSummary(
        name=space.name,
        source=space.source,
        num_searched_blocks=space.num_searched_blocks,
        num_decisions=space.genotype_length,
        budget_reference=space.budget_reference,
        budget_tolerance=space.budget_tolerance,
    )


@router.get("/references", operation_id="listReferences", summary="The published architectures")
def list_references() -> schemas.References:
    """Each with its spec and its counted cost at the target of its authors."""
    return schemas.References(references=list(_references()))


@cache
def _references() -> tuple[schemas.ReferenceSummary, ...]:
    return tuple(_reference(entry) for entry in REFERENCES.values())


def _reference(entry: Reference) -> schemas.ReferenceSummary:
    report = cost(resolve(entry.spec, entry.target))
    return schemas.ReferenceSummary(
        name=entry.spec.name,
        source=entry.source,
        image_size=entry.target.image_size,
        width_scale=entry.target.width_scale,
        head=head_name(entry.target.head),
        cost=schemas.Cost(
            backbone_parameters=report.backbone.parameters,
            backbone_multiply_adds=report.backbone.multiply_adds,
            detector_parameters=report.parameters,
            detector_multiply_adds=report.multiply_adds,
        ),
        spec=entry.spec.to_document(),
    )


@router.get("/schema/search", operation_id="getSearchSchema", summary="JSON Schema of a search document")
def get_search_schema() -> dict[str, Any]:
    """For editors and forms; JSON Schema 2020-12."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **search_schema()}
