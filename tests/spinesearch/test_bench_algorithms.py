"""`bench algorithms`: the statistics by hand, and a tiny run through the command."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from search_space.spaces import R0_SP53
from spinesearch.bench import algorithm_tasks, algorithms, many_searches
from spinesearch.bench.algorithm_tasks import (
    CONTENDERS,
    FIRST_TEST_SEED,
    QUICK_PLAN,
    Contender,
    Limit,
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
    base="good",
)


def test_rows_are_means_with_errors_and_compared_with_the_base() -> None:
    found = {
        ("r0-sp53", "additive", "random"): [result(value) for value in (1.0, 2.0, 1.5, 1.9)],
        ("r0-sp53", "additive", "good"): [result(value) for value in (4.0, 5.1, 4.4, 4.9)],
        ("r0-sp53", "additive", "alike"): [result(value) for value in (1.1, 1.8, 1.6, 1.8)],
    }
    random, good, alike = algorithms._rows(PLAN, found)
    assert random.means == pytest.approx((0.8, 1.6))
    # The deviation of 1, 2, 1.5, 1.9 is 0.4546; a half of it is the error of the mean of four.
    assert random.errors[1] == pytest.approx(0.2273, abs=1e-4)
    assert good.differences == (1.0, 1.0)
    assert random.differences[1] < 0, "worse"
    assert abs(random.differences[1]) < 0.05
    assert alike.differences[1] < 0
    assert good.reaches == curve_points(NUM_TRIALS)[6], "7 of 20 parts of 4.6 are the first that are 1.6"
    assert random.reaches == NUM_TRIALS
    assert alike.reaches is None
    assert good.area == pytest.approx(4.6 * 10.5 / 20)


def test_the_two_policies_are_compared_with_each_other() -> None:
    pair = tuple(Contender(name=name, algorithm="random") for name in (algorithms.POLICY, algorithms.PAPERS))
    found = {
        ("r0-sp53", "additive", algorithms.POLICY): [result(value) for value in (2.0, 2.2, 1.8)],
        ("r0-sp53", "additive", algorithms.PAPERS): [result(value) for value in (1.0, 1.0, 1.0)],
    }
    first, last = algorithms._policies(replace(PLAN, contenders=pair), found)
    assert (first.budget, last.budget) == PLAN.budgets
    # Gains 1, 1.2 and 0.8, and half of that: t is 8.66 with two degrees of freedom, 0.0131, twice for two tests.
    assert (first.gain, last.gain) == pytest.approx((0.5, 1.0))
    assert last.error == pytest.approx(0.2 / 3**0.5)
    assert first.chance == last.chance == pytest.approx(2 * 0.0131, abs=1e-4)
    assert algorithms._policies(PLAN, {("r0-sp53", "additive", "random"): [result(1.0)]}) == []


def test_one_instance_says_nothing_about_chance() -> None:
    plan = replace(PLAN, seeds=(1,))
    found = {("r0-sp53", "additive", one.name): [result(1.0)] for one in plan.contenders}
    assert all(abs(rate) == 1.0 for row in algorithms._rows(plan, found) for rate in row.differences)


def test_what_ran_on_fewer_instances_and_for_fewer_trials_is_compared_on_those() -> None:
    """Only two instances of three, and the smaller budget: there it is 0.05 and 0.15 better than the good one, which is
    nothing; the third, on which the good one is far better, does not count against it."""
    found = {
        ("r0-sp53", "additive", "random"): [result(value) for value in (1.0, 2.0, 1.5)],
        ("r0-sp53", "additive", "good"): [result(value) for value in (4.0, 5.0, 40.0)],
        ("r0-sp53", "additive", "slow"): [
            replace(result(value), incumbents=(value / 2,), curve=result(value).curve[:12]) for value in (4.1, 5.3)
        ],
    }
    plan = replace(
        PLAN, contenders=tuple(Contender(name=name, algorithm="random") for name in ("random", "good", "slow"))
    )
    random, good, slow = algorithms._rows(plan, found)
    assert (random.num_seeds, good.num_seeds, slow.num_seeds) == (3, 3, 2)
    assert slow.means == pytest.approx((2.35,))
    assert slow.area is None
    assert good.area == pytest.approx(49 / 3 * 10.5 / 20)
    # 7 parts of 20 of 4.7 are the first above 1.5.
    assert slow.reaches == curve_points(NUM_TRIALS)[6]
    # Gains 0.05 and 0.15: t is 2, of one degree of freedom: a chance of 0.2952, the least of the three.
    assert slow.differences == pytest.approx((3 * 0.2952,), abs=1e-3)
    assert random.differences[1] < 0, "with all three"


def test_limits_of_contenders_and_kinds_shorten_searches() -> None:
    plan = replace(
        PLAN,
        kinds=("additive", "training_free"),
        contenders=(
            Contender(name="random", algorithm="random"),
            Contender(name="slow", algorithm="random", limit=Limit(num_seeds=3, num_trials=70)),
        ),
        budgets=(50, 60, NUM_TRIALS),
        kind_limits={"training_free": Limit(num_seeds=2, num_trials=60)},
    )
    ran = [(task.kind, task.contender.name, task.seed, task.budgets) for task in plan.tasks()]
    assert ran == [
        *(("additive", "random", seed, (50, 60, NUM_TRIALS)) for seed in (1, 2, 3, 4)),
        *(("additive", "slow", seed, (50, 60)) for seed in (1, 2, 3)),
        *(("training_free", name, seed, (50, 60)) for name in ("random", "slow") for seed in (1, 2)),
    ]
    lasts = {(task.kind, task.contender.name): task.points[-1] for task in plan.tasks()}
    assert lasts["additive", "random"] == NUM_TRIALS
    assert 50 < lasts["additive", "slow"] <= 60
    assert lasts["training_free", "random"] == lasts["training_free", "slow"] == 60


def test_tuning_instances_are_none_of_the_test() -> None:
    for plan in (Plan(), QUICK_PLAN):
        assert min(plan.seeds) >= FIRST_TEST_SEED


def test_a_run_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two contenders on two instances: what one search of them gives is in the table."""
    tiny = replace(
        QUICK_PLAN,
        kinds=("additive",),
        contenders=(CONTENDERS[0], CONTENDERS[3]),
        budgets=(40, 60),
    )
    monkeypatch.setattr(algorithm_tasks, "QUICK_PLAN", tiny)
    monkeypatch.setattr(many_searches, "NUM_PROCESSES", 1)  # each begins with an import of torch
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
                points=tuple(curve_points(tiny.budgets[-1])),
                num_workers=tiny.num_workers,
            )
        )
        for number in (0, 1)
    ]
    assert rows[1]["means"] == [(one + other) / 2 for one, other in zip(*(r.incumbents for r in searches), strict=True)]
    assert rows[0]["means"] != rows[1]["means"]
    assert all(row["milliseconds"] > 0 for row in rows)


def test_a_plan_is_narrowed_by_names_and_numbers() -> None:
    plan = Plan().narrowed(num_seeds=3, num_trials=700).only(contenders=["mixed", "random"], kinds=["rugged"])
    assert [one.name for one in plan.contenders] == ["random", "mixed"]
    assert plan.kinds == ("rugged",)
    assert plan.spaces == Plan().spaces
    assert plan.seeds == (FIRST_TEST_SEED, FIRST_TEST_SEED + 1, FIRST_TEST_SEED + 2)
    assert plan.budgets == (100, 250, 500, 700)
    with pytest.raises(ValueError, match="contender 'best': must be one of random, evolution"):
        Plan().only(contenders=["best"])


def test_the_table_marks_what_is_more_than_chance() -> None:
    row = algorithms.Row(
        space="joint",
        kind="rugged",
        contender="guided",
        num_seeds=12,
        means=(1.0, 2.0),
        errors=(0.1, 0.2),
        differences=(0.5, 0.01),
        reaches=None,
        reaches_draws=None,
        area=1.5,
        milliseconds=3.25,
    )
    shorter = replace(
        row, contender="slow", num_seeds=5, means=(1.0,), errors=(0.1,), differences=(-0.02,), reaches=80, area=None
    )
    report = algorithms.AlgorithmsReport(
        budgets=(100, 2000), num_seeds=12, num_workers=100, base="mixed", num_draws=0, rows=(row, shorter)
    )
    assert "| guided | 1.00 ± 0.10 | 2.00 ± 0.20 + | 1.50 | never | 3.2 |" in as_markdown(report)
    assert "| slow (5 instances) | 1.00 ± 0.10 - | not run | not run | 80 | 3.2 |" in as_markdown(report)
    far = replace(report, num_draws=20_000, rows=(replace(row, reaches_draws=1400),))
    assert "| guided | 1.00 ± 0.10 | 2.00 ± 0.20 + | 1.50 | never | 1,400 | 3.2 |" in as_markdown(far)


def test_a_level_is_the_best_of_many_draws() -> None:
    """Of 400 draws the one that looks best is nearly three deviations above the mean, and one draw is anywhere."""
    objective = algorithm_tasks.KINDS["additive"](R0_SP53, 3).standardise()
    values = [algorithm_tasks.best_draw(objective, seed, 400) for seed in range(5)]
    assert 2 < sum(values) / 5 < 3.5
    assert len(set(values)) > 1
    plan = replace(PLAN, num_draws=400, seeds=(0, 1))
    assert [run_task(task).incumbents for task in plan.draws()] == [
        (algorithm_tasks.best_draw(algorithm_tasks.KINDS["additive"](R0_SP53, seed).standardise(), seed, 400),)
        for seed in (0, 1)
    ]


def test_rows_say_when_the_level_of_the_draws_is_reached() -> None:
    found = {("r0-sp53", "additive", name): [result(4.0)] for name in ("random", "good", "alike")}
    found["r0-sp53", "additive", algorithm_tasks.DRAWS.name] = [Result(incumbents=(2.9,), curve=(), milliseconds=0.0)]
    rows = algorithms._rows(replace(PLAN, seeds=(1,)), found)
    # 15 parts of 20 of 4 are the first that are 2.9.
    assert [row.reaches_draws for row in rows] == [curve_points(NUM_TRIALS)[14]] * 3
