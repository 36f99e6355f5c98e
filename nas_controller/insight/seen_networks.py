"""Which networks a search proposed before, in bounded room: exact for the first few thousand, then by a sample.

A network is kept where its hash is a multiple of `every`. When too many are kept, `every` doubles and half of them go:
the adaptive sampling of Wegman (Flajolet 1990, "On adaptive sampling"). Whether a network is in the sample depends on
its hash only, so all its proposals are in it or none, and counting each repetition there `every` times is an unbiased
estimate of how many there were. While `every` is 1 the count is exact.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

MAX_KEPT = 8192
_HASH_BYTES = 5
"""Among `MAX_KEPT` kept networks, a new one is taken for a known one once in 10**8 proposals."""


@dataclass
class SeenNetworks:
    """The networks that were proposed, by fingerprint."""

    every: int = 1
    kept: set[int] = field(default_factory=set)

    def add(self, fingerprint: str) -> int:
        """For how many repetitions this proposal stands: 0 for a network that is new, or not in the sample."""
        value = _hash_of(fingerprint)
        if value % self.every:
            return 0
        if value in self.kept:
            return self.every
        self.kept.add(value)
        while len(self.kept) > MAX_KEPT:
            self.every *= 2
            self.kept = {each for each in self.kept if each % self.every == 0}
        return 0

    def to_document(self) -> dict[str, Any]:
        """As plain data, about 55 kB when full."""
        packed = b"".join(value.to_bytes(_HASH_BYTES) for value in sorted(self.kept))
        return {"every": self.every, "kept": base64.b64encode(packed).decode()}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "SeenNetworks":
        """What `to_document` gave."""
        packed = base64.b64decode(document["kept"])
        starts = range(0, len(packed), _HASH_BYTES)
        return cls(document["every"], {int.from_bytes(packed[start : start + _HASH_BYTES]) for start in starts})


def _hash_of(fingerprint: str) -> int:
    return int.from_bytes(hashlib.blake2b(fingerprint.encode(), digest_size=_HASH_BYTES).digest())
