"""Every error as RFC 9457 `application/problem+json`, with a stable `code` that programs may rely on."""

from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from api.request_ids import current_request_id
from nas_controller.store.base import ConflictError, NotFoundError

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Content Too Large",
    422: "Unprocessable Content",
    428: "Precondition Required",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def _sendable(text: str) -> str:
    """The text without lone surrogates: JSON may bring them, no answer can have them."""
    return text.encode("utf-8", "backslashreplace").decode()


Quotation = Annotated[str, BeforeValidator(_sendable)]
"""A text that may quote the request."""


class FieldError(BaseModel):
    """One thing that is wrong in a request."""

    place: Quotation = Field(description="path of the value, such as `limits.trials` or `query.page_size`")
    message: Quotation


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:spinesearch:problem:request.invalid",
                    "title": "Unprocessable Content",
                    "status": 422,
                    "detail": "limits.trials: Input should be greater than or equal to 1",
                    "code": "request.invalid",
                    "errors": [{"place": "limits.trials", "message": "Input should be greater than or equal to 1"}],
                    "request_id": "5f0c9a3b1d2e4f60",
                }
            ]
        }
    )

    type: str = Field(description="URI that names the kind of problem: `code` behind a prefix")
    title: str
    status: int
    detail: Quotation
    code: str = Field(description="stable name of the problem")
    errors: list[FieldError] = []
    request_id: str = Field("", description="of this request, as in `X-Request-ID`; the service's log has it")


class ProblemError(Exception):
    """An answer other than success, raised by a route."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: list[FieldError] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.errors = errors or []
        self.headers = headers


def problem_of(status: int, code: str, detail: str, errors: list[FieldError] | None = None) -> Problem:
    """The problem that the request at hand has."""
    return Problem(
        type=f"urn:spinesearch:problem:{code}",
        title=TITLES.get(status, "Error"),
        status=status,
        detail=detail,
        code=code,
        errors=errors or [],
        request_id=current_request_id.get(),
    )


def problem_response(
    status: int,
    code: str,
    detail: str,
    errors: list[FieldError] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """The problem as an answer."""
    problem = problem_of(status, code, detail, errors)
    return JSONResponse(problem.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


def problem_docs(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can end in these problems, for OpenAPI. Who may get 401 may be told to wait."""
    statuses = (*statuses, 429) if 401 in statuses else statuses
    return {
        status: {
            "description": TITLES[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def add_error_handlers(app: FastAPI) -> None:
    """From here on every error of the app is answered as a problem."""
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(NotFoundError, _not_found)
    app.add_exception_handler(ConflictError, _conflict)
    app.add_exception_handler(RecursionError, _too_deep)
    app.add_exception_handler(UnicodeEncodeError, _no_unicode)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _internal)


def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return problem_response(error.status, error.code, str(error), error.errors, error.headers)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [_field_error(item) for item in error.errors()[:MAX_ERRORS]]
    detail = f"{found[0].place}: {found[0].message}" if found[0].place else found[0].message
    return problem_response(422, "request.invalid", detail, found)


def _place(loc: tuple[str | int, ...]) -> str:
    """Where the value stands; names of union members, which pydantic puts in, are left out."""
    parts = [str(part) for part in loc if part not in ("CocoData", "literal['generated']")]
    return ".".join(parts[1:] if parts[0] == "body" else parts)


def _field_error(item: dict[str, Any]) -> FieldError:
    if item["type"] == "json_invalid":
        return FieldError(place="", message=f"not JSON at character {item['loc'][-1]}: {item['ctx']['error']}")
    return FieldError(place=_place(item["loc"]), message=str(item["msg"]).removeprefix("Value error, "))


def document_errors(error: ValidationError) -> list[FieldError]:
    """What is wrong with a document, as an answer to a request says it whose body it is."""
    items = error.errors(include_url=False, include_input=False)[:MAX_ERRORS]
    return [_field_error({**item, "loc": ("body", *item["loc"])}) for item in items]


def refusal(error: ValueError) -> FieldError:
    """What a check found beyond the document's own rules; its place is in the error's `place`, if it has one."""
    place = getattr(error, "place", "")
    return FieldError(place=place, message=str(error).removeprefix(f"{place}: "))


def _not_found(request: Request, error: Exception) -> JSONResponse:
    return problem_response(404, "resource.not_found", str(error) or "no such search or trial")


def _conflict(request: Request, error: Exception) -> JSONResponse:
    return problem_response(409, "state.conflict", str(error))


def _too_deep(request: Request, error: Exception) -> JSONResponse:
    return problem_response(400, "body.too_deep", "the request body is nested too deeply")


def _no_unicode(request: Request, error: Exception) -> JSONResponse:
    """Stored texts have no lone surrogates: it is the request that has one."""
    return problem_response(422, "request.invalid", "a text in the request has a surrogate that stands alone")


_HTTP_CODES = {400: "request.malformed", 404: "route.not_found", 405: "method.not_allowed"}


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code, f"http.{error.status_code}")
    return problem_response(error.status_code, code, error.detail, headers=dict(error.headers or {}))


def _internal(request: Request, error: Exception) -> JSONResponse:
    return problem_response(500, "internal", "an error in the service; its log has the details")
