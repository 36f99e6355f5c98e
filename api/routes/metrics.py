"""Metrics for Prometheus."""

from fastapi import APIRouter, Response

from api.context import Context
from api.errors import problem_docs
from api.metrics import CONTENT_TYPE

router = APIRouter(tags=["service"])


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Metrics in Prometheus' text format",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problem_docs(401)},
)
def get_metrics(context: Context) -> Response:
    """What all searches did, the same from every API process, and what this process did. No label names a trial; a
    scraper sends the token (`authorization: {credentials_file: ...}`). Read from the database once every few seconds.
    """
    return Response(context.metrics.text(), media_type=CONTENT_TYPE)
