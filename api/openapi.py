"""The OpenAPI document: FastAPI's own, with our one error shape."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.errors import Problem

DESCRIPTION = """\
Neural architecture search for detection backbones, as a service: start a search, watch it, export what it found.

Every error is `application/problem+json` (RFC 9457) with a stable `code`. Lists are paged by `page_size` and
`page_token`. Times are UTC, RFC 3339. Average precision is COCO's, in [0, 1].
"""
_OWN_ERRORS = ("HTTPValidationError", "ValidationError")


def set_openapi(app: FastAPI) -> None:
    """The app publishes our document at `/openapi.json`, made when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, summary="spinesearch"
            )
            schemas = document["components"]["schemas"]
            for name in _OWN_ERRORS:
                schemas.pop(name, None)
            reference = "#/components/schemas/{model}"
            schemas["Problem"] = Problem.model_json_schema(ref_template=reference)
            schemas |= schemas["Problem"].pop("$defs")
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
