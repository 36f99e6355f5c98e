"""An architecture to take away: a trial's, or a published one."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from api.context import ApiContext, Context
from api.errors import FieldError, ProblemError, problem_docs
from api.operation_schemas import Operation
from api.operations import answer_later, ask_operation, file_answer
from api.provenance import ExportSize, FoundArchitecture, found_architecture, require_size
from api.routes.parameters import SearchId, TrialNumber
from nas_controller.operations.records import OnnxExport
from nas_controller.store.base import NotFoundError
from search_space.export.formats import FORMATS, ONNX, ExportFormatError, export_text
from search_space.export.provenance import Provenance
from search_space.reference import REFERENCES

router = APIRouter(prefix="/v1", tags=["export"], responses=problem_docs(401, 404, 410, 422))

_TEXT = {"schema": {"type": "string"}}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the file",
        "content": {
            "application/json": {},
            "application/octet-stream": {},
            **dict.fromkeys(("text/x-python", "image/svg+xml", "text/markdown"), _TEXT),
        },
    },
    202: {
        "description": "the file is being made; once for all who ask",
        "model": Operation,
        "headers": {
            "Location": {"description": "of the operation", "schema": {"type": "string"}},
            "Retry-After": {"description": "seconds", "schema": {"type": "string"}},
        },
    },
}

FormatName = Annotated[
    str,
    Query(
        alias="format",
        description=(
            "`spec`: block specs with their origin. `pytorch`, `torchvision`, `tf-vision`, `mmdet`: a Python file for "
            "each. `svg`: a drawing. `card`: a model card. `onnx`: the backbone with new weights; a controller makes it"
        ),
        json_schema_extra={"enum": [*FORMATS, ONNX]},
    ),
]
ReferenceName = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="of `/v1/references`", examples=["spinenet-49"])
]


@router.get(
    "/searches/{search_id}/trials/{number}/export",
    operation_id="exportTrial",
    summary="Export an architecture",
    response_class=Response,
    responses=_FILE,
)
def export_trial(
    search_id: SearchId,
    number: TrialNumber,
    context: Context,
    format_name: FormatName = "spec",
    size: Annotated[
        ExportSize, Query(description="`trained`, with `pytorch`: the file takes the weights of a full training")
    ] = ExportSize.TARGET,
) -> Response:
    """The architecture at the search's target size, or that of its trainings, in a format that other code can use."""
    try:
        require_size(size, format_name)
    except ValueError as error:
        raise ProblemError(
            422, "export.refused", str(error), [FieldError(place="query.size", message=str(error))]
        ) from error
    search = context.store.get_search(search_id)
    trial = context.store.get_trial(search_id, number)
    return _file(context, found_architecture(context.store, search, trial, size), format_name)


@router.get(
    "/references/{name}/export",
    operation_id="exportReference",
    summary="Export a published architecture",
    response_class=Response,
    responses=_FILE,
)
def export_reference(name: ReferenceName, context: Context, format_name: FormatName = "spec") -> Response:
    """The architecture at its authors' target size, in a format that other code can use."""
    if name not in REFERENCES:
        raise NotFoundError(f"no reference {name}")
    entry = REFERENCES[name]
    return _file(context, FoundArchitecture(entry.spec, entry.target, Provenance(source=entry.source)), format_name)


def _file(context: ApiContext, found: FoundArchitecture, format_name: str) -> Response:
    name = re.sub(r"[^A-Za-z0-9]+", "-", found.spec.name).strip("-")
    if format_name == ONNX:
        operation = ask_operation(context, OnnxExport.of(found.spec, found.target).work())
        made = operation.result
        return answer_later(operation) if made is None else file_answer(context, made, f"{name}.onnx")
    try:
        exported = export_text(found.spec, found.target, format_name, found.provenance)
    except ExportFormatError as error:
        wrong = FieldError(place="query.format", message=str(error))
        raise ProblemError(422, "export.format_unknown", str(error), [wrong]) from error
    except ValueError as error:
        raise ProblemError(422, "export.refused", str(error)) from error
    return Response(
        exported.text,
        media_type=exported.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}{exported.suffix}"'},
    )
