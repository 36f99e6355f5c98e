"""Snapshots of the controller's state"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FILES = "ix_snapshot_artifact_key"


def upgrade() -> None:
    """From 0004 to 0005."""
    op.create_table(
        "snapshot",
        sa.Column("search_id", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state_sha256", sa.String(length=64), nullable=False),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.Column("artifact_key", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["search_id"], ["search.id"], name=op.f("fk_snapshot_search_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("search_id", "sequence", name=op.f("pk_snapshot")),
    )
    op.create_index(op.f(FILES), "snapshot", ["artifact_key"])


def downgrade() -> None:
    """Back to 0004. The release before folds the whole ledger; a sweep removes the files."""
    op.drop_index(op.f(FILES), "snapshot")
    op.drop_table("snapshot")
