"""Carries out operations: one at a time, each in a process of its own that may die.

The runner claims an operation and starts a process for it, which does the work and writes the result under the same
lease. The runner keeps that lease while the process lives; where either dies, the lease expires, and the operation is
claimed again, here or elsewhere.
"""

import logging
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from nas_controller.children import end_children
from nas_controller.operations.records import OperationLease
from nas_controller.store.base import LeaseLostError, Store

LEASE_SECONDS = 60.0
KEEP_SECONDS = 30.0
"""A lease of which less is left is kept for longer."""
LIMIT_SECONDS = 900.0
"""Who takes longer is killed, and the operation has failed: it would take as long again."""
TERMINATION_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass
class _Child:
    """The process of an operation."""

    process: "subprocess.Popen[bytes]"
    lease: OperationLease
    started_at: datetime


@dataclass
class OperationRunner:
    """The operations of one machine.

    Args:
        start: starts the process that carries out an operation under this lease.
        owner: of leases; unlike that of any other process that ever works on the store.
    """

    store: Store
    start: Callable[[OperationLease], "subprocess.Popen[bytes]"]
    now: Callable[[], datetime]
    owner: str
    child: _Child | None = None

    def step(self) -> None:
        """Looks after the process that there is, or starts the next one."""
        now = self.now()
        if self.child is not None:
            self._look_after(self.child, now)
        if self.child is None:
            lease = self.store.claim_operation(self.owner, now, LEASE_SECONDS)
            if lease is not None:
                self.child = _Child(self.start(lease), lease, now)
                _log.info("process %d started for operation %s", self.child.process.pid, lease.operation_id)

    def close(self) -> None:
        """Ends the process; another one follows when its lease has expired."""
        if self.child is not None:
            end_children([self.child.process], TERMINATION_SECONDS)
            self.child = None

    def _look_after(self, child: _Child, now: datetime) -> None:
        code = child.process.poll()
        try:
            if code is not None:
                self.child = None
                self._bury(child, code, now)
            elif (now - child.started_at).total_seconds() >= LIMIT_SECONDS:
                self.close()
                reason = f"it took longer than {LIMIT_SECONDS:g} s and was ended"
                self.store.finish_operation(child.lease, reason, now)
                _log.error("operation %s: %s", child.lease.operation_id, reason)
            elif (child.lease.expires_at - now).total_seconds() < KEEP_SECONDS:
                child.lease = self.store.keep_operation(child.lease, now, LEASE_SECONDS)
        except LeaseLostError as error:  # or the process has just written its result
            _log.info("%s", error)
            self.close()

    def _bury(self, child: _Child, code: int, now: datetime) -> None:
        if code == 0:
            _log.info("the process of operation %s ended", child.lease.operation_id)
            return
        reason = _reason(code)
        _log.error("operation %s: %s", child.lease.operation_id, reason)
        self.store.lose_operation_attempt(child.lease, reason, now)


def _reason(code: int) -> str:
    """Why a process did not end well, for people."""
    if code >= 0:
        return f"its process ended with code {code}"
    name = str(-code)
    with suppress(ValueError):
        name = signal.Signals(-code).name
    more = ", as the system does where memory runs out" if -code == signal.SIGKILL else ""
    return f"its process was ended by {name}{more}"
