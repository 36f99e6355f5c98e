"""What the API answers about one architecture, and about two beside each other."""

from typing import Any

from pydantic import BaseModel, Field

from api.schemas import Cost, Difference
from nas_controller.records import TrialState
from search_space.decisions import DecisionKind


class CostPart(BaseModel):
    """One part of a network."""

    name: str = Field(description="for people: `block 5`, `block 5 inputs`, `P3`, ...")
    kind: str = Field(description="`stem`, a block type, `resampling`, `endpoint` or `head`")
    level: int = Field(description="of its output; 0 for the head")
    parameters: int
    multiply_adds: int


class CostTable(BaseModel):
    """What each part of a trial's network costs at the search's target; their sum is the detector."""

    image_size: int | tuple[int, int] = Field(description="side of the square input in pixels, or height and width")
    width_scale: float
    total: Cost
    parts: list[CostPart] = Field(description="in the order of computation; dead blocks are not built and cost nothing")


class Decision(BaseModel):
    """One decision of a genotype."""

    kind: DecisionKind
    block: int = Field(description="feature index of the block that it is about")
    taken: int = Field(description="index of the option that was taken")
    label: str = Field(description="what was taken, for people")
    num_options: int
    options: list[str] = Field(description="labels of all options, by index; they follow from the decisions before")
    log_prob: float | None = Field(description="behaviour log-probability, nats; null where it was not drawn")


class Decisions(BaseModel):
    """What was decided about a trial's architecture, in the order in which it was."""

    decisions: list[Decision] = Field(description="empty for a reference, and for an architecture out of the space")


class Variant(BaseModel):
    """A trial's architecture with some of its decisions taken otherwise."""

    genotype: list[int] = Field(description="as the space writes this architecture: what `trials:enqueue` wants")
    decisions: list[Decision] = Field(description="of this genotype")
    edits: list[str] = Field(description="what leads from the trial to it, in words; empty where nothing differs")
    cost: Cost = Field(description="at the search's target")
    problem: str = Field(description="why the search would train it by `force` only; empty where it would")


class ComparedArchitecture(BaseModel):
    """One of two architectures."""

    name: str
    search: str | None = Field(description="null for a published architecture without a trial in the search")
    trial: int | None
    state: TrialState | None
    reward: float | None
    val_average_precision: float | None
    val_standard_error: float | None
    val_count: int
    num_blocks: int
    num_dead_blocks: int
    cost: Cost = Field(description="at the target of the trial's search")
    spec: dict[str, Any]


class BlockDifference(BaseModel):
    """One field of a block that both architectures have."""

    before: int = Field(description="feature index of the block in the other architecture")
    after: int = Field(description="feature index of the block in the trial's")
    field: str
    old: str
    new: str


class Comparison(BaseModel):
    """What leads from another architecture (`before`) to a trial's (`after`); blocks are counted as features."""

    before: ComparedArchitecture
    after: ComparedArchitecture
    edits: list[str] = Field(description="in words; empty where nothing differs")
    blocks: list[BlockDifference]
    moved: list[tuple[int, int]] = Field(description="blocks that stand in another order, as (before, after)")
    removed_blocks: list[int] = Field(description="of `before`")
    added_blocks: list[int] = Field(description="of `after`")
    removed_connections: list[tuple[int, int]] = Field(description="of `before`, as (source, target)")
    added_connections: list[tuple[int, int]] = Field(description="of `after`, as (source, target)")
    val_difference: Difference | None = Field(
        description="AP on val of `after` less that of `before`; null where either has fewer than two seeds"
    )
