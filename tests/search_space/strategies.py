"""Hypothesis strategies over the named spaces."""

from hypothesis import strategies as st

from search_space.decisions import Genotype, SearchSpace
from search_space.spaces import SPACES

SpaceAndGenotype = tuple[SearchSpace, Genotype]


def genotypes(space: SearchSpace) -> st.SearchStrategy[Genotype]:
    """Any sequence of offered options of one space."""
    return st.tuples(*(st.integers(0, count - 1) for count in space.option_counts))


def spaces_with_genotypes() -> st.SearchStrategy[SpaceAndGenotype]:
    """Any named space with any of its genotypes."""
    return st.sampled_from(list(SPACES.values())).flatmap(lambda space: st.tuples(st.just(space), genotypes(space)))
