"""What every store must do with access tokens. Part of `StoreSuite`."""

from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from nas_controller.access_tokens import AccessToken, Scope
from nas_controller.store.base import ConflictError, NotFoundError, Store
from tests.conformance.store_cases import DAY, START, at


def make_token(number: int = 1, **changes: Any) -> AccessToken:
    """Each number has its own id and secret, and was made a second after the last."""
    token = AccessToken(
        id=f"t{number}",
        name="a laptop",
        secret_sha256=f"{number:064x}",
        scope=Scope.WRITE,
        created_at=at(number),
        expires_at=at(DAY),
    )
    return replace(token, **changes)


class StoreTokenSuite:
    """Access tokens."""

    def test_a_token_is_found_by_its_secret(self, store: Store) -> None:
        token, other = make_token(), make_token(2, scope=Scope.READ, expires_at=None)
        assert store.create_token(token) == token
        store.create_token(other)
        assert store.find_token(token.secret_sha256) == store.get_token("t1") == token
        assert store.get_token("t2") == other
        assert store.find_token("f" * 64) is None
        with pytest.raises(NotFoundError, match="t3"):
            store.get_token("t3")

    def test_times_are_kept_in_utc(self, store: Store) -> None:
        east = timezone(timedelta(hours=9))
        store.create_token(make_token(created_at=START.astimezone(east), expires_at=at(5).astimezone(east)))
        token = store.get_token("t1")
        assert (token.created_at.isoformat(), token.expires_at) == (START.isoformat(), at(5))

    def test_ids_and_secrets_are_of_one_token_each(self, store: Store) -> None:
        token = store.create_token(make_token())
        assert store.create_token(make_token()) == token, "the answer was lost"
        for other in (make_token(name="x"), make_token(2, id="t1"), make_token(2, secret_sha256=token.secret_sha256)):
            with pytest.raises(ConflictError):
                store.create_token(other)
        assert store.list_tokens(10) == [token]

    def test_lists_are_newest_first_and_paged(self, store: Store) -> None:
        tokens = [store.create_token(make_token(number, created_at=at(number // 2))) for number in range(1, 6)]
        newest_first = tokens[::-1]
        assert store.list_tokens(10) == newest_first
        assert store.list_tokens(2) == newest_first[:2]
        assert store.list_tokens(2, newest_first[1].id) == newest_first[2:4]
        assert store.list_tokens(2, newest_first[4].id) == []
        with pytest.raises(NotFoundError):
            store.list_tokens(2, "none")

    def test_a_token_is_revoked_once(self, store: Store) -> None:
        store.create_token(make_token())
        other = store.create_token(make_token(2))
        revoked = store.revoke_token("t1", at(10))
        assert revoked == make_token(revoked_at=at(10))
        assert store.revoke_token("t1", at(20)) == revoked
        assert store.find_token(revoked.secret_sha256) == revoked
        assert store.get_token("t2") == other
        with pytest.raises(NotFoundError):
            store.revoke_token("t3", at(10))

    def test_the_last_day_of_use_is_kept(self, store: Store) -> None:
        store.create_token(make_token())
        other = store.create_token(make_token(2))
        today = START.date()
        for day in (today, today, today - timedelta(days=1)):
            store.record_token_use("t1", day)
            assert store.get_token("t1") == make_token(last_used_on=today)
        tomorrow = today + timedelta(days=1)
        store.record_token_use("t1", tomorrow)
        store.record_token_use("none", tomorrow)
        assert store.list_tokens(10) == [other, make_token(last_used_on=tomorrow)]
