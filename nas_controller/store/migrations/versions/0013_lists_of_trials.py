"""Lists of trials are read without architectures; the best by other numbers and under limits; children of a trial"""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

PAGE_TRIALS = 1000
BEFORE = "ix_trial_search_id_state_reward"
BEST = {
    "reward": (),
    "average_precision": ("reward",),
    "val_average_precision": ("reward",),
}
TWINS = ("average_precision", "val_average_precision")
trial = sa.table(
    "trial",
    sa.column("search_id", sa.String),
    sa.column("number", sa.Integer),
    sa.column("draft", sa.JSON),
    sa.column("multiply_adds", sa.BigInteger),
    sa.column("parameters", sa.BigInteger),
    sa.column("summary", sa.JSON),
)
trial_parent = sa.table(
    "trial_parent",
    sa.column("search_id", sa.String),
    sa.column("parent", sa.Integer),
    sa.column("child", sa.Integer),
)


def upgrade() -> None:
    """From 0012 to 0013."""
    op.create_table(
        "trial_parent",
        sa.Column("search_id", sa.String(length=64), nullable=False),
        sa.Column("parent", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("child", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id"], ["search.id"], name=op.f("fk_trial_parent_search_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("search_id", "parent", "child", name=op.f("pk_trial_parent")),
    )
    for name in ("multiply_adds", "parameters"):
        op.add_column("trial", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("trial", sa.Column("summary", sa.JSON(), server_default="{}", nullable=False))
    for page in _pages():
        _fill_in(page)
    for value, more in BEST.items():
        shown = ["number", "fingerprint", "multiply_adds", "parameters"]
        op.create_index(f"ix_trial_best_{value}", "trial", ["search_id", "state", value, *shown, *more])
    for value in TWINS:
        columns = ["search_id", "fingerprint", "state", value, "number", "reward"]
        op.create_index(f"ix_trial_twins_{value}", "trial", columns)
    op.drop_index(op.f(BEFORE), "trial")


def downgrade() -> None:
    """Back to 0012. Nothing is lost: the drafts say it all."""
    op.create_index(op.f(BEFORE), "trial", ["search_id", "state", "reward"])
    for value in TWINS:
        op.drop_index(f"ix_trial_twins_{value}", "trial")
    for value in BEST:
        op.drop_index(f"ix_trial_best_{value}", "trial")
    for name in ("summary", "parameters", "multiply_adds"):
        op.drop_column("trial", name)
    op.drop_table("trial_parent")


def _pages() -> Iterator[Sequence[Any]]:
    """What drafts say of costs, sources and parents; not the architectures."""
    names = ("num_dead_blocks", "target_cost", "proxy_cost", "source", "parents")
    said = [trial.c.draft[name].label(name) for name in names]
    key = sa.tuple_(trial.c.search_id, trial.c.number)
    statement = sa.select(trial.c.search_id, trial.c.number, *said).order_by(trial.c.search_id, trial.c.number)
    page = op.get_bind().execute(statement.limit(PAGE_TRIALS)).all()
    while page:
        yield page
        last = sa.tuple_(sa.literal(page[-1].search_id), sa.literal(page[-1].number))
        page = op.get_bind().execute(statement.where(key > last).limit(PAGE_TRIALS)).all()


def _fill_in(page: Sequence[Any]) -> None:
    of_trial = [trial.c.search_id == sa.bindparam("of_search"), trial.c.number == sa.bindparam("of_number")]
    change = sa.update(trial).where(*of_trial)
    change = change.values({name: sa.bindparam(f"its_{name}") for name in ("multiply_adds", "parameters", "summary")})
    op.get_bind().execute(change, [_columns(row) for row in page])
    parents = [
        {"search_id": row.search_id, "parent": parent, "child": row.number}
        for row in page
        for parent in sorted(set(row.parents))
    ]
    if parents:
        op.get_bind().execute(sa.insert(trial_parent), parents)


def _columns(row: Any) -> dict[str, Any]:
    summary = ("num_dead_blocks", "target_cost", "proxy_cost", "source")
    return {
        "of_search": row.search_id,
        "of_number": row.number,
        "its_multiply_adds": row.target_cost["backbone_multiply_adds"],
        "its_parameters": row.target_cost["backbone_parameters"],
        "its_summary": {name: getattr(row, name) for name in summary},
    }
