"""How often somebody may do something: a bucket of permits for each, filled again as time goes by."""

import math
import threading
from collections.abc import Callable
from datetime import datetime

from fastapi.responses import JSONResponse
from starlette.types import Scope

from api.errors import problem_response

PERIOD_SECONDS = 60.0
MANY_KEYS = 10_000


class RateLimit:
    """Permits by key: at most `per_minute` at once, filled again evenly in a minute. Safe for threads.

    Of each key one number is kept: the time at which its bucket is full again. Those that are full are forgotten.
    """

    def __init__(self, per_minute: int, clock: Callable[[], datetime]) -> None:
        self._interval = PERIOD_SECONDS / per_minute
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, key: str) -> int:
        """Takes a permit: 0. Where there is none, the whole seconds until there is one; nothing is taken."""
        with self._lock:
            now = self._clock().timestamp()
            if len(self._full_at) >= MANY_KEYS:
                self._full_at = {other: at for other, at in self._full_at.items() if at > now}
            # Never further ahead than an empty bucket: the clock may have been set back.
            full_at = min(max(self._full_at.get(key, now), now), now + PERIOD_SECONDS)
            seconds = full_at + self._interval - now - PERIOD_SECONDS
            is_free = seconds <= self._interval / 1000  # sums of floats are not exact
            self._full_at[key] = full_at + self._interval if is_free else full_at
            return 0 if is_free else math.ceil(seconds)


def peer_of(scope: Scope) -> str:
    """The address that a request comes from."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def too_many(seconds: int) -> JSONResponse:
    """The answer to somebody who must wait."""
    return problem_response(
        429, "rate.exceeded", f"too many requests: try again in {seconds} s", headers={"Retry-After": str(seconds)}
    )
