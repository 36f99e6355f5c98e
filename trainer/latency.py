"""How long a network takes for a batch of images on this device, measured so that it can be believed.

After a warm-up, rounds of passes alternate with a yardstick, a fixed product of matrices. A round is discarded where
the yardstick beside it took longer than usual: then the device's clock was lowered, or it had other work. What is left
gives the median of the rounds' medians, with an interval that assumes no distribution (order statistics: the number of
rounds below the true median is binomial). Where too many rounds are discarded there is no result.

Latencies are comparable on equal fingerprints of the device only.
"""

import logging
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

import torch

from search_space.plan import NetworkPlan, resolve
from trainer.device import ComputeDevice, choose_device, keep_freed_memory
from trainer.latency_task import (
    LEAST_ROUNDS,
    DeviceFingerprint,
    Latency,
    LatencyProtocol,
    LatencyRequest,
    UnsteadyDeviceError,
)
from trainer.memory import keep_to_share
from trainer.model.network import build_network

CONFIDENCE = 0.95
_YARD_SIDE, _CUDA_YARD_SIDE = 512, 4096  # the smaller product takes microseconds on CUDA, and its launch sways by more

_log = logging.getLogger(__name__)

Run = Callable[[], object]


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


def measure_latency(request: LatencyRequest) -> Latency:
    """What a worker gives for a request; the number of threads is restored afterwards.

    Raises:
        TaskError: a device that this machine does not have.
        UnsteadyDeviceError: too many rounds were discarded.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(request.threads)
    try:
        return _measure(request)
    finally:
        torch.set_num_threads(threads)


def _measure(request: LatencyRequest) -> Latency:
    on = choose_device(request.device, request.precision, request.device_share)
    # As trainings do: else the first latency of a process would be measured with another memory than the later ones.
    keep_freed_memory()
    keep_to_share(on)
    plan = resolve(request.spec, request.target)
    timing = network_latency(plan, on, request.batch_size, request.protocol)
    low, high = timing.interval
    words = "%s: %.3f ms, %d rounds counted and %d did not, on %s"
    counted = (timing.rounds, timing.discarded)
    _log.info(words, request.spec.name, 1000 * timing.median, *counted, on.describe())
    return Latency(
        median_ms=1000 * timing.median,
        interval_ms=(1000 * low, 1000 * high),
        rounds=timing.rounds,
        discarded=timing.discarded,
        device=fingerprint_of(on),
    )


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
    side = _CUDA_YARD_SIDE if on.device.type == "cuda" else _YARD_SIDE
    yard_SS = torch.rand(side, side).to(on.device)

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
