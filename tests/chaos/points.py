"""Where a process can be killed, reached from outside: its parts are wrapped, its transactions and files are watched.

A point is a text. For each call of a part ``before store.add_trial`` and ``after store.add_trial``; inside it, after
each statement, ``statement 3 of store.add_trial``, and when all are done ``commit of store.add_trial``; before a file
takes its place or goes, ``os.rename in artifacts.put`` and ``os.remove in the loop``.
"""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Engine, event

Part = TypeVar("Part")
FILE_EVENTS = ("os.rename", "os.remove")
BETWEEN_CALLS = "the loop"


class Points:
    """Counts the points that this process reaches, and kills it at one of them.

    Args:
        deadly: the point to die at; "" for none.
        nth: at which time that it is reached.
        sent: the signal that it gets there.
    """

    def __init__(self, deadly: str = "", nth: int = 1, sent: signal.Signals = signal.SIGKILL) -> None:
        self._deadly = deadly
        self._nth = nth
        self._sent = sent
        self._call = BETWEEN_CALLS
        self._num_statements = 0
        self.reached: Counter[str] = Counter()

    def reach(self, point: str) -> None:
        """One more time; the last one if it is the deadly one."""
        self.reached[point] += 1
        if point == self._deadly and self.reached[point] == self._nth:
            os.kill(os.getpid(), self._sent)

    @contextmanager
    def calling(self, call: str) -> Iterator[None]:
        """What happens inside belongs to this call."""
        self.reach(f"before {call}")
        outer, self._call, self._num_statements = self._call, call, 0
        yield
        self._call = outer
        self.reach(f"after {call}")

    def watch_process(self) -> None:
        """From now on, in all that this process does to databases and files; it cannot be taken back."""
        event.listen(Engine, "after_cursor_execute", self._statement)
        event.listen(Engine, "commit", lambda _connection: self.reach(f"commit of {self._call}"))
        sys.addaudithook(self._audit)

    def _statement(self, *_call: object) -> None:
        self._num_statements += 1
        self.reach(f"statement {self._num_statements} of {self._call}")

    def _audit(self, name: str, _arguments: object) -> None:
        if name in FILE_EVENTS:
            self.reach(f"{name} in {self._call}")


def nothing(_call: str, _arguments: tuple[Any, ...]) -> None:
    """Notes nothing."""


def watched(
    part: Part,
    contract: type[Part],
    name: str,
    points: Points,
    note: Callable[[str, tuple[Any, ...]], object] = nothing,
) -> Part:
    """The part, whose calls are points.

    Args:
        note: told of each call that has returned, before anything else happens.
    """

    def method(call: str) -> Callable[..., Any]:
        def invoke(_self: Part, *args: Any, **kwargs: Any) -> Any:
            with points.calling(f"{name}.{call}"):
                answer = getattr(part, call)(*args, **kwargs)
                note(call, args)
                return answer

        return invoke

    calls: frozenset[str] = getattr(contract, "__abstractmethods__", frozenset())
    made: Part = type(f"Watched{contract.__name__}", (contract,), {call: method(call) for call in calls})()
    return made
