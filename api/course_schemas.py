"""What the API answers about the courses of several searches."""

from pydantic import BaseModel, Field


class CourseStep(BaseModel):
    """A moment at which the best reward of a search rose."""

    trained: int = Field(description="trials trained by then, this one included")
    seconds: float = Field(description="since the start of the search")
    reward: float
    trial: int


class SearchCourse(BaseModel):
    """How the best reward of a search rose."""

    search: str
    steps: list[CourseStep] = Field(description="in the order in which trials ended")
    trained: int = Field(description="trials trained so far")
    seconds: float = Field(description="since the start, of the trial that ended last")


class SearchCourses(BaseModel):
    """The courses of several searches, in the order asked for."""

    courses: list[SearchCourse]
