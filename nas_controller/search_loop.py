"""The whole service on one page: ask, draft, dispatch, record, tell, until a limit; then re-evaluate the best.

What running attempts report on the way is recorded too; a stopping rule may end them early.

The store is the only truth. A turn of the loop may be cut at any point: what is not committed is asked again,
what was running is queued again, and the algorithm's state is rebuilt from a snapshot and the ledger after it.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from nas_controller.algorithms.base import Proposal
from nas_controller.asked import next_draft, queue_promoted, take_requests
from nas_controller.attempt_logs import take_rest
from nas_controller.attempts import forget_checkpoint, give, record, submit_queued, take_kept, take_progress
from nas_controller.dispatch.base import AttemptOutcome
from nas_controller.latencies import first_job, timed_before
from nas_controller.log_ids import log_ids
from nas_controller.records import JobKind, JobState, SearchState, Trial, TrialDraft, TrialState
from nas_controller.recovery import forget_results, take_late_results, take_over
from nas_controller.running_search import RunningSearch, SearchFailedError
from nas_controller.search_config import SearchConfig
from nas_controller.setup import derive_seed
from nas_controller.store.base import ConflictError, Store
from nas_controller.warm_start import warm_start

LEASE_SECONDS = 20.0
"""A turn takes a second or two; after a kill, the next controller waits at most this long."""
TURN_SECONDS = 1.0
MAX_PROPOSALS_PER_TURN = 50
MAX_INFEASIBLE_IN_A_ROW = 2000

_log = logging.getLogger(__name__)


def run_search(search: RunningSearch) -> Iterator[SearchState]:
    """Runs a claimed search to a final or paused state, yielding the state after each turn.

    Between two turns nothing is half written: the caller may draw progress, or stop and release the lease.

    Raises:
        LeaseLostError: another controller took over; nothing more was written.
    """
    state = _begin(search)
    while not state.is_final and (search.running or state is not SearchState.PAUSED):
        yield state
        try:
            with search.stopwatch.measure("turn"):
                state = _turn(search, state)
        except SearchFailedError as error:
            state = _set_state(search, SearchState.FAILED, str(error))
        except ConflictError:
            # The user cancelled in the middle of the turn: then nothing more can be added to the search.
            state = search.store.get_search(search.search_id).state
            if not state.is_final:
                raise
    for key in search.running:
        search.dispatcher.cancel(key)
        take_rest(search, key)
    for job in [*search.running.values(), *search.queued]:
        forget_checkpoint(search, job.id)
    if state.is_final:
        forget_results(search)
    _take_snapshot(search)
    _write_insight(search)
    search.has_ended = True
    _log.info("the search is left %s", state, extra=log_ids(search.search_id))
    yield state


def _begin(search: RunningSearch) -> SearchState:
    """Rebuilds the algorithm, queues lost work again and says that the search runs; every claim begins with a snapshot,
    so that snapshots tell with which versions each trial was asked."""
    search.snapshots.restore()
    search.replay.follow()
    search.seconds_before_claim = search.replay.running_seconds
    search.next_number = search.replay.num_trials + 1
    search.claimed_at = search.now()
    _log.info("the search is claimed, it has %d trials", search.replay.num_trials, extra=log_ids(search.search_id))
    take_over(search)
    counts = search.store.count_trials(search.search_id)
    search.num_started = counts.trained + counts[TrialState.RUNNING] + counts[TrialState.QUEUED]
    stored = search.store.get_search(search.search_id)
    search.take_limits(stored)
    state = stored.state
    if state in (SearchState.PENDING, SearchState.RUNNING):
        state = search.store.set_search_state(search.lease, SearchState.RUNNING, "", search.now()).state
        state = _warm_started(search)
    _take_snapshot(search)
    search.insight.restore()
    _write_insight(search)
    return state


def _warm_started(search: RunningSearch) -> SearchState:
    try:
        warm_start(search, lambda: _keep_lease(search))
    except SearchFailedError as error:
        return _set_state(search, SearchState.FAILED, str(error))
    return SearchState.RUNNING


def _turn(search: RunningSearch, state: SearchState) -> SearchState:
    """Fills free workers, waits for at most a second, records what came back; from a state to the state afterwards."""
    _keep_lease(search)
    if search.pulse.is_due(search.now()):
        search.pulse.beat(search.now(), search.stopwatch.numbers() | dict(search.algorithm.diagnostics()))
    take_requests(search)
    more_to_propose = False
    if state is SearchState.RUNNING:
        _say_placement(search)
        queue_promoted(search)
        submit_queued(search)
        search.limits.look(search.now())
        limit = _limit_reached(search)
        if not limit:
            more_to_propose = _propose_into_free_slots(search)
        elif not search.running and not search.queued and not _queue_reevaluation(search):
            return _set_state(search, SearchState.SUCCEEDED, limit)
    elif state is SearchState.STOPPING and not search.running:
        return _set_state(search, SearchState.SUCCEEDED, "stopped by the user")
    take_progress(search)
    for outcome in _next_outcomes(search, 0.0 if more_to_propose else TURN_SECONDS):
        trial = record(search, outcome)
        if trial is not None:
            _tell(search, trial)
    for trial in take_late_results(search):
        _tell(search, trial)
    if search.insight.is_due(search.replay.sequence, search.now()):
        _write_insight(search)
    stored = search.store.get_search(search.search_id)
    search.take_limits(stored)
    return _paused_if_failing(search) if stored.state is SearchState.RUNNING else stored.state


def _next_outcomes(search: RunningSearch, timeout_seconds: float) -> list[AttemptOutcome]:
    """What was found when the search was claimed, then what workers give."""
    if search.returned:
        returned, search.returned = search.returned, []
        return [take_kept(search, kept) for kept in returned]
    with search.stopwatch.measure("wait"):
        return search.dispatcher.wait(timeout_seconds)


def _paused_if_failing(search: RunningSearch) -> SearchState:
    """A search that fails too often pauses with the reason: it does not burn its budget."""
    reason = search.failures.reason_to_pause()
    return _set_state(search, SearchState.PAUSED, reason) if reason else SearchState.RUNNING


def _keep_lease(search: RunningSearch) -> None:
    now = search.now()
    if (search.lease.expires_at - now).total_seconds() < LEASE_SECONDS * 2 / 3:
        search.lease = search.store.renew_lease(search.lease, now, LEASE_SECONDS)


def _say_placement(search: RunningSearch) -> None:
    """Makes visible that workers are starting or cannot be placed; a change is written once."""
    placement = search.dispatcher.placement()
    if placement != search.placement:
        search.placement = placement
        _set_state(search, SearchState.RUNNING, placement)


def _set_state(search: RunningSearch, state: SearchState, reason: str) -> SearchState:
    """Writes what the controller found, unless the user said otherwise in the meantime: then that stands."""
    try:
        written = search.store.set_search_state(search.lease, state, reason, search.now()).state
    except ConflictError:
        return search.store.get_search(search.search_id).state
    _log.info("the search is %s, reason: %s", written, reason or "none", extra=log_ids(search.search_id))
    return written


def _limit_reached(search: RunningSearch) -> str:
    """The limit that stops new proposals, in words; "" while there is none."""
    return search.limits.reached(search.num_started, search.running_seconds())


def _propose_into_free_slots(search: RunningSearch) -> bool:
    """Starts candidates until every worker has work or a limit is reached, those first that users asked for; True when
    a turn's share did not suffice. Before that, results are told that were found when the search was claimed: so it
    asks what it would have asked without the kill."""
    if search.returned:
        return False
    for _ in range(MAX_PROPOSALS_PER_TURN):
        free = search.free_workers()
        if not free or _limit_reached(search):
            return False
        request, draft = _next_candidate(search)
        if draft.infeasible_reason:
            _add_infeasible(search, draft)
        elif measured := _measured_before(search, draft):
            _add_reused(search, draft, measured, request)
        else:
            _start_candidate(search, draft, free[0], request)
    return True


def _next_candidate(search: RunningSearch) -> tuple[int | None, TrialDraft]:
    """The number of the request for it, and the next candidate: what somebody asked for, else the algorithm's own."""
    if asked := next_draft(search):
        return asked[0].number, asked[1]
    with search.stopwatch.measure("ask"):
        proposal = search.algorithm.ask(search.next_number)
    with search.stopwatch.measure("draft"):
        return None, search.setup.draft(_of_this_search(search, proposal), search.next_number)


def _of_this_search(search: RunningSearch, proposal: Proposal) -> Proposal:
    """The proposal; what was made from trials of earlier searches has those among its edits: they are no parents
    here."""
    earlier = [search.earlier[number] for number in proposal.parents if number in search.earlier]
    if not earlier:
        return proposal
    origins = tuple(f"from trial {key.number} of {key.search_id}" for key in earlier)
    parents = tuple(number for number in proposal.parents if number not in search.earlier)
    return replace(proposal, parents=parents, edits=(*origins, *proposal.edits))


def _measured_before(search: RunningSearch, draft: TrialDraft) -> Trial | None:
    """The trial whose reward the candidate may take; a twin that still runs is none: then both are trained."""
    if search.setup.config.duplicates.policy == "remeasure":
        return None
    return search.store.first_measured(search.setup.reward_key, draft.fingerprint)


def _start_candidate(search: RunningSearch, draft: TrialDraft, worker: str, request: int | None) -> None:
    """The candidate begins with its training, or with its latency where the search wants that and has not got it."""
    search.infeasible_in_a_row = 0
    seed = derive_seed(search.setup.config.algorithm.seed, "proxy", draft.number)
    timed = timed_before(search, draft)
    first = first_job(search, timed)
    job = search.store.start_trial(search.lease, draft, seed, worker, search.now(), request, first, timed)
    search.next_number += 1
    search.num_started += 1
    _log.info("trial %d created by %s", draft.number, draft.arm, extra=log_ids(search.search_id, draft.number))
    give(search, worker, job, draft)


def _add_infeasible(search: RunningSearch, draft: TrialDraft) -> None:
    """A candidate off budget is recorded and told, never trained."""
    trial = search.store.add_trial(search.lease, draft, None, search.now())
    search.next_number += 1
    search.infeasible_in_a_row += 1
    if search.infeasible_in_a_row > MAX_INFEASIBLE_IN_A_ROW:
        raise SearchFailedError(f"{MAX_INFEASIBLE_IN_A_ROW} candidates in a row were off budget")
    _tell(search, trial)


def _add_reused(search: RunningSearch, draft: TrialDraft, measured: Trial, request: int | None) -> None:
    """A network that was measured before is recorded and told with that reward, never trained."""
    search.infeasible_in_a_row = 0
    trial = search.store.add_reused_trial(search.lease, draft, measured, search.now(), request)
    search.next_number += 1
    search.num_started += 1
    _tell(search, trial)


def _tell(search: RunningSearch, trial: Trial) -> None:
    """Tells the algorithm what was committed of a trial, as the ledger says it."""
    with search.stopwatch.measure("tell"):
        search.replay.follow()
    if search.snapshots.is_due():
        _take_snapshot(search)
    # Candidates off budget come by the thousand.
    level = logging.DEBUG if trial.state is TrialState.INFEASIBLE else logging.INFO
    ids = log_ids(search.search_id, trial.number)
    _log.log(level, "trial %d %s, reward %s", trial.number, trial.state, trial.reward, extra=ids)


def _take_snapshot(search: RunningSearch) -> None:
    with search.stopwatch.measure("snapshot"):
        search.snapshots.take(search.lease, search.now())


def _write_insight(search: RunningSearch) -> None:
    with search.stopwatch.measure("insight"):
        search.insight.write(search.lease, search.now())


def best_numbers(store: Store, search_id: str, config: SearchConfig) -> list[int]:
    """The best trials, as many as `reevaluate.top` says; of a search for a front so many under each target."""
    ceilings: Sequence[int | None] = (None,) if config.front is None else config.front.ceilings
    top = config.reevaluate.top
    best = [store.best_summaries(search_id, top, max_multiply_adds=ceiling) for ceiling in ceilings]
    return list(dict.fromkeys(trial.number for trials in best for trial in trials))


def _queue_reevaluation(search: RunningSearch) -> bool:
    """Queues the best trials and the references for fresh seeds on val; False when there is nothing left to do."""
    settings = search.setup.config.reevaluate
    if settings.top == 0:
        return False
    best = best_numbers(search.store, search.search_id, search.setup.config)
    known = {trial.draft.name: trial for trial in search.store.reference_trials(search.search_id)}
    for name in settings.references:
        if name not in known:
            draft = search.setup.draft_reference(name, search.next_number)
            known[name] = search.store.add_trial(search.lease, draft, None, search.now())
            search.next_number += 1
    for index in range(settings.seeds):
        seed = derive_seed(search.setup.config.algorithm.seed, "reevaluate", index)
        for number in [*best, *(known[name].number for name in settings.references)]:
            job = search.store.add_job(search.lease, number, JobKind.REEVALUATE, seed, search.now())
            if job.state is JobState.QUEUED:
                search.queued.append(job)
    return bool(search.queued)
