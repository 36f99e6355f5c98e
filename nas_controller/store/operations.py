"""What the database promises about operations: a part of `store.base`, whose rules for methods hold here too.

Who carries one out takes a lease on it first, so that of several processes one does. What it writes then raises
`LeaseLostError` where a newer lease was taken, or the operation has ended or is gone; nothing was written.
"""

from abc import ABC, abstractmethod
from datetime import datetime

from nas_controller.operations.records import Operation, OperationLease, OperationResult, Work


class OperationStore(ABC):
    """Operations, each once for the same work."""

    @abstractmethod
    def ask_operation(self, work: Work, at: datetime, gone_key: str | None = None) -> Operation:
        """The operation that does this work: a new one where there is none. One that failed a minute ago or longer is
        PENDING again, as if it were new; and so is one whose file is the artifact of that key, which is gone.
        `TooManyOperationsError` where `MAX_OPEN_OPERATIONS` others are open already."""

    @abstractmethod
    def get_operation(self, operation_id: str) -> Operation:
        """The operation, or `NotFoundError`."""

    @abstractmethod
    def forget_operations(self, finished_before: datetime) -> None:
        """Nothing is left of those that ended before that time; a sweep then removes their files."""

    # What who carries them out reads and writes

    @abstractmethod
    def claim_operation(self, owner: str, at: datetime, seconds: float) -> OperationLease | None:
        """A lease on the operation that has waited longest: a PENDING one, or a RUNNING one whose lease expired at
        `at`. It is RUNNING, and one more attempt is counted; where there were `MAX_ATTEMPTS`, it is FAILED instead and
        the next one is taken. None where none waits."""

    @abstractmethod
    def keep_operation(self, lease: OperationLease, at: datetime, seconds: float) -> OperationLease:
        """The same lease, expiring later."""

    @abstractmethod
    def finish_operation(self, lease: OperationLease, outcome: OperationResult | str, at: datetime) -> Operation:
        """The operation with its result, or FAILED for the reason that is given. The same again changes nothing."""

    @abstractmethod
    def lose_operation_attempt(self, lease: OperationLease, problem: str, at: datetime) -> Operation:
        """The operation, whose process was lost: FAILED where that was the last attempt; else the next one begins when
        the lease has expired."""
