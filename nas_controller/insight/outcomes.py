"""Why trials of a search gave no whole reward: counts by state and reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nas_controller.insight.course import Point
from nas_controller.records import EntryKind, LedgerEntry, TrialState

ABOVE_BUDGET, BELOW_BUDGET = "above_budget", "below_budget"
SEARCH_ENDED = "search_ended"
LONGEST_MESSAGE = 200


@dataclass(slots=True)
class Outcome:
    """Trials that ended for one reason.

    Args:
        last_message: what the last of them said, cut; "" where such trials say nothing.
    """

    state: TrialState
    reason: str
    count: int = 0
    last_trial: int = 0
    last_message: str = ""


@dataclass(slots=True)
class Outcomes:
    """The reasons of one search so far; there are as many as there are failures with a name, and steps to stop at.

    Args:
        budget_centre: multiply-adds.
    """

    budget_centre: int
    by_reason: dict[tuple[TrialState, str], Outcome] = field(default_factory=dict)

    def apply(self, entry: LedgerEntry, ended: Point | None) -> None:
        """Takes in the next entry of the ledger; `ended` is the trial that it says has ended."""
        if entry.kind is not EntryKind.TRIAL_FINISHED or ended is None:
            return
        state = TrialState(entry.payload["state"])
        if state is TrialState.COMPLETED:
            return
        reason = self._reason(state, entry.payload, ended)
        outcome = self.by_reason.setdefault((state, reason), Outcome(state, reason))
        outcome.count += 1
        outcome.last_trial = ended.number
        outcome.last_message = entry.payload["failure"][:LONGEST_MESSAGE]

    def _reason(self, state: TrialState, payload: Mapping[str, Any], ended: Point) -> str:
        if state is TrialState.INFEASIBLE:
            return ABOVE_BUDGET if ended.multiply_adds > self.budget_centre else BELOW_BUDGET
        if state is TrialState.STOPPED_EARLY:
            return f"step_{payload['stopped_at_step']}"
        return SEARCH_ENDED if state is TrialState.CANCELLED else str(payload["failure_reason"])

    def to_document(self) -> dict[str, Any]:
        """The reasons as JSON."""
        rows = [[getattr(outcome, name) for name in Outcome.__slots__] for outcome in self.by_reason.values()]
        return {"outcomes": rows}

    @classmethod
    def from_document(cls, budget_centre: int, document: Mapping[str, Any]) -> "Outcomes":
        """The reasons as they were when they were written."""
        outcomes = [Outcome(TrialState(state), *rest) for state, *rest in document["outcomes"]]
        return cls(budget_centre, {(outcome.state, outcome.reason): outcome for outcome in outcomes})
