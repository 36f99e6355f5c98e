"""Trials of a state are found in the order of their numbers"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BEFORE, AFTER = "ix_trial_search_id_state_arm", "ix_trial_search_id_state_number_arm"


def upgrade() -> None:
    """From 0011 to 0012."""
    op.create_index(op.f(AFTER), "trial", ["search_id", "state", "number", "arm"])
    op.drop_index(op.f(BEFORE), "trial")


def downgrade() -> None:
    """Back to 0011."""
    op.create_index(op.f(BEFORE), "trial", ["search_id", "state", "arm"])
    op.drop_index(op.f(AFTER), "trial")
