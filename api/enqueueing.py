"""From an architecture that somebody wants trained to what is asked of a search."""

from dataclasses import replace

from api.errors import MAX_ERRORS, FieldError, ProblemError
from api.steering_schemas import Enqueue
from api.variants import edits_of, variant_spec, wrong_decisions
from nas_controller.enqueueing import placed
from nas_controller.records import Search, TrialKey
from nas_controller.requests import RequestDraft, RequestVerb
from nas_controller.search_config import SearchConfig
from nas_controller.store.base import NotFoundError, Store
from search_space.reference import reference
from search_space.spaces import find_space
from search_space.spec import ArchitectureSpec


def refused(errors: list[FieldError]) -> ProblemError:
    """An architecture is not one that the search can train."""
    first = errors[0]
    return ProblemError(422, "architecture.refused", f"{first.place}: {first.message}", errors[:MAX_ERRORS])


def request_draft(store: Store, search: Search, wanted: Enqueue) -> RequestDraft:
    """The request for the architecture.

    Raises:
        ProblemError: 422: it is none, or none that the search would train and it is not forced to.
    """
    config = SearchConfig.from_document(search.config)
    space = find_space(config.space)
    if wanted.genotype is not None and (wrong := wrong_decisions(space, wanted.genotype)):
        raise refused(wrong)
    place = next(name for name in ("genotype", "spec", "reference", "trial") if getattr(wanted, name) is not None)
    try:
        spec = _architecture(store, search, wanted)
        genotype, problem = placed(config, spec)
        if problem and not wanted.force:
            raise ValueError(problem)
        draft = RequestDraft(
            verb=RequestVerb.ENQUEUE, spec=spec.to_document(), genotype=genotype, name=wanted.reference or ""
        )
        return _with_origin(store, search, wanted, draft)
    except NotFoundError as error:
        raise refused([FieldError(place="trial", message=str(error))]) from error
    except ValueError as error:
        raise refused([FieldError(place=place, message=str(error))]) from error


def _architecture(store: Store, search: Search, wanted: Enqueue) -> ArchitectureSpec:
    if wanted.genotype is not None and wanted.trial is not None:
        parent = store.get_trial(search.id, wanted.trial)
        return variant_spec(SearchConfig.from_document(search.config), parent, tuple(wanted.genotype))
    if wanted.genotype is not None:
        return find_space(search.config["space"]).decode(wanted.genotype)
    if wanted.spec is not None:
        return ArchitectureSpec.from_document(wanted.spec)
    if wanted.reference is not None:
        return reference(wanted.reference)
    key = _trial(search, wanted)
    return ArchitectureSpec.from_document(store.get_trial(key.search_id, key.number).draft.spec)


def _trial(search: Search, wanted: Enqueue) -> TrialKey:
    assert wanted.trial is not None
    return TrialKey(search_id=wanted.search or search.id, number=wanted.trial)


def _with_origin(store: Store, search: Search, wanted: Enqueue, draft: RequestDraft) -> RequestDraft:
    """The request with the trial that has the architecture, or that it is a variant of."""
    if wanted.trial is None:
        return draft
    if wanted.genotype is None:
        return replace(draft, source=_trial(search, wanted))
    parent = store.get_trial(search.id, wanted.trial)
    edits = edits_of(find_space(search.config["space"]), parent, draft.genotype)
    if not edits:
        raise ValueError(f"nothing differs from trial {parent.number}: left out, that one is trained again")
    return replace(draft, parents=(parent.number,), edits=edits)
