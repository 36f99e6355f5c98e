"""Where an exported architecture comes from, and what was measured of it: what an export says beside the network."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from search_space.operations import Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class ValPrecision:
    """AP on val of one network, trained once for each seed; none of the seeds was used by the search.

    Args:
        average_precision: the mean, in [0, 1]; None where it was not measured.
        standard_error: of the mean; None below two seeds.
        seeds: of the trainings.
    """

    average_precision: float | None = None
    standard_error: float | None = None
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePrecision:
    """A published architecture that was trained and measured as the exported one was.

    Args:
        difference: mean AP on val of the exported one less that of the reference; None where either has fewer than
            two seeds.
        half_width: of the 95 % interval of the difference.
    """

    name: str
    val: ValPrecision
    difference: float | None = None
    half_width: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FullTraining:
    """One longer training of the network that was trained, on all of train, measured on val.

    Args:
        average_precision: in [0, 1]; None where it was not measured.
        num_steps: optimizer steps; None where that is not known.
    """

    average_precision: float | None
    seed: int
    num_steps: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOrigin:
    """The search and the trial that an architecture comes from.

    Args:
        arm: what proposed it: ``policy``, ``random``, ``reference``, ...
        budget: multiply-adds allowed, of the backbone at the target, in words.
        data: ``generated``, or ``own`` for the user's; no path, which is nobody else's business.
        proxy: the proxy task as a document, every default filled in.
        proxy_backbone, proxy_detector: cost of the networks that were trained.
        num_trained: candidates of the search that were trained when this was exported.
        reward: what the algorithm was told; None where there is none.
        average_precision: AP on the reward split, by which the reward is made.
        seed: of the training that gave it; None where there was none.
        references: trained and measured alike.
        full_trainings: none is part of `val`.
        versions: what the numbers depend on: hash of the data, versions, machine.
    """

    search: str
    search_name: str
    trial: int
    arm: str
    space: str
    algorithm: str
    search_seed: int
    budget: str
    data: str
    proxy: Mapping[str, Any]
    proxy_backbone: Cost
    proxy_detector: Cost
    num_trained: int
    reward: float | None = None
    average_precision: float | None = None
    seed: int | None = None
    val: ValPrecision = field(default_factory=ValPrecision)
    references: tuple[ReferencePrecision, ...] = ()
    full_trainings: tuple[FullTraining, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where an architecture comes from; nothing is known where both are left out.

    Args:
        source: of a published architecture.
        trial: of a found one.
    """

    source: str = ""
    trial: TrialOrigin | None = None

    def to_document(self) -> dict[str, Any]:
        """What is known, ready for JSON."""
        document: dict[str, Any] = {"source": self.source} if self.source else {}
        if self.trial is not None:
            origin = asdict(self.trial)
            for name in ("proxy_backbone", "proxy_detector"):
                origin[name] = getattr(self.trial, name)._asdict()
            document |= origin
        return document


def as_percent(share: float | None) -> str:
    """An AP as people write it, in hundredths with one decimal.

    >>> as_percent(0.4375), as_percent(None)
    ('43.8', '-')
    """
    return "-" if share is None or not math.isfinite(share) else f"{100 * share:.1f}"
