"""A spec survives its JSON; a broken one is refused with its place."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from search_space.reference import REFERENCES, reference
from search_space.spec import ArchitectureSpec, SpecError
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes


@given(spaces_with_genotypes())
def test_json_round_trip(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype, name="drawn")
    assert ArchitectureSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("name", list(REFERENCES))
def test_json_round_trip_of_references(name: str) -> None:
    assert ArchitectureSpec.from_json(reference(name).to_json(indent=2)) == reference(name)


def broken(change: Callable[[dict[str, Any]], Any]) -> str:
    document = json.loads(reference("spinenet-49").to_json())
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema_version=2), "schema_version 2: this release reads 1"),
        (lambda d: d.pop("blocks"), "blocks"),
        (lambda d: d.update(colour="red"), "colour"),
        (lambda d: d.update(activation="tanh"), "activation 'tanh': must be relu or swish"),
        (lambda d: d.update(resampling_alpha=0), "resampling_alpha 0"),
        (lambda d: d.update(endpoint_channels=2.5), "endpoint_channels 2.5: must be an integer"),
        (lambda d: d["widths"].update({"3": 0}), "width of level 3 0: must be an integer, 1 or more"),
        (lambda d: d["widths"].pop("4"), "no width for level 4"),
        (lambda d: d["stem"].update(channels=0), "stem channels 0"),
        (lambda d: d["stem"]["blocks"].pop(), "stem of 1 blocks"),
        (lambda d: d["stem"]["blocks"][0].update(level=3), "stem block 0 at level 3"),
        (lambda d: d["blocks"][3].update(level=8), "block 5: level 8: must be 1 to 7"),
        (lambda d: d["blocks"][3].update(level=3.0), "block 5: level 3.0: must be an integer"),
        (lambda d: d["blocks"][3].update(parents=[4, 4]), "block 5: parents .4, 4.: must rise"),
        (lambda d: d["blocks"][3].update(parents=[4, 5]), "block 5: parents .4, 5.: must be earlier than 5"),
        (lambda d: d["blocks"][3].update(parents=[4]), "block 5: parents .4,.: must be two"),
        (lambda d: d["blocks"][3].update(parents=["a", "b"]), "block 5: parent 'a': must be an integer"),
        (lambda d: d["blocks"][3].update(block_type="conv"), "block 5: 'conv' is not a valid BlockType"),
        (lambda d: d["blocks"][3].update(repeats=0), "block 5: repeats 0"),
        (lambda d: d["blocks"][3].update(resource_multiplier=-1), "block 5: resource_multiplier -1"),
        (lambda d: d["blocks"][3].update(is_output=True), "block 6: an intermediate block after an output block"),
        (lambda d: d["blocks"][-1].update(level=5), "output levels .3, 4, 5, 5, 7.: must be"),
        (lambda d: d.update(neck="fpn"), "an FPN backbone has stem blocks only"),
    ],
)
def test_a_broken_spec_is_named(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ArchitectureSpec.from_json(broken(change))


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not JSON"), ("[]", "a spec is a JSON object, not list"), ("[" * 100_000, "not JSON")]
)
def test_what_is_no_spec_at_all(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ArchitectureSpec.from_json(text)
