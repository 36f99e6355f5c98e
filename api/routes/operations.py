"""What became of work that an answer waits for."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api import operation_schemas as schemas
from api.context import Context
from api.errors import problem_docs
from api.operations import file_answer, operation_view
from nas_controller.store.base import NotFoundError

router = APIRouter(prefix="/v1/operations/{operation_id}", tags=["operations"], responses=problem_docs(401, 404, 422))

OperationId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="from the `Location` of a 202")]


@router.get("", operation_id="getOperation", summary="What became of an operation")
def get_operation(operation_id: OperationId, context: Context) -> schemas.Operation:
    """Its state; with the file that it made, or the reason why there is none. Both are kept for a week."""
    return operation_view(context.store.get_operation(operation_id))


@router.get(
    "/result",
    operation_id="getOperationResult",
    summary="Download what an operation made",
    response_class=Response,
    responses={
        200: {"description": "the file", "content": {"application/octet-stream": {}}},
        **problem_docs(410),
    },
)
def get_operation_result(operation_id: OperationId, context: Context) -> Response:
    """The file of an operation that has succeeded."""
    operation = context.store.get_operation(operation_id)
    if operation.result is None:
        raise NotFoundError(f"operation {operation_id} is {operation.state} and has no result")
    return file_answer(context, operation.result, f"{operation_id[:8]}.onnx")
