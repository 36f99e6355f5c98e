"""Which steps are recorded on CUDA; that they are right is `test_trainer_cuda`'s."""

import pytest
import torch

from search_space.heads import RetinaNetHead
from search_space.plan import TargetNetwork, resolve
from search_space.reference import REFERENCES
from trainer.model.retinanet import RetinaNet, build_retinanet
from trainer.recorded import SWITCH, is_recorded

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def network(name: str, *, separable: bool = False) -> RetinaNet:
    head = RetinaNetHead(channels=16, num_convs=1, separable=separable)
    target = TargetNetwork(image_size=64, width_scale=0.125, endpoint_channels=16, head=head)
    return build_retinanet(resolve(REFERENCES[name].spec, target), torch.Generator().manual_seed(0))


def test_steps_are_recorded_on_cuda_without_depthwise_convolutions() -> None:
    dense = network("spinenet-49")
    assert is_recorded(dense, CUDA)
    assert is_recorded(network("resnet-50-fpn"), CUDA)
    assert not is_recorded(dense, CPU)
    assert not is_recorded(network("eff-spinenet-d0"), CUDA)
    assert not is_recorded(network("spinenet-49", separable=True), CUDA)


def test_the_recording_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    dense = network("spinenet-49")
    monkeypatch.setenv(SWITCH, "0")
    assert not is_recorded(dense, CUDA)
    monkeypatch.setenv(SWITCH, "1")
    assert is_recorded(dense, CUDA)


def test_another_value_of_the_switch_is_refused_on_any_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "off")
    with pytest.raises(ValueError, match="SPINESEARCH_RECORDED_STEPS=off: must be 0 or 1"):
        is_recorded(network("spinenet-49"), CPU)
