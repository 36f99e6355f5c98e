"""Ledgers of searches that never ran, for those who fold ledgers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from nas_controller.records import EntryKind, LedgerEntry, SearchState, TrialState
from search_space.decisions import Genotype, SearchSpace, random_genotype

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class WrittenLedger:
    """Entries of one search, as a store would write them."""

    entries: list[LedgerEntry] = field(default_factory=list)
    num_trials: int = 0

    def append(self, kind: EntryKind, trial_number: int | None, payload: dict[str, Any]) -> None:
        sequence = len(self.entries) + 1
        self.entries.append(
            LedgerEntry(
                search_id="s1",
                sequence=sequence,
                kind=kind,
                trial_number=trial_number,
                payload=payload,
                at=START + timedelta(seconds=sequence),
            )
        )

    def ask(
        self, genotype: Sequence[int], log_probs: Sequence[float] = (), arm: str = "policy", fingerprint: str = ""
    ) -> int:
        """The number of a new trial; its fingerprint is that of its genotype unless one is given."""
        self.num_trials += 1
        payload = {
            "arm": arm,
            "name": "",
            "genotype": list(genotype),
            "log_probs": list(log_probs),
            "fingerprint": fingerprint or str(tuple(genotype)),
            "multiply_adds": 1000,
            "parameters": 10,
        }
        self.append(EntryKind.TRIAL_CREATED, self.num_trials, payload)
        return self.num_trials

    def finish(
        self, number: int, reward: float | None, state: TrialState = TrialState.COMPLETED, *, is_reused: bool = False
    ) -> None:
        payload = {
            "state": state.value,
            "reward": reward,
            "average_precision": reward,
            "failure": "",
            "consumed": state is not TrialState.CANCELLED,
            "reused_from": {"search": "s1", "trial": 1} if is_reused else None,
        }
        self.append(EntryKind.TRIAL_FINISHED, number, payload)

    def train(self, genotype: Genotype, reward: float) -> None:
        """A trial from its ask to its tell."""
        self.finish(self.ask(genotype), reward)

    def end(self) -> None:
        self.append(EntryKind.SEARCH_STATE, None, {"state": SearchState.SUCCEEDED.value, "reason": ""})


def uniform_log_probs(space: SearchSpace) -> list[float]:
    """Of every genotype under random search."""
    return [-math.log(count) for count in space.option_counts]


ARMS = ("policy", "random", "enqueued", "reference")
STATES = (
    TrialState.COMPLETED,
    TrialState.COMPLETED,
    TrialState.STOPPED_EARLY,
    TrialState.FAILED,
    TrialState.INFEASIBLE,
    TrialState.CANCELLED,
)
REWARDED = (TrialState.COMPLETED, TrialState.STOPPED_EARLY)


@st.composite
def ledgers(draw: st.DrawFn, space: SearchSpace) -> list[LedgerEntry]:
    """Of a search with a few workers: trials of several arms, that end in any order and with anything, or not."""
    rng, ledger = Random(draw(st.integers(0, 2**32))), WrittenLedger()
    pool = [random_genotype(space, rng) for _ in range(draw(st.integers(1, 30)))]
    running: list[int] = []
    for _ in range(draw(st.integers(0, 150))):
        arm = rng.choice(ARMS)
        genotype = () if arm == "reference" else rng.choice(pool)
        number = ledger.ask(
            genotype, [-rng.random() * 3 for _ in genotype], arm, str(pool.index(genotype) if genotype else 0)
        )
        if arm != "reference":
            running.append(number)
        while len(running) > rng.randrange(6):
            state = rng.choice(STATES)
            is_reused = state is TrialState.COMPLETED and rng.random() < 0.2
            # Few different ones: equal rewards are common then.
            reward = rng.randrange(8) / 8 if state in REWARDED else None
            ledger.finish(running.pop(rng.randrange(len(running))), reward, state, is_reused=is_reused)
    return ledger.entries
