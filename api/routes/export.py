"""An architecture as text to take away: a trial's, or a published one."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from api.context import Context
from api.errors import FieldError, ProblemError, problem_docs
from api.provenance import ExportSize, FoundArchitecture, found_architecture, require_size
from api.routes.parameters import SearchId, TrialNumber
from nas_controller.store.base import NotFoundError
from search_space.export.formats import FORMATS, ONNX, ExportFormatError, export_text
from search_space.export.provenance import Provenance
from search_space.reference import REFERENCES

router = APIRouter(prefix="/v1", tags=["export"], responses=problem_docs(401, 404, 422))

_TEXT = {"schema": {"type": "string"}}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the file",
        "content": {
            "application/json": {},
            **dict.fromkeys(("text/x-python", "image/svg+xml", "text/markdown"), _TEXT),
        },
    }
}

FormatName = Annotated[
    str,
    Query(
        alias="format",
        description=(
            "`spec`: block specs with their origin. `pytorch`, `torchvision`, `tf-vision`, `mmdet`: a Python file for "
            "each. `svg`: a drawing. `card`: a model card. ONNX is written by the command line"
        ),
        json_schema_extra={"enum": list(FORMATS)},
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
    if format_name == ONNX:
        raise _for_the_command_line(f"{search_id} --trial {number}")
    try:
        require_size(size, format_name)
    except ValueError as error:
        raise ProblemError(
            422, "export.refused", str(error), [FieldError(place="query.size", message=str(error))]
        ) from error
    search = context.store.get_search(search_id)
    trial = context.store.get_trial(search_id, number)
    return _file(found_architecture(context.store, search, trial, size), format_name)


@router.get(
    "/references/{name}/export",
    operation_id="exportReference",
    summary="Export a published architecture",
    response_class=Response,
    responses=_FILE,
)
def export_reference(name: ReferenceName, format_name: FormatName = "spec") -> Response:
    """The architecture at its authors' target size, in a format that other code can use."""
    if name not in REFERENCES:
        raise NotFoundError(f"no reference {name}")
    if format_name == ONNX:
        raise _for_the_command_line(f"--reference {name}")
    entry = REFERENCES[name]
    return _file(FoundArchitecture(entry.spec, entry.target, Provenance(source=entry.source)), format_name)


def _for_the_command_line(which: str) -> ProblemError:
    message = f"ONNX needs torch, which no API process loads: spinesearch export {which} --format onnx -o FILE.onnx"
    return ProblemError(422, "export.needs_command_line", message, [FieldError(place="query.format", message=message)])


def _file(found: FoundArchitecture, format_name: str) -> Response:
    try:
        exported = export_text(found.spec, found.target, format_name, found.provenance)
    except ExportFormatError as error:
        wrong = FieldError(place="query.format", message=str(error))
        raise ProblemError(422, "export.format_unknown", str(error), [wrong]) from error
    except ValueError as error:
        raise ProblemError(422, "export.refused", str(error)) from error
    file_name = re.sub(r"[^A-Za-z0-9]+", "-", found.spec.name).strip("-") + exported.suffix
    return Response(
        exported.text,
        media_type=exported.media_type,
        headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
    )
