"""Attempts have logs"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

KEYS = "ix_log_part_key"


def upgrade() -> None:
    """From 0008 to 0009."""
    op.add_column("attempt", sa.Column("log_bytes", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "log_part",
        sa.Column("job_id", sa.String(length=160), nullable=False),
        sa.Column("attempt_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("num_bytes", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id", "attempt_number"],
            ["attempt.job_id", "attempt.number"],
            name=op.f("fk_log_part_job_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", "attempt_number", "start", name=op.f("pk_log_part")),
    )
    op.create_index(op.f(KEYS), "log_part", ["key"])


def downgrade() -> None:
    """Back to 0008. Logs are lost; a sweep removes their files."""
    op.drop_index(op.f(KEYS), "log_part")
    op.drop_table("log_part")
    op.drop_column("attempt", "log_bytes")
