"""Trainings are measured on the way"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MEASURED_AT = "ix_measurement_search_id_step_sequence"
BEST = {
    "ix_trial_search_id_reward": ["search_id", "reward"],
    "ix_trial_search_id_fingerprint_reward_number": ["search_id", "fingerprint", "reward", "number"],
}
BEST_COMPLETED = {
    "ix_trial_search_id_state_reward": ["search_id", "state", "reward"],
    "ix_trial_search_id_fingerprint_state_reward_number": ["search_id", "fingerprint", "state", "reward", "number"],
}
# What the documents of this release have, and those of the one before have not.
DEFAULTS = {
    "early_stopping": {"rule": "none", "at": [0.25, 0.5], "eta": 3.0, "min_trials": 5},
    "attempts": {"checkpoint_seconds": 60.0, "time_limit_minutes": None},
}
search = sa.table("search", sa.column("id", sa.String), sa.column("config", sa.JSON))
trial = sa.table("trial", sa.column("state", sa.String), sa.column("reward", sa.Float))
ledger = sa.table("ledger", sa.column("kind", sa.String), sa.column("payload", sa.JSON))


def upgrade() -> None:
    """From 0002 to 0003."""
    op.create_table(
        "measurement",
        sa.Column("search_id", sa.String(length=64), nullable=False),
        sa.Column("trial_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("num_steps", sa.Integer(), nullable=False),
        sa.Column("loss", sa.Float(), nullable=False),
        sa.Column("average_precision", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id", "trial_number"],
            ["trial.search_id", "trial.number"],
            name=op.f("fk_measurement_search_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("search_id", "trial_number", "step", name=op.f("pk_measurement")),
    )
    op.create_index(op.f(MEASURED_AT), "measurement", ["search_id", "step", "sequence"])
    op.add_column("job", sa.Column("checkpoint_step", sa.Integer(), nullable=True))
    op.add_column("job", sa.Column("checkpoint_key", sa.String(length=64), nullable=True))
    op.add_column("job", sa.Column("checkpoint_num_bytes", sa.BigInteger(), nullable=True))
    _change_indexes(BEST, BEST_COMPLETED)
    _change_configs(_with_defaults)


def downgrade() -> None:
    """Back to 0002. Curves and checkpoints are lost. The release before would count a trial that was stopped early
    among the best, so it has no reward there but in the ledger; an entry of a kind that it does not know is one more
    start of its trial, since the sequence has no gap."""
    connection = op.get_bind()
    connection.execute(sa.update(trial).where(trial.c.state == "stopped_early").values(reward=None))
    is_measured = ledger.c.kind == "trial.measured"
    connection.execute(sa.update(ledger).where(is_measured).values(kind="trial.started", payload={}))
    _change_configs(_without_defaults)
    _change_indexes(BEST_COMPLETED, BEST)
    for column in ("checkpoint_num_bytes", "checkpoint_key", "checkpoint_step"):
        op.drop_column("job", column)
    op.drop_table("measurement")


def _change_indexes(old: dict[str, list[str]], new: dict[str, list[str]]) -> None:
    for name in old:
        op.drop_index(op.f(name), "trial")
    for name, columns in new.items():
        op.create_index(op.f(name), "trial", columns)


def _with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """A stored document has every default filled in; a search that goes on is found by its document."""
    return {**config, **DEFAULTS, **_changed_proxy(config, lambda proxy: {**proxy, "measure_at": []})}


def _without_defaults(config: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in config.items() if key not in DEFAULTS}
    return {**kept, **_changed_proxy(config, lambda proxy: {k: v for k, v in proxy.items() if k != "measure_at"})}


def _changed_proxy(config: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    return {"proxy": change(config["proxy"])} if "proxy" in config else {}


def _change_configs(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    connection = op.get_bind()
    for search_id, config in connection.execute(sa.select(search.c.id, search.c.config)).all():
        connection.execute(sa.update(search).where(search.c.id == search_id).values(config=change(config)))
