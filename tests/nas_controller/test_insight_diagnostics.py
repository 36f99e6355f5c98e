import json
import math
from datetime import timedelta

import pytest

from nas_controller.insight.diagnostics import MAX_POINTS, Diagnostics
from nas_controller.insight.following import restored
from nas_controller.insight.keeping import InsightKeeping
from nas_controller.search_config import SearchConfig
from nas_controller.store.memory import MemoryStore
from tests.conformance.store_cases import at, claimed, finished
from tests.nas_controller.insight_ledger import START
from tests.nas_controller.test_search_loop import SEARCH, Bench


def noted(number: int) -> Diagnostics:
    diagnostics = Diagnostics()
    for told in range(1, number + 1):
        diagnostics.note(told, START + timedelta(seconds=told), {"baseline": told / 3, "constant": 2.0})
    return diagnostics


def test_what_was_noted_is_kept_to_six_digits() -> None:
    diagnostics = noted(2)
    assert [(point.told, point.values["baseline"]) for point in diagnostics.points] == [(1, 0.333333), (2, 0.666667)]
    assert Diagnostics.from_document(json.loads(json.dumps(diagnostics.to_document()))) == diagnostics


@pytest.mark.parametrize("number", [MAX_POINTS, MAX_POINTS + 1, 10_000])
def test_points_stand_for_all_moments_and_are_few(number: int) -> None:
    points = noted(number).points
    assert len(points) <= MAX_POINTS
    assert sum(point.weight for point in points) == number
    assert points[-1].told == number
    # Each is the mean over the moments that it stands for, up to its own.
    for point in points:
        mean_told = point.told - (point.weight - 1) / 2
        assert point.values["baseline"] == pytest.approx(mean_told / 3, rel=1e-4)
        assert point.values["constant"] == 2.0
        assert point.at == START + timedelta(seconds=point.told)


def test_nothing_is_noted_where_nothing_was_told_since() -> None:
    diagnostics = noted(3)
    diagnostics.note(3, START + timedelta(seconds=9), {"baseline": 9.0})
    diagnostics.note(4, START + timedelta(seconds=10), {})
    assert len(diagnostics.points) == 3


def test_what_is_no_number_is_left_out() -> None:
    diagnostics = Diagnostics()
    diagnostics.note(1, START, {"baseline": 0.5, "spread": math.nan, "norm": math.inf})
    assert diagnostics.points[0].values == {"baseline": 0.5}


def test_a_controller_notes_what_its_algorithm_says_with_each_row() -> None:
    store, config = MemoryStore(), SearchConfig.from_document({"space": "r0-sp53", "data": "generated"})
    lease = claimed(store, "s1")
    numbers = {"baseline": 0.25}
    keeping = InsightKeeping(store, "s1", config, lambda: numbers)
    finished(store, lease, 1, 0.25)
    keeping.write(lease, at(20))
    numbers["baseline"] = 0.5
    keeping.write(lease, at(30))
    finished(store, lease, 2, 0.5)
    later = InsightKeeping(store, "s1", config, lambda: numbers)
    later.restore()
    later.write(lease, at(40))
    insight = restored(config, store.read_insight("s1"))
    assert insight is not None
    points = insight.policy.diagnostics.points
    assert [(point.told, point.at, point.values) for point in points] == [
        (1, at(20), {"baseline": 0.25}),
        (2, at(40), {"baseline": 0.5}),
    ]


def test_a_search_keeps_what_its_algorithm_said_while_it_ran() -> None:
    bench = Bench(trials=40)
    bench.finish(bench.claim())
    insight = restored(bench.config, bench.store.read_insight(SEARCH))
    assert insight is not None
    policy = insight.policy
    points = policy.diagnostics.points
    assert len(points) > 3
    assert [point.told for point in points] == sorted({point.told for point in points})
    assert points[-1].told == policy.num_told
    assert points[-1].values["told"] == policy.num_told
    assert {"entropy", "baseline", "advantage", "gradient_norm"} <= points[-1].values.keys()
