"""What an attempt logs and prints becomes its log.

While an attempt runs, standard output and standard error of its process go to a file beside the artifacts: those of
native code and of processes that it starts, too. Every few seconds parts of the log are made of what is new there.
"""

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TextIO

from nas_controller.dispatch.base import AttemptKey
from nas_controller.dispatch.output_files import LogWriter, OutputFile, OutputFiles
from trainer.session import LogPart

FLUSH_SECONDS = 3.0
_STREAMS = (1, 2)  # standard output and standard error

_log = logging.getLogger(__name__)


@contextmanager
def kept_output(
    artifact_dir: Path | None,
    key: AttemptKey,
    report: Callable[[LogPart], object],
    environment: Mapping[str, str] = os.environ,
    flush_seconds: float = FLUSH_SECONDS,
) -> Iterator[None]:
    """Makes all that this process, and what it starts, logs and prints meanwhile the log of an attempt.

    Where it cannot be kept, that is logged, and the attempt runs all the same.

    Args:
        artifact_dir: None: nothing is kept, output goes where it always goes.
        report: called with each part, in another thread and at the end in this one.
        environment: no part has the secrets in it.
    """
    with ExitStack() as stack:
        if artifact_dir is not None:
            try:
                file = OutputFiles(artifact_dir).make(key)
                writer = LogWriter(artifact_dir, key, file, report, environment)
                stack.callback(_end, writer, file)
                stack.enter_context(_flushed(writer, flush_seconds))
                stack.enter_context(_redirected(file.descriptor))
            except OSError as error:
                stack.close()
                _log.warning("the log of attempt %d of job %s is not kept: %r", key.number, key.job_id, error)
        yield


def _end(writer: LogWriter, file: OutputFile) -> None:
    """Tells the rest. What cannot be told stays in the file, where the controller finds it."""
    try:
        writer.flush(is_last=True)
        file.remove()
    except OSError as error:
        _log.warning("the end of a log stays in %s: %r", file.path, error)
    file.close()


@contextmanager
def _flushed(writer: LogWriter, seconds: float) -> Iterator[None]:
    """Tells what is new every so many seconds."""
    is_over = threading.Event()

    def flush() -> None:
        while not is_over.wait(seconds):
            with suppress(OSError):  # it is still in the file, and is told later
                writer.flush()

    thread = threading.Thread(target=flush, name="log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def _redirected(descriptor: int) -> Iterator[None]:
    """Standard output and standard error are the open file, for Python and for everybody else in the process."""
    if not faulthandler.is_enabled():
        faulthandler.enable(2)
    python_streams = [stream for stream in (sys.stdout, sys.stderr) if stream is not None]
    _flush(python_streams)
    kept = [os.dup(stream) for stream in _STREAMS]
    for stream in _STREAMS:
        os.dup2(descriptor, stream)
    try:
        out, errors = _line_by_line(1), _line_by_line(2)
        with out, errors, redirect_stdout(out), redirect_stderr(errors), _logged_to(errors):
            yield
    finally:
        _flush(python_streams)
        for stream, before in zip(_STREAMS, kept, strict=True):
            os.dup2(before, stream)
            os.close(before)


def _line_by_line(descriptor: int) -> TextIO:
    """A text stream on the descriptor that keeps no line back: a crash loses none."""
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _flush(streams: list[TextIO]) -> None:
    for stream in streams:
        with suppress(OSError, ValueError):  # a closed one has nothing
            stream.flush()


@contextmanager
def _logged_to(stream: TextIO) -> Iterator[None]:
    """Records of `logging` go to the stream, from level INFO on, unless the process has said where they go."""
    root = logging.getLogger()
    if root.handlers:
        yield
        return
    level, handler = root.level, logging.StreamHandler(stream)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
