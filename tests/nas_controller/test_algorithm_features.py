"""Bags of features: the same for the same network, as many for every genotype, and different where networks are."""

from random import Random

import pytest

from nas_controller.algorithms.features import GROUPS, features, identities, identity
from search_space.decisions import Genotype, SearchSpace, random_genotype
from search_space.spaces import R0_SP53, SPACES


def bags_of(space: SearchSpace, genotype: Genotype) -> list[list[int]]:
    return [sorted(group[0].tolist()) for group in features(space, [genotype])]


@pytest.fixture(params=sorted(SPACES))
def space(request: pytest.FixtureRequest) -> SearchSpace:
    return SPACES[request.param]


def test_many_at_once_have_what_each_has(space: SearchSpace) -> None:
    rng = Random(1)
    genotypes = [random_genotype(space, rng) for _ in range(20)]
    bags = features(space, genotypes)
    assert [len(group) for group in bags] == [20] * len(GROUPS)
    for place, genotype in enumerate(genotypes):
        assert [sorted(group[place].tolist()) for group in bags] == bags_of(space, genotype)
        assert identities(bags)[place] == identity(space, genotype)


def test_twins_have_the_same(space: SearchSpace) -> None:
    """Parents in another order, or another block of the pool with the same level, are the same network."""
    rng = Random(2)
    for _ in range(20):
        genotype = random_genotype(space, rng)
        canonical = space.encode(space.decode(genotype))
        assert bags_of(space, genotype) == bags_of(space, canonical)
        assert identity(space, genotype) == identity(space, canonical)


def test_a_mutation_changes_some_and_keeps_most(space: SearchSpace) -> None:
    rng = Random(3)
    for seed in range(20):
        genotype = random_genotype(space, rng)
        mutated, _ = space.mutate(genotype, seed)
        before, after = bags_of(space, genotype), bags_of(space, mutated)
        assert before != after
        assert identity(space, genotype) != identity(space, mutated)
        assert len(set(before[0]) & set(after[0])) >= len(before[0]) // 2


def test_another_parent_is_seen_where_it_is_and_around_it() -> None:
    """One other parent of one block changes one fact of its place, and its neighbourhood; orders stay."""
    genotype = random_genotype(R0_SP53, Random(4))
    seed = next(seed for seed in range(100) if "parent" in R0_SP53.mutate(genotype, seed)[1][0])
    mutated, _ = R0_SP53.mutate(genotype, seed)
    gone = [
        len(set(before) - set(after))
        for before, after in zip(bags_of(R0_SP53, genotype), bags_of(R0_SP53, mutated), strict=True)
    ]
    by_group = dict(zip(GROUPS, gone, strict=True))
    assert by_group["place"] == 1
    assert by_group["neighbourhood"] == 1
    assert by_group["pattern"] <= 1
    assert by_group["order"] == 0
