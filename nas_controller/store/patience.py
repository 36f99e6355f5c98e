"""A store that outlasts a database which is away for a while: its calls are made again until they are answered.

Each method of the contract is one transaction, and the same call again changes nothing; so it does not matter whether a
call whose answer was lost had been committed.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from nas_controller.store.base import Store

PATIENCE_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0

_log = logging.getLogger(__name__)


def patient(
    store: Store,
    seconds: float = PATIENCE_SECONDS,
    wait: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Store:
    """The store, with calls that wait for a database which does not answer, is locked, starts again or is full.

    When none was answered for so many seconds, the error is raised, and so is that of each further call until one is
    answered again.
    """
    patience = _Patience(seconds, wait, clock)
    methods = {name: _patiently(store, name, patience) for name in Store.__abstractmethods__}
    made: Store = type("PatientStore", (Store,), methods)()
    return made


def is_passing(error: Exception) -> bool:
    """Whether a call that raised this may succeed later: it is the database's state, not what it was asked."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    # What SQLite calls SQLITE_ERROR is a statement that it does not understand.
    is_refused = getattr(error.orig, "sqlite_errorname", "") == "SQLITE_ERROR"
    return error.connection_invalidated or (isinstance(error, OperationalError | InterfaceError) and not is_refused)


class _Patience:
    """How long a database has been away, over all calls."""

    def __init__(self, seconds: float, wait: Callable[[float], object], clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._wait = wait
        self._clock = clock
        self._away_since: float | None = None
        self._pause = FIRST_PAUSE_SECONDS

    def answered(self) -> None:
        self._away_since, self._pause = None, FIRST_PAUSE_SECONDS

    def wait_after(self, error: Exception) -> bool:
        """Waits a while, each time longer; False, at once, when patience is at its end."""
        if self._away_since is None:
            self._away_since = self._clock()
        if self._clock() - self._away_since >= self._seconds:
            return False
        _log.warning("the database does not answer, asked again in %g s: %s", self._pause, str(error).splitlines()[0])
        self._wait(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        return True


def _patiently(store: Store, name: str, patience: _Patience) -> Callable[..., Any]:
    """The method of that name."""

    def call(_self: Store, *args: Any, **kwargs: Any) -> Any:
        while True:
            try:
                answer = getattr(store, name)(*args, **kwargs)
            except (DBAPIError, PoolTimeoutError) as error:
                if not is_passing(error) or not patience.wait_after(error):
                    raise
            else:
                patience.answered()
                return answer

    return call
