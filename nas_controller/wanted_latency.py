"""How long each network takes, measured before its training: what a search document says of it."""

from collections.abc import Collection
from typing import Literal

from pydantic import Field

from nas_controller.section import Number, Section, Whole
from trainer.latency_task import LEAST_ROUNDS, LatencyProtocol


class WantedLatency(Section):
    """Before it is trained, each new network is timed in a job of its own, on the same workers: the whole network of
    `target`, head included, weights random. `reward.targets` may then name `latency_ms`. It is the median of rounds in
    which the device was not slowed down, by other work or by its own heat; where too many rounds were, the job is tried
    again. All latencies of a search are of one device."""

    image_size: Whole | None = Field(default=None, ge=64, le=4096, description="left out: that of `target`")
    batch_size: Whole = Field(default=1, ge=1, le=1024, description="images at a time")
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    warmup_seconds: Number = Field(default=1.0, ge=0, le=600, description="of passes before the first round")
    rounds: Whole = Field(default=30, ge=LEAST_ROUNDS, le=10_000, description="each with a median of its own")
    passes: Whole = Field(default=5, ge=1, le=10_000, description="of each round")
    slack: Number = Field(
        default=0.1, ge=0, le=1000, description="a round counts where the device was at most so much slower than usual"
    )
    least_share: Number = Field(default=0.5, ge=0, le=1, description="of the rounds that must count")

    def protocol(self) -> LatencyProtocol:
        """How it is measured, as the trainer understands it."""
        return LatencyProtocol(
            warmup_seconds=self.warmup_seconds,
            rounds=self.rounds,
            passes=self.passes,
            slack=self.slack,
            least_share=self.least_share,
        )


def require_one_device(workers: Collection[tuple[int, float, int]]) -> None:
    """Raises ValueError where workers surely compute on different devices, or share one.

    Args:
        workers: cpus, gpus and tpus of each pool.
    """
    if len(set(workers)) > 1:
        raise ValueError("workers: latencies are of one device: give all pools the same cpus, gpus and tpus")
    if any(0 < gpus < 1 for _, gpus, _ in workers):
        raise ValueError("workers: latencies cannot be measured on a GPU that workers share: give whole gpus")
