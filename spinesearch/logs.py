"""The log of our processes: one JSON object a line, or lines for people where standard error is a terminal.

Every process of a service sets it up here, once. Our modules log through ``logging.getLogger(__name__)``; what a line
is about comes in `extra`, under the names in `FIELDS`. A line is one line, whatever a user's text has in it.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType

LEVEL = "SPINESEARCH_LOG_LEVEL"
FORMAT = "SPINESEARCH_LOG_FORMAT"
LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("auto", "json", "text")

FIELDS = (
    *("search", "trial", "job", "attempt", "worker", "reason"),
    *("request_id", "method", "route", "status", "seconds"),
)
"""What `extra` may say of a line; where it says nothing, the field is left out."""

TALKATIVE = ("alembic", "ray", "httpx", "asyncio")
"""Libraries that are heard from `warning` on."""

_log = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """A record as one JSON object in ASCII: time (UTC), level, role, logger, message, fields, exception."""

    def __init__(self, role: str, search: str | None = None) -> None:
        super().__init__()
        self._role = role
        self._search = search

    def format(self, record: logging.LogRecord) -> str:
        """The object, without a newline."""
        line: dict[str, object] = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "role": self._role,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields_of(record, self._search),
        }
        if exception := _exception_of(self, record):
            line["exception"] = exception
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """A record for people; what cannot be printed is escaped, so that no text moves the terminal's cursor."""

    def __init__(self, role: str, search: str | None = None) -> None:
        super().__init__()
        self._role = role
        self._search = search

    def format(self, record: logging.LogRecord) -> str:
        """The line; below it an exception, indented."""
        fields = "".join(f" {name}={value}" for name, value in _fields_of(record, self._search).items())
        text = f"{_time_of(record)} {record.levelname:7} {self._role}: {record.getMessage()}{fields}"
        exception = _exception_of(self, record).splitlines()
        return "\n    ".join(printable(line) for line in [text, *exception])


def _time_of(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields_of(record: logging.LogRecord, search: str | None) -> dict[str, object]:
    """What `extra` says; in a process for one search, every line is about that."""
    said = {"search": search, **vars(record)}
    return {name: said[name] for name in FIELDS if said.get(name) is not None}


def _exception_of(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""


def printable(text: str) -> str:
    """The text with what cannot be printed escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


class StandardErrorHandler(logging.Handler):
    """Writes to whatever standard error is at the time: a progress display puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        """One record; what cannot be written is reported by `logging` itself."""
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


def set_up_logging(
    role: str, level: str = "info", environment: Mapping[str, str] = os.environ, search: str | None = None
) -> None:
    """From now on this process logs to standard error, Python's warnings and uncaught errors included.

    Args:
        role: what the process does, in each line.
        level: where the environment says nothing.
        environment: ``SPINESEARCH_LOG_LEVEL`` and ``SPINESEARCH_LOG_FORMAT`` are read from it.
        search: the one search that the process works on.

    Raises:
        ValueError: the environment says something else than `LEVELS` and `FORMATS`.
    """
    wanted = _choice(environment, LEVEL, LEVELS) or level
    form = _choice(environment, FORMAT, FORMATS) or "auto"
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = StandardErrorHandler()
    handler.setFormatter(TextLines(role, search) if as_text else JsonLines(role, search))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(wanted.upper())
    for library in TALKATIVE:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _choice(environment: Mapping[str, str], variable: str, allowed: tuple[str, ...]) -> str:
    text = environment.get(variable, "").lower()
    if text and text not in allowed:
        raise ValueError(f"{variable}: {text!r}: must be one of {', '.join(allowed)}")
    return text


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """In the place of Python's own, which would print many lines."""
    if not issubclass(kind, KeyboardInterrupt):
        _log.critical("ended by %s: %s", kind.__name__, error, exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(uncaught: threading.ExceptHookArgs) -> None:
    kind, error = uncaught.exc_type, uncaught.exc_value
    if error is not None and not issubclass(kind, SystemExit):
        said = "a thread ended by %s: %s"
        _log.critical(said, kind.__name__, error, exc_info=(kind, error, uncaught.exc_traceback))


@contextmanager
def logged(role: str, search: str | None = None) -> Iterator[None]:
    """The working time of a process of a service, once it has found nothing to refuse: sets up the log, and says when
    it begins and ends. An error that ends it is the last line, with its traceback; the exit status is 1."""
    set_up_logging(role, search=search)
    _log.info("process %d begins", os.getpid())
    try:
        yield
    except Exception as error:
        _log.critical("ended by %s: %s", type(error).__name__, error, exc_info=True)
        sys.exit(1)
    _log.info("process %d ends", os.getpid())
