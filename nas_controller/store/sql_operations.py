"""Operations in a SQL database."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from nas_controller.operations.records import (
    Operation,
    OperationKind,
    OperationLease,
    OperationResult,
    OperationState,
    Work,
)
from nas_controller.store import operation_rules, rules
from nas_controller.store.base import LeaseLostError, NotFoundError
from nas_controller.store.operations import OperationStore
from nas_controller.store.tables import operation as operations

PENDING, RUNNING = OperationState.PENDING.value, OperationState.RUNNING.value


class SqlOperations(OperationStore):
    """A part of `SqlStore`, whose engines it shares."""

    _reader: Engine
    _writer: Engine

    def ask_operation(self, work: Work, at: datetime, gone_key: str | None = None) -> Operation:
        asked = operation_rules.asked(work, at)
        try:
            with self._writer.begin() as connection:
                row = _locked(connection, asked.id)
                if row is not None and operation_rules.stays(_operation_of(row), asked.created_at, gone_key):
                    return _operation_of(row)
                is_open = operations.c.state.in_((PENDING, RUNNING))
                counted = select(func.count()).select_from(operations).where(is_open)
                operation_rules.require_room(connection.execute(counted).scalar_one())
                if row is None:
                    new = {"lease_owner": "", "lease_token": 0, **_values(asked)}
                    connection.execute(insert(operations).values(id=asked.id, **new))
                else:
                    _update(connection, asked.id, _values(asked))
        except IntegrityError:  # somebody else asked at the same time
            return self.get_operation(asked.id)
        return asked

    def get_operation(self, operation_id: str) -> Operation:
        statement = select(operations).where(operations.c.id == operation_id)
        with self._reader.begin() as connection:
            row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            raise NotFoundError(f"no operation {operation_id}")
        return _operation_of(row)

    def forget_operations(self, finished_before: datetime) -> None:
        before = rules.in_utc(finished_before)
        with self._writer.begin() as connection:
            connection.execute(delete(operations).where(operations.c.finished_at < before))

    def claim_operation(self, owner: str, at: datetime, seconds: float) -> OperationLease | None:
        at = rules.in_utc(at)
        wanted = _claimable(owner, at, at + timedelta(seconds=seconds))
        with self._reader.begin() as connection:  # who finds nothing holds up nobody that writes
            if connection.execute(select(operations.c.id).where(wanted).limit(1)).one_or_none() is None:
                return None
        longest_first = select(operations).where(wanted).order_by(operations.c.created_at, operations.c.id)
        with self._writer.begin() as connection:
            found = connection.execute(longest_first.with_for_update()).mappings().all()
            for row in found:
                held = _lease_of(row)
                if operation_rules.is_claim(held, owner, at + timedelta(seconds=seconds)):
                    return held
            for row in found:
                begun = operation_rules.begun(_operation_of(row), at)
                lease = operation_rules.next_lease(begun.id, _lease_of(row), owner, at, seconds)
                if begun.state is OperationState.RUNNING:
                    _update(connection, begun.id, _values(begun) | _lease_values(lease))
                    return lease
                _update(connection, begun.id, _values(begun))
        return None

    def keep_operation(self, lease: OperationLease, at: datetime, seconds: float) -> OperationLease:
        with self._writer.begin() as connection:
            _leased(connection, lease)
            kept = operation_rules.kept(lease, at, seconds)
            _update(connection, lease.operation_id, _lease_values(kept))
            return kept

    def finish_operation(self, lease: OperationLease, outcome: OperationResult | str, at: datetime) -> Operation:
        at = rules.in_utc(at)
        with self._writer.begin() as connection:
            ended = operation_rules.ended(_leased(connection, lease, at), outcome, at)
            _update(connection, ended.id, _values(ended))
            return ended

    def lose_operation_attempt(self, lease: OperationLease, problem: str, at: datetime) -> Operation:
        at = rules.in_utc(at)
        with self._writer.begin() as connection:
            left = operation_rules.attempt_lost(_leased(connection, lease, at), problem, at)
            _update(connection, left.id, _values(left))
            return left


def _claimable(owner: str, at: datetime, expires_at: datetime) -> ColumnElement[bool]:
    """Those that wait for somebody who carries them out, and the one that was given for this very claim."""
    is_running = operations.c.state == RUNNING
    is_ours = and_(operations.c.lease_owner == owner, operations.c.lease_expires_at == expires_at)
    return or_(operations.c.state == PENDING, and_(is_running, or_(operations.c.lease_expires_at <= at, is_ours)))


def _locked(connection: Connection, operation_id: str) -> RowMapping | None:
    statement = select(operations).where(operations.c.id == operation_id).with_for_update()
    return connection.execute(statement).mappings().one_or_none()


def _leased(connection: Connection, lease: OperationLease, ended_at: datetime | None = None) -> Operation:
    row = _locked(connection, lease.operation_id)
    if row is None:
        raise LeaseLostError(f"operation {lease.operation_id} is gone")
    return operation_rules.require_lease(_operation_of(row), _lease_of(row), lease, ended_at)


def _update(connection: Connection, operation_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(update(operations).where(operations.c.id == operation_id).values(**values))


def _operation_of(row: Mapping[Any, Any]) -> Operation:
    result = None
    if row["result_key"] is not None:
        result = OperationResult(key=row["result_key"], num_bytes=row["result_num_bytes"])
    return Operation(
        work=Work(kind=OperationKind(row["kind"]), document=row["document"]),
        state=OperationState(row["state"]),
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        problem=row["problem"],
        result=result,
        num_attempts=row["num_attempts"],
    )


def _values(operation: Operation) -> dict[str, Any]:
    result = operation.result
    return {
        "kind": operation.work.kind.value,
        "document": operation.work.document,
        "state": operation.state.value,
        "created_at": operation.created_at,
        "finished_at": operation.finished_at,
        "problem": operation.problem,
        "result_key": None if result is None else result.key,
        "result_num_bytes": None if result is None else result.num_bytes,
        "num_attempts": operation.num_attempts,
    }


def _lease_of(row: Mapping[Any, Any]) -> OperationLease | None:
    if row["lease_expires_at"] is None:
        return None
    values = {name: row[f"lease_{name}"] for name in ("owner", "token", "expires_at")}
    return OperationLease(operation_id=row["id"], **values)


def _lease_values(lease: OperationLease) -> dict[str, Any]:
    return {"lease_owner": lease.owner, "lease_token": lease.token, "lease_expires_at": lease.expires_at}
