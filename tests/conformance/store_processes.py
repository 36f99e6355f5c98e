"""What other processes do to a store while a test watches. Each function is the body of one process."""

import os
import signal
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Engine, event

from nas_controller.records import SearchLease, Trial
from nas_controller.store import tables
from nas_controller.store.engine import for_writing, make_engine
from nas_controller.store.open import alembic_config, open_store
from nas_controller.store.sql import SqlStore
from tests.conformance.store_cases import CONFIG, START, at, evaluation, make_measurement, make_snapshot


def train(url: str, lease: SearchLease, job_ids: Sequence[str]) -> None:
    """Runs each job to its end, under a lease that several processes share."""
    store = open_store(url)
    for job_id in job_ids:
        store.start_attempt(lease, job_id, "worker", at(11))
        store.complete_attempt(lease, job_id, 1, evaluation(0.5), 0.5, at(12))
    store.close()


def create(url: str, search_id: str) -> None:
    """Opens a database that may not be there yet, and creates a search."""
    store = open_store(url)
    store.create_search(search_id, "search", CONFIG, START)
    store.close()


def complete_and_die_in_the_next_transaction(url: str, lease: SearchLease, job_id: str) -> None:
    """Commits a result; then is killed when the next transaction has written, and not committed."""
    open_store(url).complete_attempt(lease, job_id, 1, evaluation(0.5), 0.5, at(12))
    with for_writing(make_engine(url)).begin() as connection:
        connection.execute(tables.trial.update().values(reward=0.9))
        os.kill(os.getpid(), signal.SIGKILL)


def complete_and_die_at(url: str, lease: SearchLease, job_id: str, statement_number: int) -> None:
    """Is killed after so many statements of the transaction that completes a job; ends well where it has fewer."""
    engine = engine_that_kills(url, statement_number)
    SqlStore(engine).complete_attempt(lease, job_id, 1, evaluation(0.5), 0.5, at(12))


def report_and_die_at(url: str, lease: SearchLease, job_id: str, statement_number: int) -> None:
    """The same of the transaction that keeps a measurement."""
    engine = engine_that_kills(url, statement_number)
    SqlStore(engine).record_progress(lease, job_id, 1, make_measurement(25, 0.5), at(12))


def reuse_and_die_at(url: str, lease: SearchLease, measured: Trial, number: int, statement_number: int) -> None:
    """The same of the transaction that adds a reused trial."""
    engine = engine_that_kills(url, statement_number)
    SqlStore(engine).add_reused_trial(lease, replace(measured.draft, number=number), measured, at(13))


def snapshot_and_die_at(url: str, lease: SearchLease, sequence: int, statement_number: int) -> None:
    """The same of the transaction that adds a snapshot."""
    engine = engine_that_kills(url, statement_number)
    SqlStore(engine).add_snapshot(lease, make_snapshot(sequence))


def engine_that_kills(url: str, statement_number: int) -> Engine:
    """An engine that ends its process after so many statements."""
    engine = make_engine(url)
    count = 0

    def count_down(*_call: object) -> None:
        nonlocal count
        count += 1
        if count == statement_number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(engine, "after_cursor_execute", count_down)
    return engine


def migrate_and_die(url: str) -> None:
    """Is killed when the first schema was made, and not committed."""
    from alembic import command

    with for_writing(make_engine(url)).begin() as connection:
        command.upgrade(alembic_config(connection), "head")
        os.kill(os.getpid(), signal.SIGKILL)
