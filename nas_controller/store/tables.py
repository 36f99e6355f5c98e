"""The tables, as this release has them. A change here needs a revision in `migrations/versions`."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A time with its zone, kept in UTC; SQLite has no zones, so there it is kept without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC for the database. Raises ValueError for a time without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"time {value}: must have a time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """UTC with its zone."""
        if value is None:
            return None
        at: datetime = value
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


search = Table(
    "search",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("config", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("last_sequence", BigInteger, nullable=False),
    Column("idempotency_key", String(255), unique=True),
    Column("lease_owner", String(255), nullable=False),
    Column("lease_token", BigInteger, nullable=False),
    Column("lease_expires_at", UtcDateTime),
    Column("notes", Text, nullable=False, server_default=""),
    Column("cloned_from", String(64)),
    Column("archived_at", UtcDateTime),
    # The document as it was sent; null where it was never edited.
    Column("first_config", JSON(none_as_null=True)),
    Index(None, "state", "created_at"),
    Index(None, "created_at", "id"),
)

_RANKED, _SHOWN = ("search_id", "state"), ("number", "fingerprint", "multiply_adds", "parameters")
_TWINS = ("search_id", "fingerprint", "state")

trial = Table(
    "trial",
    metadata,
    Column("search_id", String(64), ForeignKey("search.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("arm", String(32), nullable=False),
    Column("name", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("draft", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reward", Float),
    Column("average_precision", Float),
    Column("val_average_precision", Float),
    Column("val_standard_error", Float),
    Column("val_count", Integer, nullable=False),
    Column("failure", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("measurement_key", String(64)),
    Column("reused_search_id", String(64)),
    Column("reused_number", Integer),
    Column("failure_reason", String(32)),
    Column("seconds", Float),
    # Of the backbone at target size, and what else of the draft a list shows: it is read without the draft.
    Column("multiply_adds", BigInteger, nullable=False, server_default="0"),
    Column("parameters", BigInteger, nullable=False, server_default="0"),
    Column("summary", JSON, nullable=False, server_default="{}"),
    Column("latency", JSON(none_as_null=True)),
    Index(None, "measurement_key", "fingerprint", "finished_at"),
    # Lists of trials in some states, and all that counting the trials of a search reads.
    Index(None, "search_id", "state", "number", "arm"),
    # All that finding the best reads, by what they are the best in and under a limit on their cost.
    Index("ix_trial_best_reward", *_RANKED, "reward", *_SHOWN),
    Index("ix_trial_best_average_precision", *_RANKED, "average_precision", *_SHOWN, "reward"),
    Index("ix_trial_best_val_average_precision", *_RANKED, "val_average_precision", *_SHOWN, "reward"),
    # All that looking for a better trial of the same network reads.
    Index(None, "search_id", "fingerprint", "state", "reward", "number"),
    Index("ix_trial_twins_average_precision", *_TWINS, "average_precision", "number", "reward"),
    Index("ix_trial_twins_val_average_precision", *_TWINS, "val_average_precision", "number", "reward"),
    Index(None, "search_id", "arm", "number"),
    # All that counting the trials of all searches reads: their rows are long.
    Index(None, "state", "arm", "failure_reason", "seconds"),
)

trial_parent = Table(
    "trial_parent",
    metadata,
    Column("search_id", String(64), ForeignKey("search.id", ondelete="CASCADE"), primary_key=True),
    Column("parent", Integer, primary_key=True, autoincrement=False),
    Column("child", Integer, primary_key=True, autoincrement=False),
)

job = Table(
    "job",
    metadata,
    Column("id", String(160), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("search_id", String(64), nullable=False),
    Column("trial_number", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("num_attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("average_precision", Float),
    Column("evaluation", JSON(none_as_null=True)),
    Column("failure", JSON(none_as_null=True)),
    Column("checkpoint_step", Integer),
    Column("checkpoint_key", String(64)),
    Column("checkpoint_num_bytes", BigInteger),
    Column("num_steps", Integer),
    ForeignKeyConstraint(["search_id", "trial_number"], ["trial.search_id", "trial.number"], ondelete="CASCADE"),
    Index(None, "search_id", "position", unique=True),
    Index(None, "search_id", "trial_number", "kind"),
    Index(None, "search_id", "state"),
)

measurement = Table(
    "measurement",
    metadata,
    Column("search_id", String(64), primary_key=True),
    Column("trial_number", Integer, primary_key=True, autoincrement=False),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("num_steps", Integer, nullable=False),
    Column("loss", Float, nullable=False),
    Column("average_precision", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    # Of its entry in the ledger.
    Column("sequence", BigInteger, nullable=False),
    ForeignKeyConstraint(["search_id", "trial_number"], ["trial.search_id", "trial.number"], ondelete="CASCADE"),
    Index(None, "search_id", "step", "sequence"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("job_id", String(160), ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("worker", String(255), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("failure", JSON(none_as_null=True)),
    Column("failure_reason", String(32)),
    Column("seconds", Float),
    # Of its job.
    Column("search_id", String(64), nullable=False, server_default=""),
    Column("log_bytes", BigInteger, nullable=False, server_default="0"),
    Index(None, "state", "failure_reason", "seconds"),
    # All that counting the attempts of a search reads.
    Index(None, "search_id", "state", "failure_reason", "worker", "seconds"),
    Index(None, "search_id", "started_at"),
)

log_part = Table(
    "log_part",
    metadata,
    Column("job_id", String(160), primary_key=True),
    Column("attempt_number", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("num_bytes", Integer, nullable=False),
    Column("key", String(64), nullable=False),
    ForeignKeyConstraint(["job_id", "attempt_number"], ["attempt.job_id", "attempt.number"], ondelete="CASCADE"),
    Index(None, "key"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("search_id", String(64), ForeignKey("search.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("trial_number", Integer),
    Column("payload", JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

artifact = Table(
    "artifact",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("search_id", String(64), ForeignKey("search.id", ondelete="CASCADE"), nullable=False),
    Column("key", String(64), nullable=False),
    Column("trial_number", Integer),
    Column("name", String(255), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("num_bytes", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "search_id", "trial_number"),
    Index(None, "key"),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("search_id", String(64), ForeignKey("search.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("state_sha256", String(64), nullable=False),
    Column("versions", JSON, nullable=False),
    Column("artifact_key", String(64)),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "artifact_key"),
)

insight = Table(
    "insight",
    metadata,
    Column("search_id", String(64), ForeignKey("search.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("document", JSON, nullable=False),
    Column("written_at", UtcDateTime, nullable=False),
)

trial_request = Table(
    "trial_request",
    metadata,
    Column("search_id", String(64), ForeignKey("search.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("verb", String(16), nullable=False),
    Column("document", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("trial_number", Integer),
    Column("reason", Text, nullable=False),
    Index(None, "search_id", "state", "number"),
)

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("role", String(16), nullable=False),
    # No foreign key: a heartbeat outlives its search by an hour at most.
    Column("search_id", String(64)),
    Column("at", UtcDateTime, nullable=False),
    Column("numbers", JSON, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("scope", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_on", Date),
    Index(None, "created_at", "id"),
)

operation = Table(
    "operation",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("document", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("problem", Text, nullable=False),
    Column("result_key", String(64)),
    Column("result_num_bytes", BigInteger),
    Column("num_attempts", Integer, nullable=False),
    Column("lease_owner", String(255), nullable=False),
    Column("lease_token", BigInteger, nullable=False),
    Column("lease_expires_at", UtcDateTime),
    Index(None, "state", "created_at"),
    Index(None, "result_key"),
)

webhook = Table(
    "webhook",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("url", Text, nullable=False),
    Column("types", JSON, nullable=False),
    Column("search_id", String(64), ForeignKey("search.id", ondelete="CASCADE")),
    Column("secret_sha256", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("test_asked_at", UtcDateTime),
    Column("disabled_at", UtcDateTime),
    Column("num_delivered", BigInteger, nullable=False),
    Column("num_given_up", BigInteger, nullable=False),
    Column("last_delivery", JSON(none_as_null=True)),
    Column("lease_owner", String(255), nullable=False),
    Column("lease_token", BigInteger, nullable=False),
    Column("lease_expires_at", UtcDateTime),
    Index(None, "search_id"),
)

webhook_cursor = Table(
    "webhook_cursor",
    metadata,
    Column("webhook_id", String(32), ForeignKey("webhook.id", ondelete="CASCADE"), primary_key=True),
    Column("search_id", String(64), ForeignKey("search.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("num_done", Integer, nullable=False),
    Column("course", JSON(none_as_null=True)),
    Column("num_attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime),
    Column("is_closed", Boolean, nullable=False),
    Index(None, "search_id"),
    Index(None, "webhook_id", "is_closed"),
)
