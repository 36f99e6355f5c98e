"""`bench warm-start`: its searches, and the table by hand."""

from dataclasses import replace

import numpy as np
import pytest

from spinesearch.bench.algorithm_tasks import FIRST_TEST_SEED
from spinesearch.bench.warm_start import COLD, QUICK_PLAN, STARTS, WarmStartPlan, WarmStartReport, rows_of, run_start
from spinesearch.bench.warm_start_table import as_markdown

NAMED = {start.name: start for start in STARTS}


def test_a_start_is_what_its_name_says() -> None:
    """After so few trials nothing else differs: the cold one begins at random, the others with what was found."""
    starts = (COLD, NAMED["of r0-sp53: told and its best"], NAMED["references alone"])
    plan = WarmStartPlan(seeds=(3,), budgets=(2, 6), starts=starts, num_earlier=12)
    cold, warm, references = (run_start(task).incumbents for task in plan.tasks())
    assert len({cold, warm, references}) == 3
    assert warm[0] > cold[0], "the best of twelve are better than two random ones"


def test_the_table_is_of_paired_differences() -> None:
    values = {
        "cold": np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]),
        "told and its best": np.array([[2.0, 2.0], [3.1, 4.0], [3.9, 6.0]]),
    }
    cold, told = rows_of(values)
    assert (cold.means, cold.chances) == ((2.0, 4.0), (1.0, 1.0))
    assert cold.errors == pytest.approx((1 / 3**0.5, 2 / 3**0.5))
    assert told.gains == pytest.approx((1.0, 0.0))
    # Gains 1, 1.1 and 0.9: t is 17.3 with two degrees of freedom, a chance of 0.0033; one of two tests.
    assert told.gain_errors == pytest.approx((0.1 / 3**0.5, 0.0))
    assert told.chances == pytest.approx((2 * 0.00332, 1.0), abs=1e-4)
    report = WarmStartReport(budgets=(50, 100), num_seeds=3, num_earlier=200, rows=(cold, told))
    assert "| cold | 2.00 ± 0.58 | 4.00 ± 1.15 |  |  |" in as_markdown(report)
    assert "| +1.00 ± 0.06 + | +0.00 ± 0.00 |" in as_markdown(report)
    worse = replace(told, gains=(-1.0, 0.0))
    assert "| -1.00 ± 0.06 - |" in as_markdown(replace(report, rows=(cold, worse)))


def test_tuning_instances_are_none_of_the_test() -> None:
    for plan in (WarmStartPlan(), QUICK_PLAN):
        assert min(plan.seeds) >= FIRST_TEST_SEED
