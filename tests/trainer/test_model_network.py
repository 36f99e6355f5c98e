"""The built network against the cost model, and what it computes."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from search_space.cost import cost
from search_space.plan import NetworkPlan, RetinaNetHead, TargetNetwork, resolve
from search_space.reference import REFERENCES
from tests.search_space.strategies import SpaceAndGenotype, spaces_with_genotypes
from trainer.model.anchors import anchor_boxes
from trainer.model.retinanet import RetinaNet, build_retinanet

SPINENET_49 = REFERENCES["spinenet-49"].spec
RESNET_50_FPN = REFERENCES["resnet-50-fpn"].spec


def small_plan(image_size: int = 64, reference: str = "spinenet-49") -> NetworkPlan:
    target = TargetNetwork(
        image_size=image_size,
        width_scale=0.125,
        head=RetinaNetHead(channels=8, num_convs=1),
        num_classes=3,
        endpoint_channels=8,
    )
    return resolve(REFERENCES[reference].spec, target)


def counted(plan: NetworkPlan) -> tuple[int, float]:
    """Parameters and multiply-adds of the torch model, on the meta device."""
    with torch.device("meta"):
        model = RetinaNet(plan).eval()
        images_BCHW = torch.empty(1, 3, plan.target.image_size, plan.target.image_size)
    with FlopCounterMode(display=False) as counter:
        model(images_BCHW)
    return sum(p.numel() for p in model.parameters()), counter.get_total_flops() / 2


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    space_and_genotype=spaces_with_genotypes(),
    image_size=st.integers(32, 300),
    width_scale=st.sampled_from([0.25, 0.65, 1.0, 1.3]),
    alpha=st.sampled_from([None, 0.25, 1.0]),
)
def test_any_architecture_costs_what_the_cost_model_says(
    space_and_genotype: SpaceAndGenotype, image_size: int, width_scale: float, alpha: float | None
) -> None:
    space, genotype = space_and_genotype
    head = RetinaNetHead(channels=24, num_convs=2)
    target = TargetNetwork(
        image_size=image_size,
        width_scale=width_scale,
        head=head,
        num_classes=5,
        endpoint_channels=16,
        resampling_alpha=alpha,
    )
    plan = resolve(space.decode(genotype), target)
    report = cost(plan)
    assert counted(plan) == (report.parameters, report.multiply_adds)


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_references_cost_what_the_cost_model_says(name: str) -> None:
    plan = resolve(REFERENCES[name].spec, TargetNetwork(image_size=200, width_scale=0.5))
    report = cost(plan)
    assert counted(plan) == (report.parameters, report.multiply_adds)


def test_spinenet_49_has_the_published_size() -> None:
    # 28.5 M and 85.4 B in Du et al. 2020, Table 3; the integers are counted by hand in search_space.cost's tests.
    plan = resolve(SPINENET_49, TargetNetwork(image_size=640))
    assert counted(plan) == (28_543_383, 85_281_555_200)


@pytest.mark.parametrize("reference", ["spinenet-49", "resnet-50-fpn"])
@pytest.mark.parametrize("image_size", [32, 100, 131])
def test_predictions_are_one_for_each_anchor(image_size: int, reference: str) -> None:
    plan = small_plan(image_size, reference)
    model = build_retinanet(plan, torch.Generator().manual_seed(0))
    logits_BAK, deltas_BA4 = model(torch.randn(2, 3, image_size, image_size))
    num_anchors = len(anchor_boxes(plan))
    assert logits_BAK.shape == (2, num_anchors, 3)
    assert deltas_BA4.shape == (2, num_anchors, 4)
    # The class bias gives every class about the prior probability at the start (Lin et al. 2017, section 4.1).
    assert logits_BAK.sigmoid().mean().item() == pytest.approx(0.01, rel=0.2)


def test_predictions_are_ordered_as_the_anchors() -> None:
    plan = small_plan(64)
    model = build_retinanet(plan, torch.Generator().manual_seed(0)).eval()
    prediction = model.box_subnet.prediction
    torch.nn.init.zeros_(prediction.weight)
    assert prediction.bias is not None
    prediction.bias.data = torch.arange(36.0)  # anchor a of a place answers 4a, 4a + 1, 4a + 2, 4a + 3
    _, deltas_BA4 = model(torch.randn(1, 3, 64, 64))
    expected_A4 = torch.arange(36.0).reshape(9, 4).repeat(deltas_BA4.shape[1] // 9, 1)
    torch.testing.assert_close(deltas_BA4[0], expected_A4)


def test_relu_before_or_after_the_stem_pool_is_the_same() -> None:
    model = build_retinanet(small_plan(), torch.Generator().manual_seed(0))
    images_BCHW = torch.randn(2, 3, 64, 64)
    pooled_first_BCHW = model.backbone._pooled_stem(images_BCHW)
    model.backbone.pools_first = False
    torch.testing.assert_close(model.backbone._pooled_stem(images_BCHW), pooled_first_BCHW, rtol=0, atol=0)


def test_parameter_names_are_those_the_exports_use() -> None:
    names = set(build_retinanet(small_plan(), torch.Generator()).state_dict())
    expected = {
        "stem.conv.weight",
        "stem.norm.running_var",
        "blocks.0.layers.0.shortcut.conv.weight",
        "blocks.2.edges.1.reduce.norm.bias",
        "blocks.3.edges.0.down.conv.weight",
        "blocks.14.edges.0.expand.conv.weight",
        "blocks.16.layers.0.conv3.conv.weight",
        "endpoints.7.norm.weight",
    }
    assert {f"backbone.{name}" for name in expected} <= names
    # Block 14 (L5) has a third input, the orphan 11 of the same width: raw, so without parameters.
    assert not any(name.startswith("backbone.blocks.14.edges.2") for name in names)


def test_weights_come_from_the_generator_alone() -> None:
    torch.manual_seed(1)
    first = build_retinanet(small_plan(), torch.Generator().manual_seed(5)).state_dict()
    torch.manual_seed(2)
    second = build_retinanet(small_plan(), torch.Generator().manual_seed(5)).state_dict()
    other = build_retinanet(small_plan(), torch.Generator().manual_seed(6)).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["backbone.stem.conv.weight"], other["backbone.stem.conv.weight"])


def test_a_plan_without_head_is_refused() -> None:
    with pytest.raises(ValueError, match="head"):
        RetinaNet(resolve(SPINENET_49, TargetNetwork(image_size=64, head=None)))
