"""Bags of features: the same for the same network, as many for every genotype, and different where networks are."""

from random import Random

import pytest

from nas_controller.algorithms.features import GROUPS, Bags, features, identity
from search_space.decisions import SearchSpace, random_genotype
from search_space.spaces import R0_SP53, SPACES


def as_sets(bags: Bags) -> list[list[int]]:
    return [sorted(bag.tolist()) for bag in bags]


@pytest.fixture(params=sorted(SPACES))
def space(request: pytest.FixtureRequest) -> SearchSpace:
    return SPACES[request.param]


def test_every_genotype_has_as_many(space: SearchSpace) -> None:
    rng = Random(1)
    sizes = {tuple(len(bag) for bag in features(space, random_genotype(space, rng))) for _ in range(20)}
    assert len(sizes) == 1
    assert len(sizes.pop()) == len(GROUPS)


def test_twins_have_the_same(space: SearchSpace) -> None:
    """Parents in another order, or another block of the pool with the same level, are the same network."""
    rng = Random(2)
    for _ in range(20):
        genotype = random_genotype(space, rng)
        canonical = space.encode(space.decode(genotype))
        assert as_sets(features(space, genotype)) == as_sets(features(space, canonical))
        assert identity(features(space, genotype)) == identity(features(space, canonical))


def test_a_mutation_changes_some_and_keeps_most(space: SearchSpace) -> None:
    rng = Random(3)
    for seed in range(20):
        genotype = random_genotype(space, rng)
        mutated, _ = space.mutate(genotype, seed)
        before, after = features(space, genotype), features(space, mutated)
        assert as_sets(before) != as_sets(after)
        assert identity(before) != identity(after)
        assert len(set(before[0].tolist()) & set(after[0].tolist())) >= len(before[0]) // 2


def test_another_parent_is_seen_where_it_is_and_around_it() -> None:
    """One other parent of one block changes one fact of its place, and its neighbourhood; orders stay."""
    genotype = random_genotype(R0_SP53, Random(4))
    seed = next(seed for seed in range(100) if "parent" in R0_SP53.mutate(genotype, seed)[1][0])
    mutated, _ = R0_SP53.mutate(genotype, seed)
    gone = [
        len(set(before.tolist()) - set(after.tolist()))
        for before, after in zip(features(R0_SP53, genotype), features(R0_SP53, mutated), strict=True)
    ]
    by_group = dict(zip(GROUPS, gone, strict=True))
    assert by_group["place"] == 1
    assert by_group["neighbourhood"] == 1
    assert by_group["pattern"] <= 1
    assert by_group["order"] == 0
