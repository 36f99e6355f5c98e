"""What a search document is worth before a search is made of it: whether it is right, and what it would take."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import ValidationError

from api import planning
from api.context import Context
from api.errors import FieldError, document_errors, problem_docs, refusal
from api.planning_schemas import Estimate, Validation
from nas_controller.search_config import SearchConfig

router = APIRouter(prefix="/v1", tags=["searches"], responses=problem_docs(400, 401, 403, 408, 413, 422))

_EXAMPLES = {
    "smallest": {"summary": "Generated data, every default", "value": {"space": "spinenet-49", "data": "generated"}}
}


@router.post("/searches:validate", operation_id="validateSearch", summary="Check a search document")
def validate_search(
    document: Annotated[dict[str, Any], Body(openapi_examples=_EXAMPLES)], context: Context
) -> Validation:
    """Checks all that `POST /v1/searches` checks, data set and budget included, and creates nothing."""
    try:
        config = SearchConfig.model_validate(document)
    except ValidationError as error:
        return _refused(document_errors(error))
    try:
        context.check_search(config)
    except ValueError as error:
        return _refused([refusal(error)])
    return Validation(valid=True, errors=[], config=config.to_document())


def _refused(errors: list[FieldError]) -> Validation:
    return Validation(valid=False, errors=errors, config=None)


@router.post("/searches:estimate", operation_id="estimateSearch", summary="Say what a search would take")
def estimate_search(config: Annotated[SearchConfig, Body(openapi_examples=_EXAMPLES)], context: Context) -> Estimate:
    """Counts random architectures of the space, and looks at what trainings like these took here before. The data set
    is not read. Takes up to two seconds."""
    return planning.estimate(config, context.store, time.monotonic)
