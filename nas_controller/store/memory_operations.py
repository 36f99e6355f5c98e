"""Operations in this process' memory."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from nas_controller.operations.records import Operation, OperationLease, OperationResult, OperationState, Work
from nas_controller.store import operation_rules, rules
from nas_controller.store.base import LeaseLostError, NotFoundError
from nas_controller.store.operations import OperationStore


@dataclass
class KeptOperation:
    """An operation, and the last lease on it."""

    operation: Operation
    lease: OperationLease | None = None


class MemoryOperations(OperationStore):
    """A part of `MemoryStore`, whose lock it shares."""

    _lock: threading.RLock
    _operations: dict[str, KeptOperation]

    def ask_operation(self, work: Work, at: datetime, gone_key: str | None = None) -> Operation:
        asked = operation_rules.asked(work, at)
        with self._lock:
            kept = self._operations.get(asked.id)
            if kept is not None and operation_rules.stays(kept.operation, asked.created_at, gone_key):
                return kept.operation
            operation_rules.require_room(sum(not one.operation.state.is_final for one in self._operations.values()))
            self._operations[asked.id] = KeptOperation(asked, None if kept is None else kept.lease)
            return asked

    def get_operation(self, operation_id: str) -> Operation:
        with self._lock:
            if operation_id not in self._operations:
                raise NotFoundError(f"no operation {operation_id}")
            return self._operations[operation_id].operation

    def forget_operations(self, finished_before: datetime) -> None:
        before = rules.in_utc(finished_before)
        with self._lock:
            ends = {operation_id: kept.operation.finished_at for operation_id, kept in self._operations.items()}
            for operation_id, finished_at in ends.items():
                if finished_at is not None and finished_at < before:
                    del self._operations[operation_id]

    def claim_operation(self, owner: str, at: datetime, seconds: float) -> OperationLease | None:
        at = rules.in_utc(at)
        expires_at = at + timedelta(seconds=seconds)
        with self._lock:
            running = [kept for kept in self._operations.values() if kept.operation.state is OperationState.RUNNING]
            for kept in running:
                if operation_rules.is_claim(kept.lease, owner, expires_at):
                    return kept.lease
            waiting = [
                kept
                for kept in self._operations.values()
                if operation_rules.is_claimable(kept.operation, kept.lease, at)
            ]
            for kept in sorted(waiting, key=lambda kept: (kept.operation.created_at, kept.operation.id)):
                kept.operation = operation_rules.begun(kept.operation, at)
                if kept.operation.state is OperationState.RUNNING:
                    kept.lease = operation_rules.next_lease(kept.operation.id, kept.lease, owner, at, seconds)
                    return kept.lease
            return None

    def keep_operation(self, lease: OperationLease, at: datetime, seconds: float) -> OperationLease:
        with self._lock:
            kept = self._leased_operation(lease)
            kept.lease = operation_rules.kept(lease, at, seconds)
            return kept.lease

    def finish_operation(self, lease: OperationLease, outcome: OperationResult | str, at: datetime) -> Operation:
        at = rules.in_utc(at)
        with self._lock:
            kept = self._leased_operation(lease, at)
            kept.operation = operation_rules.ended(kept.operation, outcome, at)
            return kept.operation

    def lose_operation_attempt(self, lease: OperationLease, problem: str, at: datetime) -> Operation:
        at = rules.in_utc(at)
        with self._lock:
            kept = self._leased_operation(lease, at)
            kept.operation = operation_rules.attempt_lost(kept.operation, problem, at)
            return kept.operation

    def _operation_files(self) -> set[str]:
        """The keys of the artifacts that operations made."""
        results = [kept.operation.result for kept in self._operations.values()]
        return {result.key for result in results if result is not None}

    def _leased_operation(self, lease: OperationLease, ended_at: datetime | None = None) -> KeptOperation:
        kept = self._operations.get(lease.operation_id)
        if kept is None:
            raise LeaseLostError(f"operation {lease.operation_id} is gone")
        operation_rules.require_lease(kept.operation, kept.lease, lease, ended_at)
        return kept
