"""Latencies in a running search: whose are known already, which are comparable, and what they count for."""

from collections.abc import Mapping
from dataclasses import replace

from nas_controller.dispatch.base import AttemptOutcome
from nas_controller.records import Failure, FailureReason, JobKind, Trial, TrialDraft
from nas_controller.running_search import RunningSearch


def timed_before(search: RunningSearch, draft: TrialDraft) -> Trial | None:
    """The trial whose latency the candidate may take; a twin that is still being timed is none: then both are."""
    if search.setup.config.latency is None:
        return None
    return search.store.first_timed(search.search_id, draft.fingerprint)


def first_job(search: RunningSearch, timed: Trial | None) -> JobKind:
    """What a candidate begins with."""
    return JobKind.PROXY if search.setup.config.latency is None or timed is not None else JobKind.LATENCY


def comparable(search: RunningSearch, outcome: AttemptOutcome) -> AttemptOutcome:
    """The outcome; a failure where it is a latency of another device than the search's first was measured on."""
    if outcome.latency is None:
        return outcome
    first = search.store.first_timed(search.search_id)
    if first is None or first.latency is None or first.latency.device == outcome.latency.device:
        return outcome
    there, here = first.latency.device, outcome.latency.device
    message = f"measured on {here.describe()}; the latencies of this search are of {there.describe()}"
    return replace(outcome, latency=None, failure=Failure(reason=FailureReason.UNFIT_DEVICE, message=message))


def costs_of(trial: Trial) -> Mapping[str, float]:
    """What the trial's network costs, by the names that `reward.targets` have."""
    counted = trial.draft.target_cost
    costs: dict[str, float] = {
        "multiply_adds": counted.backbone_multiply_adds,
        "parameters": counted.backbone_parameters,
    }
    return costs if trial.latency is None else {**costs, "latency_ms": trial.latency.median_ms}
