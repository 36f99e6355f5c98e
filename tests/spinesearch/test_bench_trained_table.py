"""The table of trainings: taken from a search, kept in a file, judged by what it did not see."""

from importlib.resources import files
from random import Random

import numpy as np
import pytest
from typer.testing import CliRunner

from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from search_space.budget import backbone_multiply_adds, own_budget
from search_space.decisions import random_genotype
from search_space.reference import reference
from search_space.spaces import SPINENET_49
from spinesearch.bench import objectives
from spinesearch.bench.objectives import trained
from spinesearch.bench.objectives.surrogate import Kernel, properties
from spinesearch.bench.objectives.trained import Trained, TrainedTable
from spinesearch.bench.trained_table import collect, ranking
from spinesearch.cli import app
from tests.api.searches import SearchWriter

KERNEL = Kernel(networks=1.0, length=1.5, blocks=0.3, reach=4.0, noise=0.05)


def written(count: int) -> Store:
    """A search of so many trainings, a reference, and one that failed."""
    store = MemoryStore()
    writer, rng = SearchWriter(store, "s1"), Random(1)
    writer.run()
    for number in range(count):
        genotype = random_genotype(SPINENET_49, rng)
        spec = SPINENET_49.decode(genotype)
        writer.complete(writer.add(spec, genotype=genotype), round(properties(spec)[-30] / 100, 2) + number * 1e-6)
    writer.add(reference("spinenet-49"), arm="reference", name="spinenet-49")
    writer.fail(writer.add(SPINENET_49.decode(genotype), genotype=genotype), "the loss is not a number")
    return store


def test_a_table_has_the_trainings_of_a_search_and_comes_back_from_its_file() -> None:
    store = written(20)
    table = collect(store, "s1")
    trials = store.list_trials("s1", 20)
    assert table.genotypes == tuple(trial.draft.genotype for trial in trials)
    assert table.average_precisions == tuple(round(trial.reward or 0, 5) for trial in trials)
    assert TrainedTable.from_text(table.to_text()) == table
    assert len(table.to_text().splitlines()) == 22, "a training a line"


def test_too_few_trainings_are_no_table() -> None:
    with pytest.raises(ValueError, match="s1: 9 trainings: at least 10"):
        collect(written(9), "s1")


def test_the_ranking_is_worse_of_values_that_nothing_explains() -> None:
    table = collect(written(40), "s1")
    shuffled = TrainedTable(
        search=table.search,
        versions={},
        trainer_version=1,
        genotypes=table.genotypes,
        average_precisions=tuple(Random(3).sample(table.average_precisions, 40)),
        kernel=KERNEL,
    )
    explained, chance = ranking(table), ranking(shuffled)
    assert explained.interval[0] < explained.tau < explained.interval[1]
    assert chance.interval[1] < explained.tau
    assert explained.deviation < explained.spread < chance.deviation


def test_the_objective_is_what_the_file_says() -> None:
    """The tenth of its trainings that were best is predicted to be far above random architectures inside the budget."""
    objective = Trained(SPINENET_49, 5)
    budget = own_budget(SPINENET_49, SPINENET_49.target)
    assert budget.contains(backbone_multiply_adds(objective.random_architecture(Random(1)), SPINENET_49.target))
    table = TrainedTable.from_text((files(objectives) / trained.FILE).read_text())
    best = np.argsort(table.average_precisions)[-len(table.average_precisions) // 10 :]
    standard = objective.standardise()
    assert np.mean([standard.value(table.specs()[index]) for index in best[:20]]) > 1


def test_the_command_needs_a_search_that_is_there() -> None:
    done = CliRunner().invoke(app, ["bench", "trained-table", "nothing"])
    assert done.exit_code != 0
