"""What users ask for, in a running search: trials of their own, trials that are to end, and full trainings."""

import logging
from itertools import chain, zip_longest

from nas_controller.enqueueing import placed
from nas_controller.log_ids import log_ids
from nas_controller.records import JobKind, JobState, Trial, TrialDraft, TrialKey
from nas_controller.requests import ARMS, RequestDraft, RequestState, RequestVerb, TrialRequest
from nas_controller.running_search import RunningSearch, SearchFailedError
from nas_controller.search_config import WarmStart
from nas_controller.setup import derive_seed
from nas_controller.store.base import NotFoundError
from search_space.spec import ArchitectureSpec

_log = logging.getLogger(__name__)


def take_requests(search: RunningSearch) -> None:
    """Reads what is asked for now, and asks the trials to end that are to be stopped. A stop stays open until its trial
    has ended: the next attempt, or another controller, is told so too."""
    requests = search.store.list_requests(search.search_id, open_only=True)
    search.requests = [request for request in requests if request.draft.verb in ARMS]
    search.promotions = [request for request in requests if request.draft.verb is RequestVerb.PROMOTE]
    for request in requests:
        if request.draft.verb is RequestVerb.STOP:
            _stop(search, request)


def queue_promoted(search: RunningSearch) -> None:
    """Queues the full trainings that are asked for, before anything new is proposed; refuses them where a limit on time
    or money is reached. Cut in the middle, the same jobs are queued again."""
    while search.promotions:
        _promote(search, search.promotions.pop(0))


def _promote(search: RunningSearch, request: TrialRequest) -> None:
    source, now = request.draft.source, search.now()
    assert source is not None
    search.limits.look(now)
    if spent := search.limits.spent(search.running_seconds()):
        reason = f"{spent}: raise it, and ask again"
        search.store.answer_request(search.lease, request.number, RequestState.REFUSED, reason, now)
        return
    known = {job.id for job in search.queued}
    for index in range(request.draft.num_seeds):
        labels = ("full_train", source.number, request.number, index)
        seed, steps = derive_seed(search.setup.config.algorithm.seed, *labels), request.draft.num_steps
        job = search.store.add_job(search.lease, source.number, JobKind.FULL_TRAIN, seed, now, steps)
        if job.state is JobState.QUEUED and job.id not in known:
            search.queued.append(job)
    search.store.answer_request(search.lease, request.number, RequestState.DONE, "", now)


def _stop(search: RunningSearch, request: TrialRequest) -> None:
    source = request.draft.source
    assert source is not None
    if search.store.get_trial(search.search_id, source.number).state.is_final:
        search.store.answer_request(search.lease, request.number, RequestState.DONE, "", search.now())
        return
    for key, job in search.running.items():
        if job.trial_number == source.number and job.kind is JobKind.PROXY:
            search.dispatcher.stop(key)


def next_draft(search: RunningSearch) -> tuple[TrialRequest, TrialDraft] | None:
    """The next trial that somebody asked for; None where nobody did. What cannot be drafted is refused."""
    while search.requests:
        request = search.requests.pop(0)
        try:
            return request, search.setup.draft_requested(request.draft, search.next_number)
        except ValueError as error:
            search.store.answer_request(search.lease, request.number, RequestState.REFUSED, str(error), search.now())
            ids = log_ids(search.search_id)
            _log.warning("request %d is refused: %s", request.number, error, extra=ids)
    return None


def warm_start(search: RunningSearch) -> None:
    """Asks for what other searches found first, once: before the first trial.

    Raises:
        SearchFailedError: one of the searches is gone, or of another space.
    """
    wanted = search.setup.config.warm_start
    if wanted is None or search.replay.num_trials:
        return
    asked = search.store.list_requests(search.search_id)
    if any(request.draft.verb is RequestVerb.WARM_START for request in asked):
        return
    drafts: dict[tuple[int, ...], RequestDraft] = {}
    for trial in chain.from_iterable(zip_longest(*(_best_of(search, other, wanted) for other in wanted.searches))):
        draft = None if trial is None else _found(search, trial)
        if draft is not None and len(drafts) < wanted.top:
            drafts.setdefault(draft.genotype, draft)
    search.store.add_requests(search.search_id, list(drafts.values()), search.now(), search.lease)


def _best_of(search: RunningSearch, other: str, wanted: WarmStart) -> list[Trial]:
    try:
        space = search.store.get_search(other).config["space"]
    except NotFoundError:
        raise SearchFailedError(f"warm_start.searches: no search {other}") from None
    if space != search.setup.config.space:
        raise SearchFailedError(f"warm_start.searches: {other} is of the space {space}")
    return search.store.best_trials(other, wanted.top)


def _found(search: RunningSearch, trial: Trial) -> RequestDraft | None:
    """The request for the trial's architecture; None where this search would not train it."""
    genotype, problem = placed(search.setup.config, ArchitectureSpec.from_document(trial.draft.spec))
    source = TrialKey(search_id=trial.search_id, number=trial.number)
    if problem:
        words = "trial %d of search %s is left out of the warm start: %s"
        _log.info(words, trial.number, trial.search_id, problem, extra=log_ids(search.search_id))
        return None
    return RequestDraft(verb=RequestVerb.WARM_START, source=source, spec=trial.draft.spec, genotype=genotype)
