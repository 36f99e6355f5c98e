"""What goes into the measurement of a latency and what comes out: plain data, no torch."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from search_space.plan import TargetNetwork
from search_space.spec import ArchitectureSpec

LEAST_ROUNDS = 6
"""With fewer the extremes do not hold 95 %: of five, all are on one side of the median in 6 % of cases."""


class UnsteadyDeviceError(OSError):
    """The device was too unsteady to measure on; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyProtocol:
    """How it is measured.

    Args:
        warmup_seconds: of passes whose time is not taken.
        rounds, passes: so many rounds of so many passes each.
        slack: a round counts where the yardsticks around it took at most so much more than their lower quartile.
        least_share: of the rounds that must count.
    """

    warmup_seconds: float = 1.0
    rounds: int = 30
    passes: int = 5
    slack: float = 0.1
    least_share: float = 0.5

    def __post_init__(self) -> None:
        if self.rounds < LEAST_ROUNDS or self.passes < 1:
            raise ValueError(f"rounds {self.rounds}, passes {self.passes}: at least {LEAST_ROUNDS} and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFingerprint:
    """What a latency depends on besides the network and the size of its input."""

    device: str
    processor: str
    threads: int
    precision: str
    torch: str

    @property
    def digest(self) -> str:
        """12 hexadecimal digits, equal where latencies are comparable."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def describe(self) -> str:
        """For people, with the digest."""
        threads = f"{self.threads} thread" + "s" * (self.threads > 1)
        return f"{self.digest} ({self.device}, {self.processor}, {threads}, torch {self.torch})"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRequest:
    """One network to measure.

    Args:
        target: the network that is measured, its head included.
        batch_size: images at a time.
        precision: ``auto``, ``bf16`` or ``fp32``, as `trainer.device.choose_device` says; `device` likewise.
        threads: CPU threads that the network may use.
        device_share: of the device's memory, in (0, 1].
        artifact_dir: where the worker keeps what it gives and logs; None for nowhere.
    """

    spec: ArchitectureSpec
    target: TargetNetwork
    protocol: LatencyProtocol = LatencyProtocol()
    batch_size: int = 1
    precision: str = "auto"
    threads: int = 1
    device: str = "auto"
    device_share: float = 1.0
    artifact_dir: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long a network takes for a batch, on the device that was measured.

    Args:
        median_ms: milliseconds of one pass, median of the rounds.
        interval_ms: of that median, with a confidence of 95 %.
        rounds, discarded: how many counted, and how many did not, for the device was slower then.
    """

    median_ms: float
    interval_ms: tuple[float, float]
    rounds: int
    discarded: int
    device: DeviceFingerprint

    def __post_init__(self) -> None:
        low, high = self.interval_ms
        if not 0 < low <= self.median_ms <= high < math.inf:
            raise ValueError(f"latency of {self.median_ms} ms in {self.interval_ms}: must be above 0, and in it")

    def to_document(self) -> dict[str, Any]:
        """The latency as plain data, ready for JSON."""
        return {**asdict(self), "interval_ms": list(self.interval_ms)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The latency that `to_document` wrote."""
        low, high = document["interval_ms"]
        device = DeviceFingerprint(**document["device"])
        return cls(**{**document, "interval_ms": (float(low), float(high)), "device": device})
