import json
import logging
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nas_controller.dispatch.base import AttemptKey, AttemptOutcome, AttemptResult
from nas_controller.dispatch.results import FOLDER, MAX_BYTES, KeptResult, ResultSpool, keep_result
from nas_controller.records import Failure, FailureReason
from tests.conformance.dispatch_evaluators import make_request, measure, measurement
from tests.conformance.store_cases import make_latency, make_log_part
from trainer.task import Evaluation, KeptFile

KEY = AttemptKey("s1.3.proxy.1f", 2)
EVALUATION = replace(
    measure(make_request("ok", 250)),
    metrics={"ap50": 0.5, "ap75": -1.0},
    class_average_precision={"red cell": 0.1 + 0.2},
    stopped_at_step=7,
    files=(KeptFile(name="a.json", key="ab" * 32, media_type="application/json", num_bytes=7),),
)
FAILURE = Failure(reason=FailureReason.DIVERGED, message="loss is nan at step 3", traceback="a\nb \ud800")


LATENCY = make_latency(12.3, interval_ms=(0.1 + 0.2, 45.0))


def result(given: AttemptResult = EVALUATION, key: AttemptKey = KEY) -> KeptResult:
    measurements, log_parts = (measurement(1, 3), measurement(2, 3)), (make_log_part(0, 5),)
    return KeptResult(outcome=AttemptOutcome.of(key, given), measurements=measurements, log_parts=log_parts)


def only_file(folder: Path) -> Path:
    (path,) = (folder / FOLDER).iterdir()
    return path


@pytest.mark.parametrize("given", [EVALUATION, LATENCY, FAILURE])
def test_what_is_put_is_found_as_it_was(tmp_path: Path, given: AttemptResult) -> None:
    spool = ResultSpool(tmp_path)
    assert spool.find(KEY) is None
    spool.put(result(given))
    assert ResultSpool(tmp_path).find(KEY) == result(given)
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700
    spool.forget(KEY)
    spool.forget(KEY)
    assert spool.find(KEY) is None
    assert spool.list() == []


def test_results_are_listed_by_search_and_age(tmp_path: Path) -> None:
    spool = ResultSpool(tmp_path)
    assert spool.list() == []
    keys = [AttemptKey("s1.1.proxy.a", 1), AttemptKey("s1.1.proxy.a", 2), AttemptKey("s10.1.proxy.a", 1)]
    odd = AttemptKey("../s1 %2F*[a].x", 3)
    for key in [*keys, odd]:
        spool.put(result(key=key))
    assert spool.list() == sorted([*keys, odd], key=lambda key: (key.job_id, key.number))
    assert spool.list("s1") == keys[:2]
    assert spool.list("s10") == keys[2:]
    assert spool.find(odd) == result(key=odd)
    old = tmp_path / FOLDER / "s1.1.proxy.a.1.json"
    os.utime(old, (1000.0, 1000.0))
    assert spool.list(put_before=datetime.fromtimestamp(1001.0, UTC)) == keys[:1]
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]


def changed(path: Path, **fields: object) -> bytes:
    return json.dumps({**json.loads(path.read_bytes()), **fields}).encode()


@pytest.mark.parametrize("damage", range(10))
def test_a_damaged_file_is_logged_set_aside_and_counts_as_none(
    tmp_path: Path, damage: int, caplog: pytest.LogCaptureFixture
) -> None:
    spool = ResultSpool(tmp_path)
    spool.put(result())
    path = only_file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(
        [
            b"",
            whole[:-1],
            whole.replace(b"0.25", b"0.26"),
            b"\x00" * len(whole),
            b"[" * 100_000,
            b"[]",
            b"{}",
            whole + b" " * MAX_BYTES,
            changed(path, job_id="s1.4.proxy.1f"),
            changed(path, sha256="0" * 64),
        ][damage]
    )
    assert spool.find(KEY) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("result s1.3.proxy.1f.2.json is damaged and set aside: ")
    assert only_file(tmp_path).name == "s1.3.proxy.1f.2.json.damaged"
    assert spool.find(KEY) is None
    assert spool.list("s1") == [KEY]
    spool.put(result())
    assert spool.find(KEY) == result()
    spool.forget(KEY)
    assert list((tmp_path / FOLDER).iterdir()) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"average_precision": "0.5"},
        {"train_seconds": None},
        {"metrics": {"ap50": "high"}},
        {"device": 7},
        {"unknown": 1},
    ],
)
def test_a_result_of_another_form_is_damaged_though_nothing_happened_to_the_file(
    tmp_path: Path, fields: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Evaluation, "to_document", lambda self: {**EVALUATION_DOCUMENT, **fields})
    ResultSpool(tmp_path).put(result())
    assert ResultSpool(tmp_path).find(KEY) is None


EVALUATION_DOCUMENT = EVALUATION.to_document()


def test_what_cannot_be_kept_is_logged_and_leaves_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    large = replace(EVALUATION, provenance={"log": "x" * MAX_BYTES})
    keep_result(tmp_path, AttemptOutcome.of(KEY, large), [])
    (tmp_path / "a file").write_text("")
    keep_result(tmp_path / "a file", AttemptOutcome.of(KEY, EVALUATION), [])
    keep_result(None, AttemptOutcome.of(KEY, EVALUATION), [])
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "the result of attempt 2 of job s1.3.proxy.1f is not kept"
    ] * 2
    assert ResultSpool(tmp_path).list() == []


def test_what_kept_results_name_is_awaited(tmp_path: Path) -> None:
    spool = ResultSpool(tmp_path)
    assert spool.artifact_keys() == set()
    spool.put(result())
    spool.put(result(FAILURE, AttemptKey("s1.4.proxy.1f", 1)))
    assert spool.artifact_keys() == {"ab" * 32, make_log_part(0, 5).key}
