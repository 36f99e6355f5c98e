"""Latencies of trials"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

REASON, REASON_BEFORE = "unfit_device", "machine_error"
job = sa.table("job", *(sa.column(name, sa.String) for name in ("id", "search_id", "kind")))
attempt, log_part = (sa.table(name, sa.column("job_id", sa.String)) for name in ("attempt", "log_part"))
trial = sa.table("trial", sa.column("failure_reason", sa.String))
ledger = sa.table(
    "ledger",
    sa.column("search_id", sa.String),
    sa.column("sequence", sa.BigInteger),
    sa.column("kind", sa.String),
    sa.column("trial_number", sa.Integer),
    sa.column("payload", sa.JSON),
)


def upgrade() -> None:
    """From 0013 to 0014."""
    op.add_column("trial", sa.Column("latency", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Back to 0013. Latencies are lost, and the jobs that measured them. An entry of a kind that the release before
    does not know says once more which state the search has, since the sequence has no gap; a device that was unfit is
    a machine's error there. A search that asks for latencies is refused by it."""
    _change_entries()
    connection = op.get_bind()
    timing = sa.select(job.c.id).where(job.c.kind == "latency")
    for table in (log_part, attempt):
        connection.execute(sa.delete(table).where(table.c.job_id.in_(timing)))
    connection.execute(sa.delete(job).where(job.c.kind == "latency"))
    connection.execute(sa.update(trial).where(trial.c.failure_reason == REASON).values(failure_reason=REASON_BEFORE))
    op.drop_column("trial", "latency")


def _change_entries() -> None:
    connection = op.get_bind()
    timed = sa.select(job.c.search_id).where(job.c.kind == "latency").distinct()
    columns = (ledger.c.search_id, ledger.c.sequence, ledger.c.kind, ledger.c.payload)
    kinds = ledger.c.kind.in_(("search.state", "trial.timed", "trial.finished"))
    entries = sa.select(*columns).where(ledger.c.search_id.in_(timed), kinds)
    said: dict[str, Any] = {}
    for entry in connection.execute(entries.order_by(ledger.c.search_id, ledger.c.sequence)).all():
        same = [ledger.c.search_id == entry.search_id, ledger.c.sequence == entry.sequence]
        if entry.kind == "search.state":
            said = entry.payload
        elif entry.kind == "trial.timed":
            changed = {"kind": "search.state", "trial_number": None, "payload": said}
            connection.execute(sa.update(ledger).where(*same).values(**changed))
        elif entry.payload["failure_reason"] == REASON:
            payload = {**entry.payload, "failure_reason": REASON_BEFORE}
            connection.execute(sa.update(ledger).where(*same).values(payload=payload))
