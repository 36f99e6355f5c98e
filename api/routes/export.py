"""A trial's architecture as text to take away."""

import re
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.context import Context
from api.errors import ProblemError, problem_docs
from api.routes.parameters import SearchId, TrialNumber
from nas_controller.search_config import SearchConfig
from search_space.export.formats import export_text
from search_space.spec import ArchitectureSpec

router = APIRouter(prefix="/v1/searches/{search_id}", tags=["export"], responses=problem_docs(401, 404, 422))


class ExportFormat(StrEnum):
    """Block specs, a Python file that builds the network, or a drawing."""

    SPEC = "spec"
    PYTORCH = "pytorch"
    SVG = "svg"


_MEDIA_TYPES = {
    ExportFormat.SPEC: ("application/json", ".json"),
    ExportFormat.PYTORCH: ("text/x-python", ".py"),
    ExportFormat.SVG: ("image/svg+xml", ".svg"),
}


@router.get(
    "/trials/{number}/export",
    operation_id="exportTrial",
    summary="Export an architecture",
    response_class=Response,
    responses={
        200: {
            "description": "the file",
            "content": {media_type: {"schema": {"type": "string"}} for media_type, _ in _MEDIA_TYPES.values()},
        }
    },
)
def export_trial(
    search_id: SearchId,
    number: TrialNumber,
    context: Context,
    export_format: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.SPEC,
) -> Response:
    """The architecture at the search's target size."""
    search = context.store.get_search(search_id)
    trial = context.store.get_trial(search_id, number)
    name = trial.draft.name or f"{search.name} trial {number}"
    spec = ArchitectureSpec.from_document(trial.draft.spec).renamed(name)
    target = SearchConfig.from_document(search.config).target.network()
    try:
        text = export_text(spec, target, export_format.value)
    except ValueError as error:
        raise ProblemError(422, "export.refused", str(error)) from error
    media_type, suffix = _MEDIA_TYPES[export_format]
    file_name = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") + suffix
    return Response(text, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{file_name}"'})
