"""Told trials that new ones are made from, in arrays whose size never changes.

Shapes: C trials at most, T decision points, S networks that are remembered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from nas_controller.algorithms.base import Proposal, StateDict, ToldTrial
from nas_controller.algorithms.features import identity
from nas_controller.records import TrialState
from search_space.decisions import Genotype, SearchSpace

MAX_SEEN = 16_384
"""Networks that are not proposed again; 128 KiB."""
TRIES_A_MOVE = 10
"""How often a mutation that gives a known network is drawn again before it is one move longer."""
MAX_MOVES = 4


@dataclass(frozen=True, slots=True)
class Parent:
    """A trial that was trained to its end."""

    number: int
    genotype: Genotype
    reward: float


class Population:
    """Trials that were trained to their end, a fixed number of them: the newest, or the best.

    An infeasible or a failed trial is no parent, nor is one that was stopped early: its reward compares with none.
    """

    def __init__(self, space: SearchSpace, capacity: int, *, keeps_best: bool = False) -> None:
        self._keeps_best = keeps_best
        self._genotypes_CT = np.zeros((capacity, space.genotype_length), dtype=np.int16)
        self._rewards_C = np.zeros(capacity)
        self._numbers_C = np.zeros(capacity, dtype=np.int64)
        self._count = 0

    def __len__(self) -> int:
        """How many there are now."""
        return min(self._count, len(self._numbers_C))

    @property
    def num_told(self) -> int:
        """How many ever were."""
        return self._count

    def __getitem__(self, index: int) -> Parent:
        """One of them, in no order that means anything."""
        genotype = tuple(int(option) for option in self._genotypes_CT[index])
        return Parent(int(self._numbers_C[index]), genotype, float(self._rewards_C[index]))

    def add(self, trial: ToldTrial) -> None:
        """Takes the trial in, in place of the oldest or the worst; of equally good ones those stay that came first."""
        if trial.state is not TrialState.COMPLETED:
            return
        assert trial.reward is not None
        place = self._count if self._count < len(self._numbers_C) else self._place_in_full(trial.reward)
        self._count += 1
        if place is not None:
            self._genotypes_CT[place] = trial.genotype
            self._rewards_C[place] = trial.reward
            self._numbers_C[place] = trial.number

    def _place_in_full(self, reward: float) -> int | None:
        if not self._keeps_best:
            return self._count % len(self._numbers_C)
        worst = int(np.lexsort((-self._numbers_C, self._rewards_C))[0])
        return worst if reward > self._rewards_C[worst] else None

    def best(self, among: Sequence[int]) -> Parent:
        """That of the highest reward; of equally good ones the one with the lowest number."""
        return min((self[index] for index in among), key=lambda parent: (-parent.reward, parent.number))

    def ranked(self) -> list[int]:
        """Indices by reward, best first; equal ones by number."""
        count = len(self)
        return [int(index) for index in np.lexsort((self._numbers_C[:count], -self._rewards_C[:count]))]

    def state_dict(self) -> StateDict:
        """Copies of its arrays."""
        return {
            "population.genotypes": self._genotypes_CT.copy(),
            "population.rewards": self._rewards_C.copy(),
            "population.numbers": self._numbers_C.copy(),
            "population.count": np.array(self._count, dtype=np.int64),
        }

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave, checked by `state.require_like`."""
        self._genotypes_CT = np.array(state["population.genotypes"])
        self._rewards_C = np.array(state["population.rewards"])
        self._numbers_C = np.array(state["population.numbers"])
        self._count = int(state["population.count"])


class Seen:
    """The networks of the trials that were told last, by their identity, so that none is proposed twice."""

    def __init__(self) -> None:
        self._identities_S = np.zeros(MAX_SEEN, dtype=np.uint64)
        self._count = 0
        self._set: set[int] = set()

    def __contains__(self, identity: int) -> bool:
        """Whether the network is among them."""
        return identity in self._set

    def add(self, identity: int) -> None:
        """Remembers the network; the one that was told longest ago is forgotten where there are too many."""
        place = self._count % MAX_SEEN
        if self._count >= MAX_SEEN:
            self._set.discard(int(self._identities_S[place]))
        self._identities_S[place] = identity
        self._set.add(identity)
        self._count += 1

    def state_dict(self) -> StateDict:
        """A copy of its arrays."""
        return {"seen.identities": self._identities_S.copy(), "seen.count": np.array(self._count, dtype=np.int64)}

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave, checked by `state.require_like`."""
        self._identities_S = np.array(state["seen.identities"])
        self._count = int(state["seen.count"])
        self._set = {int(value) for value in self._identities_S[: min(self._count, MAX_SEEN)]}


def mutated(space: SearchSpace, parent: Parent, seen: Seen, rng: Random, arm: str) -> Proposal:
    """A network that was not told yet, as few moves away from the parent as it takes.

    A network a move away that was told already is drawn again; where that happens often, a further move follows. The
    last draw is taken as it is: the loop gives a twin the reward that was measured.
    """
    genotype, edits = space.mutate(parent.genotype, rng.getrandbits(63))
    for moves in range(1, MAX_MOVES + 1):
        for _ in range(TRIES_A_MOVE):
            genotype, edits = parent.genotype, ()
            for _ in range(moves):
                genotype, edit = space.mutate(genotype, rng.getrandbits(63))
                edits += edit
            if identity(space, genotype) not in seen:
                return _proposal(genotype, arm, parent, edits)
    return _proposal(genotype, arm, parent, edits)


def _proposal(genotype: Genotype, arm: str, parent: Parent, edits: tuple[str, ...]) -> Proposal:
    """What a mutation took, it took for certain: no policy has chosen between options."""
    return Proposal(genotype=genotype, arm=arm, log_probs=(0.0,) * len(genotype), parents=(parent.number,), edits=edits)
