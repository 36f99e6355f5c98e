"""The schema: what the revisions make is what the tables say, and old databases come along."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect

from nas_controller.access_tokens import Scope
from nas_controller.artifacts.log_parts import PART_BYTES
from nas_controller.operations.records import OperationState
from nas_controller.records import (
    AttemptState,
    EntryKind,
    FailureReason,
    JobKind,
    JobState,
    SearchState,
    TrialKey,
    TrialState,
)
from nas_controller.requests import RequestState, RequestVerb
from nas_controller.search_config import SearchConfig
from nas_controller.store.engine import for_writing, make_engine
from nas_controller.store.open import SchemaError, alembic_config, migrate, open_store
from nas_controller.store.revisions import MIGRATIONS
from nas_controller.store.tables import metadata
from nas_controller.tallies import Group
from nas_controller.trial_summaries import TrialSummary
from nas_controller.webhooks.records import MessageType, Outcome
from tests.conformance.store_cases import (
    CONFIG,
    DAY,
    MODEL_FAILURE,
    START,
    at,
    evaluation,
    finished,
    make_checkpoint,
    make_draft,
    make_insight,
    make_latency,
    make_log_part,
    make_measurement,
    make_request,
    make_snapshot,
)
from tests.conformance.store_operation_suite import RESULT, begun, make_operation, make_work
from tests.conformance.store_snapshot_suite import without_file
from tests.conformance.store_token_suite import make_token
from tests.conformance.store_watching_suite import make_heartbeat
from tests.conformance.store_webhook_suite import COURSE, leased, make_cursor, make_delivery, make_webhook

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path / 'searches.sqlite'}")
    yield engine
    engine.dispose()


def _downgrade(engine: Engine, revision: str = "base") -> None:
    with for_writing(engine).begin() as connection:
        command.downgrade(alembic_config(connection), revision)


def _dump(engine: Engine) -> list[str]:
    """Everything in a SQLite database as statements, in an order that does not depend on how it was made."""
    with contextlib.closing(sqlite3.connect(str(engine.url.database))) as connection:
        return sorted(connection.iterdump())


def _golden_database(folder: Path, dump: str) -> str:
    """The URL of a database made from a dump."""
    path = folder / "old.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript((GOLDEN / dump).read_text())
    connection.close()
    return f"sqlite:///{path}"


def test_revisions_have_one_head() -> None:
    assert len(ScriptDirectory(str(MIGRATIONS)).get_heads()) == 1


def test_revisions_make_what_the_tables_say(engine: Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_down_and_up_again(engine: Engine) -> None:
    migrate(engine)
    _downgrade(engine)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(engine)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_a_database_of_a_newer_release_is_left_alone(engine: Engine) -> None:
    migrate(engine)
    with for_writing(engine).begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="9999"):
        open_store(str(engine.url))
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == "9999"


@pytest.mark.parametrize("dump", sorted(path.name for path in GOLDEN.glob("schema_*.sql")))
def test_an_old_database_gets_the_tables_of_this_release(tmp_path: Path, dump: str) -> None:
    engine = make_engine(_golden_database(tmp_path, dump))
    migrate(engine)
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def _defaults_of_0003() -> dict[str, Any]:
    """What the third schema's release fills in where a document says nothing."""
    document = SearchConfig.from_document({"space": "spinenet-49", "data": "generated"}).to_document()
    return {name: document[name] for name in ("early_stopping", "attempts")}


def _defaults_of_0006() -> dict[str, Any]:
    """The same of the sixth, and the limits of `CONFIG` with its own."""
    document = SearchConfig.from_document({"space": "spinenet-49", "data": "generated"}).to_document()
    added = ("gpu_hours", "cost", "plateau", "concurrent_trials")
    limits = {"trials": 20, **{name: document["limits"][name] for name in added}}
    return {"limits": limits, **{name: document[name] for name in ("price", "warm_start")}}


def test_a_database_of_the_first_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0001.sql` is a search with one trial of each outcome, as the first schema kept it."""
    store = open_store(_golden_database(tmp_path, "schema_0001.sql"))
    search = store.get_search("s1")
    filled_in = {**CONFIG, "duplicates": {"policy": "remeasure"}, **_defaults_of_0003(), **_defaults_of_0006()}
    assert (search.name, search.config, search.state) == ("blood cells", filled_in, SearchState.RUNNING)
    assert (search.created_at, search.started_at) == (START, at(1))
    completed, infeasible, reference, failed, running = store.list_trials("s1", 10)
    assert (completed.reward, completed.draft) == (0.25, make_draft(1))
    assert (completed.val_average_precision, completed.val_count) == (0.375, 1)
    assert (infeasible.state, infeasible.failure) == (TrialState.INFEASIBLE, "too large")
    assert (reference.draft.name, reference.state) == ("spinenet-49", TrialState.COMPLETED)
    assert (failed.state, failed.failure) == (TrialState.FAILED, "loss is nan at step 3")
    assert running.state is TrialState.RUNNING
    # 2 states; created, started, finished; created, told; created; the same three; measured on val; created, started.
    assert [entry.sequence for entry in store.read_ledger("s1")] == list(range(1, 15))
    assert search.last_sequence == 14
    assert store.list_artifacts("s1")[0].name == "worker.log"
    assert store.create_search("other", "x", filled_in, at(0), "key").id == "s1"
    assert (completed.draft.measurement_key, completed.reused_from) == (None, None)
    lease = store.claim_search("s1", "new release", at(DAY), 60)
    assert lease is not None
    (lost,) = store.requeue_lost_attempts(lease, at(DAY))
    assert lost.state is JobState.QUEUED
    store.start_attempt(lease, lost.id, "worker-1", at(DAY))
    store.complete_attempt(lease, lost.id, 2, evaluation(0.5), 0.5, at(DAY))
    finished(store, lease, 6, 0.125)
    assert [trial.number for trial in store.best_trials("s1", 10)] == [5, 1, 6]
    store.close()


def test_a_database_of_the_second_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0002.sql` is the same search under `duplicates: {policy: reuse}`; trial 5 is trial 1 again."""
    store = open_store(_golden_database(tmp_path, "schema_0002.sql"))
    assert store.get_search("s1").config["duplicates"] == {"policy": "reuse"}
    source, *_, reused, _running = store.list_trials("s1", 10)
    assert source.draft == make_draft(1, measurement_key="a1" * 32)
    assert (reused.state, reused.reward, reused.average_precision) == (TrialState.COMPLETED, 0.25, 0.25)
    assert reused.reused_from == TrialKey(search_id="s1", number=1)
    assert store.first_measured("a1" * 32, "f1") == source
    lease = store.claim_search("s1", "new release", at(DAY), 60)
    assert lease is not None
    again = store.add_reused_trial(lease, replace(source.draft, number=7), source, at(DAY))
    assert store.get_trial("s1", 7) == again
    store.close()


def test_a_database_of_the_third_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0003.sql` is the same under early stopping; trial 6 was stopped, trial 7 runs with a checkpoint."""
    store = open_store(_golden_database(tmp_path, "schema_0003.sql"))
    assert store.get_search("s1").config["early_stopping"]["rule"] == "median"
    short, running = store.list_trials("s1", 10, after=5)
    assert (short.state, short.reward, short.average_precision) == (TrialState.STOPPED_EARLY, 0.0625, 0.0625)
    assert store.list_measurements("s1", 1) == [make_measurement(25, 0.0625), make_measurement(50, 0.125)]
    assert store.measured_at("s1", 25) == [(1, 0.0625), (6, 0.03125), (7, 0.09375)]
    assert [trial.number for trial in store.best_trials("s1", 10)] == [1]
    lease = store.claim_search("s1", "new release", at(DAY), 60)
    assert lease is not None
    (lost,) = store.requeue_lost_attempts(lease, at(DAY))
    assert (lost.trial_number, lost.checkpoint) == (running.number, make_checkpoint(30))
    store.start_attempt(lease, lost.id, "worker-1", at(DAY))
    store.record_progress(lease, lost.id, 2, make_measurement(50, 0.5), at(DAY))
    assert store.measured_at("s1", 50) == [(1, 0.125), (7, 0.5)]
    store.close()


def test_a_database_of_the_twelfth_schema_is_read(tmp_path: Path) -> None:
    """`schema_0012.sql` is the eleventh's, brought forward: trials of a state are found by another index."""
    store = open_store(_golden_database(tmp_path, "schema_0012.sql"))
    assert [trial.number for trial in store.list_trials("s1", 10, states=[TrialState.FAILED])] == [4]
    found = store.list_trials("s1", 2, after=1, states=[TrialState.INFEASIBLE, TrialState.STOPPED_EARLY])
    assert [(trial.number, trial.state) for trial in found] == [
        (2, TrialState.INFEASIBLE),
        (6, TrialState.STOPPED_EARLY),
    ]
    store.close()


def test_a_database_of_the_thirteenth_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0013.sql` is the twelfth's, brought forward: costs, sources and parents were taken out of the drafts. All
    but the reference, trial 3, say that they were made from trials 1 and 2."""
    store = open_store(_golden_database(tmp_path, "schema_0013.sql"))
    assert store.list_summaries("s1", 10) == [TrialSummary.of(trial) for trial in store.list_trials("s1", 10)]
    assert [trial.number for trial in store.list_children("s1", 2, 10)] == [1, 2, 4, 5, 6, 7, 8]
    assert (store.count_children("s1", 1), store.count_children("s1", 3)) == (7, 0)
    assert [trial.number for trial in store.best_summaries("s1", 10, max_multiply_adds=22)] == [1]
    assert store.best_summaries("s1", 10, max_multiply_adds=21) == []
    lease = store.claim_search("s1", "new release", at(2 * DAY), 60)
    assert lease is not None
    finished(store, lease, 9, 0.5, parents=(3,))
    assert [trial.number for trial in store.list_children("s1", 3, 10)] == [9]
    store.close()


def test_a_database_of_the_fourteenth_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0014.sql` is the thirteenth's, with a search that asks for latencies: trial 1 has one and waits for its
    training, 3 is the same network, the latency of 2 failed for good, and that of 4 is being measured."""
    store = open_store(_golden_database(tmp_path, "schema_0014.sql"))
    trials = store.list_trials("s3", 10)
    assert [trial.latency for trial in trials] == [make_latency(12.5), None, make_latency(12.5), None]
    assert trials[1].failure_reason is FailureReason.UNFIT_DEVICE
    lease = store.claim_search("s3", "new release", at(DAY), 60)
    assert lease is not None
    measuring = store.list_jobs("s3", 4)[0]
    store.complete_latency(lease, measuring.id, 1, make_latency(3.5), at(DAY))
    waiting = [job for job in store.list_jobs("s3") if job.state is JobState.QUEUED]
    assert [(job.kind, job.trial_number, job.seed) for job in waiting] == [
        (JobKind.PROXY, 1, 31),
        (JobKind.PROXY, 4, 34),
    ]
    store.close()


def test_the_release_before_the_fourteenth_is_left_no_latency(tmp_path: Path) -> None:
    engine = make_engine(_golden_database(tmp_path, "schema_0014.sql"))
    _downgrade(engine, "0013")
    with engine.begin() as connection:
        jobs = connection.exec_driver_sql("SELECT id FROM job WHERE search_id = 's3' ORDER BY position").scalars()
        assert list(jobs) == ["s3.1.proxy.1f", "s3.3.proxy.21"]
        attempts = connection.exec_driver_sql("SELECT job_id FROM attempt WHERE search_id = 's3'").scalars()
        assert list(attempts) == ["s3.3.proxy.21"]
        reasons = connection.exec_driver_sql(
            "SELECT failure_reason FROM trial WHERE search_id = 's3' ORDER BY number"
        ).scalars()
        assert list(reasons) == [None, "machine_error", None, None]
        entries = connection.exec_driver_sql(
            "SELECT kind, payload FROM ledger WHERE search_id = 's3' ORDER BY sequence"
        )
        ledger = [(kind, json.loads(payload)) for kind, payload in entries]
    assert [ledger[place] for place in (6, 8)] == [("search.state", {"state": "running", "reason": ""})] * 2
    (failed,) = [payload for kind, payload in ledger if kind == "trial.finished"]
    assert failed["failure_reason"] == "machine_error"
    engine.dispose()


def test_what_older_schemas_did_not_count_is_counted(tmp_path: Path) -> None:
    """Trial 1 took 1 s, 4 diverged after 4 s, 6 was stopped after 7 s; trial 1 was measured again in 1 s."""
    store = open_store(_golden_database(tmp_path, "schema_0003.sql"))
    tallies = store.tallies(at(DAY), (5.0,))
    assert tallies.trials == {
        (TrialState.COMPLETED, None): Group(count=2, seconds=1.0, num_within=(1,)),  # trial 5 was reused
        (TrialState.FAILED, FailureReason.DIVERGED): Group(count=1, seconds=4.0, num_within=(1,)),
        (TrialState.STOPPED_EARLY, None): Group(count=1, seconds=7.0, num_within=(0,)),
        (TrialState.INFEASIBLE, None): Group(count=1, num_within=(0,)),
        (TrialState.RUNNING, None): Group(count=1, num_within=(0,)),
    }
    assert tallies.attempts[AttemptState.FAILED, FailureReason.DIVERGED] == Group(count=1, seconds=4.0)
    assert store.get_trial("s1", 4).failure_reason is FailureReason.DIVERGED
    store.close()


def test_failures_without_a_reason_are_counted_by_what_their_kind_says(tmp_path: Path) -> None:
    """The first schema's release kept the kind only: that trial 4 failed by the model's fault."""
    store = open_store(_golden_database(tmp_path, "schema_0001.sql"))
    assert store.get_trial("s1", 4).failure_reason is FailureReason.RAISED
    assert store.tallies(at(DAY)).attempts[AttemptState.FAILED, FailureReason.RAISED].count == 1
    store.close()


def test_a_database_of_the_fourth_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0004.sql` is the third's search, brought forward, with a heartbeat of its process."""
    store = open_store(_golden_database(tmp_path, "schema_0004.sql"))
    assert store.list_heartbeats() == [make_heartbeat("search:s1", 60, turns=3.0, turn_seconds=1.5)]
    lease = store.claim_search("s1", "new release", at(DAY), 60)
    assert lease is not None
    (lost,) = store.requeue_lost_attempts(lease, at(DAY))
    store.start_attempt(lease, lost.id, "worker-1", at(DAY))
    failed = store.fail_attempt(lease, lost.id, 2, MODEL_FAILURE, False, at(DAY))
    assert failed.failure_reason is FailureReason.DIVERGED
    store.record_heartbeat(make_heartbeat("search:s1", DAY))
    assert store.list_heartbeats() == [make_heartbeat("search:s1", DAY)]
    store.close()


def test_a_database_of_the_fifth_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0005.sql` is the fourth's search, brought forward, with snapshots of which the last three have files."""
    store = open_store(_golden_database(tmp_path, "schema_0005.sql"))
    oldest, *kept = (make_snapshot(sequence) for sequence in (4, 9, 15, 19))
    assert store.list_snapshots("s1") == [without_file(oldest), *kept]
    lease = store.claim_search("s1", "new release", at(DAY), 60)
    assert lease is not None
    assert store.add_snapshot(lease, make_snapshot(23)) == [kept[0].artifact_key]
    assert store.list_snapshots("s1") == [*map(without_file, (oldest, kept[0])), *kept[1:], make_snapshot(23)]
    store.close()


def test_a_database_of_the_sixth_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0006.sql` is the fifth's search, brought forward and edited; of its requests one became trial 8 and the
    other, to stop trial 7, is open. Search s2 is its clone, cancelled and archived."""
    store = open_store(_golden_database(tmp_path, "schema_0006.sql"))
    clone, search = store.list_searches(10)
    assert (search.name, search.notes, search.config["limits"]["trials"]) == ("red cells", "from the hospital", 30)
    assert (clone.cloned_from, clone.archived_at, clone.config) == ("s1", at(92), search.config)
    source = TrialKey(search_id="s2", number=3)
    taken, stop = store.list_requests("s1")
    assert (taken.draft, taken.state, taken.trial_number) == (make_request(source=source), RequestState.DONE, 8)
    assert (stop.draft.verb, stop.draft.source) == (RequestVerb.STOP, TrialKey(search_id="s1", number=7))
    own = make_draft(8, arm="enqueued", log_probs=(0.0, 0.0, 0.0), source=source)
    assert store.get_trial("s1", 8).draft == own
    lease = store.claim_search("s1", "new release", at(DAY), 60)
    assert lease is not None
    assert store.answer_request(lease, stop.number, RequestState.DONE, "", at(DAY)).closed_at == at(DAY)
    store.delete_search("s2", at(DAY))
    assert store.list_searches(10) == [store.get_search("s1")]
    store.close()


def test_the_release_before_the_sixth_is_left_no_entry_that_it_does_not_know(tmp_path: Path) -> None:
    engine = make_engine(_golden_database(tmp_path, "schema_0006.sql"))
    after = open_store(str(engine.url))
    ledger = after.read_ledger("s1")
    after.close()
    _downgrade(engine, "0005")
    again = open_store(str(engine.url))
    new = (EntryKind.SEARCH_EDITED, EntryKind.REQUEST_CREATED, EntryKind.REQUEST_CLOSED)
    assert [entry.kind in new for entry in ledger].count(True) == 3
    for old, entry in zip(ledger, again.read_ledger("s1"), strict=True):
        if old.kind in new:
            said = {"state": "running", "reason": ""}
            old = replace(old, kind=EntryKind.SEARCH_STATE, payload=said)
        assert entry == old
    assert again.get_search("s1").config["limits"]["trials"] == 30
    again.close()
    engine.dispose()


def test_a_database_of_the_seventh_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0007.sql` is the sixth's search, brought forward, with an insight into it."""
    store = open_store(_golden_database(tmp_path, "schema_0007.sql"))
    assert store.read_insight("s1") == make_insight(28, written_at=at(100))
    assert store.count_failed_attempts("s1") == {(AttemptState.FAILED, FailureReason.DIVERGED): 1}
    # Trial 1 took 1 s, 4 took 4 s, 6 took 7 s, and trial 1 took 1 s once more; of the others nothing is known.
    assert store.worker_seconds("s1", at(0)) == {"worker-1": 13.0, "worker-2": 0.0}
    lease = store.claim_search("s1", "new release", at(DAY), 60)
    assert lease is not None
    store.write_insight(lease, make_insight(28, document={"format": 2}, written_at=at(DAY)))
    kept = store.read_insight("s1", after=27)
    assert kept is not None
    assert kept.document == {"format": 2}
    store.close()


def test_entries_before_the_seventh_schema_are_told_what_trials_cost_and_why_they_ended(tmp_path: Path) -> None:
    """In `schema_0006.sql`, trial 4 diverged and trial 6 was stopped at step 50; all cost what `make_draft` says."""
    store = open_store(_golden_database(tmp_path, "schema_0006.sql"))
    created = store.read_ledger("s1", kinds=[EntryKind.TRIAL_CREATED])
    assert [entry.trial_number for entry in created] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert {(e.payload["multiply_adds"], e.payload["parameters"]) for e in created} == {(22, 11)}
    ended = {e.trial_number: e.payload for e in store.read_ledger("s1", kinds=[EntryKind.TRIAL_FINISHED])}
    reasons = {number: (payload["failure_reason"], payload["stopped_at_step"]) for number, payload in ended.items()}
    nothing = (None, None)
    assert reasons == {1: nothing, 2: nothing, 4: ("diverged", None), 5: nothing, 6: (None, 50)}
    assert store.read_insight("s1") is None
    store.close()


def test_a_database_of_the_eighth_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0008.sql` is the seventh's, brought forward, with a token, one that was revoked, a webhook whose next
    message failed once, and one of s1 to which a test is to be sent."""
    store = open_store(_golden_database(tmp_path, "schema_0008.sql"))
    token = make_token(1, last_used_on=START.date())
    revoked = make_token(2, name="a colleague", scope=Scope.READ, expires_at=None, revoked_at=at(120))
    assert store.list_tokens(10) == [revoked, token]
    assert store.find_token(token.secret_sha256) == token
    failed = make_delivery(
        125, message_id="w1_s1_29_state", outcome=Outcome.FAILED, status=500, error="answered with 500"
    )
    webhook = make_webhook(1, created_at=at(121), last_delivery=failed)
    of_search = make_webhook(2, created_at=at(122), search_id="s1", types=(MessageType.SEARCH_FAILING,))
    assert store.list_webhooks() == [webhook, replace(of_search, test_asked_at=at(123))]
    assert store.claim_webhook("w1", "new release", at(125), 60) is None
    search_lease = store.claim_search("s1", "new release", at(DAY), 60)
    assert search_lease is not None
    finished(store, search_lease, 9, 0.5)
    cursor = make_cursor(sequence=28, course=COURSE, num_attempts=1, next_attempt_at=at(130))
    assert store.webhook_cursors("w1") == [cursor]
    lease = leased(store, seconds=2 * DAY)
    store.record_delivery(lease, make_delivery(DAY), replace(cursor, sequence=29, num_attempts=0, next_attempt_at=None))
    assert store.get_webhook("w1").num_delivered == 1
    store.close()


def test_a_database_of_the_ninth_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0009.sql` is the eighth's, brought forward, with logs of the attempts of trials 4 and 7."""
    store = open_store(_golden_database(tmp_path, "schema_0009.sql"))
    failed, running = store.list_jobs("s1", 4)[0], store.list_jobs("s1", 7)[0]
    assert store.list_log_parts(failed.id, 1) == [make_log_part(0, 12)]
    assert store.list_log_parts(running.id, 1) == [make_log_part(0), make_log_part(PART_BYTES, 7)]
    assert store.list_attempts(running.id)[0].log_bytes == PART_BYTES + 7
    lease = store.claim_search("s1", "new release", at(2 * DAY), 60)
    assert lease is not None
    store.record_progress(lease, running.id, 1, make_log_part(PART_BYTES, 9), at(2 * DAY))
    assert store.list_log_parts(running.id, 1) == [make_log_part(0), make_log_part(PART_BYTES, 9)]
    store.close()


def test_a_database_of_the_tenth_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0010.sql` is the ninth's, brought forward; trial 1 was promoted twice, of which the first time became two
    full trainings of 600 steps, one of them completed."""
    store = open_store(_golden_database(tmp_path, "schema_0010.sql"))
    done, waiting = store.list_jobs("s1", 1)[-2:]
    assert [(job.kind, job.seed, job.num_steps) for job in (done, waiting)] == [
        (JobKind.FULL_TRAIN, 21, 600),
        (JobKind.FULL_TRAIN, 22, 600),
    ]
    assert (done.state, waiting.state) == (JobState.COMPLETED, JobState.QUEUED)
    assert (store.get_trial("s1", 1).val_average_precision, store.get_trial("s1", 1).val_count) == (0.375, 1)
    first, second = (asked for asked in store.list_requests("s1") if asked.draft.verb is RequestVerb.PROMOTE)
    assert (first.state, first.draft.num_steps, first.draft.num_seeds) == (RequestState.DONE, 600, 2)
    assert (second.state, second.draft.num_steps, second.draft.num_seeds) == (RequestState.OPEN, None, 1)
    lease = store.claim_search("s1", "new release", at(2 * DAY), 60)
    assert lease is not None
    store.start_attempt(lease, waiting.id, "worker-1", at(2 * DAY))
    store.complete_attempt(lease, waiting.id, 1, evaluation(0.625), None, at(2 * DAY))
    assert store.get_trial("s1", 1).val_count == 1
    store.close()


def test_the_release_before_the_tenth_is_left_no_full_training(tmp_path: Path) -> None:
    engine = make_engine(_golden_database(tmp_path, "schema_0010.sql"))
    _downgrade(engine, "0009")
    with engine.begin() as connection:
        kinds = connection.exec_driver_sql("SELECT kind FROM job WHERE trial_number = 1 ORDER BY position").scalars()
        assert list(kinds) == ["proxy", "reevaluate"]
        attempts = connection.exec_driver_sql("SELECT job_id FROM attempt WHERE job_id LIKE '%full_train%'").scalars()
        assert list(attempts) == []
        verbs = connection.exec_driver_sql("SELECT DISTINCT verb FROM trial_request ORDER BY verb").scalars()
        assert list(verbs) == ["enqueue", "stop"]
    engine.dispose()


def test_a_database_of_the_eleventh_schema_is_read_and_continued(tmp_path: Path) -> None:
    """`schema_0011.sql` is the tenth's, brought forward, with an operation in each state; the process of the one that
    runs was lost once."""
    store = open_store(_golden_database(tmp_path, "schema_0011.sql"))
    done, failed, lost, waiting = (store.get_operation(make_work(number).id) for number in (1, 2, 3, 4))
    assert done == make_operation(1, state=OperationState.SUCCEEDED, result=RESULT, finished_at=at(20), num_attempts=1)
    assert (failed.state, failed.problem, failed.finished_at) == (OperationState.FAILED, "no room", at(30))
    assert (lost.state, lost.problem, lost.num_attempts) == (OperationState.RUNNING, "killed", 1)
    assert waiting == make_operation(4)
    assert store.claim_operation("daemon", at(31), 60) == begun(store, 31), "the lease is as it was given"
    assert begun(store, 90, "new release").operation_id == waiting.id
    assert begun(store, 91, "new release") == begun(store, 91, "new release")
    assert store.get_operation(lost.id).num_attempts == 2
    store.close()


@pytest.mark.parametrize(
    "revision",
    ["0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012", "0013"],
)
def test_a_migration_forward_and_back_changes_nothing(tmp_path: Path, revision: str) -> None:
    engine = make_engine(_golden_database(tmp_path, f"schema_{revision}.sql"))
    before = _dump(engine)
    migrate(engine)
    assert _dump(engine) != before
    _downgrade(engine, revision)
    assert _dump(engine) == before
    engine.dispose()


def test_the_release_before_is_left_nothing_that_it_does_not_know(tmp_path: Path) -> None:
    """It takes every trial with a reward for one of the best, and knows neither measurements nor their entries."""
    engine = make_engine(_golden_database(tmp_path, "schema_0003.sql"))
    before = open_store(str(engine.url))
    ledger = before.read_ledger("s1")
    before.close()
    _downgrade(engine, "0002")
    with engine.begin() as connection:
        rewarded = connection.exec_driver_sql("SELECT number FROM trial WHERE reward IS NOT NULL").scalars()
        assert list(rewarded) == [1, 5]
        (config,) = connection.exec_driver_sql("SELECT config FROM search").scalars()
        assert json.loads(config) == {**CONFIG, "duplicates": {"policy": "reuse"}, "proxy": {"steps": 100}}
    again = open_store(str(engine.url))
    assert again.get_search("s1").config == {
        **CONFIG,
        "duplicates": {"policy": "reuse"},
        "proxy": {"steps": 100, "measure_at": []},
        **_defaults_of_0003(),
        **_defaults_of_0006(),
    }
    for old, new in zip(ledger, again.read_ledger("s1"), strict=True):
        if old.kind is EntryKind.TRIAL_MEASURED:
            old = replace(old, kind=EntryKind.TRIAL_STARTED, payload={})
        assert new == old
    assert again.list_measurements("s1", 1) == []
    assert again.list_jobs("s1", 7)[0].checkpoint is None
    again.close()
    engine.dispose()
