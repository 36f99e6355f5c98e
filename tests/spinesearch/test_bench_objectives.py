"""Objectives: standardised, the same in every process, and each sensitive to what it is about."""

import subprocess
import sys
from dataclasses import replace
from random import Random

import pytest

from search_space.decisions import random_genotype
from search_space.reference import reference
from search_space.spaces import JOINT, R0_SP53, SPINENET_49
from search_space.spec import ArchitectureSpec, BlockSpec
from spinesearch.bench.objectives.base import Objective
from spinesearch.bench.objectives.synthetic import SYNTHETIC, Additive, Relational, Rugged, normal


def values(objective: Objective, count: int, seed: str) -> list[float]:
    standard, rng = objective.standardise(), Random(seed)
    specs = (objective.space.decode(random_genotype(objective.space, rng)) for _ in range(count))
    return [standard.value(spec) for spec in specs]


@pytest.mark.parametrize("kind", SYNTHETIC)
@pytest.mark.parametrize("space", [SPINENET_49, JOINT], ids=lambda space: space.name)
def test_random_architectures_have_mean_0_and_deviation_1(kind: type[Objective], space: object) -> None:
    found = values(kind(space, 3), 1000, "others")  # type: ignore[arg-type]
    mean = sum(found) / len(found)
    # Both means are of 1,000 draws: five standard errors of their difference are 0.22; of the deviations about 0.16.
    assert abs(mean) < 0.22
    assert abs((sum((value - mean) ** 2 for value in found) / len(found)) ** 0.5 - 1) < 0.16


@pytest.mark.parametrize("kind", SYNTHETIC)
def test_an_instance_is_drawn_by_its_seed_alone(kind: type[Objective]) -> None:
    spec = reference("spinenet-49")
    assert kind(SPINENET_49, 1).raw(spec) == kind(SPINENET_49, 1).raw(spec)
    assert kind(SPINENET_49, 1).raw(spec) != kind(SPINENET_49, 2).raw(spec)


def test_another_process_draws_the_same() -> None:
    """What is drawn depends on no hash of this process."""
    code = "from spinesearch.bench.objectives.synthetic import normal; print(normal(3, 'edge', 4, ('L2', 0.5)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(printed) == normal(3, "edge", 4, ("L2", 0.5))


def test_weights_are_standard_normal() -> None:
    draws = [normal(0, number) for number in range(4000)]
    assert abs(sum(draws) / 4000) < 5 / 4000**0.5
    assert sum(abs(draw) < 1.96 for draw in draws) / 4000 == pytest.approx(0.95, abs=0.018)


def first_block_changed(spec: ArchitectureSpec, **changes: object) -> ArchitectureSpec:
    return replace(spec, blocks=(replace(spec.blocks[0], **changes), *spec.blocks[1:]))  # type: ignore[arg-type]


def test_additive_counts_each_thing_on_its_own() -> None:
    """What a change of one block is worth does not depend on the others."""
    objective = Additive(R0_SP53, 5)
    rng = Random(1)
    one, other = (R0_SP53.decode(random_genotype(R0_SP53, rng)) for _ in range(2))
    gains = []
    for spec in (one, other):
        before = objective.raw(first_block_changed(spec, level=3))
        gains.append(objective.raw(first_block_changed(spec, level=4)) - before)
    assert gains[0] == pytest.approx(gains[1])
    assert gains[0] != 0


def test_relational_is_about_pairs_wherever_they_stand() -> None:
    """An edge between two levels over a distance is worth the same at another place; the order of two levels counts."""
    objective = Relational(R0_SP53, 5)
    spec = R0_SP53.decode(random_genotype(R0_SP53, Random(2)))
    parent, child = BlockSpec(3), BlockSpec(5, parents=(0, 1))
    assert objective.edge(parent, child, 7) == objective.edge(parent, child, 8) != objective.edge(parent, child, 1)
    levels = [block.level for block in spec.blocks]
    place = next(place for place in range(8) if levels[place] != levels[place + 1])
    blocks = list(spec.blocks)
    blocks[place] = replace(blocks[place], level=levels[place + 1])
    blocks[place + 1] = replace(blocks[place + 1], level=levels[place])
    assert objective.raw(replace(spec, blocks=tuple(blocks))) != objective.raw(spec)


def test_rugged_gives_a_block_a_fresh_value_with_other_parents() -> None:
    """The gain of a change of a block depends on what its children's other parents are: nothing adds up."""
    objective = Rugged(R0_SP53, 5)
    rng = Random(1)
    gains = set()
    for _ in range(20):
        spec = R0_SP53.decode(random_genotype(R0_SP53, rng))
        gain = objective.raw(first_block_changed(spec, level=4)) - objective.raw(first_block_changed(spec, level=3))
        gains.add(round(gain, 9))
    assert len(gains) > 10
