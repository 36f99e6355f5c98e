"""Searches are edited, archived and cloned, and asked for trials"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OPEN = "ix_trial_request_search_id_state_number"
# What the documents of this release have, and those of the one before have not.
DEFAULTS = {"price": None, "warm_start": None}
LIMITS = {"gpu_hours": None, "cost": None, "plateau": None, "concurrent_trials": None}
NEW_KINDS = ("search.edited", "request.created", "request.closed")
search = sa.table("search", sa.column("id", sa.String), sa.column("config", sa.JSON))
ledger = sa.table(
    "ledger",
    sa.column("search_id", sa.String),
    sa.column("sequence", sa.BigInteger),
    sa.column("kind", sa.String),
    sa.column("payload", sa.JSON),
)


def upgrade() -> None:
    """From 0005 to 0006."""
    op.add_column("search", sa.Column("notes", sa.Text(), server_default="", nullable=False))
    op.add_column("search", sa.Column("cloned_from", sa.String(length=64), nullable=True))
    op.add_column("search", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("search", sa.Column("first_config", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "trial_request",
        sa.Column("search_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("verb", sa.String(length=16), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trial_number", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id"], ["search.id"], name=op.f("fk_trial_request_search_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("search_id", "number", name=op.f("pk_trial_request")),
    )
    op.create_index(op.f(OPEN), "trial_request", ["search_id", "state", "number"])
    _change_configs(_with_defaults)


def downgrade() -> None:
    """Back to 0005. Notes and requests are lost; edited limits stay. An entry of a kind that the release before does
    not know says once more which state the search has, since the sequence has no gap."""
    _change_entries()
    _change_configs(_without_defaults)
    op.drop_index(op.f(OPEN), "trial_request")
    op.drop_table("trial_request")
    for column in ("first_config", "archived_at", "cloned_from", "notes"):
        op.drop_column("search", column)


def _change_entries() -> None:
    connection = op.get_bind()
    wanted = (*NEW_KINDS, "search.state")
    columns = (ledger.c.search_id, ledger.c.sequence, ledger.c.kind, ledger.c.payload)
    entries = sa.select(*columns).where(ledger.c.kind.in_(wanted)).order_by(ledger.c.search_id, ledger.c.sequence)
    said: dict[str, Any] = {}
    for search_id, sequence, kind, payload in connection.execute(entries).all():
        if kind == "search.state":
            said = payload
            continue
        same = [ledger.c.search_id == search_id, ledger.c.sequence == sequence]
        connection.execute(sa.update(ledger).where(*same).values(kind="search.state", payload=said))


def _with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """A stored document has every default filled in; a search that goes on is found by its document."""
    return {**config, **DEFAULTS, **_changed_limits(config, lambda limits: {**limits, **LIMITS})}


def _without_defaults(config: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in config.items() if key not in DEFAULTS}
    return {**kept, **_changed_limits(config, lambda limits: {k: v for k, v in limits.items() if k not in LIMITS})}


def _changed_limits(config: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    return {"limits": change(config["limits"])} if "limits" in config else {}


def _change_configs(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    connection = op.get_bind()
    for search_id, config in connection.execute(sa.select(search.c.id, search.c.config)).all():
        connection.execute(sa.update(search).where(search.c.id == search_id).values(config=change(config)))
