"""The controller from inside, for each run of consecutive trials: what it asked for, how old that was when its result
came, how much its proposals repeat, and how certain its decisions have become.

**Entropy.** A decision that was drawn from a distribution p and came out as x gives -log p(x), whose mean over draws is
the entropy of p (Shannon 1948, section 6; Cover and Thomas 2006, section 2.1). That log-probability is stored with each
decision as the policy had it when it drew: averaging what is stored needs no policy and no correction for results that
come late, and works for every algorithm. Divided by the log of the number of options it is 1 for a uniform choice and 0
for a certain one. It is an unbiased estimate: from few proposals it may come out a little over 1.

Left out are decisions with a single option, trials that a user asked for, those of the control arm, and proposals that
were not drawn from a distribution over decisions but made of another trial: their log-probabilities are all 0.

**Staleness** of a trained trial: how many trials the algorithm was told between its ask and its own tell.

**Duplicates**: proposals of a network that was proposed before in the search.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nas_controller.arms import CONTROL_ARM
from nas_controller.insight.buckets import paired, widened
from nas_controller.insight.diagnostics import Diagnostics
from nas_controller.insight.seen_networks import SeenNetworks
from nas_controller.insight.sums import Sums
from nas_controller.records import EntryKind, LedgerEntry, SearchState, TrialState
from nas_controller.requests import ARMS
from nas_controller.store.rules import REFERENCE_ARM
from search_space.decisions import SearchSpace

MAX_BUCKETS = 60
FIRST_WIDTH = 5
COUNTS = ("asked", "told", "infeasible", "duplicates", "reused")
"""What a bucket counts, by name."""

_USERS_ARMS = frozenset(ARMS.values())


@dataclass(slots=True)
class PolicyBucket:
    """Some consecutive trials, references left out.

    Args:
        arms: how many trials of each arm, those of users included; all else is of the algorithm's own proposals.
        told: how many of them the algorithm was told, those of users included.
        duplicates: proposals of networks that were proposed before; an estimate where the search has very many.
        reused: proposals that got the reward of an earlier trial, of this search or another.
        staleness: of those that were trained and told.
        entropy: by decision kind; each proposal gives the mean over its decisions of that kind.
    """

    arms: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    told: int = 0
    infeasible: int = 0
    duplicates: int = 0
    reused: int = 0
    staleness: Sums = field(default_factory=Sums)
    staleness_max: int = 0
    entropy: dict[str, Sums] = field(default_factory=dict)

    def plus(self, other: "PolicyBucket") -> "PolicyBucket":
        """Both together."""
        none = Sums()
        return PolicyBucket(
            arms={name: self.arms.get(name, 0) + other.arms.get(name, 0) for name in {**self.arms, **other.arms}},
            **{name: getattr(self, name) + getattr(other, name) for name in COUNTS},
            staleness=self.staleness.plus(other.staleness),
            staleness_max=max(self.staleness_max, other.staleness_max),
            entropy={
                kind: self.entropy.get(kind, none).plus(other.entropy.get(kind, none))
                for kind in {**self.entropy, **other.entropy}
            },
        )

    def to_document(self) -> dict[str, Any]:
        """The bucket as JSON."""
        return {
            "arms": dict(self.arms),
            **{name: getattr(self, name) for name in COUNTS},
            "staleness": self.staleness.to_document(),
            "staleness_max": self.staleness_max,
            "entropy": {kind: sums.to_document() for kind, sums in self.entropy.items()},
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "PolicyBucket":
        """What `to_document` gave."""
        return cls(
            arms=dict(document["arms"]),
            **{name: document[name] for name in COUNTS},
            staleness=Sums.from_document(document["staleness"]),
            staleness_max=document["staleness_max"],
            entropy={kind: Sums.from_document(sums) for kind, sums in document["entropy"].items()},
        )


@dataclass
class Policy:
    """What one search asked and was told so far.

    Args:
        num_trials: number of the newest trial.
        num_told: trials that the algorithm was told.
        width: consecutive trials of a bucket.
        waiting: of proposals that have not ended, what had been told when they were asked for, by trial number.
        diagnostics: noted by the controller, not taken from the ledger.
    """

    space: SearchSpace
    num_trials: int = 0
    num_told: int = 0
    width: int = FIRST_WIDTH
    buckets: list[PolicyBucket] = field(default_factory=list)
    waiting: dict[int, int] = field(default_factory=dict)
    seen: SeenNetworks = field(default_factory=SeenNetworks)
    diagnostics: Diagnostics = field(default_factory=Diagnostics)

    def apply(self, entry: LedgerEntry) -> None:
        """Takes in the next entry of the ledger."""
        if entry.kind is EntryKind.TRIAL_CREATED:
            self._ask(entry.trial_number or 0, entry.payload)
        elif entry.kind is EntryKind.TRIAL_FINISHED:
            self._tell(entry.trial_number or 0, entry.payload)
        elif entry.kind is EntryKind.SEARCH_STATE and SearchState(entry.payload["state"]).is_final:
            self.waiting.clear()

    def _ask(self, number: int, payload: Mapping[str, Any]) -> None:
        bucket = self._bucket(number)
        arm = payload["arm"]
        if arm == REFERENCE_ARM:
            return
        bucket.arms[arm] = bucket.arms.get(arm, 0) + 1
        repetitions = self.seen.add(payload["fingerprint"])
        if arm in _USERS_ARMS:
            return
        bucket.asked += 1
        bucket.duplicates += repetitions
        self.waiting[number] = self.num_told
        if arm == CONTROL_ARM:
            return
        for kind, entropy in self._entropies(payload["log_probs"]).items():
            bucket.entropy.setdefault(kind, Sums()).add(entropy)

    def _tell(self, number: int, payload: Mapping[str, Any]) -> None:
        bucket = self._bucket(number)
        asked_at = self.waiting.pop(number, None)
        state, is_reused = TrialState(payload["state"]), payload.get("reused_from") is not None
        if asked_at is not None:
            bucket.infeasible += state is TrialState.INFEASIBLE
            bucket.reused += is_reused
            if payload["consumed"] and not is_reused and state is not TrialState.INFEASIBLE:
                bucket.staleness.add(self.num_told - asked_at)
                bucket.staleness_max = max(bucket.staleness_max, self.num_told - asked_at)
        bucket.told += payload["consumed"]
        self.num_told += payload["consumed"]

    def _bucket(self, number: int) -> PolicyBucket:
        self.num_trials = max(self.num_trials, number)
        width = widened(number, self.width, MAX_BUCKETS)
        while self.width < width:
            self.buckets = paired(self.buckets, PolicyBucket.plus)
            self.width *= 2
        place = (number - 1) // self.width
        self.buckets += [PolicyBucket() for _ in range(place + 1 - len(self.buckets))]
        return self.buckets[place]

    @cached_property
    def _positions(self) -> dict[str, list[tuple[int, float]]]:
        """The decision points of each kind that have a choice, with the log of how many options they have."""
        positions: dict[str, list[tuple[int, float]]] = {}
        for position, ((kind, _), count) in enumerate(zip(self.space.points, self.space.option_counts, strict=True)):
            if count > 1:
                positions.setdefault(kind.value, []).append((position, math.log(count)))
        return positions

    def _entropies(self, log_probs: list[float]) -> dict[str, float]:
        """For each decision kind the mean of -log p / log(number of options); none where nothing was drawn."""
        if len(log_probs) != self.space.genotype_length or not any(log_probs):
            return {}
        return {
            kind: sum(-log_probs[position] / most for position, most in points) / len(points)
            for kind, points in self._positions.items()
        }

    def mean_entropy(self, bucket: PolicyBucket) -> float | None:
        """The entropy of a bucket's decisions, all kinds together; None where it has none."""
        means = {kind: sums.mean for kind, sums in bucket.entropy.items() if sums.mean is not None}
        weights = {kind: len(self._positions[kind]) for kind in means}
        return sum(means[kind] * weights[kind] for kind in means) / sum(weights.values()) if means else None

    def to_document(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "num_trials": self.num_trials,
            "num_told": self.num_told,
            "width": self.width,
            "buckets": [bucket.to_document() for bucket in self.buckets],
            "waiting": [list(pair) for pair in self.waiting.items()],
            "seen": self.seen.to_document(),
            "diagnostics": self.diagnostics.to_document(),
        }

    @classmethod
    def from_document(cls, space: SearchSpace, document: Mapping[str, Any]) -> "Policy":
        """What `to_document` gave, of a search in this space."""
        return cls(
            space=space,
            num_trials=document["num_trials"],
            num_told=document["num_told"],
            width=document["width"],
            buckets=[PolicyBucket.from_document(bucket) for bucket in document["buckets"]],
            waiting=dict(document["waiting"]),
            seen=SeenNetworks.from_document(document["seen"]),
            diagnostics=Diagnostics.from_document(document["diagnostics"]),
        )
