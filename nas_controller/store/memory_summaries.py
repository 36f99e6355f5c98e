"""Lists of trials in this process' memory."""

from abc import abstractmethod
from collections.abc import Sequence

from nas_controller.records import NetworkCost, Trial, TrialState
from nas_controller.store.summaries import SummaryStore
from nas_controller.trial_summaries import Objective, TrialSummary


class MemorySummaries(SummaryStore):
    """A part of `MemoryStore`."""

    @abstractmethod
    def _trials(self, search_id: str) -> list[Trial]:
        """All trials by number, or `NotFoundError`."""

    def list_summaries(
        self, search_id: str, limit: int, after: int = 0, states: Sequence[TrialState] = ()
    ) -> list[TrialSummary]:
        trials = self._trials(search_id)
        return _shown([t for t in trials if t.number > after and (not states or t.state in states)], limit)

    def best_summaries(
        self,
        search_id: str,
        limit: int,
        objective: Objective = Objective.REWARD,
        *,
        max_multiply_adds: int | None = None,
        max_parameters: int | None = None,
    ) -> list[TrialSummary]:
        completed = [t for t in self._trials(search_id) if t.state is TrialState.COMPLETED and t.reward is not None]
        valued = [(getattr(trial, objective), trial) for trial in completed]
        ranked = sorted([each for each in valued if each[0] is not None], key=lambda each: (-each[0], each[1].number))
        best: dict[str, Trial] = {}
        for _, trial in ranked:
            best.setdefault(trial.draft.fingerprint, trial)
        cheap = [t for t in best.values() if _costs_at_most(t.draft.target_cost, max_multiply_adds, max_parameters)]
        return _shown(cheap, limit)

    def list_children(self, search_id: str, number: int, limit: int, after: int = 0) -> list[TrialSummary]:
        return _shown([child for child in self._children(search_id, number) if child.number > after], limit)

    def count_children(self, search_id: str, number: int) -> int:
        return len(self._children(search_id, number))

    def _children(self, search_id: str, number: int) -> list[Trial]:
        return [trial for trial in self._trials(search_id) if number in trial.draft.parents]


def _shown(trials: Sequence[Trial], limit: int) -> list[TrialSummary]:
    return [TrialSummary.of(trial) for trial in trials[:limit]]


def _costs_at_most(counted: NetworkCost, max_multiply_adds: int | None, max_parameters: int | None) -> bool:
    pairs = [(counted.backbone_multiply_adds, max_multiply_adds), (counted.backbone_parameters, max_parameters)]
    return all(most is None or value <= most for value, most in pairs)
