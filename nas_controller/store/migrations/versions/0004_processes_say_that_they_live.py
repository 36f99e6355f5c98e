"""Processes say that they live, and failures are counted by reason"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TRIALS = "ix_trial_state_arm_failure_reason_seconds"
ATTEMPTS = "ix_attempt_state_failure_reason_seconds"
# What a failure of an older release stands for; see `rows.failure_of`.
REASON_OF_KIND = {"model": "raised", "infrastructure": "worker_lost", "data": "broken_data"}


def _table(name: str, *columns: str) -> sa.TableClause:
    times = [sa.column(column, sa.DateTime) for column in ("started_at", "finished_at")]
    added = [sa.column("failure", sa.JSON), sa.column("failure_reason", sa.String), sa.column("seconds", sa.Float)]
    return sa.table(name, *map(sa.column, columns), *times, *added)


trial = _table("trial", "search_id", "number")
attempt = _table("attempt", "job_id", "number")
job = _table("job", "search_id", "trial_number", "kind", "state")


def upgrade() -> None:
    """From 0003 to 0004."""
    op.create_table(
        "heartbeat",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("search_id", sa.String(length=64), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeat")),
    )
    for name in ("trial", "attempt"):
        op.add_column(name, sa.Column("failure_reason", sa.String(length=32), nullable=True))
        op.add_column(name, sa.Column("seconds", sa.Float(), nullable=True))
    _fill_in_seconds(trial, "search_id")
    _fill_in_seconds(attempt, "job_id")
    _fill_in_reasons()
    op.create_index(op.f(TRIALS), "trial", ["state", "arm", "failure_reason", "seconds"])
    op.create_index(op.f(ATTEMPTS), "attempt", ["state", "failure_reason", "seconds"])


def downgrade() -> None:
    """Back to 0003."""
    op.drop_index(op.f(ATTEMPTS), "attempt")
    op.drop_index(op.f(TRIALS), "trial")
    for name in ("attempt", "trial"):
        op.drop_column(name, "seconds")
        op.drop_column(name, "failure_reason")
    op.drop_table("heartbeat")


def _fill_in_seconds(table: sa.TableClause, owner: str) -> None:
    """How long each row took that has begun and ended."""
    connection = op.get_bind()
    columns = table.c
    ended = sa.select(columns[owner], columns.number, columns.started_at, columns.finished_at).where(
        columns.started_at.is_not(None), columns.finished_at.is_not(None)
    )
    found = [
        {"its_owner": row[0], "its_number": row[1], "its_seconds": (row[3] - row[2]).total_seconds()}
        for row in connection.execute(ended)
    ]
    same = [columns[owner] == sa.bindparam("its_owner"), columns.number == sa.bindparam("its_number")]
    if found:
        connection.execute(sa.update(table).where(*same).values(seconds=sa.bindparam("its_seconds")), found)


def _fill_in_reasons() -> None:
    """The reason of each failed attempt, and of each trial whose proxy job failed: failures are few."""
    connection = op.get_bind()
    failed = sa.select(attempt.c.job_id, attempt.c.number, attempt.c.failure).where(attempt.c.failure.is_not(None))
    for job_id, number, failure in connection.execute(failed).all():
        same = [attempt.c.job_id == job_id, attempt.c.number == number]
        connection.execute(sa.update(attempt).where(*same).values(failure_reason=_reason(failure)))
    failed_jobs = sa.select(job.c.search_id, job.c.trial_number, job.c.failure).where(
        job.c.kind == "proxy", job.c.state == "failed"
    )
    for search_id, number, failure in connection.execute(failed_jobs).all():
        same = [trial.c.search_id == search_id, trial.c.number == number]
        connection.execute(sa.update(trial).where(*same).values(failure_reason=_reason(failure)))


def _reason(failure: dict[str, str]) -> str:
    return failure.get("reason") or REASON_OF_KIND[failure["kind"]]
