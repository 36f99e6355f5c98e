"""The nouns of operations: work that an answer of the API has to wait for, because it needs torch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from search_space.plan import TargetNetwork
from search_space.spec import ArchitectureSpec

KEPT_FOR = timedelta(days=7)
"""How long an operation that has ended is kept, with the file that it made."""
MAX_ATTEMPTS = 3
MAX_OPEN_OPERATIONS = 20
ASKED_AGAIN_AFTER = timedelta(minutes=1)
"""An operation that failed so long ago may be asked for again."""
_ANY_NAME = "backbone"


class OperationKind(StrEnum):
    """What an operation does. EXPORT_ONNX writes a backbone as an ONNX file."""

    EXPORT_ONNX = "export.onnx"


class OperationState(StrEnum):
    """RUNNING ones are held by a controller under a lease; where that expires, another one takes them."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing more is done."""
        return self in (OperationState.SUCCEEDED, OperationState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an operation is to do, whoever asks for it.

    Args:
        document: all that it needs, as JSON.
    """

    kind: OperationKind
    document: Mapping[str, Any]

    @property
    def id(self) -> str:
        """That of the operation: the same for the same work."""
        text = json.dumps([self.kind, self.document], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxExport:
    """A backbone that is to be written as ONNX. Names, head and classes are left out: the file is the same for all.

    >>> from search_space.reference import REFERENCES
    >>> entry = REFERENCES["spinenet-49"]
    >>> wanted = OnnxExport.of(entry.spec, entry.target)
    >>> OnnxExport.from_document(wanted.work().document) == wanted
    True
    >>> wanted.work().id == OnnxExport.of(entry.spec.renamed("trial 3"), entry.target).work().id
    True
    """

    spec: ArchitectureSpec
    target: TargetNetwork

    @classmethod
    def of(cls, spec: ArchitectureSpec, target: TargetNetwork) -> Self:
        """The export of an architecture for a target."""
        bare = TargetNetwork(
            image_size=target.height_and_width,
            width_scale=target.width_scale,
            head=None,
            endpoint_channels=target.endpoint_channels,
            resampling_alpha=target.resampling_alpha,
        )
        return cls(spec=spec.renamed(_ANY_NAME), target=bare)

    def work(self) -> Work:
        """What an operation has to do for it."""
        target = {
            "image_size": list(self.target.height_and_width),
            "width_scale": self.target.width_scale,
            "endpoint_channels": self.target.endpoint_channels,
            "resampling_alpha": self.target.resampling_alpha,
        }
        document = {"spec": self.spec.to_document(), "target": target}
        return Work(kind=OperationKind.EXPORT_ONNX, document=document)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The export that `work` was made of."""
        target = TargetNetwork(
            **{**document["target"], "image_size": tuple(document["target"]["image_size"])}, head=None
        )
        return cls(spec=ArchitectureSpec.from_document(document["spec"]), target=target)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationResult:
    """The file that an operation made.

    Args:
        key: of the artifact: the sha256 of its content, in hex.
    """

    key: str
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Work that somebody asked for, and what became of it.

    Args:
        problem: why it failed, or why the last attempt did; "" where none did.
        num_attempts: that were begun since it was asked for.
    """

    work: Work
    state: OperationState
    created_at: datetime
    finished_at: datetime | None = None
    problem: str = ""
    result: OperationResult | None = None
    num_attempts: int = 0

    @property
    def id(self) -> str:
        """The same for the same work."""
        return self.work.id


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLease:
    """The right to carry out one operation.

    Args:
        token: larger than that of every earlier lease on the operation.
    """

    operation_id: str
    owner: str
    token: int
    expires_at: datetime
