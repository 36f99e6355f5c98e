from dataclasses import replace
from random import Random
from typing import Any

from nas_controller.enqueueing import placed
from nas_controller.search_config import SearchConfig
from search_space.decisions import random_genotype
from search_space.reference import reference
from search_space.spaces import find_space


def config(**document: Any) -> SearchConfig:
    wide = {"relative_to": "r0-sp53", "tolerance": 0.9}
    return SearchConfig.from_document({"space": "r0-sp53", "data": "generated", "budget": wide, **document})


def test_an_architecture_of_the_space_is_placed() -> None:
    space = find_space("r0-sp53")
    spec = space.decode(random_genotype(space, Random(3)), "mine")
    genotype, problem = placed(config(), spec)
    assert (genotype, problem) == (space.encode(spec), "")
    assert placed(config(), reference("r0-sp53"))[1] == ""


def test_one_off_budget_has_a_genotype_and_a_reason() -> None:
    genotype, problem = placed(config(budget={"multiply_adds": "900G"}), reference("r0-sp53"))
    assert genotype == find_space("r0-sp53").encode(reference("r0-sp53"))
    assert "multiply-adds: budget 900 B multiply-adds" in problem


def test_one_of_another_space_has_a_reason_only() -> None:
    genotype, problem = placed(config(), reference("resnet-50-fpn"))
    assert genotype == ()
    assert problem.startswith("not an architecture of r0-sp53: ")


def test_widths_are_those_that_the_space_settles() -> None:
    """`joint` spends its budget exactly: what was settled for another budget has the same decisions here."""
    space = find_space("joint")
    spec = space.decode(random_genotype(space, Random(3)))
    wide = replace(spec, blocks=tuple(replace(block, width=64) for block in spec.blocks))
    joint = config(space="joint", budget=None)
    assert placed(joint, wide) == placed(joint, spec) == (space.encode(spec), "")
