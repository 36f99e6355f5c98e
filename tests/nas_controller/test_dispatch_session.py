import logging
from dataclasses import replace
from pathlib import Path

import pytest

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.dispatch.session import WorkerSession
from tests.conformance.dispatch_evaluators import make_request, measurement
from trainer.session import MAX_FILES, Checkpoint, Progress, TrainingStopped
from trainer.task import EvaluationRequest, KeptFile


def make_session(directory: Path | None, resume_from: str = "", events: list[Progress] | None = None) -> WorkerSession:
    request = replace(make_request("ok"), artifact_dir=directory, resume_from=resume_from)
    seen: list[Progress] = [] if events is None else events
    return WorkerSession(request, seen.append, lambda: False)


def test_a_measurement_is_reported_and_ends_a_training_that_was_stopped() -> None:
    events: list[Progress] = []
    stopped: list[bool] = []
    session = WorkerSession(make_request("ok"), events.append, lambda: bool(stopped))
    session.measured(measurement(1, 3))
    stopped.append(True)
    with pytest.raises(TrainingStopped, match="stopped after step 2 of 3"):
        session.measured(measurement(2, 3))
    assert events == [measurement(1, 3), measurement(2, 3)]


def test_a_checkpoint_is_wanted_so_often_and_only_where_it_can_be_kept(tmp_path: Path) -> None:
    now = [100.0]

    def wanting(request: EvaluationRequest) -> WorkerSession:
        return WorkerSession(request, lambda event: None, lambda: False, lambda: now[0])

    request = replace(make_request("ok"), checkpoint_seconds=30.0)
    kept, unkept = wanting(replace(request, artifact_dir=tmp_path)), wanting(request)
    answers = []
    for now[0] in (129.0, 130.0, 131.0):
        answers.append((kept.wants_checkpoint(), unkept.wants_checkpoint()))
    kept.save_checkpoint(7, b"state")
    for now[0] in (160.0, 161.0):
        answers.append((kept.wants_checkpoint(), unkept.wants_checkpoint()))
    assert answers == [(False, False), (True, False), (True, False), (False, False), (True, False)]


def test_a_checkpoint_is_an_artifact_that_another_session_goes_on_from(tmp_path: Path) -> None:
    events: list[Progress] = []
    make_session(tmp_path, events=events).save_checkpoint(7, b"state")
    (checkpoint,) = events
    assert isinstance(checkpoint, Checkpoint)
    assert (checkpoint.step, checkpoint.num_bytes) == (7, 5)
    assert DirectoryArtifactStore(tmp_path).list() == [checkpoint.key]
    assert make_session(tmp_path, checkpoint.key).load_checkpoint() == b"state"


def test_without_a_key_or_a_place_there_is_no_checkpoint(tmp_path: Path) -> None:
    key = DirectoryArtifactStore(tmp_path).put(b"state")
    assert make_session(tmp_path).load_checkpoint() is None
    assert make_session(None, key).load_checkpoint() is None
    events: list[Progress] = []
    make_session(None, events=events).save_checkpoint(7, b"state")
    assert events == []


@pytest.mark.parametrize("damage", ["missing", "cut", "no key"])
def test_a_lost_or_damaged_checkpoint_is_logged_and_none(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = DirectoryArtifactStore(tmp_path).put(b"state")
    (path,) = tmp_path.glob(f"*/{key}")
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(b"sta")
    else:
        key = "../../etc/passwd"
    with caplog.at_level(logging.WARNING):
        assert make_session(tmp_path, key).load_checkpoint() is None
    assert f"checkpoint {key} cannot be read" in caplog.text


def test_a_checkpoint_that_cannot_be_written_is_logged_and_the_training_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    events: list[Progress] = []
    with caplog.at_level(logging.WARNING):
        make_session(tmp_path / "file", events=events).save_checkpoint(7, b"state")
    assert "the checkpoint after step 7 cannot be written" in caplog.text
    assert events == []


def test_a_file_is_kept_once_under_each_name(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    session.keep_file("a.json", "application/json", b"[1]")
    other = session.keep_file("b.webp", "image/webp", b"RIFF")
    key = session.keep_file("a.json", "application/json", b"[1, 2]")
    assert session.files == (
        KeptFile(name="a.json", key=key, media_type="application/json", num_bytes=6),
        KeptFile(name="b.webp", key=other, media_type="image/webp", num_bytes=4),
    )
    assert DirectoryArtifactStore(tmp_path).open(key).read() == b"[1, 2]"


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".hidden", "a b", "x" * 81])
def test_what_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name of a file"):
        make_session(tmp_path).keep_file(name, "text/plain", b"")
    with pytest.raises(ValueError, match="no media type"):
        make_session(tmp_path).keep_file("a", "text/html; charset=utf-8", b"")


def test_so_many_files_are_kept(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    for number in range(MAX_FILES):
        session.keep_file(f"{number}", "text/plain", b"")
    session.keep_file("0", "text/plain", b"again")
    with pytest.raises(ValueError, match=f"at most {MAX_FILES}"):
        session.keep_file("more", "text/plain", b"")


def test_a_file_that_cannot_be_kept_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert make_session(None).keep_file("a", "text/plain", b"x") == ""
    (tmp_path / "no folder").write_text("")
    session = make_session(tmp_path / "no folder")
    assert session.keep_file("a", "text/plain", b"x") == ""
    assert session.files == ()
    assert "a cannot be kept" in caplog.text
