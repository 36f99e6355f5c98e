"""What was chosen in a search, and what came of it: counts and rewards of each option, and motifs of the best.

Counted are all trials that have a genotype, also those of users. Rewards are those of trials that were trained
themselves, to their end: a reward that was reused is no new measurement, and one of a trial that was stopped early is
not comparable. Such a trial is not among the best either way, so it is counted with the rest where motifs are compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas_controller.insight.buckets import paired, widened
from nas_controller.insight.meanings import MotifKey, OptionKey, in_order, motif_keys, option_key
from nas_controller.insight.sums import Sums
from nas_controller.records import EntryKind, LedgerEntry, SearchState, TrialState
from search_space.decisions import Decision, SearchSpace

MAX_TOP = 50
MAX_BUCKETS = 30
"""Half as many as of the policy, each twice as wide: there are a thousand options to be counted in each."""
FIRST_WIDTH = 10


@dataclass(slots=True)
class OptionCounts:
    """One option of one decision.

    Args:
        asked: trials that took it.
        rewards: of those of them that have one, less the first reward of the search.
        by_bucket: trials that took it, by bucket; shorter where the last ones have none.
    """

    asked: int = 0
    rewards: Sums = field(default_factory=Sums)
    by_bucket: list[int] = field(default_factory=list)

    def count(self, bucket: int) -> None:
        """One more trial of the bucket took it."""
        self.asked += 1
        self.by_bucket += [0] * (bucket + 1 - len(self.by_bucket))
        self.by_bucket[bucket] += 1


@dataclass(slots=True)
class DecisionCounts:
    """All options of one decision that were taken, in the order in which they were first."""

    places: dict[OptionKey, int] = field(default_factory=dict)
    options: list[OptionCounts] = field(default_factory=list)

    def place(self, key: OptionKey) -> int:
        """Where the option is; it is added where it is new."""
        place = self.places.setdefault(key, len(self.options))
        if place == len(self.options):
            self.options.append(OptionCounts())
        return place

    def to_document(self) -> list[Any]:
        """The options as JSON, each as [meaning, asked, sums of rewards, by bucket]."""
        pairs = zip(self.places, self.options, strict=True)
        return [[list(key), each.asked, each.rewards.to_document(), each.by_bucket] for key, each in pairs]

    @classmethod
    def from_document(cls, document: Sequence[Sequence[Any]]) -> "DecisionCounts":
        """What `to_document` gave."""
        counts = cls()
        for place, (key, asked, rewards, by_bucket) in enumerate(document):
            counts.places[tuple(key)] = place
            counts.options.append(OptionCounts(asked, Sums.from_document(rewards), list(by_bucket)))
        return counts


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a trial chose.

    Args:
        options: of each decision the place of the option taken.
        motifs: places of the motifs of its architecture, rising.
    """

    options: tuple[int, ...]
    motifs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RewardedTrial:
    """A trial with its reward and what it chose."""

    reward: float
    number: int
    chosen: Chosen


@dataclass
class Choices:
    """What the trials of one search chose so far.

    Args:
        num_trials: number of the newest trial.
        width: consecutive trials of a bucket.
        asked: trials with a genotype, by bucket.
        decisions: one for each decision point of the space, of a block's parents the earlier one first.
        motif_places: every motif that was seen, in the order in which it was first.
        motif_counts: how many of the trained trials have it.
        num_trained: trials that were trained to their end, or stopped early.
        first_reward: sums are of differences from it, since squares of what is far from 0 lose digits.
        top: the trials with the best rewards, best first; equal rewards by number.
        waiting: what trials chose that have not ended, by number.
    """

    space: SearchSpace
    num_trials: int = 0
    width: int = FIRST_WIDTH
    asked: list[int] = field(default_factory=list)
    decisions: list[DecisionCounts] = field(default_factory=list)
    motif_places: dict[MotifKey, int] = field(default_factory=dict)
    motif_counts: list[int] = field(default_factory=list)
    num_trained: int = 0
    first_reward: float | None = None
    top: list[RewardedTrial] = field(default_factory=list)
    waiting: dict[int, Chosen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.decisions = self.decisions or [DecisionCounts() for _ in self.space.points]

    def apply(self, entry: LedgerEntry) -> None:
        """Takes in the next entry of the ledger."""
        number = entry.trial_number or 0
        if entry.kind is EntryKind.TRIAL_CREATED:
            decisions = self._decisions(entry.payload["genotype"])
            if decisions:
                self._ask(number, decisions)
        elif entry.kind is EntryKind.TRIAL_FINISHED and number in self.waiting:
            self._finish(number, self.waiting.pop(number), entry.payload)
        elif entry.kind is EntryKind.SEARCH_STATE and SearchState(entry.payload["state"]).is_final:
            self.waiting.clear()

    def _decisions(self, genotype: Sequence[int]) -> list[Decision]:
        """What the trial chose; nothing for an architecture that is not in the space, as this release has it."""
        try:
            return in_order(self.space.decisions(genotype))
        except ValueError:
            return []

    def _ask(self, number: int, decisions: Sequence[Decision]) -> None:
        bucket = self._bucket(number)
        self.asked[bucket] += 1
        options = []
        for decision, counts in zip(decisions, self.decisions, strict=True):
            place = counts.place(option_key(decision))
            counts.options[place].count(bucket)
            options.append(place)
        motifs = sorted(self._motif_place(key) for key in sorted(motif_keys(decisions)))
        self.waiting[number] = Chosen(tuple(options), tuple(motifs))

    def _motif_place(self, key: MotifKey) -> int:
        place = self.motif_places.setdefault(key, len(self.motif_counts))
        if place == len(self.motif_counts):
            self.motif_counts.append(0)
        return place

    def _bucket(self, number: int) -> int:
        self.num_trials = number
        width = widened(number, self.width, MAX_BUCKETS)
        while self.width < width:
            self.asked = paired(self.asked, int.__add__)
            for option in (option for counts in self.decisions for option in counts.options):
                option.by_bucket = paired(option.by_bucket, int.__add__)
            self.width *= 2
        place = (number - 1) // self.width
        self.asked += [0] * (place + 1 - len(self.asked))
        return place

    def _finish(self, number: int, chosen: Chosen, payload: Mapping[str, Any]) -> None:
        state, reward = TrialState(payload["state"]), payload["reward"]
        is_trained = state in (TrialState.COMPLETED, TrialState.STOPPED_EARLY)
        if not is_trained or reward is None or payload.get("reused_from") is not None:
            return
        self.num_trained += 1
        for motif in chosen.motifs:
            self.motif_counts[motif] += 1
        if state is TrialState.COMPLETED:
            self._reward(RewardedTrial(reward, number, chosen))

    def _reward(self, trial: RewardedTrial) -> None:
        if self.first_reward is None:
            self.first_reward = trial.reward
        for place, counts in zip(trial.chosen.options, self.decisions, strict=True):
            counts.options[place].rewards.add(trial.reward - self.first_reward)
        self.top.append(trial)
        self.top.sort(key=lambda each: (-each.reward, each.number))
        del self.top[MAX_TOP:]

    def to_document(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "num_trials": self.num_trials,
            "width": self.width,
            "asked": self.asked,
            "decisions": [counts.to_document() for counts in self.decisions],
            "motifs": [[list(key), count] for key, count in zip(self.motif_places, self.motif_counts, strict=True)],
            "num_trained": self.num_trained,
            "first_reward": self.first_reward,
            "top": [[each.reward, each.number, *_places(each.chosen)] for each in self.top],
            "waiting": [[number, *_places(chosen)] for number, chosen in self.waiting.items()],
        }

    @classmethod
    def from_document(cls, space: SearchSpace, document: Mapping[str, Any]) -> "Choices":
        """What `to_document` gave, of a search in this space."""
        return cls(
            space=space,
            num_trials=document["num_trials"],
            width=document["width"],
            asked=list(document["asked"]),
            decisions=[DecisionCounts.from_document(counts) for counts in document["decisions"]],
            motif_places={tuple(key): place for place, (key, _) in enumerate(document["motifs"])},
            motif_counts=[count for _, count in document["motifs"]],
            num_trained=document["num_trained"],
            first_reward=document["first_reward"],
            top=[RewardedTrial(reward, number, _chosen(places)) for reward, number, *places in document["top"]],
            waiting={number: _chosen(places) for number, *places in document["waiting"]},
        )


def _places(chosen: Chosen) -> tuple[list[int], list[int]]:
    return list(chosen.options), list(chosen.motifs)


def _chosen(places: Sequence[Sequence[int]]) -> Chosen:
    options, motifs = places
    return Chosen(tuple(options), tuple(motifs))
