import json
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_controller.insight.seen_networks import MAX_KEPT, SeenNetworks


def counted(fingerprints: Sequence[str]) -> tuple[SeenNetworks, int]:
    seen = SeenNetworks()
    return seen, sum(seen.add(fingerprint) for fingerprint in fingerprints)


@given(st.lists(st.integers(0, 20)))
def test_a_few_networks_are_counted_exactly(networks: list[int]) -> None:
    _, repetitions = counted([str(network) for network in networks])
    assert repetitions == len(networks) - len(set(networks))


def test_of_many_networks_repetitions_are_estimated() -> None:
    """50,000 networks, each proposed twice in any order: 50,000 repetitions."""
    fingerprints = [f"{network:x}" for network in range(50_000)] * 2
    Random(1).shuffle(fingerprints)
    seen, repetitions = counted(fingerprints)
    assert seen.every == 8
    # About 6,250 networks are in the sample: a standard deviation of a little over 1 %.
    assert repetitions == pytest.approx(50_000, rel=0.05)


def test_room_for_networks_has_a_bound_and_is_kept() -> None:
    seen, _ = counted([str(network) for network in range(3 * MAX_KEPT)])
    assert MAX_KEPT / 4 < len(seen.kept) <= MAX_KEPT
    document = json.loads(json.dumps(seen.to_document()))
    assert SeenNetworks.from_document(document) == seen
    assert len(json.dumps(document)) < 60_000
