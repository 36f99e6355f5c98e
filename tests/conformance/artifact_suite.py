"""What every artifact store must do. A subclass gives the fixture `artifacts`, empty."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas_controller.artifacts.base import ArtifactMissingError, ArtifactStore

MISSING = "0" * 64
CLOCK_SECONDS = 0.05
"""More than the time of a file may be behind the clock."""


def moment() -> datetime:
    """A time that is after all that was done before the call, and before all that is done after it."""
    time.sleep(CLOCK_SECONDS)
    at = datetime.now(UTC)
    time.sleep(CLOCK_SECONDS)
    return at


def read(artifacts: ArtifactStore, key: str) -> bytes:
    """The whole content of an artifact."""
    with artifacts.open(key) as file:
        return file.read()


class ArtifactSuite:
    """Content goes in, its sha256 comes out, and the content comes back by it."""

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(contents=st.lists(st.binary(max_size=100), max_size=5))
    def test_what_was_put_comes_back(self, artifacts: ArtifactStore, contents: list[bytes]) -> None:
        keys = [artifacts.put(content) for content in contents]
        assert keys == [hashlib.sha256(content).hexdigest() for content in contents]
        assert [read(artifacts, key) for key in keys] == contents
        assert all(artifacts.exists(key) for key in keys)
        assert set(keys) <= set(artifacts.list())

    def test_the_same_content_is_stored_once(self, artifacts: ArtifactStore) -> None:
        keys = {artifacts.put(b"log") for _ in range(3)}
        assert artifacts.list() == list(keys)

    def test_keys_are_listed_sorted(self, artifacts: ArtifactStore) -> None:
        assert artifacts.list() == []
        keys = [artifacts.put(bytes([n])) for n in range(20)]
        assert artifacts.list() == sorted(keys)

    def test_a_missing_artifact_is_said_to_be_missing(self, artifacts: ArtifactStore) -> None:
        assert not artifacts.exists(MISSING)
        with pytest.raises(ArtifactMissingError):
            artifacts.open(MISSING)
        artifacts.delete(MISSING)

    @pytest.mark.parametrize("key", ["", "../x", "/etc/passwd", "..", "A" * 64, "a" * 63, "a" * 63 + "/"])
    def test_what_is_no_key_names_nothing(self, artifacts: ArtifactStore, key: str) -> None:
        artifacts.put(b"log")
        assert not artifacts.exists(key)
        with pytest.raises(ArtifactMissingError):
            artifacts.open(key)
        artifacts.delete(key)

    def test_a_deleted_artifact_is_gone_and_can_come_back(self, artifacts: ArtifactStore) -> None:
        key, other = artifacts.put(b"log"), artifacts.put(b"other")
        artifacts.delete(key)
        artifacts.delete(key)
        assert not artifacts.exists(key)
        assert artifacts.list() == [other]
        assert artifacts.put(b"log") == key
        assert read(artifacts, key) == b"log"

    def test_many_may_put_the_same_at_once(self, artifacts: ArtifactStore) -> None:
        contents = [b"x" * 100_000, b"y" * 100_000] * 20
        with ThreadPoolExecutor(8) as threads:
            keys = list(threads.map(artifacts.put, contents))
        assert artifacts.list() == sorted(set(keys))
        assert [read(artifacts, key) for key in sorted(set(keys))] == [
            content for _, content in sorted(zip(keys[:2], contents[:2], strict=True))
        ]

    # By age

    def test_old_ones_are_listed_and_deleted_by_the_time_of_their_last_put(self, artifacts: ArtifactStore) -> None:
        old, again = artifacts.put(b"old"), artifacts.put(b"again")
        assert artifacts.list(put_before=datetime.now(UTC) - timedelta(hours=1)) == []
        between = moment()
        assert artifacts.put(b"again") == again
        new = artifacts.put(b"new")
        assert artifacts.list(put_before=between) == [old]
        assert artifacts.list(put_before=moment()) == artifacts.list() == sorted([old, again, new])
        for key in (old, again, new, MISSING, "../x"):
            artifacts.delete(key, put_before=between)
        assert artifacts.list() == sorted([again, new])
        assert [read(artifacts, key) for key in (again, new)] == [b"again", b"new"]
        assert artifacts.put(b"old") == old
        assert read(artifacts, old) == b"old"

    def test_what_is_put_again_while_many_delete_it_is_there(self, artifacts: ArtifactStore) -> None:
        contents = [bytes([n]) * 1000 for n in range(20)]
        for content in contents:
            artifacts.put(content)
        before = moment()
        with ThreadPoolExecutor(8) as threads:
            deletions = [
                threads.submit(artifacts.delete, hashlib.sha256(content).hexdigest(), before)
                for _ in range(3)
                for content in contents
            ]
            keys = list(threads.map(artifacts.put, contents))
            for deletion in deletions:
                deletion.result()
        assert artifacts.list() == sorted(keys)
        assert [read(artifacts, key) for key in keys] == contents
