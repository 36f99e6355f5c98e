"""What users ask for, in a running search: trials of their own, trials that are to end, and full trainings."""

import logging
from dataclasses import replace

from nas_controller.enqueueing import placed
from nas_controller.log_ids import log_ids
from nas_controller.records import JobKind, JobState, TrialDraft
from nas_controller.requests import ARMS, RequestDraft, RequestState, RequestVerb, TrialRequest
from nas_controller.running_search import RunningSearch
from nas_controller.setup import derive_seed
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
            return request, search.setup.draft_requested(_placed(search, request.draft), search.next_number)
        except ValueError as error:
            search.store.answer_request(search.lease, request.number, RequestState.REFUSED, str(error), search.now())
            ids = log_ids(search.search_id)
            _log.warning("request %d is refused: %s", request.number, error, extra=ids)
    return None


def _placed(search: RunningSearch, draft: RequestDraft) -> RequestDraft:
    """The request, with its genotype where a warm start asks for a reference; ValueError where the search would not
    train that one."""
    if draft.verb is not RequestVerb.WARM_START or draft.genotype:
        return draft
    genotype, problem = placed(search.setup.config, ArchitectureSpec.from_document(draft.spec or {}))
    if problem:
        raise ValueError(problem)
    return replace(draft, genotype=genotype)
