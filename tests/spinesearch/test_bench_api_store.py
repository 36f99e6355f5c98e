"""What `bench api` writes in bulk is what a controller would have written trial by trial."""

from datetime import datetime
from pathlib import Path
from random import Random

from nas_controller.insight.following import follow, restored
from nas_controller.insight.keeping import MAX_ENTRIES_BEHIND
from nas_controller.records import JobKind, SearchLease, SearchState, TrialState
from nas_controller.store.base import Store
from nas_controller.store.engine import make_engine
from nas_controller.store.memory import MemoryStore
from nas_controller.store.open import open_store
from spinesearch.bench.api_store import BulkWriter, fill
from spinesearch.bench.api_trials import (
    SEARCH_ID,
    Clock,
    CourseOfTrials,
    StoreWriter,
    bench_config,
    make_drafts,
)
from tests.conformance.store_cases import readable_search

NUM_TRIALS = 120


def claimed(store: Store, at: datetime) -> SearchLease:
    config = bench_config(NUM_TRIALS)
    store.create_search(SEARCH_ID, config.name, config.to_document(), at)
    lease = store.claim_search(SEARCH_ID, "controller", at, 1e9)
    assert lease is not None
    store.set_search_state(lease, SearchState.RUNNING, "", at)
    return lease


def test_the_bulk_is_what_the_methods_of_a_store_write(tmp_path: Path) -> None:
    drafts = make_drafts(bench_config(NUM_TRIALS), count=5)
    by_methods, clock = MemoryStore(), Clock()
    CourseOfTrials(drafts, Random(2)).go_on(StoreWriter(by_methods, claimed(by_methods, clock.now), clock), NUM_TRIALS)
    url = f"sqlite:///{tmp_path / 'bench.sqlite'}"
    store, engine, clock = open_store(url), make_engine(url), Clock()
    claimed(store, clock.now)
    writer = BulkWriter(engine, clock, store.get_search(SEARCH_ID).last_sequence)
    CourseOfTrials(drafts, Random(2)).go_on(writer, NUM_TRIALS)
    writer.finish()
    assert readable_search(store, SEARCH_ID) == readable_search(by_methods, SEARCH_ID)
    # Every way in which a trial can end is among them.
    states = {trial.state for trial in store.list_trials(SEARCH_ID, 1000)}
    assert states >= {TrialState.COMPLETED, TrialState.STOPPED_EARLY, TrialState.INFEASIBLE, TrialState.FAILED}
    assert any(job.num_attempts == 2 for job in store.list_jobs(SEARCH_ID))
    engine.dispose()
    store.close()


def test_the_insight_is_as_old_as_a_controller_lets_it_become(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bench.sqlite'}"
    store, engine = open_store(url), make_engine(url)
    lease = fill(store, engine, NUM_TRIALS)
    kept = store.read_insight(SEARCH_ID)
    assert kept is not None
    last = store.get_search(SEARCH_ID).last_sequence
    assert MAX_ENTRIES_BEHIND / 2 < last - kept.sequence <= MAX_ENTRIES_BEHIND
    insight = restored(bench_config(NUM_TRIALS), kept)
    assert insight is not None
    follow(store, SEARCH_ID, insight)
    assert insight.course.num_trials == NUM_TRIALS
    store.add_job(lease, 1, JobKind.REEVALUATE, 3, Clock().now)
    engine.dispose()
    store.close()
