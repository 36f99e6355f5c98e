"""How the best rewards of several searches rose, to be seen beside each other."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import StringConstraints

from api.context import ApiContext, Context
from api.course_schemas import SearchCourse, SearchCourses
from api.errors import problem_docs
from api.history import course_fields
from api.insights import MAX_SEARCHES

router = APIRouter(prefix="/v1", tags=["searches"], responses=problem_docs(401, 404, 422))

SearchIds = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")], ...],
    Query(alias="search", min_length=1, max_length=MAX_SEARCHES, description="ids of searches"),
]


@router.get("/searches:courses", operation_id="listCourses", summary="How the best rewards of searches rose")
def list_courses(search_ids: SearchIds, context: Context) -> SearchCourses:
    """Of each search the trials that were better than all before them: a whole step line in a few points."""
    return SearchCourses(courses=[_course(context, search_id) for search_id in search_ids])


def _course(context: ApiContext, search_id: str) -> SearchCourse:
    search = context.store.get_search(search_id)
    with context.insights.of(search) as insight:
        fields = course_fields(insight.rises, search.started_at or search.created_at)
    return SearchCourse.model_validate({"search": search_id, **fields})
