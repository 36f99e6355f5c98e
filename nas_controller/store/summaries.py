"""What the database gives to read of many trials at once, without their architectures: a part of `store.base`, whose
rules for methods hold here too."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from nas_controller.records import TrialState
from nas_controller.trial_summaries import Objective, TrialSummary


class SummaryStore(ABC):
    """Lists of trials for people. `NotFoundError` where there is no such search."""

    @abstractmethod
    def list_summaries(
        self, search_id: str, limit: int, after: int = 0, states: Sequence[TrialState] = ()
    ) -> list[TrialSummary]:
        """What `list_trials` gives."""

    @abstractmethod
    def best_summaries(
        self,
        search_id: str,
        limit: int,
        objective: Objective = Objective.REWARD,
        *,
        max_multiply_adds: int | None = None,
        max_parameters: int | None = None,
    ) -> list[TrialSummary]:
        """Sampled COMPLETED trials that have a reward and the objective, best first; equal ones by number. One trial
        for each fingerprint: the best. Of these only such whose backbone at target size costs no more."""

    @abstractmethod
    def list_children(self, search_id: str, number: int, limit: int, after: int = 0) -> list[TrialSummary]:
        """At most `limit` trials that were made from this one, with numbers above `after`, rising."""

    @abstractmethod
    def count_children(self, search_id: str, number: int) -> int:
        """How many trials were made from this one; 0 also where there is none of that number."""
