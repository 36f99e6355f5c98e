"""Insight into searches; the ledger says what trials cost and why they ended, attempts say of which search they are"""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COUNTS = "ix_attempt_search_id_state_failure_reason_worker_seconds"
TIMES = "ix_attempt_search_id_started_at"
PAGE_ENTRIES = 1000
OF_CREATED = ("multiply_adds", "parameters")
OF_FINISHED = ("failure_reason", "stopped_at_step")
search = sa.table("search", sa.column("id", sa.String))
trial = sa.table(
    "trial",
    sa.column("search_id", sa.String),
    sa.column("number", sa.Integer),
    sa.column("draft", sa.JSON),
    sa.column("failure_reason", sa.String),
)
job = sa.table(
    "job",
    sa.column("id", sa.String),
    sa.column("search_id", sa.String),
    sa.column("trial_number", sa.Integer),
    sa.column("kind", sa.String),
    sa.column("evaluation", sa.JSON(none_as_null=True)),
)
attempt = sa.table("attempt", sa.column("job_id", sa.String), sa.column("search_id", sa.String))
ledger = sa.table(
    "ledger",
    sa.column("search_id", sa.String),
    sa.column("sequence", sa.BigInteger),
    sa.column("kind", sa.String),
    sa.column("trial_number", sa.Integer),
    sa.column("payload", sa.JSON),
)


def upgrade() -> None:
    """From 0006 to 0007. No insight is written: a controller folds the ledger when it claims the search."""
    op.create_table(
        "insight",
        sa.Column("search_id", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["search_id"], ["search.id"], name=op.f("fk_insight_search_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("search_id", name=op.f("pk_insight")),
    )
    op.add_column("attempt", sa.Column("search_id", sa.String(length=64), server_default="", nullable=False))
    of_job = sa.select(job.c.search_id).where(job.c.id == attempt.c.job_id).scalar_subquery()
    op.get_bind().execute(sa.update(attempt).values(search_id=of_job))
    op.create_index(op.f(COUNTS), "attempt", ["search_id", "state", "failure_reason", "worker", "seconds"])
    op.create_index(op.f(TIMES), "attempt", ["search_id", "started_at"])
    _fill_in("trial.created", OF_CREATED, [_cost("backbone_multiply_adds"), _cost("backbone_parameters")])
    stopped_at_step = job.c.evaluation["stopped_at_step"].as_integer()
    _fill_in("trial.finished", OF_FINISHED, [trial.c.failure_reason, stopped_at_step])


def downgrade() -> None:
    """Back to 0006."""
    for search_id in _searches():
        for kind, names in (("trial.created", OF_CREATED), ("trial.finished", OF_FINISHED)):
            for page in _pages(search_id, kind, []):
                _put(search_id, [(row[0], {k: v for k, v in row[1].items() if k not in names}) for row in page])
    op.drop_index(op.f(TIMES), "attempt")
    op.drop_index(op.f(COUNTS), "attempt")
    op.drop_column("attempt", "search_id")
    op.drop_table("insight")


def _cost(name: str) -> sa.ColumnElement[int]:
    """Of the target network; PostgreSQL's integers end at two billion."""
    return sa.cast(trial.c.draft["target_cost"][name].as_string(), sa.BigInteger)


def _fill_in(kind: str, names: Sequence[str], values: Sequence[sa.ColumnElement[Any]]) -> None:
    """Adds to each entry of that kind what its trial says."""
    for search_id in _searches():
        for page in _pages(search_id, kind, values):
            filled = [(row[0], {**row[1], **dict(zip(names, row[2:], strict=True))}) for row in page]
            _put(search_id, filled)


def _searches() -> Sequence[str]:
    return op.get_bind().execute(sa.select(search.c.id).order_by(search.c.id)).scalars().all()


def _pages(search_id: str, kind: str, values: Sequence[sa.ColumnElement[Any]]) -> Iterator[Sequence[Any]]:
    """Sequence, payload and these values of the trial and its training, of all entries of the kind."""
    of_trial = [trial.c.search_id == ledger.c.search_id, trial.c.number == ledger.c.trial_number]
    of_training = [job.c.search_id == trial.c.search_id, job.c.trial_number == trial.c.number, job.c.kind == "proxy"]
    statement = (
        sa.select(ledger.c.sequence, ledger.c.payload, *values)
        .select_from(ledger)
        .join(trial, sa.and_(*of_trial))
        .outerjoin(job, sa.and_(*of_training))
        .where(ledger.c.search_id == search_id, ledger.c.kind == kind)
        .order_by(ledger.c.sequence)
        .limit(PAGE_ENTRIES)
    )
    page: Sequence[Any] = [(0,)]
    while page:
        page = op.get_bind().execute(statement.where(ledger.c.sequence > page[-1][0])).all()
        yield page


def _put(search_id: str, filled: Sequence[tuple[int, dict[str, Any]]]) -> None:
    same = [ledger.c.search_id == search_id, ledger.c.sequence == sa.bindparam("of_sequence")]
    change = sa.update(ledger).where(*same).values(payload=sa.bindparam("filled", type_=sa.JSON))
    if filled:
        op.get_bind().execute(change, [{"of_sequence": sequence, "filled": payload} for sequence, payload in filled])
