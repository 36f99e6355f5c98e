"""Operations as routes ask for them and show them."""

from collections.abc import Iterator

from fastapi import Response
from fastapi.responses import JSONResponse, StreamingResponse

from api.context import ApiContext
from api.errors import ProblemError
from api.operation_schemas import Operation as OperationView
from api.operation_schemas import OperationResult as ResultView
from nas_controller.artifacts.base import ArtifactMissingError
from nas_controller.operations.records import Operation, OperationResult, Work
from nas_controller.store.base import TooManyOperationsError

POLL_SECONDS = 2
ROOM_SECONDS = 30
"""When to ask again where there was no room for one more."""
_CHUNK_BYTES = 1 << 20


def ask_operation(context: ApiContext, work: Work) -> Operation:
    """The operation that does this work, begun where there is none, and anew where its file is gone.

    Raises:
        ProblemError: too many others are open.
    """
    try:
        operation = context.store.ask_operation(work, context.clock())
        if operation.result is None or context.artifacts.exists(operation.result.key):
            return operation
        return context.store.ask_operation(work, context.clock(), operation.result.key)
    except TooManyOperationsError as error:
        after = {"Retry-After": str(ROOM_SECONDS)}
        raise ProblemError(429, "operations.too_many", str(error), headers=after) from error


def operation_view(operation: Operation) -> OperationView:
    """The operation as it is shown."""
    result, made = None, operation.result
    if made is not None:
        href = f"{operation_path(operation)}/result"
        result = ResultView(href=href, num_bytes=made.num_bytes, sha256=made.key)
    return OperationView(
        id=operation.id,
        kind=operation.work.kind,
        state=operation.state,
        created_at=operation.created_at,
        finished_at=operation.finished_at,
        problem=operation.problem or None,
        result=result,
    )


def operation_path(operation: Operation) -> str:
    """Where it can be asked what became of it."""
    return f"/v1/operations/{operation.id}"


def answer_later(operation: Operation) -> Response:
    """202: where to ask, and when."""
    document = operation_view(operation).model_dump(mode="json")
    return JSONResponse(document, 202, {"Location": operation_path(operation), "Retry-After": str(POLL_SECONDS)})


def file_answer(context: ApiContext, made: OperationResult, file_name: str) -> Response:
    """The file, as a download.

    Raises:
        ProblemError: it was deleted.
    """
    try:
        file = context.artifacts.open(made.key)
    except ArtifactMissingError as error:
        raise ProblemError(410, "artifact.deleted", f"artifact {made.key} was deleted") from error

    def chunks() -> Iterator[bytes]:
        with file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk

    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "Content-Length": str(made.num_bytes)}
    return StreamingResponse(chunks(), media_type="application/octet-stream", headers=headers)
