"""A spec survives its JSON; a broken one is refused with its place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from search_space.reference import REFERENCES, reference
from search_space.spec import SCHEMA_VERSION, ArchitectureSpec, SpecError
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes

VERSION_1 = json.loads((Path(__file__).parents[1] / "golden" / "specs_v1.json").read_text(encoding="utf-8"))
"""Documents as the first release wrote them."""


@given(spaces_with_genotypes())
def test_json_round_trip(drawn: SpaceAndGenotype) -> None:
    space, genotype = drawn
    spec = space.decode(genotype, name="drawn")
    assert ArchitectureSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("name", list(REFERENCES))
def test_json_round_trip_of_references(name: str) -> None:
    assert ArchitectureSpec.from_json(reference(name).to_json(indent=2)) == reference(name)


@pytest.mark.parametrize("name", list(VERSION_1))
def test_a_document_of_version_1_is_the_same_architecture(name: str) -> None:
    document = VERSION_1[name]
    assert document["schema_version"] == 1
    assert ArchitectureSpec.from_document(document) == reference(name)


def test_what_is_written_has_the_newest_version() -> None:
    assert reference("spinenet-49").to_document()["schema_version"] == SCHEMA_VERSION == 2


def broken(change: Callable[[dict[str, Any]], Any], name: str = "spinenet-49") -> str:
    document = json.loads(reference(name).to_json())
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema_version=3), "schema_version 3: this release reads 1 and 2"),
        (lambda d: d.update(schema_version=True), "schema_version True: this release reads 1 and 2"),
        (lambda d: d.pop("schema_version"), "schema_version None: this release reads 1 and 2"),
        (lambda d: d.pop("blocks"), "output levels ..: must be .3, 4, 5, 6, 7., once each"),
        (lambda d: d.pop("name"), "spec: field 'name' is missing"),
        (lambda d: d.update(colour="red"), "spec: unknown field 'colour'; the fields are name, stem, blocks, "),
        (lambda d: d["stem"].update(depth=2), "stem: unknown field 'depth'; the fields are channels, blocks, kind"),
        (lambda d: d["blocks"][3].update(stride=2), "block 5: unknown field 'stride'; the fields are level, "),
        (lambda d: d["blocks"][3].pop("level"), "block 5: field 'level' is missing"),
        (lambda d: d.update(activation="tanh"), "activation 'tanh': must be relu or swish"),
        (lambda d: d.update(resampling_alpha=0), "resampling_alpha 0: must be in .0, 4."),
        (lambda d: d.update(se_ratio=1.5), "se_ratio 1.5: must be in .0, 1."),
        (lambda d: d.update(resampling="pool"), "resampling 'pool': must be conv, depthwise or space-to-depth"),
        (lambda d: d.update(fusion="mean"), "fusion 'mean': must be sum or weighted"),
        (lambda d: d.update(endpoint_channels=2.5), "endpoint_channels 2.5: must be an integer, 1 or more"),
        (lambda d: d.update(max_level=8), "max_level 8: must be 1 to 7"),
        (lambda d: d.update(min_level="3"), "min_level '3': must be 1 to 7"),
        (lambda d: d["widths"].update({"3": 0}), "widths: level 3: 0: must be an integer, 1 or more"),
        (lambda d: d["widths"].update({"3": -64}), "widths: level 3: -64: must be an integer, 1 or more"),
        (lambda d: d["widths"].update({"three": 64}), "widths: level 'three': must be 1 to 7"),
        (lambda d: d["widths"].pop("4"), "no width for level 4"),
        (lambda d: d["stem"].update(channels=0), "stem channels 0: must be 1 or more"),
        (lambda d: d["stem"].update(kind="patch"), "stem kind 'patch': must be conv7-pool or conv3"),
        (lambda d: d["stem"]["blocks"].pop(), "stem of 1 blocks: must have at least 2"),
        (lambda d: d["stem"]["blocks"][0].update(level=3), "stem block 0 at level 3: must be level 2 after conv7-pool"),
        (lambda d: d["stem"]["blocks"][1].update(width=0), "stem block 1: width 0: must be at least 1"),
        (lambda d: d["blocks"][3].update(level=8), "block 5: level 8: must be 1 to 7"),
        (lambda d: d["blocks"][3].update(level=0), "block 5: level 0: must be 1 to 7"),
        (lambda d: d["blocks"][3].update(level=3.0), "block 5: level 3.0: must be an integer"),
        (lambda d: d["blocks"][3].update(width=-8), "block 5: width -8: must be at least 1"),
        (lambda d: d["blocks"][3].update(width="64"), "block 5: width '64': must be an integer"),
        (lambda d: d["blocks"][3].update(parents=[4, 4]), "block 5: parents .4, 4.: must rise"),
        (lambda d: d["blocks"][3].update(parents=[4, 5]), "block 5: parents .4, 5.: must be earlier blocks, 0 to 4"),
        (lambda d: d["blocks"][3].update(parents=[-1, 4]), "block 5: parents .-1, 4.: must be 0 or more"),
        (lambda d: d["blocks"][3].update(parents=[4]), "block 5: parents .4,.: must be two"),
        (lambda d: d["blocks"][3].update(parents=4), "block 5: parents 4: must be a list"),
        (lambda d: d["blocks"][3].update(parents=["a", "b"]), "block 5: parent 'a': must be an integer"),
        (lambda d: d["blocks"][3].update(block_type="conv"), "block 5: block_type 'conv': must be bottleneck, "),
        (lambda d: d["blocks"][3].update(kernel=5), "block 5: bottleneck: kernel and expansion belong to mbconv only"),
        (lambda d: d["blocks"][3].update(repeats=0), "block 5: repeats 0: must be 1 to 100"),
        (
            lambda d: d["blocks"][3].update(resource_multiplier=-1),
            "block 5: resource_multiplier -1: must be in .0, 64.",
        ),
        (lambda d: d["blocks"][3].update(is_output=True), "block 6: an intermediate block after an output block"),
        (lambda d: d["blocks"][-1].update(level=5), "output levels .3, 4, 5, 5, 7.: must be"),
        (lambda d: d.update(neck="fpn"), "an FPN backbone has stem blocks only"),
        (lambda d: d.update(neck="bifpn"), "neck 'bifpn': must be endpoints, fpn or separable-fpn"),
    ],
)
def test_a_broken_spec_is_named(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        ArchitectureSpec.from_json(broken(change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["blocks"][3].update(kernel=4), "block 5: kernel 4: must be 1, 3, 5 or 7"),
        (lambda d: d["blocks"][3].update(expansion=0), "block 5: expansion 0: must be at least 1"),
        (lambda d: d["blocks"][3].update(expansion=1.5), "block 5: expansion 1.5: must be an integer"),
        (lambda d: d["stem"].update(kind="conv7-pool"), "stem block 0 at level 1: must be level 2 after conv7-pool"),
    ],
)
def test_a_broken_mbconv_spec_is_named(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ArchitectureSpec.from_json(broken(change, "eff-spinenet-d0"))


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not JSON"), ("[]", "a spec is a JSON object, not list"), ("[" * 100_000, "not JSON")]
)
def test_what_is_no_spec_at_all(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ArchitectureSpec.from_json(text)
