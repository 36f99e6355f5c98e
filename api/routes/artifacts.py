"""Files that workers left: logs, checkpoints, reports."""

import re
from collections.abc import Iterator
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse

from api.context import Context
from api.errors import ProblemError, problem_docs
from api.routes.parameters import SearchId
from nas_controller.artifacts.base import ArtifactMissingError
from nas_controller.store.base import NotFoundError

router = APIRouter(prefix="/v1/searches/{search_id}", tags=["artifacts"], responses=problem_docs(401, 404, 410, 422))

_CHUNK_BYTES = 1 << 20
_MARK_BYTES = 12
_PICTURES = {"image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL), "image/jpeg": re.compile(rb"\xff\xd8\xff")}


@router.get(
    "/artifacts/{key}",
    operation_id="getArtifact",
    summary="Download a file of a search",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "the file",
            "content": {"application/octet-stream": {}, "image/webp": {}, "image/jpeg": {}},
        }
    },
)
def get_artifact(
    search_id: SearchId,
    key: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="sha256 of the content; a trial lists its own")],
    context: Context,
) -> StreamingResponse:
    """The content, always as a download: what a worker wrote is never shown as a page of ours. A picture that is one
    comes with its type, so that a page of ours can show it."""
    context.store.get_search(search_id)
    found = context.store.list_artifacts(search_id, key=key)
    if not found:
        raise NotFoundError(f"search {search_id} has no artifact {key}")
    try:
        file = context.artifacts.open(key)
    except ArtifactMissingError as error:
        raise ProblemError(410, "artifact.deleted", f"artifact {key} was deleted") from error
    file_name = re.sub(r"[^A-Za-z0-9.]+", "-", found[0].name).strip("-.") or key
    return StreamingResponse(
        _chunks(file),
        media_type=_shown_type(file, found[0].media_type),
        headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
    )


def _shown_type(file: BinaryIO, media_type: str) -> str:
    """The type of a picture that begins as one; else that of a download."""
    first = file.read(_MARK_BYTES)
    file.seek(0)
    is_picture = media_type in _PICTURES and _PICTURES[media_type].match(first)
    return media_type if is_picture else "application/octet-stream"


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
