"""What an algorithm is told of trials that an earlier search trained, as the ledger keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search_space.decisions import Genotype

ARM = "earlier"
"""Of trials that an earlier search trained: no part of an algorithm here proposed them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierTrial:
    """A trial of an earlier search, as the algorithm is told it.

    Args:
        number: among all trials that it is told: below 1, which no trial of its own search has.
        trial: its number in the earlier search.
        genotype: in the space of this search.
        multiply_adds: of the backbone at target size.
    """

    number: int
    trial: int
    genotype: Genotype
    reward: float
    multiply_adds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierTold:
    """What is told of one earlier search, and what is not.

    Args:
        search_id, space: of the earlier search.
        num_looked_at: its trials that were to be told.
        left_out: how many of these are not, by reason.
        words: both for people.
        log_probs: of each decision, the same for all trials.
    """

    search_id: str
    space: str
    num_looked_at: int
    left_out: Mapping[str, int]
    words: str
    log_probs: tuple[float, ...]
    trials: tuple[EarlierTrial, ...]

    def payload(self) -> dict[str, Any]:
        """Payload of `earlier.told`."""
        return {
            "search": self.search_id,
            "space": self.space,
            "looked_at": self.num_looked_at,
            "left_out": dict(self.left_out),
            "words": self.words,
            "log_probs": list(self.log_probs),
            "trials": [
                {
                    "number": one.number,
                    "trial": one.trial,
                    "genotype": list(one.genotype),
                    "reward": one.reward,
                    "multiply_adds": one.multiply_adds,
                }
                for one in self.trials
            ],
        }
