"""An objective that somebody trained for: AP of about a thousand short trainings, and a surrogate for all the others.

The table is the whole of a search of ours, half of its trials random and half proposed by evolution, so that it knows
what searches come to; `bench trained-table` made the file, and prints how well the surrogate ranks.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, ClassVar, Self

from search_space.budget import own_budget
from search_space.decisions import Genotype, SearchSpace
from search_space.spaces import find_space
from search_space.spec import ArchitectureSpec
from spinesearch.bench.noise import random_within
from spinesearch.bench.objectives.base import Objective
from spinesearch.bench.objectives.surrogate import Kernel, Surrogate

FILE = "trained.json"
ONLY_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedTable:
    """What was trained, and what came of it.

    Args:
        search: the document of the search: space, data, proxy, seeds.
        versions: of what computed it, and its CPU.
        trainer_version: as an evaluation notes it.
        genotypes, average_precisions: one of each for a training, in the order of the trials.
        kernel: of the surrogate, fitted to them.
    """

    search: Mapping[str, Any]
    versions: Mapping[str, str]
    trainer_version: int
    genotypes: tuple[Genotype, ...]
    average_precisions: tuple[float, ...]
    kernel: Kernel

    @property
    def space(self) -> SearchSpace:
        """Whose genotypes they are."""
        return find_space(self.search["space"])

    def surrogate(self) -> Surrogate:
        """The surrogate of all rows."""
        return Surrogate(self.specs(), self.average_precisions, self.kernel)

    def specs(self) -> Sequence[ArchitectureSpec]:
        """The architectures that were trained."""
        return [self.space.decode(genotype) for genotype in self.genotypes]

    def to_text(self) -> str:
        """As a JSON file, a training a line."""
        head = {"search": dict(self.search), "versions": dict(self.versions), "trainer_version": self.trainer_version}
        lines = [json.dumps(head | {"kernel": asdict(self.kernel)})[:-1] + ', "trainings": [']
        pairs = zip(self.average_precisions, self.genotypes, strict=True)
        rows = [json.dumps([value, ".".join(map(str, genotype))]) for value, genotype in pairs]
        return "\n".join([*lines, ",\n".join(rows), "]}"]) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What `to_text` gave."""
        document = json.loads(text)
        return cls(
            search=document["search"],
            versions=document["versions"],
            trainer_version=document["trainer_version"],
            genotypes=tuple(tuple(map(int, row[1].split("."))) for row in document["trainings"]),
            average_precisions=tuple(row[0] for row in document["trainings"]),
            kernel=Kernel(**document["kernel"]),
        )


class Trained(Objective):
    """AP after a short training, as the surrogate expects it. It is one function: seeds make searches only."""

    kind = "trained"
    spaces: ClassVar[tuple[str, ...] | None] = ("spinenet-49",)
    num_reference = 500

    def __init__(self, space: SearchSpace, seed: int) -> None:
        super().__init__(space, seed=ONLY_SEED)
        self.tolerance = space.budget_tolerance
        self._budget = own_budget(space, space.target)

    def random_architecture(self, rng: Random) -> ArchitectureSpec:
        """A uniform draw among those inside the budget, as the table has them."""
        return random_within(self.space, self._budget, self.space.target, rng)

    def raw(self, spec: ArchitectureSpec) -> float:
        """What the surrogate expects, AP."""
        return float(_surrogate().predict([spec])[0])


@cache
def _surrogate() -> Surrogate:
    return TrainedTable.from_text((files(__package__) / FILE).read_text(encoding="utf-8")).surrogate()
