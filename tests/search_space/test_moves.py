"""Every mutation stays in the space, changes the architecture, and says what it did."""

from hypothesis import given
from hypothesis import strategies as st

from search_space.spaces import JOINT, R0_SP53, R35_SP18, SPINENET_49
from search_space.spec import ArchitectureSpec
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes


@given(spaces_with_genotypes(), st.integers(0, 2**63 - 1))
def test_a_mutation_is_another_architecture_of_the_space(drawn: SpaceAndGenotype, seed: int) -> None:
    space, genotype = drawn
    mutated, edits = space.mutate(genotype, seed)
    before, after = space.decode(genotype), space.decode(mutated)
    assert after != before
    assert space.decode(space.encode(after)) == after
    assert len(edits) == 1
    assert (mutated, edits) == space.mutate(genotype, seed)


def looks(spec: ArchitectureSpec) -> list[tuple[int, str, float]]:
    return [(block.level, block.block_type, block.resource_multiplier) for block in spec.blocks]


@given(spaces_with_genotypes(), st.integers(0, 2**63 - 1))
def test_the_edit_is_what_was_done(drawn: SpaceAndGenotype, seed: int) -> None:
    space, genotype = drawn
    mutated, (edit,) = space.mutate(genotype, seed)
    before, after = space.decode(genotype), space.decode(mutated)
    first, words = before.num_stem_blocks, edit.replace(":", "").split()
    expected = looks(before)
    parents = [list(block.parents) for block in before.blocks]
    if words[0] == "swap":
        one, other = int(words[2]) - first, int(words[4]) - first
        expected[one], expected[other] = expected[other], expected[one]
    elif words[0] == "move":
        expected.insert(int(words[4]) - first, expected.pop(int(words[2]) - first))
    else:
        place, what, new = int(words[1]) - first, words[2], words[-1]
        if place < 0:
            assert what == "multiplier"
            assert after.stem.blocks[int(words[1])].resource_multiplier == float(new)
            assert before.stem.blocks[int(words[1])].resource_multiplier == float(words[3])
            place, what, new = 0, "level", str(expected[0][0])
        level, block_type, multiplier = expected[place]
        if what == "parent":
            parents[place].remove(int(words[3]))
            parents[place] = sorted([*parents[place], int(new)])
        elif what == "level":
            expected[place] = (int(new), block_type, multiplier)
        elif what == "multiplier":
            expected[place] = (level, block_type, float(new))
        else:
            expected[place] = (level, new, multiplier)
    assert looks(after) == expected
    assert [list(block.parents) for block in after.blocks] == parents


def kinds_of_edit(space_edits: list[str]) -> set[str]:
    """Edits with every number left out."""
    return {" ".join(word for word in edit.split() if not word.strip(":").isdigit()) for edit in space_edits}


def test_every_kind_of_move_happens() -> None:
    genotype = (0,) * SPINENET_49.genotype_length
    edits = [SPINENET_49.mutate(genotype, seed)[1][0] for seed in range(200)]
    assert kinds_of_edit(edits) == {
        "swap blocks and",
        "move block to",
        "block parent ->",
        "block level ->",
        "block bottleneck -> residual",
    }
    joint = [JOINT.mutate((0,) * 70 + (1,) * 17, seed)[1][0] for seed in range(300)]
    assert any(edit.startswith("block 0: multiplier 0.25 -> ") for edit in joint)
    swapped = {edit for edit in edits if edit.startswith("swap")}
    assert any(int(edit.split()[2]) < 12 for edit in swapped)
    assert any(int(edit.split()[2]) >= 12 for edit in swapped)


def test_moves_that_a_space_does_not_have_never_happen() -> None:
    edits = [R0_SP53.mutate((0,) * R0_SP53.genotype_length, seed)[1][0] for seed in range(200)]
    assert kinds_of_edit(edits) == {"swap blocks and", "move block to", "block parent ->"}
    alone = [R35_SP18.mutate((0,) * R35_SP18.genotype_length, seed)[1][0] for seed in range(100)]
    assert kinds_of_edit(alone) == {"swap blocks and", "block parent ->"}
