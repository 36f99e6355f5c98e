"""Logs of attempts in a running search, in virtual time; what workers wrote is written by the tests."""

import os
from datetime import timedelta
from pathlib import Path

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.artifacts.log_parts import PART_BYTES, pack, read_log
from nas_controller.attempt_logs import FORGOTTEN_OUTPUT_SECONDS, keep_log_part, sweep_output
from nas_controller.dispatch.base import AttemptKey, AttemptOutcome
from nas_controller.dispatch.output_files import OutputFiles
from nas_controller.dispatch.results import KeptResult
from nas_controller.records import AttemptState, Failure, FailureReason, SearchState
from nas_controller.search_loop import run_search
from tests.nas_controller.test_recovery import LeftBench
from tests.nas_controller.test_search_loop import measured
from trainer.session import LogPart

LOST = Failure(reason=FailureReason.WORKER_LOST, message="worker-1: gone")


def write(folder: Path, key: AttemptKey, text: bytes) -> None:
    """What a worker does whose attempt says something; it is killed before it tells."""
    file = OutputFiles(folder).make(key)
    os.write(file.descriptor, text)
    file.close()


def put(folder: Path, start: int, content: bytes) -> LogPart:
    """What a worker does that tells of a part."""
    key = DirectoryArtifactStore(folder).put(pack(content, f"{start}"))
    return LogPart(start=start, num_bytes=len(content), key=key)


def log_of(bench: LeftBench, key: AttemptKey) -> bytes:
    assert bench.artifacts is not None
    parts = bench.store.list_log_parts(key.job_id, key.number)
    return read_log(parts, bench.artifacts, 0, 10 * PART_BYTES)[0]


def test_a_part_takes_the_place_of_a_shorter_one_whose_file_is_deleted(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path)
    search = bench.leave(1, workers=1)
    (key,) = search.running
    short, long = put(tmp_path, 0, b"one\n"), put(tmp_path, 0, b"one\ntwo\n")
    keep_log_part(search, key, short)
    keep_log_part(search, key, short)
    assert log_of(bench, key) == b"one\n"
    keep_log_part(search, key, long)
    assert log_of(bench, key) == b"one\ntwo\n"
    assert not DirectoryArtifactStore(tmp_path).exists(short.key)
    keep_log_part(search, key, short)
    assert log_of(bench, key) == b"one\ntwo\n", "a worker that was adopted tells it again"


def test_a_worker_that_dies_has_said_all_that_is_in_its_file(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path, trials=1)
    search = bench.claim(lambda request: LOST, workers=1)
    turns = run_search(search)
    while not search.running:
        next(turns)
    (key,) = search.running
    keep_log_part(search, key, put(tmp_path, 0, b"told\n"))
    write(tmp_path, key, b"told\nand then it cra")
    while key in search.running:
        next(turns)
    (attempt, *_) = bench.store.list_attempts(key.job_id)
    assert (attempt.state, attempt.log_bytes) == (AttemptState.FAILED, 20)
    assert log_of(bench, key) == b"told\nand then it cra"
    assert OutputFiles(tmp_path).find(key) is None


def test_the_next_controller_takes_what_attempts_said_that_died_with_the_last_one(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path, trials=3)
    lost, kept, adopted = bench.leave().running.items()
    write(tmp_path, lost[0], b"lost\n")
    assert bench.setup is not None
    request = bench.setup.request(bench.store.get_trial("s1", kept[1].trial_number).draft, kept[1])
    outcome = AttemptOutcome.of(kept[0], measured(request))
    bench.results.put(KeptResult(outcome=outcome, log_parts=(put(tmp_path, 0, b"kept\n"),)))
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    assert (log_of(bench, lost[0]), log_of(bench, kept[0]), log_of(bench, adopted[0])) == (b"lost\n", b"kept\n", b"")
    states = [attempt.state for attempt in bench.store.list_attempts(lost[0].job_id)]
    assert states == [AttemptState.LOST, AttemptState.COMPLETED]


def test_a_search_that_is_cancelled_keeps_what_its_attempts_said(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path)
    search = bench.claim(workers=1)
    turns = run_search(search)
    while not search.running:
        next(turns)
    (key,) = search.running
    write(tmp_path, key, b"cut\n")
    bench.store.request_state("s1", SearchState.CANCELLED, "", bench.clock.now())
    assert list(turns)[-1] is SearchState.CANCELLED
    assert log_of(bench, key) == b"cut\n"


def test_files_that_nobody_waits_for_are_swept(tmp_path: Path) -> None:
    bench = LeftBench(tmp_path)
    (running, *_) = bench.leave().running
    unknown = AttemptKey("s9.1.proxy.a", 1)
    for key in (running, unknown):
        write(tmp_path, key, b"x\n")
    written = bench.clock.now().fromtimestamp(
        next((tmp_path / "logs").iterdir()).stat().st_mtime, tz=bench.clock.now().tzinfo
    )
    sweep_output(bench.store, tmp_path, written + timedelta(seconds=FORGOTTEN_OUTPUT_SECONDS - 60))
    assert OutputFiles(tmp_path).find(unknown) is not None
    sweep_output(bench.store, tmp_path, written + timedelta(seconds=FORGOTTEN_OUTPUT_SECONDS + 60))
    assert OutputFiles(tmp_path).find(unknown) is None
    assert OutputFiles(tmp_path).find(running) is not None
