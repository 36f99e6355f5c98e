"""Tokens for others, made and revoked by an admin; sign-in links."""

import secrets
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.access import new_secret
from api.access_schemas import NewToken, SignInLink, Token, TokenPage, TokenRequest
from api.context import Context, Granted
from api.errors import ProblemError, problem_docs
from api.routes.parameters import PageSize
from api.settings import hash_token
from nas_controller.access_tokens import AccessToken
from nas_controller.store.base import NotFoundError

router = APIRouter(prefix="/v1", tags=["access"], responses=problem_docs(400, 401, 403, 413, 422))

_ID = r"^[0-9a-f]{12}$"
TokenId = Annotated[str, Path(pattern=_ID, description="id of the token", examples=["3f9a1c2b4d5e"])]


@router.post("/tokens", operation_id="createToken", summary="Make a token for somebody", status_code=201)
def create_token(wanted: TokenRequest, context: Context) -> NewToken:
    """The answer has the token's secret; it is kept as a hash, and nobody can show it again. Wants the scope admin."""
    now, secret = context.clock(), new_secret()
    token = context.store.create_token(
        AccessToken(
            id=secrets.token_hex(6),
            name=wanted.name,
            secret_sha256=hash_token(secret),
            scope=wanted.scope,
            created_at=now,
            expires_at=None if wanted.days is None else now + timedelta(days=wanted.days),
        )
    )
    return NewToken(**_shown(token, context).model_dump(), secret=secret)


@router.get("/tokens", operation_id="listTokens", summary="List tokens, newest first")
def list_tokens(
    context: Context,
    page_size: PageSize = 100,
    page_token: Annotated[str | None, Query(pattern=_ID, description="`next_page_token` of the page before")] = None,
) -> TokenPage:
    """Those that expired or were revoked too: they say who had access. Wants the scope admin."""
    try:
        tokens = context.store.list_tokens(page_size + 1, page_token)
    except NotFoundError as error:
        raise ProblemError(400, "page_token.unknown", "page_token: not one that this service gave") from error
    return TokenPage(
        tokens=[_shown(token, context) for token in tokens[:page_size]],
        next_page_token=tokens[page_size - 1].id if len(tokens) > page_size else None,
    )


@router.delete(
    "/tokens/{token_id}",
    operation_id="revokeToken",
    summary="Revoke a token",
    status_code=204,
    responses=problem_docs(404),
)
def revoke_token(token_id: TokenId, context: Context) -> None:
    """From the next request on it opens nothing, nor do browser sessions that were made with it; streams end within
    seconds. It stays in the list. Wants the scope admin."""
    context.store.revoke_token(token_id, context.clock())


@router.post("/sign-in-links", operation_id="createSignInLink", summary="Make a sign-in link", status_code=201)
def create_sign_in_link(context: Context, grant: Granted) -> SignInLink:
    """A browser that opens it is let in with your scope, as long as your token is good. A browser session makes none:
    it would never end."""
    if grant.expires_at is not None:
        raise ProblemError(403, "auth.needs_token", "a sign-in link is made with a token, not from a browser session")
    expires_at = context.clock() + timedelta(seconds=context.settings.login_seconds)
    path = f"/login?code={context.auth.issue_login_code(grant)}"
    return SignInLink(path=path, scope=grant.scope, expires_at=expires_at)


def _shown(token: AccessToken, context: Context) -> Token:
    return Token(
        id=token.id,
        name=token.name,
        scope=token.scope,
        state=token.state(context.clock()),
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        last_used_on=token.last_used_on,
    )
