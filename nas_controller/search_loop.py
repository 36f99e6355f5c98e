"""The whole service on one page: ask, draft, dispatch, record, tell, until a limit; then re-evaluate the best.

What running attempts report on the way is recorded too; a stopping rule may end them early.

The store is the only truth. A turn of the loop may be cut at any point: what is not committed is asked again,
what was running is queued again, and the algorithm's state is rebuilt by folding the ledger's told trials.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from nas_controller.algorithms.base import SearchAlgorithm, ToldTrial
from nas_controller.artifacts.base import ArtifactStore
from nas_controller.dispatch.base import AttemptKey, AttemptOutcome, Dispatcher
from nas_controller.early_stopping.base import StoppingRule
from nas_controller.log_ids import attempt_ids, log_ids
from nas_controller.pulse import Pulse, Stopwatch
from nas_controller.records import (
    Failure,
    FailureKind,
    Job,
    JobKind,
    JobState,
    SearchLease,
    SearchState,
    Trial,
    TrialDraft,
    TrialState,
)
from nas_controller.replay import replay
from nas_controller.reward import reward_of
from nas_controller.setup import SearchSetup, derive_seed
from nas_controller.store.base import ConflictError, Store
from nas_controller.tallies import ProcessRole
from trainer.session import Checkpoint

LEASE_SECONDS = 20.0
"""A turn takes a second or two; after a kill, the next controller waits at most this long."""
TURN_SECONDS = 1.0
MAX_PROPOSALS_PER_TURN = 50
MAX_INFEASIBLE_IN_A_ROW = 2000

Clock = Callable[[], datetime]
_log = logging.getLogger(__name__)


class SearchFailedError(Exception):
    """The search cannot go on; the message is its reason."""


@dataclass
class RunningSearch:
    """One claim of a search by one controller: the parts, and what is only known while it runs.

    Args:
        stopping_rule: None where every training goes to its end.
        artifacts: where workers put checkpoints; None where they do not.
        lease: taken by the caller; renewed here.
        now: UTC; with a simulated dispatcher its virtual clock.
    """

    setup: SearchSetup
    store: Store
    algorithm: SearchAlgorithm
    stopping_rule: StoppingRule | None
    dispatcher: Dispatcher
    artifacts: ArtifactStore | None
    lease: SearchLease
    now: Clock
    running: dict[AttemptKey, Job] = field(default_factory=dict)
    queued: list[Job] = field(default_factory=list)
    next_number: int = 1
    infeasible_in_a_row: int = 0
    placement: str = ""
    failed_since_claim: int = 0
    seconds_before_claim: float = 0.0
    claimed_at: datetime | None = None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    pulse: Pulse = field(init=False)

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.store, f"search:{self.search_id}", ProcessRole.SEARCH, self.search_id)

    @property
    def search_id(self) -> str:
        """The search that runs."""
        return self.setup.search_id

    def running_seconds(self) -> float:
        """How long controllers have worked on the search, pauses and crashes left out."""
        since = self.claimed_at or self.now()
        return self.seconds_before_claim + (self.now() - since).total_seconds()


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
                state = _turn(search)
        except SearchFailedError as error:
            state = _set_state(search, SearchState.FAILED, str(error))
        except ConflictError:
            # The user cancelled in the middle of the turn: then nothing more can be added to the search.
            state = search.store.get_search(search.search_id).state
            if not state.is_final:
                raise
    for key in search.running:
        search.dispatcher.cancel(key)
    for job in [*search.running.values(), *search.queued]:
        _forget_checkpoint(search, job.id)
    _log.info("the search is left %s", state, extra=log_ids(search.search_id))
    yield state


def _begin(search: RunningSearch) -> SearchState:
    """Rebuilds the algorithm from the ledger, queues lost work again and says that the search runs."""
    replayed = replay(search.store, search.search_id, search.algorithm)
    search.seconds_before_claim = replayed.running_seconds
    search.next_number = replayed.num_trials + 1
    search.claimed_at = search.now()
    _log.info("the search is claimed, it has %d trials", replayed.num_trials, extra=log_ids(search.search_id))
    for job in search.store.requeue_lost_attempts(search.lease, search.now()):
        _log.warning("attempt lost with its controller: queued again", extra=attempt_ids(job, job.num_attempts))
    search.queued = [j for j in search.store.list_jobs(search.search_id, open_only=True) if j.state is JobState.QUEUED]
    state = search.store.get_search(search.search_id).state
    if state in (SearchState.PENDING, SearchState.RUNNING):
        return search.store.set_search_state(search.lease, SearchState.RUNNING, "", search.now()).state
    return state


def _turn(search: RunningSearch) -> SearchState:
    """Fills free workers, waits for at most a second, records what came back; the state afterwards."""
    _keep_lease(search)
    if search.pulse.is_due(search.now()):
        search.pulse.beat(search.now(), search.stopwatch.numbers() | dict(search.algorithm.diagnostics()))
    more_to_propose = False
    state = search.store.get_search(search.search_id).state
    if state is SearchState.CANCELLED:
        return state
    if state is SearchState.RUNNING:
        _say_placement(search)
        _submit_queued(search)
        limit = _limit_reached(search)
        if not limit:
            more_to_propose = _propose_into_free_slots(search)
        elif not search.running and not search.queued and not _queue_reevaluation(search):
            return _set_state(search, SearchState.SUCCEEDED, limit)
    elif state is SearchState.STOPPING and not search.running:
        return _set_state(search, SearchState.SUCCEEDED, "stopped by the user")
    _take_progress(search)
    with search.stopwatch.measure("wait"):
        outcomes = search.dispatcher.wait(0.0 if more_to_propose else TURN_SECONDS)
    for outcome in outcomes:
        _record(search, outcome)
    state = search.store.get_search(search.search_id).state
    return _paused_if_failing(search) if state is SearchState.RUNNING else state


def _paused_if_failing(search: RunningSearch) -> SearchState:
    """A search that fails too often pauses with the reason: it does not burn its budget."""
    limits = search.setup.config.limits
    if search.failed_since_claim <= limits.failures * limits.trials:
        return SearchState.RUNNING
    reason = f"{search.failed_since_claim} trials failed, more than limits.failures allows; the last says why"
    return _set_state(search, SearchState.PAUSED, reason)


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
    limits = search.setup.config.limits
    counts = search.store.count_trials(search.search_id)
    started = counts.trained + counts[TrialState.RUNNING] + counts[TrialState.QUEUED]
    if started >= limits.trials:
        return f"limit reached: {limits.trials} trials"
    if limits.hours is not None and search.running_seconds() >= limits.hours * 3600:
        return f"limit reached: {limits.hours:g} hours"
    return ""


def _propose_into_free_slots(search: RunningSearch) -> bool:
    """Asks until every worker has work or the limit is met; True when a turn's share of asks did not suffice."""
    for _ in range(MAX_PROPOSALS_PER_TURN):
        if not search.dispatcher.free_workers() or _limit_reached(search):
            return False
        with search.stopwatch.measure("ask"):
            proposal = search.algorithm.ask(search.next_number)
        with search.stopwatch.measure("draft"):
            draft = search.setup.draft(proposal, search.next_number)
        if draft.infeasible_reason:
            _add_infeasible(search, draft)
        elif measured := _measured_before(search, draft):
            _add_reused(search, draft, measured)
        else:
            _add_candidate(search, draft)
    return True


def _measured_before(search: RunningSearch, draft: TrialDraft) -> Trial | None:
    """The trial whose reward the candidate may take; a twin that still runs is none: then both are trained."""
    if search.setup.config.duplicates.policy == "remeasure":
        return None
    return search.store.first_measured(search.setup.measurement_key, draft.fingerprint)


def _add_candidate(search: RunningSearch, draft: TrialDraft) -> None:
    search.infeasible_in_a_row = 0
    seed = derive_seed(search.setup.config.algorithm.seed, "proxy", draft.number)
    search.store.add_trial(search.lease, draft, seed, search.now())
    search.next_number += 1
    search.queued += search.store.list_jobs(search.search_id, draft.number, open_only=True)
    _log.info("trial %d created by %s", draft.number, draft.arm, extra=log_ids(search.search_id, draft.number))
    _submit_queued(search)


def _add_infeasible(search: RunningSearch, draft: TrialDraft) -> None:
    """A candidate off budget is recorded and told, never trained."""
    trial = search.store.add_trial(search.lease, draft, None, search.now())
    search.next_number += 1
    search.infeasible_in_a_row += 1
    if search.infeasible_in_a_row > MAX_INFEASIBLE_IN_A_ROW:
        raise SearchFailedError(f"{MAX_INFEASIBLE_IN_A_ROW} candidates in a row were off budget")
    _tell(search, trial)


def _add_reused(search: RunningSearch, draft: TrialDraft, measured: Trial) -> None:
    """A network that was measured before is recorded and told with that reward, never trained."""
    search.infeasible_in_a_row = 0
    trial = search.store.add_reused_trial(search.lease, draft, measured, search.now())
    search.next_number += 1
    _tell(search, trial)


def _tell(search: RunningSearch, trial: Trial) -> None:
    """Tells the algorithm what was committed of a trial; a replay tells the same from the ledger."""
    told = ToldTrial(
        number=trial.number,
        genotype=trial.draft.genotype,
        log_probs=trial.draft.log_probs,
        state=trial.state,
        reward=trial.reward,
    )
    with search.stopwatch.measure("tell"):
        search.algorithm.tell(told)
    # Candidates off budget come by the thousand.
    level = logging.DEBUG if trial.state is TrialState.INFEASIBLE else logging.INFO
    ids = log_ids(search.search_id, trial.number)
    _log.log(level, "trial %d %s, reward %s", trial.number, trial.state, trial.reward, extra=ids)


def _submit_queued(search: RunningSearch) -> None:
    """Starts queued jobs on free workers: the attempt is committed before the worker gets it."""
    for worker in search.dispatcher.free_workers()[: len(search.queued)]:
        job = search.queued.pop(0)
        trial = search.store.get_trial(search.search_id, job.trial_number)
        attempt = search.store.start_attempt(search.lease, job.id, worker, search.now())
        key = AttemptKey(job.id, attempt.number)
        search.dispatcher.submit(worker, key, search.setup.request(trial.draft, job))
        search.running[key] = job
        _log.info("attempt %d started on %s", key.number, worker, extra=attempt_ids(job, key.number))
        if _was_given_up(search, job):
            search.dispatcher.stop(key)


def _take_progress(search: RunningSearch) -> None:
    """Commits what running attempts reported, and asks those to end that the rule gives up. Said late or twice, it
    changes nothing."""
    for key, progress in search.dispatcher.progress():
        job = search.running.get(key)
        if job is None:
            continue
        replaced = search.store.get_job(job.id).checkpoint
        search.store.record_progress(search.lease, key.job_id, key.number, progress, search.now())
        if isinstance(progress, Checkpoint):
            _delete_checkpoints(search, job.id, [replaced, progress])
        elif _is_given_up(search, job, progress.step):
            search.dispatcher.stop(key)


def _is_given_up(search: RunningSearch, job: Job, step: int) -> bool:
    """What the rule says of a trial that was measured at a step, from what had been measured there before: whoever
    asks, and whenever, it is the same."""
    if search.stopping_rule is None or job.kind is not JobKind.PROXY:
        return False
    measured = search.store.measured_at(search.search_id, step)
    numbers = [number for number, _ in measured]
    if job.trial_number not in numbers:
        return False
    place = numbers.index(job.trial_number)
    return search.stopping_rule.decide([value for _, value in measured[:place]], measured[place][1])


def _was_given_up(search: RunningSearch, job: Job) -> bool:
    """Whether an earlier attempt was, at a step that one from the job's checkpoint does not come to again."""
    if job.checkpoint is None:
        return False
    curve = search.store.list_measurements(search.search_id, job.trial_number)
    return any(_is_given_up(search, job, point.step) for point in curve if point.step <= job.checkpoint.step)


def _delete_checkpoints(search: RunningSearch, job_id: str, checkpoints: Sequence[Checkpoint | None]) -> None:
    """Deletes those that no attempt of the job goes on from. What is needed was committed before: a crash leaves a
    file too many, never one too few."""
    job = search.store.get_job(job_id)
    needed = "" if job.state.is_final or job.checkpoint is None else job.checkpoint.key
    for checkpoint in checkpoints:
        if search.artifacts is not None and checkpoint is not None and checkpoint.key != needed:
            search.artifacts.delete(checkpoint.key)


def _forget_checkpoint(search: RunningSearch, job_id: str) -> None:
    """Deletes the checkpoint of a job that is final; one that is queued again needs it."""
    _delete_checkpoints(search, job_id, [search.store.get_job(job_id).checkpoint])


def _record(search: RunningSearch, outcome: AttemptOutcome) -> None:
    """Commits one outcome, and tells the algorithm what was committed."""
    job = search.running.pop(outcome.key)
    key, now = outcome.key, search.now()
    if outcome.evaluation is not None:
        value = reward_of(outcome.evaluation, search.setup.config.reward.metric) if job.kind is JobKind.PROXY else None
        document = outcome.evaluation.to_document()
        trial = search.store.complete_attempt(search.lease, key.job_id, key.number, document, value, now)
        _forget_checkpoint(search, job.id)
        _log.info("attempt %d completed", key.number, extra=attempt_ids(job, key.number))
    else:
        assert outcome.failure is not None
        trial = _record_failure(search, job, key, outcome.failure)
    if job.kind is JobKind.PROXY and trial.state.is_final and trial.state is not TrialState.CANCELLED:
        search.failed_since_claim += trial.state is TrialState.FAILED
        _tell(search, trial)


def _record_failure(search: RunningSearch, job: Job, key: AttemptKey, failure: Failure) -> Trial:
    """`FAILURE_RULES` says what is tried again; a broken data set ends the search, no architecture is to blame."""
    retry = key.number < failure.rule.max_attempts
    ids = {**attempt_ids(job, key.number), "reason": failure.reason.value}
    after = "it is tried again" if retry else "it is not tried again"
    _log.warning("attempt %d failed (%s), %s: %s", key.number, failure.reason, after, failure.message, extra=ids)
    trial = search.store.fail_attempt(search.lease, key.job_id, key.number, failure, retry, search.now())
    _forget_checkpoint(search, job.id)
    if failure.kind is FailureKind.DATA:
        raise SearchFailedError(failure.message)
    if retry and trial.state is not TrialState.CANCELLED:
        search.queued.append(search.store.get_job(job.id))
    return trial


def _queue_reevaluation(search: RunningSearch) -> bool:
    """Queues the best trials and the references for fresh seeds on val; False when there is nothing left to do."""
    settings = search.setup.config.reevaluate
    if settings.top == 0:
        return False
    best = search.store.best_trials(search.search_id, settings.top)
    known = {trial.draft.name: trial for trial in search.store.reference_trials(search.search_id)}
    for name in settings.references:
        if name not in known:
            draft = search.setup.draft_reference(name, search.next_number)
            known[name] = search.store.add_trial(search.lease, draft, None, search.now())
            search.next_number += 1
    for index in range(settings.seeds):
        seed = derive_seed(search.setup.config.algorithm.seed, "reevaluate", index)
        for trial in [*best, *(known[name] for name in settings.references)]:
            job = search.store.add_job(search.lease, trial.number, JobKind.REEVALUATE, seed, search.now())
            if job.state is JobState.QUEUED:
                search.queued.append(job)
    return bool(search.queued)
