"""Pareto fronts of a search: average precision against what a network costs, and how the fronts came about.

A trial joins the front where no trial before it is as cheap and as precise. Only those that joined are kept: the front
is what is left of them, and its hypervolume at any time follows from those that had joined by then, for any reference.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nas_controller.insight.course import Point
from nas_controller.insight.rises import TRAINED
from nas_controller.records import EntryKind, LedgerEntry, TrialState

MAX_JOINED = 2000
"""More than that, and of those that have left the front every second one is forgotten."""
MAX_MEMBERS = 1000
"""A front has a few dozen members; of more than that, the one goes that the front would miss least."""
KINDS = ("multiply_adds", "parameters", "latency_ms")
"""What precision is held against; where a search times no network, the front of its latencies stays empty."""
REFERENCE_MARGIN = 1.1
"""How much more the reference point costs than the dearest trial, where there is no budget: so that this one counts too
(as is usual: Ishibuchi et al. 2018, "How to specify a reference point in hypervolume calculation")."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A trial that joined the front.

    Args:
        trained: trials that had been trained by then, this one included.
        average_precision: on the reward split.
    """

    trained: int
    number: int
    cost: float
    average_precision: float
    val_average_precision: float | None = None
    val_standard_error: float | None = None


@dataclass(slots=True)
class Front:
    """The front of one kind of cost.

    Args:
        largest_cost: of trials that were trained to their end; 0 before the first.
        joined: all that are known, in the order in which they joined.
    """

    largest_cost: float = 0
    joined: list[Joined] = field(default_factory=list)
    _members: list[Joined] = field(default_factory=list)

    def members(self) -> Sequence[Joined]:
        """The front, by rising cost; average precision rises with it."""
        return self._members

    def offer(self, candidate: Joined) -> None:
        """Takes the trial in where no member is as cheap and as precise."""
        self.largest_cost = max(self.largest_cost, candidate.cost)
        if not _join(self._members, candidate):
            return
        self.joined.append(candidate)
        if len(self._members) > MAX_MEMBERS:
            del self._members[_least_missed(self._members)]
        if len(self.joined) > MAX_JOINED:
            on_front = {member.number for member in self._members}
            left = [each.number for each in self.joined if each.number not in on_front]
            forgotten = set(left[1::2])
            self.joined = [each for each in self.joined if each.number not in forgotten]

    def measured_on_val(self, number: int, average_precision: float | None, standard_error: float | None) -> None:
        """Notes what a member was found to be on val."""
        for known in (self.joined, self._members):
            known[:] = [
                replace(each, val_average_precision=average_precision, val_standard_error=standard_error)
                if each.number == number
                else each
                for each in known
            ]

    def hypervolumes(self, reference_cost: float) -> Iterator[tuple[int, float]]:
        """Trials trained, and the hypervolume of the front then, at each change of it (`hypervolume`)."""
        members: list[Joined] = []
        for each in self.joined:
            if _join(members, each):
                yield each.trained, hypervolume([(m.cost, m.average_precision) for m in members], reference_cost)

    def to_document(self) -> dict[str, Any]:
        """The front as JSON."""
        columns = {name: [getattr(each, name) for each in self.joined] for name in Joined.__slots__}
        members = [member.number for member in self._members]
        return {"largest_cost": self.largest_cost, "joined": columns, "members": members}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Front":
        """The front as it was when it was written."""
        columns = document["joined"]
        joined = [Joined(*row) for row in zip(*(columns[name] for name in Joined.__slots__), strict=True)]
        by_number = {each.number: each for each in joined}
        members = [by_number[number] for number in document["members"]]
        return cls(document["largest_cost"], joined, members)


def hypervolume(points: Iterable[tuple[float, float]], reference_cost: float) -> float:
    """What a front dominates of the rectangle from no cost to the reference cost and from precision 0 to 1, as a share.

    Args:
        points: cost and average precision of the members, by rising cost.
    """
    area, before = 0.0, 0.0
    for cost, average_precision in points:
        area += max(0.0, reference_cost - cost) * (average_precision - before)
        before = average_precision
    return area / reference_cost if reference_cost else 0.0


def _join(members: list[Joined], candidate: Joined) -> bool:
    """Puts the candidate among the members, by rising cost, in place of those that it dominates; False, and nothing
    happens, where a member is as cheap and as precise."""
    place = bisect_right(members, candidate.cost, key=_cost)
    if place and members[place - 1].average_precision >= candidate.average_precision:
        return False
    is_worse = [m.cost >= candidate.cost and m.average_precision <= candidate.average_precision for m in members]
    members[:] = [member for member, worse in zip(members, is_worse, strict=True) if not worse]
    insort(members, candidate, key=_cost)
    return True


def _cost(member: Joined) -> float:
    return member.cost


def _least_missed(members: Sequence[Joined]) -> int:
    """The index of the member, of those between others, whose own part of the hypervolume is the smallest."""
    own = [
        (after.cost - member.cost) * (member.average_precision - before.average_precision)
        for before, member, after in zip(members, members[1:], members[2:], strict=False)
    ]
    return 1 + min(range(len(own)), key=lambda index: own[index])


@dataclass(slots=True)
class Fronts:
    """The fronts of a search, by the kind of cost.

    Args:
        trained: trials that were trained.
    """

    trained: int = 0
    multiply_adds: Front = field(default_factory=Front)
    parameters: Front = field(default_factory=Front)
    latency_ms: Front = field(default_factory=Front)

    def apply(self, entry: LedgerEntry, ended: Point | None) -> None:
        """Takes in the next entry of the ledger; `ended` is the trial that it says has ended."""
        payload, number = entry.payload, entry.trial_number or 0
        if entry.kind is EntryKind.JOB_FINISHED:
            for front in (self.multiply_adds, self.parameters, self.latency_ms):
                front.measured_on_val(number, payload["val_average_precision"], payload["val_standard_error"])
        if ended is None or payload["state"] not in TRAINED:
            return
        self.trained += 1
        average_precision = payload["average_precision"]
        if payload["state"] == TrialState.COMPLETED and average_precision is not None:
            self.multiply_adds.offer(Joined(self.trained, number, ended.multiply_adds, average_precision))
            self.parameters.offer(Joined(self.trained, number, ended.parameters, average_precision))
            if ended.latency_ms is not None:
                self.latency_ms.offer(Joined(self.trained, number, ended.latency_ms, average_precision))

    def to_document(self) -> dict[str, Any]:
        """The fronts as JSON."""
        return {"trained": self.trained, **{name: getattr(self, name).to_document() for name in KINDS}}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Fronts":
        """The fronts as they were when they were written."""
        return cls(document["trained"], *(Front.from_document(document[name]) for name in KINDS))
