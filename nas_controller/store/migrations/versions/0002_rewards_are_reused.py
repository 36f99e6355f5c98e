"""Rewards are reused"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDEX = "ix_trial_measurement_key_fingerprint_finished_at"
search = sa.table("search", sa.column("id", sa.String), sa.column("config", sa.JSON))


def upgrade() -> None:
    """From 0001 to 0002. What older releases measured has no key, so it is not reused."""
    op.add_column("trial", sa.Column("measurement_key", sa.String(length=64), nullable=True))
    op.add_column("trial", sa.Column("reused_search_id", sa.String(length=64), nullable=True))
    op.add_column("trial", sa.Column("reused_number", sa.Integer(), nullable=True))
    op.create_index(op.f(INDEX), "trial", ["measurement_key", "fingerprint", "finished_at"])
    # A stored document has every default filled in; a search that goes on is found by its document.
    _change_configs(lambda config: {**config, "duplicates": {"policy": "remeasure"}})


def downgrade() -> None:
    """Back to 0001."""
    _change_configs(lambda config: {key: value for key, value in config.items() if key != "duplicates"})
    op.drop_index(op.f(INDEX), "trial")
    for column in ("reused_number", "reused_search_id", "measurement_key"):
        op.drop_column("trial", column)


def _change_configs(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    connection = op.get_bind()
    for search_id, config in connection.execute(sa.select(search.c.id, search.c.config)).all():
        connection.execute(sa.update(search).where(search.c.id == search_id).values(config=change(config)))
