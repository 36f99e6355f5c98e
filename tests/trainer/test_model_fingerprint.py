"""Networks of one fingerprint are one network: the same outputs once the weights are copied over."""

from dataclasses import replace
from random import Random

import pytest
import torch

from search_space.decisions import SearchSpace, random_genotype
from search_space.fingerprint import fingerprint
from search_space.graph import feature_inputs, orphans_by_output
from search_space.plan import TargetNetwork, resolve
from search_space.spaces import JOINT, SPINENET_49, SPINENET_MBCONV
from search_space.spec import ArchitectureSpec, Fusion
from tests.search_space.strategies import renumbered
from trainer.model.retinanet import RetinaNet, build_retinanet

TARGET = TargetNetwork(image_size=96, width_scale=0.25, endpoint_channels=8, num_classes=2)


def network(spec: ArchitectureSpec, seed: int) -> RetinaNet:
    """A network in eval mode, every parameter and statistic of which is random."""
    generator = torch.Generator().manual_seed(seed)
    model = build_retinanet(resolve(spec, TARGET), generator).eval()
    with torch.no_grad():
        for value in [*model.parameters(), *model.buffers()]:
            value.copy_(0.5 + 0.1 * torch.rand(value.shape, generator=generator) if value.ndim == 1 else value)
    return model


def copied_weights(
    source: RetinaNet, spec: ArchitectureSpec, other: ArchitectureSpec, place_of: dict[int, int]
) -> RetinaNet:
    """The network of `other` with the weights of `source`: `place_of` says where each block of `spec` went."""
    reads, others_read = feature_inputs(spec), feature_inputs(other)
    state = {}
    for key, value in source.state_dict().items():
        words = key.split(".")
        if words[:2] == ["backbone", "blocks"]:
            index = int(words[2])
            edge_of = [others_read[place_of[index]].index(place_of[one]) for one in reads[index]]
            words[2] = str(place_of[index])
            if words[3] == "edges":
                words[4] = str(edge_of[int(words[4])])
            if words[3] == "fusion":
                value = value[torch.tensor([edge_of.index(edge) for edge in range(len(edge_of))])]
        state[".".join(words)] = value
    model = build_retinanet(resolve(other, TARGET), torch.Generator()).eval()
    model.load_state_dict(state, strict=True)
    return model


@pytest.mark.parametrize("space", [SPINENET_49, SPINENET_MBCONV, JOINT], ids=lambda space: space.name)
@pytest.mark.parametrize("fusion", list(Fusion))
def test_relabelled_copies_give_the_same_outputs(space: SearchSpace, fusion: Fusion) -> None:
    rng, compared = Random(4), 0
    images_BCHW = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    while compared < 1:
        spec = space.decode(random_genotype(space, rng))
        spec = replace(spec, fusion=fusion)
        other, place_of = renumbered(spec, rng)
        orphans = {place_of[to]: {place_of[one] for one in joined} for to, joined in orphans_by_output(spec).items()}
        if other.blocks == spec.blocks or orphans != {t: set(j) for t, j in orphans_by_output(other).items()}:
            continue
        assert fingerprint(resolve(other, TARGET)) == fingerprint(resolve(spec, TARGET))
        model = network(spec, seed=compared)
        copy = copied_weights(model, spec, other, place_of)
        with torch.no_grad():
            for ours, theirs in zip(model(images_BCHW), copy(images_BCHW), strict=True):
                assert torch.isfinite(ours).all()
                torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-5)
        compared += 1
