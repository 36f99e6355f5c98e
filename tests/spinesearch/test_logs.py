"""Lines of the log: what is in them, and that one record is one line."""

import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from nas_controller.records import Failure, FailureReason, SearchState
from nas_controller.search_loop import run_search
from spinesearch.logs import logged, set_up_logging
from tests.nas_controller.test_search_loop import Bench, measured
from trainer.task import Evaluation, EvaluationRequest

INJECTION = 'blood\ncells {"level": "info"}\r\u2028\x1b[2J\x00\ud800'
JSON = {"SPINESEARCH_LOG_FORMAT": "json"}
TEXT = {"SPINESEARCH_LOG_FORMAT": "text"}

log = logging.getLogger("nas_controller.somewhere")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """What a process sets once, put back after each test."""
    root = logging.getLogger()
    handlers, level, hooks = root.handlers, root.level, (sys.excepthook, threading.excepthook)
    yield
    root.handlers, root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(False)


def json_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_record_is_one_object_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("search", environment=JSON)
    log.info("attempt %d started", 2, extra={"search": "s1", "trial": 7, "job": "s1.7.proxy.1", "attempt": 2})
    (line,) = json_lines(capsys)
    time = line.pop("time")
    assert line == {
        "level": "info",
        "role": "search",
        "logger": "nas_controller.somewhere",
        "message": "attempt 2 started",
        "search": "s1",
        "trial": 7,
        "job": "s1.7.proxy.1",
        "attempt": 2,
    }
    assert len(time) == len("2026-01-01T00:00:00.000Z")
    assert time.endswith("Z")


@pytest.mark.parametrize("environment", [JSON, TEXT])
def test_what_users_write_stays_in_its_line(capsys: pytest.CaptureFixture[str], environment: dict[str, str]) -> None:
    set_up_logging("search", environment=environment)
    log.warning("the search %s", INJECTION, extra={"reason": INJECTION})
    log.warning("next")
    written = capsys.readouterr().err
    assert len(written.splitlines()) == 2
    assert written.isascii()
    assert written.replace("\n", "").isprintable()


def test_the_text_comes_back_out_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("search", environment=JSON)
    log.warning("the search %s", INJECTION)
    assert json_lines(capsys)[0]["message"] == "the search " + INJECTION


@pytest.mark.parametrize("environment", [JSON, TEXT])
def test_an_exception_is_kept(capsys: pytest.CaptureFixture[str], environment: dict[str, str]) -> None:
    """In JSON within the line; for people below it, indented."""
    set_up_logging("api", environment=environment)
    try:
        raise OSError("disk\nfull")
    except OSError:
        log.exception("cannot write")
    first, *more = capsys.readouterr().err.splitlines()
    if environment is JSON:
        assert more == []
        assert json.loads(first)["exception"].endswith("OSError: disk\nfull")
    else:
        assert more[-2:] == ["    OSError: disk", "    full"]


def test_the_level_is_the_environments(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("api", environment=JSON)
    log.debug("not said")
    set_up_logging("api", environment={**JSON, "SPINESEARCH_LOG_LEVEL": "DEBUG"})
    log.debug("said")
    set_up_logging("foreground", "warning", environment=JSON)
    log.info("not said")
    assert [line["message"] for line in json_lines(capsys)] == ["said"]


@pytest.mark.parametrize("variable", ["SPINESEARCH_LOG_LEVEL", "SPINESEARCH_LOG_FORMAT"])
def test_a_wrong_variable_is_named(variable: str) -> None:
    with pytest.raises(ValueError, match=f"{variable}.*'loud'"):
        set_up_logging("api", environment={variable: "loud"})


def test_standard_error_that_is_no_terminal_gets_json(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("api", environment={})
    log.info("hello")
    assert json_lines(capsys)[0]["message"] == "hello"


def test_warnings_and_uncaught_errors_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("daemon", environment=JSON)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(True)  # the block put Python's own in its place
        warnings.warn("old", UserWarning, stacklevel=1)
        logging.captureWarnings(False)
    error = ValueError("broken")
    sys.excepthook(ValueError, error, None)
    threading.excepthook(threading.ExceptHookArgs([ValueError, error, None, None]))
    warned, uncaught, in_thread = json_lines(capsys)
    assert (warned["logger"], warned["level"]) == ("py.warnings", "warning")
    assert (uncaught["message"], uncaught["level"]) == ("ended by ValueError: broken", "critical")
    assert in_thread["message"] == "a thread ended by ValueError: broken"


def test_every_line_of_a_searchs_process_is_about_it(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("search", environment=JSON, search="s1")
    log.warning("worker-1 is lost", extra={"worker": "worker-1"})
    log.info("of another", extra={"search": "s2"})
    assert [line["search"] for line in json_lines(capsys)] == ["s1", "s2"]


def test_the_log_says_when_a_process_begins_and_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINESEARCH_LOG_FORMAT", "json")
    with logged("daemon"):
        log.info("works")
    with pytest.raises(SystemExit) as ended, logged("daemon"):
        raise OSError("the database is gone")
    assert ended.value.code == 1
    lines = json_lines(capsys)
    assert [line["message"].split(" ", 1)[0] for line in lines] == ["process", "works", "process", "process", "ended"]
    assert lines[-1]["message"] == "ended by OSError: the database is gone"
    assert "Traceback" in lines[-1]["exception"]


def test_the_log_of_a_search_has_its_ids_in_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The first training's failure has a whole line of a log in its message."""
    forged = 'out of memory\n{"level": "critical", "message": "forged"}'
    seen: list[EvaluationRequest] = []

    def evaluate(request: EvaluationRequest) -> Evaluation | Failure:
        seen.append(request)
        is_first = len(seen) == 1
        return Failure(reason=FailureReason.OUT_OF_MEMORY, message=forged) if is_first else measured(request)

    bench = Bench(trials=3, reevaluate={"top": 0})
    set_up_logging("search", environment=JSON)
    assert list(run_search(bench.claim(evaluate=evaluate)))[-1] is SearchState.SUCCEEDED
    lines = json_lines(capsys)
    assert {line["search"] for line in lines} == {"s1"}
    assert "forged" not in {line["message"] for line in lines}
    (failed,) = [line for line in lines if line.get("reason") == "out_of_memory"]
    assert forged in failed["message"]
    (trial,) = [t for t in bench.store.list_trials("s1", 9999) if t.number == failed["trial"]]
    assert (failed["job"], failed["attempt"]) == (bench.store.list_jobs("s1", trial.number)[0].id, 1)
    trained = {trial.number for trial in bench.store.list_trials("s1", 9999) if trial.started_at is not None}
    assert {line["trial"] for line in lines if "attempt" in line} == trained
