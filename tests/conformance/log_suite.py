"""What dispatchers whose workers are processes must do with what attempts log and print. Part of their suite, which
says what the fixture `dispatcher` is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.artifacts.log_parts import read_log, with_part
from nas_controller.dispatch.base import AttemptKey, Dispatcher
from nas_controller.dispatch.output_files import FOLDER, OutputFiles
from tests.conformance.dispatch_evaluators import make_request
from tests.conformance.dispatcher_suite import until_free, watch
from trainer.session import LogPart, Progress

SAID = ["printed", "as an error", "logged: 7", "by a child", "by native code"]


def text_of(events: Sequence[Progress], artifact_dir: Path) -> str:
    """The log that an attempt told of."""
    parts: list[LogPart] = []
    for event in events:
        assert isinstance(event, LogPart)
        parts = with_part(parts, event)
    return read_log(parts, DirectoryArtifactStore(artifact_dir), 0, 10**7)[0].decode()


class LogSuite:
    """The log of an attempt is all that its process, and what that starts, writes."""

    def test_what_an_attempt_says_by_whatever_way_is_its_log(self, dispatcher: Dispatcher, tmp_path: Path) -> None:
        for number in (1, 2):
            worker, key = until_free(dispatcher, 2)[0], AttemptKey("talkative", number)
            dispatcher.submit(worker, key, replace(make_request("talk:0"), artifact_dir=tmp_path))
            events, outcome = watch(dispatcher, key)
            assert outcome.evaluation is not None
            lines = text_of(events, tmp_path).splitlines()
            assert [line.split("INFO tests: ")[-1] for line in lines] == SAID
        assert list((tmp_path / FOLDER).iterdir()) == []

    def test_an_attempt_that_says_nothing_tells_nothing(self, dispatcher: Dispatcher, tmp_path: Path) -> None:
        worker, key = until_free(dispatcher, 2)[0], AttemptKey("silent", 1)
        dispatcher.submit(worker, key, replace(make_request("ok"), artifact_dir=tmp_path))
        events, outcome = watch(dispatcher, key)
        assert outcome.evaluation is not None
        assert events == []
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == list(tmp_path.glob("results/*"))

    def test_a_log_is_told_while_the_attempt_runs(self, dispatcher: Dispatcher, tmp_path: Path) -> None:
        worker, key = until_free(dispatcher, 2)[0], AttemptKey("slow", 1)
        dispatcher.submit(worker, key, replace(make_request("talk:3600"), artifact_dir=tmp_path))
        events: list[Progress] = []
        while not events:
            events += [event for _, event in dispatcher.progress()]
            assert dispatcher.wait(1.0) == []
        assert SAID[0] in text_of(events, tmp_path)
        dispatcher.cancel(key)
        _, outcome = watch(dispatcher, key)
        assert outcome.failure is not None

    def test_the_last_words_of_a_worker_that_crashes_are_in_its_file(
        self, dispatcher: Dispatcher, tmp_path: Path
    ) -> None:
        worker, key = until_free(dispatcher, 2)[0], AttemptKey("crashing", 1)
        dispatcher.submit(worker, key, replace(make_request("crash"), artifact_dir=tmp_path))
        _, outcome = watch(dispatcher, key)
        assert outcome.failure is not None
        file = OutputFiles(tmp_path).find(key)
        assert file is not None
        text = file.read(0, file.num_bytes).decode()
        file.close()
        assert text.startswith("it is about to crash\n")
        assert "Fatal Python error: Segmentation fault" in text
        assert "dispatch_evaluators.py" in text
