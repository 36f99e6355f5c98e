"""`bench algorithms`: the statistics by hand, and a tiny run through the command."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from spinesearch.bench import algorithms
from spinesearch.bench.algorithms import (
    FIRST_TEST_SEED,
    QUICK_PLAN,
    Contender,
    Plan,
    Result,
    Task,
    curve_points,
    run_task,
)
from spinesearch.bench.algorithms_table import as_markdown
from spinesearch.cli import app

NUM_TRIALS = 100


def result(value: float, milliseconds: float = 1.0) -> Result:
    """A search whose curve rises evenly to the value."""
    points = len(curve_points(NUM_TRIALS))
    curve = tuple(value * (index + 1) / points for index in range(points))
    return Result(incumbents=(value / 2, value), curve=curve, milliseconds=milliseconds)


PLAN = Plan(
    spaces=("r0-sp53",),
    kinds=("additive",),
    contenders=tuple(Contender(name=name, algorithm="random") for name in ("random", "good", "alike")),
    seeds=(1, 2, 3, 4),
    budgets=(50, NUM_TRIALS),
)


def test_rows_are_means_with_errors_and_compared_with_the_best_other_one() -> None:
    found = {
        ("r0-sp53", "additive", "random"): [result(value) for value in (1.0, 2.0, 1.5, 1.9)],
        ("r0-sp53", "additive", "good"): [result(value) for value in (4.0, 5.1, 4.4, 4.9)],
        ("r0-sp53", "additive", "alike"): [result(value) for value in (1.1, 1.8, 1.6, 1.8)],
    }
    random, good, alike = algorithms._rows(PLAN, found)
    assert random.means == pytest.approx((0.8, 1.6))
    # The deviation of 1, 2, 1.5, 1.9 is 0.4546; a half of it is the error of the mean of four.
    assert random.errors[1] == pytest.approx(0.2273, abs=1e-4)
    assert good.differences[1] == -random.differences[1] or 0 < good.differences[1] < 0.05
    assert random.differences[1] < 0, "worse"
    assert abs(random.differences[1]) < 0.05
    assert alike.differences[1] < 0
    assert good.reaches == curve_points(NUM_TRIALS)[6], "7 of 20 parts of 4.6 are the first that are 1.6"
    assert random.reaches == NUM_TRIALS
    assert alike.reaches is None
    assert good.area == pytest.approx(4.6 * 10.5 / 20)


def test_one_instance_says_nothing_about_chance() -> None:
    plan = replace(PLAN, seeds=(1,))
    found = {("r0-sp53", "additive", one.name): [result(1.0)] for one in plan.contenders}
    assert all(abs(rate) == 1.0 for row in algorithms._rows(plan, found) for rate in row.differences)


def test_tuning_instances_are_none_of_the_test() -> None:
    for plan in (Plan(), QUICK_PLAN):
        assert min(plan.seeds) >= algorithms.FIRST_TEST_SEED


def test_a_run_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two contenders on two instances: what one search of them gives is in the table."""
    tiny = replace(
        QUICK_PLAN,
        kinds=("additive",),
        contenders=(algorithms.CONTENDERS[0], algorithms.CONTENDERS[3]),
        budgets=(40, 60),
    )
    monkeypatch.setattr(algorithms, "QUICK_PLAN", tiny)
    done = CliRunner().invoke(app, ["bench", "algorithms", "--quick", "--seeds", "2", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert [row["contender"] for row in rows] == ["random", "local search"]
    searches = [
        run_task(
            Task(
                space="spinenet-49",
                kind="additive",
                contender=tiny.contenders[1],
                seed=FIRST_TEST_SEED + number,
                budgets=tiny.budgets,
                num_workers=tiny.num_workers,
            )
        )
        for number in (0, 1)
    ]
    assert rows[1]["means"] == [(one + other) / 2 for one, other in zip(*(r.incumbents for r in searches), strict=True)]
    assert rows[0]["means"] != rows[1]["means"]
    assert all(row["milliseconds"] > 0 for row in rows)


def test_the_table_marks_what_is_more_than_chance() -> None:
    row = algorithms.Row(
        space="joint",
        kind="rugged",
        contender="guided",
        means=(1.0, 2.0),
        errors=(0.1, 0.2),
        differences=(0.5, 0.01),
        reaches=None,
        area=1.5,
        milliseconds=3.25,
    )
    report = algorithms.AlgorithmsReport(budgets=(100, 2000), num_seeds=12, num_workers=100, rows=(row,))
    assert "| guided | 1.00 ± 0.10 | 2.00 ± 0.20 + | 1.50 | never | 3.2 |" in as_markdown(report)
