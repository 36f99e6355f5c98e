"""Latencies on XLA: a pass is computed, and waited for, though nobody looks at what it gave."""

from torch_xla.debug import metrics

from search_space.plan import TargetNetwork, resolve
from search_space.reference import reference
from trainer.device import choose_device
from trainer.latency import network_latency
from trainer.latency_task import LatencyProtocol

ROUNDS, PASSES = 6, 2


def num_computed() -> int:
    found = metrics.metric_data("ExecuteTime")
    return 0 if found is None else int(found[0])


def test_every_pass_is_computed() -> None:
    target = TargetNetwork(image_size=64, width_scale=0.125, head=None, endpoint_channels=8)
    protocol = LatencyProtocol(warmup_seconds=0.0, rounds=ROUNDS, passes=PASSES, slack=1e9)
    before = num_computed()
    network_latency(resolve(reference("spinenet-49s"), target), choose_device("xla", "fp32"), 1, protocol)
    # More than all yardsticks; the count itself comes a little late, so that the last may not be in it.
    assert num_computed() - before >= 1 + ROUNDS * PASSES
