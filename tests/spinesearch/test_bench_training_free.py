"""The training-free objective: synaptic flow by hand, and that it is a function of the network alone."""

from random import Random

import pytest
import torch
from torch import nn

from search_space.decisions import random_genotype
from search_space.spaces import JOINT, R35_SP18, SPINENET_49
from spinesearch.bench.objectives import training_free
from spinesearch.bench.objectives.training_free import TrainingFree, synaptic_flow


def convolution(weights: list[list[float]]) -> nn.Conv2d:
    """A 1x1 convolution without bias, by output and input."""
    layer = nn.Conv2d(len(weights[0]), len(weights), 1, bias=False)
    layer.weight = nn.Parameter(torch.tensor(weights).reshape(layer.weight.shape))
    return layer


class WithShortcut(nn.Module):
    """What comes in, and what two convolutions make of it."""

    def __init__(self, first: nn.Conv2d, second: nn.Conv2d) -> None:
        super().__init__()
        self.layers = nn.Sequential(first, nn.ReLU(), second)

    def forward(self, images_BCHW: torch.Tensor) -> list[torch.Tensor]:
        return [images_BCHW, self.layers(images_BCHW)]


def test_synaptic_flow_of_two_layers_is_twice_the_sum_over_paths() -> None:
    """Paths from ones through |1 -2; 3 4| and |1 -1|: 1+2 and 3+4, each once; both layers have all of it."""
    network = nn.Sequential(convolution([[1.0, -2.0], [3.0, 4.0]]), nn.ReLU(), convolution([[1.0, -1.0]]))
    assert synaptic_flow(network, torch.ones(1, 2, 1, 1)) == pytest.approx(2 * (3 + 7))
    assert synaptic_flow(network, torch.ones(1, 2, 3, 3)) == pytest.approx(9 * 2 * (3 + 7)), "nine pixels"


def test_a_way_around_the_weights_adds_nothing() -> None:
    """It adds 2 to the outputs, but no weight has a share of that."""
    network = WithShortcut(convolution([[1.0, -2.0], [3.0, 4.0]]), convolution([[1.0, -1.0]]))
    assert synaptic_flow(network, torch.ones(1, 2, 1, 1)) == pytest.approx(20)


def test_the_score_is_of_the_network_alone() -> None:
    """Not of its name, of what this process drew or knew before, or of the instance's number."""
    genotype = random_genotype(SPINENET_49, Random(3))
    spec = SPINENET_49.decode(genotype)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = TrainingFree(SPINENET_49, 1).raw(spec)
    training_free._scores.clear()
    assert TrainingFree(SPINENET_49, 2).raw(spec.renamed("another")) == first
    assert torch.equal(torch.get_rng_state(), before)
    other, _ = SPINENET_49.mutate(genotype, 1)
    assert TrainingFree(SPINENET_49, 1).raw(SPINENET_49.decode(other)) != first


def test_equal_networks_are_built_once() -> None:
    training_free._scores.clear()
    specs = [R35_SP18.decode(random_genotype(R35_SP18, Random(number))) for number in (1, 2, 1)]
    first, second, third = [TrainingFree(R35_SP18, 1).raw(spec.renamed(f"number {id(spec)}")) for spec in specs]
    assert first == third != second
    assert len(training_free._scores) == 2


def test_random_architectures_have_mean_0_and_deviation_1_also_with_widths_of_a_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TrainingFree, "num_reference", 10)
    objective = TrainingFree(JOINT, 1)
    standard, rng = objective.standardise(), Random("reference 0")
    specs = [objective.random_architecture(rng) for _ in range(10)]
    assert all(block.width is not None for spec in specs for block in spec.blocks)
    values = [standard.value(spec) for spec in specs]
    assert sum(values) == pytest.approx(0, abs=1e-9)
    assert sum(value**2 for value in values) / 9 == pytest.approx(1)
