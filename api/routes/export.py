"""A trial's architecture as text to take away."""

import re
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.context import Context
from api.errors import FieldError, ProblemError, problem_docs
from api.routes.parameters import SearchId, TrialNumber
from nas_controller.search_config import SearchConfig
from search_space.export.formats import FORMATS, ExportFormatError, export_text
from search_space.spec import ArchitectureSpec

router = APIRouter(prefix="/v1/searches/{search_id}", tags=["export"], responses=problem_docs(401, 404, 422))

_TEXT = {"schema": {"type": "string"}}


@router.get(
    "/trials/{number}/export",
    operation_id="exportTrial",
    summary="Export an architecture",
    response_class=Response,
    responses={
        200: {
            "description": "the file",
            "content": {"application/json": {}, "text/x-python": _TEXT, "image/svg+xml": _TEXT},
        }
    },
)
def export_trial(
    search_id: SearchId,
    number: TrialNumber,
    context: Context,
    format_name: Annotated[
        str,
        Query(
            alias="format",
            description="block specs, a Python file that builds the network, or a drawing",
            json_schema_extra={"enum": list(FORMATS)},
        ),
    ] = "spec",
) -> Response:
    """The architecture at the search's target size."""
    search = context.store.get_search(search_id)
    trial = context.store.get_trial(search_id, number)
    name = trial.draft.name or f"{search.name} trial {number}"
    spec = ArchitectureSpec.from_document(trial.draft.spec).renamed(name)
    target = SearchConfig.from_document(search.config).target_network()
    try:
        exported = export_text(spec, target, format_name)
    except ExportFormatError as error:
        wrong = FieldError(place="query.format", message=str(error))
        raise ProblemError(422, "export.format_unknown", str(error), [wrong]) from error
    except ValueError as error:
        raise ProblemError(422, "export.refused", str(error)) from error
    file_name = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") + exported.suffix
    return Response(
        exported.text,
        media_type=exported.media_type,
        headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
    )
