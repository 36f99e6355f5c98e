"""Trials are promoted to full trainings"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

job = sa.table("job", sa.column("id", sa.String), sa.column("kind", sa.String))
attempt, log_part = (sa.table(name, sa.column("job_id", sa.String)) for name in ("attempt", "log_part"))
request = sa.table("trial_request", sa.column("verb", sa.String))


def upgrade() -> None:
    """From 0009 to 0010."""
    op.add_column("job", sa.Column("num_steps", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Back to 0009. Full trainings are lost, and what was asked of them: the release before knows no such job."""
    connection = op.get_bind()
    full = sa.select(job.c.id).where(job.c.kind == "full_train")
    for table in (log_part, attempt):
        connection.execute(sa.delete(table).where(table.c.job_id.in_(full)))
    connection.execute(sa.delete(job).where(job.c.kind == "full_train"))
    connection.execute(sa.delete(request).where(request.c.verb == "promote"))
    op.drop_column("job", "num_steps")
