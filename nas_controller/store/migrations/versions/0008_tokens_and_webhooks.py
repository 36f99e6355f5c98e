"""Tokens with a scope, and webhooks with a cursor in each search"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEXES = (
    ("token", ("created_at", "id")),
    ("webhook", ("search_id",)),
    ("webhook_cursor", ("search_id",)),
    ("webhook_cursor", ("webhook_id", "is_closed")),
)


def upgrade() -> None:
    """From 0007 to 0008."""
    _create_token()
    _create_webhook()
    _create_webhook_cursor()
    for table, columns in INDEXES:
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def downgrade() -> None:
    """Back to 0007. The release before knows one token only: whoever has another one is let in no more, and nobody is
    told of searches."""
    for table, columns in INDEXES:
        op.drop_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table)
    for table in ("webhook_cursor", "webhook", "token"):
        op.drop_table(table)


def _create_token() -> None:
    op.create_table(
        "token",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_token_secret_sha256")),
    )


def _create_webhook() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("search_id", sa.String(length=64), nullable=True),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("test_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("num_delivered", sa.BigInteger(), nullable=False),
        sa.Column("num_given_up", sa.BigInteger(), nullable=False),
        sa.Column("last_delivery", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=255), nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["search_id"], ["search.id"], name=op.f("fk_webhook_search_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
    )


def _create_webhook_cursor() -> None:
    to_webhook = op.f("fk_webhook_cursor_webhook_id")
    to_search = op.f("fk_webhook_cursor_search_id")
    op.create_table(
        "webhook_cursor",
        sa.Column("webhook_id", sa.String(length=32), nullable=False),
        sa.Column("search_id", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("num_done", sa.Integer(), nullable=False),
        sa.Column("course", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("num_attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_closed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"], name=to_webhook, ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["search_id"], ["search.id"], name=to_search, ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("webhook_id", "search_id", name=op.f("pk_webhook_cursor")),
    )
