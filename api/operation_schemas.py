"""Work that an answer waits for: the public shape of operations."""

from datetime import datetime

from pydantic import BaseModel, Field

from nas_controller.operations.records import OperationKind, OperationState


class OperationResult(BaseModel):
    """The file that an operation made."""

    href: str = Field(description="where it is, on this service")
    num_bytes: int
    sha256: str


class Operation(BaseModel):
    """Work that a controller does when it comes to it, once for all who ask."""

    id: str
    kind: OperationKind
    state: OperationState = Field(description="pending: no controller has begun")
    created_at: datetime
    finished_at: datetime | None
    problem: str | None = Field(description="why it failed, or why its last attempt did; null where none did")
    result: OperationResult | None = Field(description="null until it has succeeded")
