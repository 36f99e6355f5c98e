"""`bench front`: hypervolumes by hand, and a tiny run through the command."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from nas_controller.wanted_front import WantedFront
from search_space.spaces import SPINENET_49
from spinesearch.bench import front as bench_front
from spinesearch.bench.front import (
    BASE,
    CONTENDERS,
    NSGA2,
    Contender,
    FrontReport,
    FrontResult,
    FrontTask,
    Growing,
    Seen,
    best_within,
    front_volume,
    run_task,
)
from spinesearch.bench.front_table import as_markdown, print_front
from spinesearch.bench.many_searches import standard_errors
from spinesearch.bench.objectives.synthetic import Additive
from spinesearch.cli import app

FRONT = WantedFront(low=10, high=20, points=2)


def test_the_hypervolume_is_the_mean_of_the_best_within_each_cost() -> None:
    """1 from 12 on, 3 from 15 on: (3 * 1 + 5 * 3) / 10; what is cheaper than the front counts from its beginning on."""
    seen = [Seen(12, 1.1, 1.0), Seen(15, 2.8, 3.0), Seen(16, 2.0, 2.0), Seen(19, 0.5, -4.0)]
    assert front_volume(seen, FRONT) == pytest.approx(1.8)
    assert front_volume([Seen(8, 0.3, 1.5)], FRONT) == pytest.approx(1.5)
    assert front_volume([Seen(12, 0.3, -1.0)], FRONT) == 0


def test_the_front_is_of_what_looks_best_and_is_judged_by_the_truth() -> None:
    """The second looks better than the first, and is worse: it takes its place, unless something cheaper is as good."""
    lucky = [Seen(12, 1.0, 2.0), Seen(12, 2.0, 1.0)]
    assert front_volume(lucky, FRONT) == pytest.approx(0.8)
    assert front_volume([*lucky, Seen(10, 0.5, 1.5)], FRONT) == pytest.approx(1.5)
    assert (best_within(lucky, 12), best_within(lucky, 11)) == (1.0, None)


def test_values_grow_with_the_cost_of_the_network() -> None:
    """SpineNet-49 has 28.262 billion: 0.5 for each doubling of the geometric mean of the ends."""
    base = Additive(SPINENET_49, 1).standardise()
    spec = SPINENET_49.decode((0,) * SPINENET_49.genotype_length)
    small, large = (Growing(base, WantedFront(low=low, high=4 * low)) for low in (10e9, 20e9))
    assert small.value(spec) - large.value(spec) == pytest.approx(0.5)
    assert small.value(spec) != base.value(spec)


def test_rows_are_compared_with_the_base_on_the_same_instances() -> None:
    tasks = [FrontTask(space="joint", contender=c, seed=s, budgets=(10,)) for c in CONTENDERS[:2] for s in (1, 2)]
    volumes = [1.0, 3.0, 0.5, 2.1]
    under = [(1.0, None), (2.0, 2.0), (3.0, 3.0), (3.0, 4.0)]
    found = [FrontResult(hypervolumes=(v,), under=u, milliseconds=1.0) for v, u in zip(volumes, under, strict=True)]
    base, other = bench_front._rows(tasks, dict(zip(tasks, found, strict=True)))
    assert (base.contender, base.means, base.behind, base.under) == (BASE.name, (2.0,), (0.0,), (1.5, None))
    assert other.means == pytest.approx((1.3,))
    assert other.under == (3.0, 3.5)
    assert other.behind == pytest.approx((0.7,))
    assert other.behind_errors == pytest.approx((0.2,))  # of 0.5 and 0.9
    assert np.isnan(standard_errors(np.array([[1.0]]))).all()
    report = FrontReport(budgets=(10,), num_seeds=2, num_workers=10, growth=0.5, rows=(base, other))
    table = as_markdown(report)
    assert "| one search for the front | 2.00 ± 1.00 |  | 1.50 | none |" in table
    assert "| a search for each target | 1.30 ± 0.80 | 0.70 ± 0.20 | 3.00 | 3.50 |" in table
    single = replace(report, rows=(replace(base, errors=(float("nan"),)),))
    assert "| one search for the front | 2.00 |  | 1.50 | none |" in as_markdown(single)
    terminal = io.StringIO()
    print_front(report, Console(file=terminal, width=200))
    assert "A front in joint, 15 to 60 billion multiply-adds" in terminal.getvalue()


@pytest.mark.parametrize(("space", "contender"), [("joint", CONTENDERS[3]), ("spinenet-49", NSGA2)])
def test_a_tiny_run(space: str, contender: Contender) -> None:
    """Evolution with a search for each target, and Optuna: the largest target has something under it."""
    found = run_task(FrontTask(space=space, contender=contender, seed=1, budgets=(10, 20)))
    assert len(found.hypervolumes) == 2
    assert all(0 <= volume < 10 for volume in found.hypervolumes)
    assert found.under[-1] is not None
    assert (None in found.under) == (space == "spinenet-49"), "20 billion are rare there"
    assert found.milliseconds > 0


def test_an_unknown_space_is_named() -> None:
    result = CliRunner().invoke(app, ["bench", "front", "--quick", "--space", "r0-sp53"])
    assert str(result.exception) == "space 'r0-sp53': must be one of spinenet-49, joint"
