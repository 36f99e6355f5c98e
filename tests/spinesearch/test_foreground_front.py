"""What `search run` prints of a search for a front, and what cannot be searched at all."""

import pytest

from nas_controller.search_config import SearchConfig, SearchConfigError
from spinesearch.foreground import _best, _summary
from spinesearch.validation import check_budget
from tests.nas_controller.test_search_loop import SEARCH
from tests.nas_controller.test_search_loop_front import TARGETS, cost_of, front_bench


def test_the_end_names_the_best_under_each_target() -> None:
    bench = front_bench(trials=6)
    bench.finish(bench.claim())
    trials = bench.store.list_trials(SEARCH, 100)
    expected = []
    for target in TARGETS:
        under = [trial for trial in trials if cost_of(trial) <= 1.01 * target]
        expected.append(max(under, key=lambda trial: trial.reward or 0.0))
    search = bench.store.get_search(SEARCH)
    summary = _summary(bench.store, search, bench.config.front, None)
    assert [each["target"] for each in summary["front"]] == list(TARGETS)
    for each, trial in zip(summary["front"], expected, strict=True):
        best = each["best"]
        assert (best["number"], best["multiply_adds"]) == (trial.number, cost_of(trial))
        assert best["val_ap"] == trial.val_average_precision is not None
    shown = _best(bench.store, SEARCH, bench.config).trials
    assert [trial.number for trial in shown] == list(dict.fromkeys(trial.number for trial in expected))


@pytest.mark.parametrize(
    ("space", "front", "message"),
    [
        # Widths are 8 at least: no network of the space is so cheap.
        ("joint", {"low": "10M", "high": "60G"}, "front: 0.01 B multiply-adds ± 1%: 0.0% of 80 random"),
        ("r0-sp53", {"low": "100G", "high": "200G"}, "front: 99 B to 202 B multiply-adds: 0.0% of 400 random"),
    ],
)
def test_a_front_that_nothing_comes_near_is_refused(space: str, front: dict[str, str], message: str) -> None:
    document = {"space": space, "data": "generated", "front": front}
    with pytest.raises(SearchConfigError) as error:
        check_budget(SearchConfig.from_document(document))
    assert str(error.value).startswith(message)
