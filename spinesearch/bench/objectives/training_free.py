"""An objective that nobody made up: what the real network says before any training.

Synaptic flow (Tanaka et al. 2020, arXiv 2006.05467, equation 2) is R = 1ᵀ(∏|W|)1, the sum of all outputs of the network
when every weight is taken by its amount and the input is ones; a weight's share of it is |w|·∂R/∂|w|. The score of a
network is the logarithm of the sum of all shares (Abdelfattah et al. 2021, arXiv 2101.08134, who found it to rank
trained networks better than most such scores). It grows with the number and the length of the paths that lead through
the graph, and with the width of what they pass: it is neither a sum over decisions nor noise.

Batch norm passes on what it gets, as it does with fresh statistics; weights have He et al.'s deviation.

The score of Mellor et al. 2021 (arXiv 2006.04647, from the kernel of activation patterns) was tried as well: over 24
random networks of `spinenet-49` it correlates by 0.999 with the logarithm of the number of activations, so it would
ask for little but resolution; synaptic flow correlates by 0.2 with the logarithm of multiply-adds.
"""

import math
from random import Random

import torch
from torch import Tensor, nn

from search_space.budget import decode_within, own_budget
from search_space.decisions import SearchSpace, random_genotype
from search_space.fingerprint import fingerprint
from search_space.plan import NetworkPlan, TargetNetwork, resolve
from search_space.spec import ArchitectureSpec
from spinesearch.bench.objectives.base import Objective
from trainer.model.network import make_network

TINY = TargetNetwork(image_size=64, width_scale=0.125, head=None, endpoint_channels=16)
"""A sixty-fourth of the weights: 60 to 100 ms a network on one core, a quiet and a busy one."""
ONLY_SEED = 0
"""Of weights and of what is compared with. Scores with other weights correlate by 0.9996 over 40 architectures."""

_scores: dict[str, float] = {}
"""By fingerprint; in a process a network is built once, whatever search asks for it."""


class TrainingFree(Objective):
    """The score of a small build of the network. It is one function: seeds make searches, not instances."""

    kind = "training_free"
    num_reference = 200

    def __init__(self, space: SearchSpace, seed: int) -> None:
        super().__init__(space, seed=ONLY_SEED)

    def random_architecture(self, rng: Random) -> ArchitectureSpec:
        """The architecture of a uniform genotype, its widths settled as in a search."""
        space = self.space
        return decode_within(space, random_genotype(space, rng), space.target, own_budget(space, space.target))

    def raw(self, spec: ArchitectureSpec) -> float:
        """The score, from what this process knows or by building the network."""
        plan = resolve(spec, TINY)
        digest = fingerprint(plan)
        if digest not in _scores:
            _scores[digest] = _score(plan)
        return _scores[digest]


def _score(plan: NetworkPlan) -> float:
    network = _initialised(plan, torch.Generator().manual_seed(ONLY_SEED))
    return math.log(synaptic_flow(network, torch.ones(1, 3, *TINY.height_and_width, dtype=torch.float64)))


def _initialised(plan: NetworkPlan, generator: torch.Generator) -> nn.Module:
    """The network in double precision (R is beyond single), with weights drawn from `generator` only."""
    with torch.random.fork_rng(devices=[]):
        network = make_network(plan).double().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, math.sqrt(2 / module.weight[0].numel()), generator=generator)
    return network


def synaptic_flow(network: nn.Module, ones: Tensor) -> float:
    """The sum of |w|·∂R/∂|w| over all weights; the network is left with weights by their amounts.

    Args:
        network: gives one output or a list of them.
        ones: its input, of shape (images, channels, height, width).
    """
    parameters = list(network.parameters())
    with torch.no_grad():
        for parameter in parameters:
            parameter.abs_()
    outputs = network(ones)
    total = torch.stack([output.sum() for output in ([outputs] if isinstance(outputs, Tensor) else outputs)]).sum()
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    pairs = zip(parameters, gradients, strict=True)
    return sum(float((parameter.detach() * gradient).sum()) for parameter, gradient in pairs if gradient is not None)
