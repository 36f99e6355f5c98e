"""Which trainings are given up before their end. One rule per file, named in `table`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence


class StoppingRule(ABC):
    """Judges one trial at one step. A pure function of what had been measured until then: the loop asks again after a
    crash, and gets the same answer."""

    @abstractmethod
    def decide(self, others: Sequence[float], value: float) -> bool:
        """Whether a trial that measured `value` at a step is to end; `others` are those that were measured at the
        same step before it. More is better; all are AP in [0, 1], in any order."""
