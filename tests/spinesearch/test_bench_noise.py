import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from search_space.budget import FlopsBudget, backbone_multiply_adds, budget_from
from search_space.plan import TargetNetwork
from search_space.spaces import find_space
from spinesearch.bench.noise import intraclass_correlation, print_noise, random_architectures, run_noise
from trainer.data.generated import generate
from trainer.task import ProxyTask

TARGET = TargetNetwork(image_size=640)
SPACE = find_space("spinenet-49")


def test_the_published_example() -> None:
    # Shrout & Fleiss 1979, table 2: six targets, four judges; table 4: ICC(1,1) = 0.17.
    ratings = np.array(
        [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
    )
    icc, low, high = intraclass_correlation(ratings)
    # By hand: mean squares 11.24 between and 6.26 within; (11.24 - 6.26) / (11.24 + 3 * 6.26) = 0.166.
    assert icc == pytest.approx(0.166, abs=0.001)
    assert low < icc < high


def test_the_interval_covers_the_truth() -> None:
    # Deviation 1 between and 1 within: ICC 0.5. Of 200 draws, 95 % of the intervals cover it; 4 sigma is 6 %.
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        values = rng.normal(size=(15, 1)) + rng.normal(size=(15, 3))
        _, low, high = intraclass_correlation(values)
        covered += low <= 0.5 <= high
    assert 178 <= covered <= 200


@pytest.mark.parametrize(
    ("values", "expected"),
    [([[1.0, 1.0], [2.0, 2.0]], 1.0), ([[1.0, 1.0], [1.0, 1.0]], 0.0), ([[1.0, 3.0], [1.0, 3.0]], -1.0)],
)
def test_the_extremes(values: list[list[float]], expected: float) -> None:
    assert intraclass_correlation(np.array(values))[0] == pytest.approx(expected)


def test_one_object_or_one_measurement_is_refused() -> None:
    for shape in ((1, 3), (3, 1)):
        with pytest.raises(ValueError, match="both must be at least 2"):
            intraclass_correlation(np.zeros(shape))


def test_architectures_are_inside_the_budget_and_repeatable() -> None:
    budget = budget_from(TARGET, relative_to="spinenet-49", tolerance=0.05)
    specs = random_architectures(SPACE, budget, TARGET, 3, seed=1)
    assert all(budget.contains(backbone_multiply_adds(spec, TARGET)) for spec in specs)
    assert specs == random_architectures(SPACE, budget, TARGET, 3, seed=1)
    assert specs != random_architectures(SPACE, budget, TARGET, 3, seed=2)


def test_an_impossible_budget_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spinesearch.bench.noise.MAX_DRAWS", 5)
    with pytest.raises(ValueError, match="none of 5 random architectures costs"):
        random_architectures(SPACE, FlopsBudget(1000, 0.05), TARGET, 1, seed=0)


@pytest.mark.slow
def test_a_whole_measurement(tmp_path: Path) -> None:
    data = generate(tmp_path / "data", num_train=8, num_val=2, image_size=64)
    task = ProxyTask(
        image_size=64,
        width_scale=0.1,
        endpoint_channels=8,
        head_channels=8,
        head_convs=1,
        batch_size=4,
        learning_rate=1e-5,
        steps=2,
        precision="fp32",
    )
    report = run_noise(
        space=SPACE,
        budget=budget_from(TARGET, relative_to="spinenet-49", tolerance=0.3),
        target=TARGET,
        task=task,
        data=data,
        num_architectures=2,
        num_seeds=2,
        num_workers=1,
    )
    assert np.array(report.average_precision).shape == (2, 2)
    assert report.num_eval_images == 2  # a fifth of eight
    assert report.num_diverged == 0
    assert report.cpu_seconds > 0
    assert json.loads(json.dumps(asdict(report)))["task"]["steps"] == 2
    console = Console(record=True, width=100)
    print_noise(report, console)
    assert "ICC(1)" in console.export_text()


def test_too_few_of_anything_is_refused(tmp_path: Path) -> None:
    data = generate(tmp_path / "data", num_train=2, num_val=1, image_size=32)
    task = ProxyTask.from_document({"preset": "paper"})
    budget = FlopsBudget(1000, 0.05)
    with pytest.raises(ValueError, match="must be at least 2, 2 and 1"):
        run_noise(space=SPACE, budget=budget, target=TARGET, task=task, data=data, num_seeds=1)
