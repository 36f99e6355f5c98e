"""Insight into a search: a fold over its ledger, in independent parts that stay small however many trials there are.

The controller keeps the folded parts in one row of the store now and then; whoever wants to know reads that row and the
few entries after it (`insight.following`), never the whole ledger.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nas_controller.insight.choices import Choices
from nas_controller.insight.course import Course
from nas_controller.insight.front import Fronts
from nas_controller.insight.improvement import Improvement
from nas_controller.insight.outcomes import Outcomes
from nas_controller.insight.policy import Policy
from nas_controller.insight.rises import Rises
from nas_controller.records import EntryKind, LedgerEntry
from nas_controller.search_config import SearchConfig
from search_space.spaces import find_space

FORMAT = 5
"""Of the document. A part that folds otherwise, or keeps other things, is another format: then all is folded again."""


class InsightFormatError(ValueError):
    """The document is of another release: the ledger has to be folded from its beginning."""


@dataclass
class Insight:
    """What a search's ledger says up to an entry.

    Args:
        config: of the search; of its limits, those do not matter that were edited.
        sequence: of the last entry that was taken in.
    """

    config: SearchConfig
    sequence: int = 0
    course: Course = field(default_factory=Course)
    rises: Rises = field(default_factory=Rises)
    fronts: Fronts = field(default_factory=Fronts)
    improvement: Improvement = field(default_factory=Improvement)
    outcomes: Outcomes = field(init=False)
    policy: Policy = field(init=False)
    choices: Choices = field(init=False)

    def __post_init__(self) -> None:
        space = find_space(self.config.space)
        self.policy = Policy(space)
        self.choices = Choices(space)
        self.outcomes = Outcomes(self.config.flops_budget().centre)

    def apply(self, entry: LedgerEntry) -> None:
        """Takes in the next entry of the ledger."""
        ended = self.course.point(entry.trial_number) if entry.kind is EntryKind.TRIAL_FINISHED else None
        self.fronts.apply(entry, ended)
        self.outcomes.apply(entry, ended)
        self.improvement.apply(entry, ended)
        self.course.apply(entry)
        self.rises.apply(entry)
        self.policy.apply(entry)
        self.choices.apply(entry)
        self.sequence = entry.sequence

    def to_document(self) -> dict[str, Any]:
        """All parts as JSON."""
        return {
            "format": FORMAT,
            "sequence": self.sequence,
            "course": self.course.to_document(),
            "rises": self.rises.to_document(),
            "policy": self.policy.to_document(),
            "choices": self.choices.to_document(),
            "fronts": self.fronts.to_document(),
            "outcomes": self.outcomes.to_document(),
            "improvement": self.improvement.to_document(),
        }

    @classmethod
    def from_document(cls, config: SearchConfig, document: Mapping[str, Any]) -> "Insight":
        """The insight as it was when it was written.

        Raises:
            InsightFormatError: the document is of another format.
        """
        if document.get("format") != FORMAT:
            raise InsightFormatError(f"insight of format {document.get('format')}: this release has {FORMAT}")
        insight = cls(
            config,
            document["sequence"],
            course=Course.from_document(document["course"]),
            rises=Rises.from_document(document["rises"]),
            fronts=Fronts.from_document(document["fronts"]),
            improvement=Improvement.from_document(document["improvement"]),
        )
        insight.policy = Policy.from_document(insight.policy.space, document["policy"])
        insight.choices = Choices.from_document(insight.choices.space, document["choices"])
        insight.outcomes = Outcomes.from_document(insight.outcomes.budget_centre, document["outcomes"])
        return insight
