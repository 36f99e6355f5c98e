"""What operations obey in every store."""

from dataclasses import replace
from datetime import datetime, timedelta

from nas_controller.operations.records import (
    ASKED_AGAIN_AFTER,
    MAX_ATTEMPTS,
    MAX_OPEN_OPERATIONS,
    Operation,
    OperationLease,
    OperationResult,
    OperationState,
    Work,
)
from nas_controller.store import rules
from nas_controller.store.base import LeaseLostError, TooManyOperationsError


def asked(work: Work, at: datetime) -> Operation:
    """A new operation."""
    work = replace(work, document=rules.plain(work.document))
    return Operation(work=work, state=OperationState.PENDING, created_at=rules.in_utc(at))


def stays(operation: Operation, at: datetime, gone_key: str | None) -> bool:
    """Whether an operation is not begun anew by who asks for it: unless it failed long enough ago, or the file that it
    made is the one that is gone."""
    if operation.state is OperationState.FAILED and operation.finished_at is not None:
        return at - operation.finished_at < ASKED_AGAIN_AFTER
    return operation.result is None or operation.result.key != gone_key


def require_room(num_open: int) -> None:
    """Raises TooManyOperationsError where one more is too many."""
    if num_open >= MAX_OPEN_OPERATIONS:
        raise TooManyOperationsError(
            f"{num_open} operations are open, and there may be {MAX_OPEN_OPERATIONS}: ask again when one has ended"
        )


def is_claimable(operation: Operation, held: OperationLease | None, at: datetime) -> bool:
    """Whether it waits for somebody who carries it out."""
    if operation.state is OperationState.RUNNING:
        return held is None or held.expires_at <= at
    return operation.state is OperationState.PENDING


def is_claim(held: OperationLease | None, owner: str, expires_at: datetime) -> bool:
    """Whether the lease was given for this very claim, whose answer was lost."""
    return held is not None and (held.owner, held.expires_at) == (owner, expires_at)


def begun(operation: Operation, at: datetime) -> Operation:
    """The operation as it is claimed; FAILED where it was attempted as often as may be."""
    if operation.num_attempts >= MAX_ATTEMPTS:
        return ended(operation, operation.problem or f"its process was lost {MAX_ATTEMPTS} times", at)
    return replace(operation, state=OperationState.RUNNING, num_attempts=operation.num_attempts + 1)


def next_lease(
    operation_id: str, held: OperationLease | None, owner: str, at: datetime, seconds: float
) -> OperationLease:
    """The lease of who claims it."""
    token = held.token + 1 if held is not None else 1
    return OperationLease(
        operation_id=operation_id, owner=owner, token=token, expires_at=at + timedelta(seconds=seconds)
    )


def kept(lease: OperationLease, at: datetime, seconds: float) -> OperationLease:
    """The lease, expiring later."""
    return replace(lease, expires_at=rules.in_utc(at) + timedelta(seconds=seconds))


def require_lease(
    operation: Operation | None, held: OperationLease | None, lease: OperationLease, ended_at: datetime | None = None
) -> Operation:
    """The operation, while no newer lease was taken and it has not ended, but for a call at that very time.

    Raises:
        LeaseLostError: or it is gone.
    """
    is_held = operation is not None and held is not None and held.token == lease.token
    if operation is None or not is_held or (operation.state.is_final and operation.finished_at != ended_at):
        raise LeaseLostError(f"operation {lease.operation_id}: lease {lease.token} holds no more")
    return operation


def ended(operation: Operation, outcome: OperationResult | str, at: datetime) -> Operation:
    """The operation with its result, or with the reason why there is none."""
    if operation.state.is_final:
        return operation
    if isinstance(outcome, OperationResult):
        return replace(operation, state=OperationState.SUCCEEDED, result=outcome, problem="", finished_at=at)
    return replace(operation, state=OperationState.FAILED, problem=rules.storable(outcome), finished_at=at)


def attempt_lost(operation: Operation, problem: str, at: datetime) -> Operation:
    """The operation after its process was lost: FAILED where that was its last attempt."""
    if operation.num_attempts >= MAX_ATTEMPTS:
        return ended(operation, f"{problem}, at the last of {MAX_ATTEMPTS} attempts", at)
    return replace(operation, problem=rules.storable(problem))
