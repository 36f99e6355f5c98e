"""References: what is known about them beyond their cost."""

import pytest

from search_space.plan import resolve
from search_space.reference import REFERENCES, published_target, reference


@pytest.mark.parametrize("name", list(REFERENCES))
def test_a_reference_has_its_name_its_source_and_no_dead_block(name: str) -> None:
    assert reference(name).name == name
    assert "arXiv 1912.05027" in REFERENCES[name].source
    assert resolve(reference(name), published_target(name)).num_dead_blocks == 0


def test_published_scaling() -> None:
    repeats = {name: reference(name).blocks[0].repeats for name in REFERENCES if name.startswith("spinenet")}
    assert repeats == {"spinenet-49s": 1, "spinenet-49": 1, "spinenet-96": 2, "spinenet-143": 3, "spinenet-190": 4}
    assert reference("spinenet-143").resampling_alpha == 1.0
    target = published_target("spinenet-190")
    assert target.head is not None
    assert (target.width_scale, target.head.num_convs, target.head.channels) == (1.3, 7, 512)


def test_layer_count_gives_the_name() -> None:
    # Three layers in a bottleneck, two in a residual block, and two more.
    spec = reference("spinenet-49")
    layers = sum(3 if block.block_type == "bottleneck" else 2 for block in spec.all_blocks)
    assert layers + 2 == 49
    assert 3 * len(reference("r0-sp53").all_blocks) + 2 == 53


def test_an_unknown_name_lists_the_known_ones() -> None:
    for find in (reference, published_target):
        with pytest.raises(ValueError, match="reference 'spinenet-50': unknown; the references are spinenet-49s, "):
            find("spinenet-50")
