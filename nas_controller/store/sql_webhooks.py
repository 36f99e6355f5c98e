"""Webhooks in a SQL database. Rows are locked in this order: search, webhook, cursor, as when a search is deleted."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, delete, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from nas_controller.records import SearchState
from nas_controller.store import access_rules, rules
from nas_controller.store.base import ConflictError, LeaseLostError, NotFoundError
from nas_controller.store.tables import search as searches
from nas_controller.store.tables import webhook as webhooks
from nas_controller.store.tables import webhook_cursor as cursors
from nas_controller.store.webhooks import MAX_WEBHOOKS, WebhookStore
from nas_controller.webhooks.records import Course, Delivery, MessageType, Outcome, Webhook, WebhookCursor, WebhookLease

FINAL = [state.value for state in SearchState if state.is_final]
NO_LEASE = {"lease_owner": "", "lease_token": 0, "lease_expires_at": None}


class SqlWebhooks(WebhookStore):
    """A part of `SqlStore`, whose engines it shares."""

    _engine: Engine
    _reader: Engine
    _writer: Engine

    def create_webhook(self, webhook: Webhook) -> Webhook:
        webhook = access_rules.checked_webhook(webhook)
        try:
            with self._writer.begin() as connection:
                same = connection.execute(select(webhooks).where(webhooks.c.id == webhook.id)).mappings().one_or_none()
                if same is not None:
                    return access_rules.same_webhook(_webhook_of(same), webhook)
                if connection.execute(select(func.count()).select_from(webhooks)).scalar_one() >= MAX_WEBHOOKS:
                    raise ConflictError(f"there are {MAX_WEBHOOKS} webhooks")
                connection.execute(insert(webhooks).values(**_webhook_values(webhook), **NO_LEASE))
                connection.execute(_cursors_at_the_end(webhook))
        except IntegrityError:
            raise NotFoundError(f"no search {webhook.search_id}") from None
        return webhook

    def get_webhook(self, webhook_id: str) -> Webhook:
        with self._reader.begin() as connection:
            row = connection.execute(select(webhooks).where(webhooks.c.id == webhook_id)).mappings().one_or_none()
        if row is None:
            raise NotFoundError(f"no webhook {webhook_id}")
        return _webhook_of(row)

    def list_webhooks(self) -> list[Webhook]:
        with self._reader.begin() as connection:
            rows = connection.execute(select(webhooks).order_by(webhooks.c.created_at, webhooks.c.id)).mappings().all()
        return [_webhook_of(row) for row in rows]

    def delete_webhook(self, webhook_id: str) -> None:
        with self._writer.begin() as connection:
            connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))

    def ask_webhook_test(self, webhook_id: str, at: datetime) -> Webhook:
        at = rules.in_utc(at)
        with self._writer.begin() as connection:
            row = _locked(connection, webhook_id)
            if row is None:
                raise NotFoundError(f"no webhook {webhook_id}")
            asked = access_rules.asked_for_test(_webhook_of(row), at)
            _update(connection, webhook_id, {"test_asked_at": asked.test_asked_at})
            return asked

    def claim_webhook(self, webhook_id: str, owner: str, at: datetime, seconds: float) -> WebhookLease | None:
        at = rules.in_utc(at)
        with self._writer.begin() as connection:
            row = _locked(connection, webhook_id)
            if row is None:
                return None
            lease = access_rules.next_webhook_lease(_webhook_of(row), _lease_of(row), owner, at, seconds)
            if lease is not None:
                values = {"owner": lease.owner, "token": lease.token, "expires_at": lease.expires_at}
                _update(connection, webhook_id, {f"lease_{name}": value for name, value in values.items()})
            return lease

    def webhook_cursors(self, webhook_id: str) -> list[WebhookCursor]:
        of_webhook = cursors.c.webhook_id == webhook_id
        begun = (
            select(cursors)
            .join(searches, searches.c.id == cursors.c.search_id)
            .where(of_webhook, cursors.c.is_closed.is_(False), searches.c.last_sequence > cursors.c.sequence)
        )
        has_begun = select(cursors.c.search_id).where(of_webhook, cursors.c.search_id == searches.c.id).exists()
        with self._engine.begin() as connection:
            only = connection.execute(select(webhooks.c.search_id).where(webhooks.c.id == webhook_id)).one_or_none()
            if only is None:
                return []
            new = select(searches.c.id).where(~has_begun)
            new = new if only.search_id is None else new.where(searches.c.id == only.search_id)
            found = [_cursor_of(row) for row in connection.execute(begun).mappings()]
            new_ids = connection.execute(new).scalars().all()
        found += [WebhookCursor(webhook_id=webhook_id, search_id=search_id) for search_id in new_ids]
        return sorted(found, key=lambda cursor: cursor.search_id)

    def record_delivery(self, lease: WebhookLease, delivery: Delivery, cursor: WebhookCursor | None) -> None:
        with self._write_webhook(lease, cursor) as (connection, webhook, is_there):
            told = access_rules.with_delivery(webhook, delivery, is_test=cursor is None)
            _update(connection, webhook.id, _webhook_values(told))
            if cursor is not None and is_there:
                _put_cursor(connection, access_rules.checked_cursor(cursor))

    def move_webhook_cursor(self, lease: WebhookLease, cursor: WebhookCursor) -> None:
        with self._write_webhook(lease, cursor) as (connection, _, is_there):
            if is_there:
                _put_cursor(connection, access_rules.checked_cursor(cursor))

    @contextmanager
    def _write_webhook(
        self, lease: WebhookLease, cursor: WebhookCursor | None
    ) -> Iterator[tuple[Connection, Webhook, bool]]:
        """A write transaction on one webhook, while no newer lease was taken; and whether the cursor's search is there,
        which then does not go meanwhile."""
        with self._writer.begin() as connection:
            is_there = cursor is not None and _keep_search(connection, cursor.search_id)
            row = _locked(connection, lease.webhook_id)
            if row is None or row["lease_token"] != lease.token:
                raise LeaseLostError(f"webhook {lease.webhook_id}: lease {lease.token} holds no more")
            yield connection, _webhook_of(row), is_there


def _locked(connection: Connection, webhook_id: str) -> RowMapping | None:
    statement = select(webhooks).where(webhooks.c.id == webhook_id).with_for_update()
    return connection.execute(statement).mappings().one_or_none()


def _update(connection: Connection, webhook_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values))


def _cursors_at_the_end(webhook: Webhook) -> Any:
    """Inserts a cursor in each search that there is."""
    columns = {
        "webhook_id": literal(webhook.id),
        "search_id": searches.c.id,
        "sequence": searches.c.last_sequence,
        "num_done": literal(0),
        "num_attempts": literal(0),
        "is_closed": searches.c.state.in_(FINAL),
    }
    there = select(*columns.values())
    there = there if webhook.search_id is None else there.where(searches.c.id == webhook.search_id)
    there = there.with_for_update(read=True, key_share=True)  # one that is being deleted is left out
    return insert(cursors).from_select(list(columns), there)


def _keep_search(connection: Connection, search_id: str) -> bool:
    """Whether the search is there; it stays so until the end of the transaction."""
    there = select(searches.c.id).where(searches.c.id == search_id).with_for_update(read=True, key_share=True)
    return connection.execute(there).one_or_none() is not None


def _put_cursor(connection: Connection, cursor: WebhookCursor) -> None:
    values = asdict(cursor)
    same = (cursors.c.webhook_id == cursor.webhook_id, cursors.c.search_id == cursor.search_id)
    if connection.execute(update(cursors).where(*same).values(**values)).rowcount == 0:
        connection.execute(insert(cursors).values(**values))


def _webhook_of(row: Mapping[Any, Any]) -> Webhook:
    values = {name: row[name] for name in Webhook.__dataclass_fields__}
    types = tuple(MessageType(name) for name in row["types"])
    return Webhook(**{**values, "types": types, "last_delivery": _delivery_of(row["last_delivery"])})


def _webhook_values(webhook: Webhook) -> dict[str, Any]:
    types, delivery = [each.value for each in webhook.types], webhook.last_delivery
    document = None if delivery is None else asdict(delivery) | {"at": delivery.at.isoformat()}
    return asdict(webhook) | {"types": types, "last_delivery": document}


def _delivery_of(document: Mapping[str, Any] | None) -> Delivery | None:
    if document is None:
        return None
    types = {"type": MessageType(document["type"]), "outcome": Outcome(document["outcome"])}
    return Delivery(**{**document, **types, "at": datetime.fromisoformat(document["at"])})


def _lease_of(row: Mapping[Any, Any]) -> WebhookLease | None:
    if row["lease_expires_at"] is None:
        return None
    values = {name: row[f"lease_{name}"] for name in ("owner", "token", "expires_at")}
    return WebhookLease(webhook_id=row["id"], **values)


def _cursor_of(row: Mapping[Any, Any]) -> WebhookCursor:
    values = {name: row[name] for name in WebhookCursor.__dataclass_fields__}
    return WebhookCursor(**{**values, "course": None if row["course"] is None else Course(**row["course"])})
