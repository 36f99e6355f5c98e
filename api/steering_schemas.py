"""What is asked of a search that has begun, and what is answered: the public shape of edits and requests."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.schemas import TrialSource
from nas_controller.requests import RequestState, RequestVerb
from nas_controller.search_config import SearchKey
from nas_controller.section import Whole

Archived = Literal["no", "yes", "all"]


class SearchPatch(BaseModel):
    """A JSON merge patch: what is left out stays; null is the default."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"notes": "longer", "limits": {"trials": 300, "hours": None}}]}
    )

    name: str = Field("", min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$", validate_default=False)
    notes: str | None = Field(None, max_length=10_000)
    limits: dict[str, Any] | None = Field(None, description="members as in the search document")


class Enqueue(BaseModel):
    """One architecture: exactly one of `spec`, `reference`, `trial` and `genotype`; or the last two, which is a variant
    of that trial."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"trial": 17, "search": "cells-3f9a1c"}, {"trial": 17, "genotype": [0, 2, 1]}]},
    )

    spec: dict[str, Any] | None = Field(None, description="an architecture spec document")
    reference: Annotated[str, Field(max_length=64)] | None = Field(None, description="name of a published architecture")
    trial: Annotated[Whole, Field(ge=1, le=2**31 - 1)] | None = Field(None, description="number of a trial")
    genotype: Annotated[list[Whole], Field(max_length=1000)] | None = Field(
        None,
        description="the option that is taken at each decision of the search's space; with `trial`, one of this "
        "search, the new trial names that as its parent and says what was edited",
    )
    search: SearchKey | None = Field(None, description="the search that has the trial; left out: this one")
    force: bool = Field(
        False, description="also where it is off budget, or not in the space; then no algorithm is told of it"
    )

    @model_validator(mode="after")
    def _one_architecture(self) -> Self:
        own = self.genotype if self.trial is None else self.trial
        if [self.spec, self.reference, own].count(None) != 2:
            raise ValueError("give exactly one of spec, reference, trial and genotype, or trial and genotype")
        if self.search is not None and (self.trial is None or self.genotype is not None):
            raise ValueError("search: goes with trial alone; the variant of a trial is one of this search")
        return self


class Promotion(BaseModel):
    """How long a trial's architecture is to be trained."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"steps": 20000, "seeds": 3}]})

    steps: Annotated[Whole, Field(ge=1, le=10_000_000)] | None = Field(
        None, description="optimizer steps; left out: four times those of the proxy task"
    )
    seeds: Annotated[Whole, Field(ge=1, le=20)] = Field(1, description="trainings, each with a seed of its own")


class Request(BaseModel):
    """Something that was asked of a search; a controller takes it in its next free slot."""

    number: int = Field(description="1, 2, 3, ... within the search")
    verb: RequestVerb
    state: RequestState
    reason: str = Field(description="why it was refused")
    name: str = Field(description="of the reference, where it is one")
    source: TrialSource | None = Field(description="the trial that it is about")
    parents: list[int] = Field(description="trials of the search that the architecture was made from")
    edits: list[str] = Field(description="how, in words")
    trial: int | None = Field(description="the trial that it became")
    created_at: datetime
    closed_at: datetime | None


class RequestPage(BaseModel):
    """Requests by number."""

    requests: list[Request]
    next_page_token: str | None = Field(description="give it as `page_token` for the next page; null on the last")
