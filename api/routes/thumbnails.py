"""Architectures as small pictures, for lists."""

from fastapi import APIRouter, Response

from api.context import Context
from api.errors import problem_docs
from api.routes.parameters import SearchId, TrialNumber
from search_space.drawing.thumbnail import draw_thumbnail
from search_space.spec import ArchitectureSpec

router = APIRouter(
    prefix="/v1/searches/{search_id}/trials/{number}", tags=["trials"], responses=problem_docs(401, 404, 422)
)

_A_DAY = "private, max-age=86400"
"""A trial keeps its architecture; a release may draw it differently."""


@router.get(
    "/thumbnail",
    operation_id="drawTrialThumbnail",
    summary="An architecture as a small picture",
    response_class=Response,
    responses={
        200: {
            "description": "the drawing, which may be kept for a day",
            "content": {"image/svg+xml": {"schema": {"type": "string"}}},
        }
    },
)
def draw_trial_thumbnail(search_id: SearchId, number: TrialNumber, context: Context) -> Response:
    """Blocks by level and time, and connections; no text. `export?format=svg` is the whole drawing."""
    trial = context.store.get_trial(search_id, number)
    drawing = draw_thumbnail(ArchitectureSpec.from_document(trial.draft.spec))
    return Response(drawing, media_type="image/svg+xml", headers={"Cache-Control": _A_DAY})
