"""Operations: work that answers of the API wait for"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEXES = (("state", "created_at"), ("result_key",))


def upgrade() -> None:
    """From 0010 to 0011."""
    op.create_table(
        "operation",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("result_key", sa.String(length=64), nullable=True),
        sa.Column("result_num_bytes", sa.BigInteger(), nullable=True),
        sa.Column("num_attempts", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=255), nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation")),
    )
    for columns in INDEXES:
        op.create_index(op.f(f"ix_operation_{'_'.join(columns)}"), "operation", list(columns))


def downgrade() -> None:
    """Back to 0010. Operations are lost; a sweep removes their files."""
    for columns in INDEXES:
        op.drop_index(op.f(f"ix_operation_{'_'.join(columns)}"), "operation")
    op.drop_table("operation")
