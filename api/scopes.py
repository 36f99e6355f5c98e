"""What a request needs. It is told from method and path alone, before routing: a route cannot forget it."""

from nas_controller.access_tokens import Scope

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
ADMIN_PATHS = ("/v1/tokens", "/v1/webhooks")
"""And all that begins so."""
READING_POSTS = ("/v1/searches:validate", "/v1/searches:estimate", "/v1/sign-in-links", "/logout")
"""They change nothing that others see."""


def needed_scope(method: str, path: str) -> Scope:
    """The least scope with which a request is answered.

    >>> needed_scope("GET", "/v1/searches"), needed_scope("DELETE", "/v1/searches/a"), needed_scope("GET", "/v1/tokens")
    (<Scope.READ: 'read'>, <Scope.WRITE: 'write'>, <Scope.ADMIN: 'admin'>)
    """
    if path.startswith(ADMIN_PATHS):
        return Scope.ADMIN
    if method in SAFE_METHODS or (method == "POST" and path in READING_POSTS):
        return Scope.READ
    return Scope.WRITE
