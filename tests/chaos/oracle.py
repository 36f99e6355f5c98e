"""What must hold of a search that ended, however often it was killed on the way."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from nas_controller.algorithms.versions import versions_here
from nas_controller.artifacts.directory import DirectoryArtifactStore
from nas_controller.artifacts.sweep import sweep_artifacts
from nas_controller.dispatch.results import ResultSpool
from nas_controller.records import AttemptState, EntryKind, Job, JobKind, JobState, SearchState, Trial, TrialState
from nas_controller.recovery import sweep_results
from nas_controller.replay import replay
from nas_controller.snapshots import state_sha256
from nas_controller.store.base import Store
from nas_controller.store.open import open_store
from nas_controller.verification import verify
from search_space.spec import ArchitectureSpec
from tests.chaos.searching import ACKNOWLEDGED, SEARCH, Scenario, closed_form_latency
from tests.nas_controller.test_search_loop import NOWHERE, closed_form_ap
from tests.nas_controller.test_search_loop_progress import STEPS
from trainer.task import DataSource, EvaluationRequest, Split


def check_search(scenario: Scenario) -> None:
    """AssertionError for the first thing that does not hold."""
    store = open_store(scenario.url)
    try:
        assert store.get_search(SEARCH).state is SearchState.SUCCEEDED, store.get_search(SEARCH).reason
        check_trials(store, scenario)
        check_ledger(store)
        check_work(store)
        check_replay(store, scenario)
        check_files(store, scenario)
        assert lost_results(store, scenario) == []
    finally:
        store.close()


def check_trials(store: Store, scenario: Scenario) -> None:
    """Numbers 1 to N, exactly as many trained as the limit says, and each reward is that of its architecture."""
    trials = store.list_trials(SEARCH, 1_000_000)
    assert [trial.number for trial in trials] == list(range(1, len(trials) + 1))
    assert store.count_trials(SEARCH).trained == scenario.trials
    for trial in trials:
        if trial.draft.arm == "reference" or trial.state is TrialState.INFEASIBLE:
            assert trial.reward is None
        elif trial.reused_from is not None:
            assert trial.reward == store.get_trial(SEARCH, trial.reused_from.number).reward
        else:
            (job,) = [job for job in store.list_jobs(SEARCH, trial.number) if job.kind is JobKind.PROXY]
            check_trained(trial, job, scenario)


def check_trained(trial: Trial, job: Job, scenario: Scenario) -> None:
    """What its worker must have given, from the closed form."""
    request = _request(trial, job, scenario)
    if trial.state is TrialState.FAILED:
        assert scenario.fails(request)
        assert trial.reward is None
        return
    assert not scenario.fails(request)
    assert job.evaluation is not None
    stopped_at = job.evaluation["stopped_at_step"]
    assert (trial.state is TrialState.STOPPED_EARLY) == (stopped_at is not None)
    assert trial.average_precision == closed_form_ap(request) * ((stopped_at or STEPS) / STEPS)
    is_timed = scenario.config().latency is not None
    assert trial.latency == (closed_form_latency(request.spec) if is_timed else None)
    latency_ms = 20.0 if trial.latency is None else trial.latency.median_ms
    assert trial.reward == trial.average_precision * (latency_ms / 20) ** (-0.07 if is_timed else 0)


def check_ledger(store: Store) -> None:
    """No gap; each trial is created once and finished once, and so told at most once."""
    ledger = store.read_ledger(SEARCH, limit=1_000_000)
    assert [entry.sequence for entry in ledger] == list(range(1, len(ledger) + 1))
    assert store.get_search(SEARCH).last_sequence == len(ledger)
    created = [entry.trial_number for entry in ledger if entry.kind is EntryKind.TRIAL_CREATED]
    assert created == [trial.number for trial in store.list_trials(SEARCH, 1_000_000)]
    sampled = [trial.number for trial in store.list_trials(SEARCH, 1_000_000) if trial.draft.arm != "reference"]
    finished = Counter(entry.trial_number for entry in ledger if entry.kind is EntryKind.TRIAL_FINISHED)
    assert finished == Counter(sampled)


def num_duplicates(store: Store) -> int:
    """Tells of a trial that had been told before."""
    ledger = store.read_ledger(SEARCH, limit=1_000_000)
    told = [e.trial_number for e in ledger if e.kind is EntryKind.TRIAL_FINISHED and e.payload["consumed"]]
    return len(told) - len(set(told))


def check_work(store: Store) -> None:
    """Nothing is open, and no job was completed twice."""
    assert store.list_jobs(SEARCH, open_only=True) == []
    for job in store.list_jobs(SEARCH):
        attempts = store.list_attempts(job.id)
        states = Counter(attempt.state for attempt in attempts)
        assert [attempt.number for attempt in attempts] == list(range(1, job.num_attempts + 1))
        assert states[AttemptState.RUNNING] == 0
        assert states[AttemptState.COMPLETED] == (job.state is JobState.COMPLETED)


def check_replay(store: Store, scenario: Scenario) -> None:
    """The whole ledger gives each state that was recorded, and gives the last one again."""
    verification = verify(store, SEARCH, versions_here(), lambda _sequence, _last: None)
    assert verification.difference is None
    assert verification.num_states == len(store.list_snapshots(SEARCH)) > 0
    algorithm = scenario.new_algorithm()
    replayed = replay(store, SEARCH, algorithm)
    assert state_sha256(algorithm.state_dict()) == verification.state_sha256
    assert replayed.num_told == verification.num_tells


def check_files(store: Store, scenario: Scenario) -> None:
    """The last three snapshots have their files; all others, of results too, are swept after an hour."""
    folder = scenario.folder / "artifacts"
    artifacts, results = DirectoryArtifactStore(folder), ResultSpool(folder)
    kept = [snapshot.artifact_key for snapshot in store.list_snapshots(SEARCH) if snapshot.artifact_key is not None]
    assert len(kept) == min(3, len(store.list_snapshots(SEARCH)))
    for key in kept:
        artifacts.open(key).close()
    newest = max(path.stat().st_mtime for path in folder.glob("*/*"))
    later = datetime.fromtimestamp(newest, UTC) + timedelta(hours=2)
    sweep_artifacts(store, artifacts, later)
    sweep_results(store, results, later)
    assert artifacts.list() == sorted(kept)
    assert results.list() == []


def lost_results(store: Store, scenario: Scenario) -> list[str]:
    """Results whose commit had returned, and which are not in the store as they were."""
    path = scenario.folder / ACKNOWLEDGED
    lost = []
    for line in path.read_text().splitlines():
        job_id, value = line.split()
        if _stored_value(store, store.get_job(job_id)) != float(value):
            lost.append(line)
    return lost


def _stored_value(store: Store, job: Job) -> float | None:
    """What the job measured."""
    if job.kind is JobKind.LATENCY:
        latency = store.get_trial(SEARCH, job.trial_number).latency
        return None if latency is None else latency.median_ms
    return None if job.evaluation is None else float(job.evaluation["average_precision"])


def _request(trial: Trial, job: Job, scenario: Scenario) -> EvaluationRequest:
    return EvaluationRequest(
        spec=ArchitectureSpec.from_document(trial.draft.spec),
        task=scenario.config().task(),
        data=DataSource(train=NOWHERE, val=NOWHERE),
        seed=job.seed,
        split=Split.REWARD,
    )
