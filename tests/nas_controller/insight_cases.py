"""Ledgers of trials that cost and gain what a test says, for the parts of an insight that do not look at genotypes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from nas_controller.insight.insight import Insight
from nas_controller.records import EntryKind, LedgerEntry, TrialState
from nas_controller.search_config import SearchConfig
from tests.conformance.store_cases import make_latency

BEGAN_AT = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
CONFIG = SearchConfig.from_document({"space": "spinenet-49", "data": "generated"})


@dataclass
class TrialLedger:
    """Entries as a store writes them, one a second."""

    entries: list[LedgerEntry] = field(default_factory=list)
    num_trials: int = 0

    def append(self, kind: EntryKind, trial_number: int | None, payload: dict[str, Any]) -> None:
        entry = LedgerEntry(
            search_id="s1",
            sequence=len(self.entries) + 1,
            kind=kind,
            trial_number=trial_number,
            payload=payload,
            at=BEGAN_AT + timedelta(seconds=len(self.entries)),
        )
        self.entries.append(entry)

    def state(self, state: str) -> None:
        self.append(EntryKind.SEARCH_STATE, None, {"state": state, "reason": ""})

    def create(self, multiply_adds: int = 100, parameters: int = 10, arm: str = "policy") -> int:
        self.num_trials += 1
        cost = {"multiply_adds": multiply_adds, "parameters": parameters}
        # No part that is tested with such a ledger decodes a genotype; one of a user's own may be empty, too.
        decisions = {"genotype": [], "log_probs": [], "fingerprint": f"f{self.num_trials}"}
        self.append(EntryKind.TRIAL_CREATED, self.num_trials, {"arm": arm, "name": "", **decisions, **cost})
        return self.num_trials

    def time(self, number: int, median_ms: float) -> None:
        latency = make_latency(median_ms).to_document()
        self.append(EntryKind.TRIAL_TIMED, number, {"latency": latency, "reused_from": None})

    def start(self, number: int) -> None:
        self.append(EntryKind.TRIAL_STARTED, number, {})

    def finish(self, number: int, reward: float | None, state: TrialState = TrialState.COMPLETED, **more: Any) -> None:
        payload = {
            "state": state.value,
            "reward": reward,
            "average_precision": reward,
            "failure": "",
            "failure_reason": None,
            "stopped_at_step": None,
            "consumed": False,
            "reused_from": None,
            **more,
        }
        self.append(EntryKind.TRIAL_FINISHED, number, payload)

    def fail(self, number: int, reason: str, message: str = "it failed") -> None:
        self.finish(number, None, TrialState.FAILED, failure_reason=reason, failure=message)

    def measure_on_val(self, number: int, average_precision: float, standard_error: float | None) -> None:
        payload = {
            "job_id": f"s1.{number}.reevaluate.1",
            "kind": "reevaluate",
            "state": "completed",
            "average_precision": average_precision,
            "val_average_precision": average_precision,
            "val_standard_error": standard_error,
            "val_count": 3,
        }
        self.append(EntryKind.JOB_FINISHED, number, payload)


def folded(entries: Iterable[LedgerEntry], insight: Insight | None = None) -> Insight:
    """The insight after these entries, from the beginning or where it was."""
    insight = insight or Insight(CONFIG)
    for entry in entries:
        insight.apply(entry)
    return insight
