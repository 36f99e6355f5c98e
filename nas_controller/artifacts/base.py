"""Where files live: content-addressed, written whole or not at all. `tests/conformance` holds the suite."""

import builtins
from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import BinaryIO


class ArtifactMissingError(KeyError):
    """No artifact has this key."""


class ArtifactStore(ABC):
    """Files by the sha256 of their content. Safe for several processes at once."""

    kept_for: timedelta | None = None
    """How long files of searches that have ended are kept; None: as long as the searches."""

    @abstractmethod
    def put(self, content: bytes) -> str:
        """Stores the content and gives its key (sha256, hex). Durable on return; the same content twice is
        stored once, and counts as put the second time; a crash in the middle leaves no artifact."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """The content, opened for reading and verified against the key. Raises `ArtifactMissingError` for no
        such key, `OSError` for content that does not match it."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Whether the artifact is there."""

    @abstractmethod
    def delete(self, key: str, put_before: datetime | None = None) -> None:
        """Removes the artifact; a missing one is no error. With `put_before`, only one that was put last before that
        time: if another process puts it again meanwhile, it is there when both are done."""

    @abstractmethod
    def list(self, put_before: datetime | None = None) -> builtins.list[str]:
        """All keys, sorted; with `put_before` those of artifacts that were put last before that time."""
