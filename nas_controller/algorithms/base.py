"""What proposes: ask and tell, over genotypes and rewards only. One conformance suite runs on every algorithm.

The loop calls from one thread. Tells come in the order in which the store committed them; between an `ask` and
its `tell` any number of other asks and tells may happen, some trials are never told (cancelled), and some that are
told were never asked for (users have architectures of their own). `ask` is a pure function of the state, the search
seed and the trial number: it may not change the state. So the state is a fold over the told trials, and replaying them
gives the same state bit for bit.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas_controller.records import TrialState
from search_space.decisions import Genotype

StateDict = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What to try.

    Args:
        arm: which part of the algorithm proposed it.
        log_probs: natural log of the probability of each decision under the behaviour policy; as long as
            the genotype.
        parents: trial numbers it was made from; edits: how, for people.
    """

    genotype: Genotype
    arm: str
    log_probs: tuple[float, ...]
    parents: tuple[int, ...] = ()
    edits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldTrial:
    """What became of a proposal, or of an architecture that a user took: then each decision was certain, and its
    `log_probs` are 0. `reward` is set for COMPLETED and STOPPED_EARLY, None for INFEASIBLE and FAILED. That of
    STOPPED_EARLY was measured after a part of the training: it is not to be compared with others. `arm` is that of the
    proposal; for what no algorithm proposed it is no arm of any. `multiply_adds` are those of the backbone at target
    size, as the search counted them; 0 where nobody did.

    A trial that an earlier search trained has a `number` below 1, and is told as if its decisions had been drawn
    uniformly; proposals may name it among their parents."""

    number: int
    genotype: Genotype
    log_probs: tuple[float, ...]
    state: TrialState
    reward: float | None
    arm: str = ""
    multiply_adds: int = 0


class SearchAlgorithm(ABC):
    """Proposes genotypes of one space, under one seed."""

    @abstractmethod
    def ask(self, trial_number: int) -> Proposal:
        """The proposal for a trial number; the same again when asked again before the next tell."""

    @abstractmethod
    def tell(self, trial: ToldTrial) -> None:
        """Learns from one finished trial."""

    @abstractmethod
    def state_dict(self) -> StateDict:
        """The whole state as named arrays; bounded in size however many trials were told."""

    @abstractmethod
    def load_state_dict(self, state: StateDict) -> None:
        """Takes over a state of the same space, settings and seed. Raises `ValueError` for another shape and
        keeps the old one."""

    @abstractmethod
    def diagnostics(self) -> Mapping[str, float]:
        """Numbers worth watching now, e.g. ``entropy``, ``baseline``; empty for an algorithm without any."""
