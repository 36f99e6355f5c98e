"""The course of a search as compact arrays, and the rises of its best reward."""

from datetime import datetime, timedelta

from nas_controller.insight.insight import Insight
from nas_controller.insight.reduction import kept_points
from nas_controller.insight.rises import Rises
from nas_controller.search_config import SMOOTHED_OVER


def history_fields(insight: Insight, started_at: datetime, max_points: int) -> dict[str, object]:
    """The fields of `schemas.History`."""
    course = insight.course
    points = course.points()
    kept = kept_points([point.whole_reward for point in points], [point.state for point in points], max_points)
    best, smoothed = course.best_so_far(), course.smoothed()
    shown = [points[index] for index in kept]
    return {
        "sequence": insight.sequence,
        "num_trials": course.num_trials,
        "is_reduced": len(kept) < course.num_trials,
        "smoothed_over": SMOOTHED_OVER,
        "number": [point.number for point in shown],
        "arm": [point.arm for point in shown],
        "state": [point.state for point in shown],
        "reward": [point.reward for point in shown],
        "best_so_far": [best[index] for index in kept],
        "smoothed": [smoothed[index] for index in kept],
        "seconds": [_offset(course.began_at, point.seconds, started_at) for point in shown],
        "multiply_adds": [point.multiply_adds for point in shown],
        "parameters": [point.parameters for point in shown],
        "latency_ms": [point.latency_ms for point in shown],
    }


def course_fields(rises: Rises, started_at: datetime) -> dict[str, object]:
    """The fields of `SearchCourse`, but for the search."""
    steps = [
        {
            "trained": rise.trained,
            "seconds": _offset(rises.began_at, rise.seconds, started_at),
            "reward": rise.reward,
            "trial": rise.trial,
        }
        for rise in rises.rises
    ]
    seconds = _offset(rises.began_at, rises.seconds, started_at) if rises.trained else 0.0
    return {"steps": steps, "trained": rises.trained, "seconds": seconds}


def _offset(began_at: datetime | None, seconds: float, started_at: datetime) -> float:
    """Seconds since the start of the search, of a moment so long after its ledger began."""
    if began_at is None:
        return 0.0
    return round(max(0.0, (began_at + timedelta(seconds=seconds) - started_at).total_seconds()), 1)
