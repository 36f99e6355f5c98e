"""How long a network takes for a batch of images on this device, measured so that it can be believed.

After a warm-up, rounds of passes alternate with a yardstick, a fixed product of matrices. A round is discarded where
the yardstick beside it took longer than usual: then the device's clock was lowered, or it had other work. What is left
gives the median of the rounds' medians, with an interval that assumes no distribution (order statistics: the number of
rounds below the true median is binomial). Where too many rounds are discarded there is no result.

Latencies are comparable on equal fingerprints of the device only.
"""

import hashlib
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import comb
from statistics import median

import torch

from search_space.plan import NetworkPlan
from trainer.device import ComputeDevice
from trainer.model.network import build_network

CONFIDENCE = 0.95
LEAST_ROUNDS = 6
"""With fewer the extremes do not hold 95 %: of five, all are on one side of the median in 6 % of cases."""
_YARD_SIDE = 512

Run = Callable[[], object]


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
class Timing:
    """What was measured, in seconds for one pass.

    Args:
        interval: of the median, with a confidence of 95 %.
        rounds, discarded: how many counted, and how many did not.
    """

    median: float
    interval: tuple[float, float]
    rounds: int
    discarded: int


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


def fingerprint_of(on: ComputeDevice) -> DeviceFingerprint:
    """Of this machine, and of the threads that torch has now."""
    return DeviceFingerprint(
        device=on.describe(),
        processor=_processor(),
        threads=torch.get_num_threads(),
        precision="bf16" if on.uses_bf16 else "fp32",
        torch=torch.__version__,
    )


def _processor() -> str:
    """The model of the processor; its architecture where the system does not say."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        models = []
    return models[0] if models else platform.machine()


def network_latency(
    plan: NetworkPlan, on: ComputeDevice, batch_size: int = 1, protocol: LatencyProtocol | None = None
) -> Timing:
    """Seconds of the network's forward pass for a batch at the plan's size, weights random, heads included; what comes
    after the network (box decoding, suppression) is not.

    Raises:
        UnsteadyDeviceError: too many rounds were discarded.
    """
    network = build_network(plan, torch.Generator().manual_seed(0)).eval()
    network = network.to(on.device).to(memory_format=torch.channels_last)
    images_BCHW = torch.rand(batch_size, 3, *plan.target.height_and_width).to(on.device)
    images_BCHW = images_BCHW.contiguous(memory_format=torch.channels_last)
    yard_SS = torch.rand(_YARD_SIDE, _YARD_SIDE).to(on.device)

    def finished(compute: Run) -> Run:
        def run() -> None:
            with torch.inference_mode(), on.autocast():
                results = compute()
            on.wait()
            del results  # not before: XLA computes what somebody holds

        return run

    passed, measured = finished(lambda: network(images_BCHW)), finished(lambda: yard_SS @ yard_SS)
    return timed(passed, measured, protocol or LatencyProtocol())


def timed(
    run: Run, yardstick: Run, protocol: LatencyProtocol, clock: Callable[[], float] = time.perf_counter
) -> Timing:
    """The time of `run`, by the protocol.

    Raises:
        UnsteadyDeviceError: too many rounds were discarded.
    """

    def seconds(measured: Run) -> float:
        began = clock()
        measured()
        return clock() - began

    warm_at = clock() + protocol.warmup_seconds
    while True:
        run()
        yardstick()
        if clock() >= warm_at:
            break
    yards, rounds = [seconds(yardstick)], []
    for _ in range(protocol.rounds):
        rounds.append(median(seconds(run) for _ in range(protocol.passes)))
        yards.append(seconds(yardstick))
    most = (1 + protocol.slack) * sorted(yards)[len(yards) // 4]
    steady = [took for took, *around in zip(rounds, yards, yards[1:], strict=False) if max(around) <= most]
    if len(steady) < max(protocol.least_share * protocol.rounds, LEAST_ROUNDS):
        slow = f"{protocol.rounds - len(steady)} of {protocol.rounds} rounds"
        raise UnsteadyDeviceError(f"the device was slower than it can be in {slow}: throttled, or with other work")
    return Timing(
        median=median(steady),
        interval=_interval(sorted(steady)),
        rounds=len(steady),
        discarded=protocol.rounds - len(steady),
    )


def _interval(rising: Sequence[float]) -> tuple[float, float]:
    """The narrowest pair of equal ranks from both ends that holds the true median with the confidence."""
    count, first = len(rising), 0
    outside = 1 / 2**count  # the chance that no more than `first` are below the median
    while outside + comb(count, first + 1) / 2**count <= (1 - CONFIDENCE) / 2:
        first += 1
        outside += comb(count, first) / 2**count
    return rising[first], rising[count - 1 - first]
