"""Latencies: which rounds count, what the interval holds, and what is refused."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, repeat
from math import comb
from random import Random

import pytest
import torch
from torch import nn

from search_space.plan import TargetNetwork, resolve
from search_space.reference import reference
from tests.conformance.dispatch_evaluators import make_latency_request
from trainer.device import choose_device
from trainer.latency import fingerprint_of, measure_latency, network_latency, timed
from trainer.latency_task import Latency, LatencyProtocol, UnsteadyDeviceError

ROUNDS = 12
PROTOCOL = LatencyProtocol(warmup_seconds=0.0, rounds=ROUNDS, passes=3)


class FakeDevice:
    """Passes and yardsticks take what they are told to, on a clock of their own."""

    def __init__(self, passes: Iterator[float], yards: Iterator[float]) -> None:
        self.now = 0.0
        self.run = self._taking(passes)
        self.yardstick = self._taking(yards)

    def _taking(self, seconds: Iterator[float]) -> Callable[[], None]:
        def take() -> None:
            self.now += next(seconds)

        return take

    def clock(self) -> float:
        return self.now


def test_rounds_beside_a_slow_yardstick_do_not_count() -> None:
    # After the warm-up yards 0 to 12, of which 4 and 5 are slow: rounds 3, 4 and 5 are beside them.
    yards = [1.0, *(2.0 if place in (4, 5) else 1.0 for place in range(ROUNDS + 1))]
    passes = [9.0, *chain.from_iterable(repeat(0.1 if place in (3, 4, 5) else 0.01, 3) for place in range(ROUNDS))]
    device = FakeDevice(iter(passes), iter(yards))
    timing = timed(device.run, device.yardstick, PROTOCOL, device.clock)
    assert (timing.rounds, timing.discarded) == (9, 3)
    assert timing.median == pytest.approx(0.01)
    assert timing.interval == pytest.approx((0.01, 0.01))


def test_a_device_that_is_slow_most_of_the_time_gives_no_latency() -> None:
    yards = [1.0] * 6 + [5.0] * ROUNDS
    device = FakeDevice(repeat(0.01), iter(yards))
    with pytest.raises(UnsteadyDeviceError, match="in 8 of 12 rounds"):
        timed(device.run, device.yardstick, PROTOCOL, device.clock)


@pytest.mark.parametrize("rounds", [6, 15, 30])
def test_the_interval_holds_the_median_as_often_as_it_says(rounds: int) -> None:
    rng = Random(5)
    device = FakeDevice(iter(lambda: rng.lognormvariate(0.0, 0.5), None), repeat(1.0))
    protocol = LatencyProtocol(warmup_seconds=0.0, rounds=rounds, passes=1)
    timings = [timed(device.run, device.yardstick, protocol, device.clock) for _ in range(2000)]
    share = sum(timing.interval[0] <= 1.0 <= timing.interval[1] for timing in timings) / 2000
    # The k-th lowest of n is above the true median with the chance of fewer than k heads in n throws.
    ends = [1 - 2 * sum(comb(rounds, heads) for heads in range(k)) / 2**rounds for k in range(1, rounds)]
    promised = min(end for end in ends if end >= 0.95)
    assert share == pytest.approx(promised, abs=0.02)


def test_a_round_is_its_median_pass() -> None:
    device = FakeDevice(chain([1.0], *repeat([1.0, 2.0, 60.0], ROUNDS)), repeat(1.0))
    assert timed(device.run, device.yardstick, PROTOCOL, device.clock).median == 2.0


def test_too_few_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="rounds 5, passes 1: at least 6 and 1"):
        LatencyProtocol(rounds=5, passes=1)


def test_a_real_network_passes_once_in_each_timed_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    plan = resolve(
        reference("spinenet-49s"), TargetNetwork(image_size=(64, 96), width_scale=0.1, head=None, endpoint_channels=8)
    )
    protocol = LatencyProtocol(warmup_seconds=0.0, rounds=6, passes=2, slack=1e9)
    forward = nn.Module.__call__

    def counted(module: nn.Module, *arguments: torch.Tensor) -> object:
        if type(module).__name__ == "Backbone":
            sizes.append(tuple(arguments[0].shape))
        return forward(module, *arguments)

    monkeypatch.setattr(nn.Module, "__call__", counted)
    timing = network_latency(plan, choose_device("cpu", "fp32"), 3, protocol)
    assert sizes == [(3, 3, 64, 96)] * (1 + 6 * 2)
    assert 0 < timing.interval[0] <= timing.median <= timing.interval[1]
    assert (timing.rounds, timing.discarded) == (6, 0)


def test_a_fingerprint_tells_devices_apart() -> None:
    narrow, wide = (choose_device("cpu", precision) for precision in ("bf16", "fp32"))
    assert fingerprint_of(wide).digest == fingerprint_of(wide).digest
    digests = {fingerprint_of(narrow).digest, fingerprint_of(wide).digest}
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        digests.add(fingerprint_of(wide).digest)
    finally:
        torch.set_num_threads(before)
    assert len(digests) == 3
    assert {len(digest) for digest in digests} == {12}


def test_a_request_is_measured_with_its_threads_which_are_given_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        latency = measure_latency(replace(make_latency_request(), precision="fp32"))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert (latency.device.threads, latency.device.precision) == (1, "fp32")
    assert (latency.rounds, latency.discarded) == (6, 0)
    low, high = latency.interval_ms
    assert 0 < low <= latency.median_ms <= high
    assert Latency.from_document(latency.to_document()) == latency
    assert ", 1 thread, torch" in latency.device.describe()


@pytest.mark.parametrize("interval", [(2.0, 3.0), (0.5, 0.9), (0.0, 2.0), (0.5, float("inf")), (float("nan"), 2.0)])
def test_a_latency_lies_in_its_interval(interval: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"latency of 1.0 ms"):
        Latency(
            median_ms=1.0,
            interval_ms=interval,
            rounds=6,
            discarded=0,
            device=fingerprint_of(choose_device("cpu", "fp32")),
        )
