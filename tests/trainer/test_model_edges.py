"""How features change level, and how several become one, by hand on a few pixels."""

import math

import pytest
import torch
from torch import Tensor, nn

from search_space.plan import EdgeKind, PlannedEdge, Size, feature_size
from trainer.device import computes_bf16
from trainer.model.blocks import BATCH_NORM_EPSILON, activation_function, halving_stride
from trainer.model.edges import FUSION_EPSILON, enlarged, enlarged_by_index, fused, resampling, space_to_depth

NORM = 1 / math.sqrt(1 + BATCH_NORM_EPSILON)
"""What a new batch norm multiplies by in eval mode."""


def planned(
    kind: EdgeKind, in_size: Size, levels_down: int, *, channels: int = 1, mid: int = 1, out_size: Size | None = None
) -> PlannedEdge:
    return PlannedEdge(
        source=0,
        kind=kind,
        in_channels=channels,
        mid_channels=mid,
        out_channels=1,
        levels_down=levels_down,
        in_size=in_size,
        out_size=out_size or feature_size(in_size, max(0, levels_down)),
    )


def ones_edge(edge: PlannedEdge) -> nn.Module:
    """The edge in eval mode with ReLU and every convolution weight 1."""
    module = resampling(edge, activation_function("relu")).eval()
    for conv in module.modules():
        if isinstance(conv, nn.Conv2d):
            nn.init.ones_(conv.weight)
    return module


def pixels(*rows: list[float]) -> Tensor:
    return torch.tensor(rows)[None, None]


def test_space_to_depth_of_four_pixels() -> None:
    features_BCHW = torch.cat([pixels([1.0, 2.0], [3.0, 4.0]), pixels([5.0, 6.0], [7.0, 8.0])], dim=1)
    assert space_to_depth(features_BCHW).flatten().tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_space_to_depth_of_odd_sides_ends_in_zeros() -> None:
    depth_BCHW = space_to_depth(pixels([1.0, 2.0, 3.0]))
    assert depth_BCHW.shape == (1, 4, 1, 2)
    # Pairs (1, 2) and (3, nothing); there is no second row.
    assert depth_BCHW[0, :, 0].tolist() == [[1, 3], [2, 0], [0, 0], [0, 0]]
    assert space_to_depth(pixels([7.0])).flatten().tolist() == [7, 0, 0, 0]


@pytest.mark.parametrize(
    ("size", "out_size"),
    [((2, 3), (4, 6)), ((5, 5), (10, 40)), ((3, 3), (5, 5)), ((2, 3), (9, 12)), ((2, 1), (5, 2)), ((4, 4), (4, 4))],
)
def test_enlarging_by_index_is_nearest_neighbour_with_its_gradient(size: Size, out_size: Size) -> None:
    generator = torch.Generator().manual_seed(0)
    drawn_BCHW, weights_BCHW = (
        torch.randn(2, 3, *size, generator=generator),
        torch.randn(2, 3, *out_size, generator=generator),
    )
    results = []
    for enlarge in (enlarged, enlarged_by_index):
        features_BCHW = drawn_BCHW.clone().requires_grad_()
        large_BCHW = enlarge(features_BCHW, out_size)
        (gradient_BCHW,) = torch.autograd.grad((large_BCHW * weights_BCHW).sum(), features_BCHW)
        results.append((large_BCHW, gradient_BCHW))
    (large_BCHW, gradient_BCHW), (same_BCHW, same_gradient_BCHW) = results
    assert torch.equal(large_BCHW, same_BCHW)
    torch.testing.assert_close(gradient_BCHW, same_gradient_BCHW)


def test_a_space_to_depth_edge_adds_four_neighbours() -> None:
    edge = ones_edge(planned(EdgeKind.SPACE_TO_DEPTH, (3, 2), 1, mid=4))
    output_BCHW = edge(pixels([1.0, 2.0], [3.0, 4.0], [-5.0, -6.0]))
    # No activation anywhere: the last row, below which zeros stand, stays negative.
    torch.testing.assert_close(output_BCHW, NORM * pixels([10.0], [-11.0]))


def test_further_levels_are_strided_depthwise_convolutions() -> None:
    # 4x4 ones become four channels of 2x2 ones. Stride 2 leaves the window around the top left: 2x2 of them.
    edge = ones_edge(planned(EdgeKind.SPACE_TO_DEPTH, (4, 4), 2, mid=4))
    torch.testing.assert_close(edge(torch.ones(1, 1, 4, 4)), NORM * 4 * NORM * pixels([4.0]))


def test_a_depthwise_edge_keeps_channels_apart_and_activates_on_the_way() -> None:
    edge = ones_edge(planned(EdgeKind.DEPTHWISE, (4, 4), 1, channels=2, mid=2))
    features_BCHW = torch.cat([torch.ones(1, 1, 4, 4), -torch.ones(1, 1, 4, 4)], dim=1)
    # Windows of 3x3 with padding 1 and stride 2 on 4x4 have 4, 6, 6 and 9 pixels. ReLU ends the second channel.
    torch.testing.assert_close(edge(features_BCHW), NORM * NORM * pixels([4.0, 6.0], [6.0, 9.0]))


@pytest.mark.parametrize("kind", [EdgeKind.DEPTHWISE, EdgeKind.SPACE_TO_DEPTH])
def test_the_way_up_repeats_pixels_to_any_size(kind: EdgeKind) -> None:
    edge = ones_edge(planned(kind, (1, 2), -2, out_size=(3, 5)))
    # Nearest neighbour: column j of 5 reads column floor(j * 2 / 5) = 0, 0, 0, 1, 1. No activation.
    row = [-1.0, -1.0, -1.0, 2.0, 2.0]
    torch.testing.assert_close(edge(pixels([-1.0, 2.0])), NORM * pixels(row, row, row))


def test_a_convolution_edge_pools_after_the_first_level_down() -> None:
    edge = ones_edge(planned(EdgeKind.CONV, (3, 8), 2))
    # Ones of 3x8, then windows of 2 rows and 2, 3, 3, 3 columns; a 3x3 max-pool of stride 2 keeps the largest.
    windows = NORM * NORM * 6
    torch.testing.assert_close(edge(torch.ones(1, 1, 3, 8)), NORM * windows * torch.ones(1, 1, 1, 2))


@pytest.mark.parametrize("kind", [EdgeKind.CONV, EdgeKind.DEPTHWISE, EdgeKind.SPACE_TO_DEPTH])
@pytest.mark.parametrize("in_size", [(64, 64), (37, 5), (8, 1), (1, 9), (1, 1)])
@pytest.mark.parametrize("levels_down", [-3, -1, 0, 1, 2, 5])
def test_sizes_are_those_of_the_plan(kind: EdgeKind, in_size: Size, levels_down: int) -> None:
    out_size = None if levels_down >= 0 else (in_size[0] * 7, in_size[1] * 8 - 1)
    mid = 12 if kind is EdgeKind.SPACE_TO_DEPTH and levels_down > 0 else 3
    edge = planned(kind, in_size, levels_down, channels=3, mid=mid, out_size=out_size)
    output_BCHW = resampling(edge, activation_function("swish"))(torch.randn(2, 3, *in_size))
    assert output_BCHW.shape == (2, 1, *edge.out_size)


def test_a_raw_edge_has_no_operation() -> None:
    with pytest.raises(ValueError, match="feature 0: a raw edge"):
        resampling(planned(EdgeKind.RAW, (4, 4), 0), activation_function("relu"))


def test_parameter_names_are_those_the_exports_use() -> None:
    def parts(kind: EdgeKind, levels_down: int) -> set[str]:
        edge = planned(kind, (16, 16), levels_down, mid=4, channels=1)
        return {key.rpartition(".")[0] for key in resampling(edge, activation_function("relu")).state_dict()}

    def convolutions(*names: str) -> set[str]:
        return {f"{name}.{part}" for name in names for part in ("conv", "norm")}

    assert parts(EdgeKind.CONV, 3) == convolutions("reduce", "down", "expand")
    assert parts(EdgeKind.CONV, -1) == convolutions("reduce", "expand")
    assert parts(EdgeKind.DEPTHWISE, 3) == convolutions("down.0", "down.1", "down.2", "expand")
    assert parts(EdgeKind.SPACE_TO_DEPTH, 3) == convolutions("down.0", "down.1", "expand")
    assert parts(EdgeKind.SPACE_TO_DEPTH, -2) == convolutions("expand")


def test_a_sum_of_features() -> None:
    assert torch.equal(fused([pixels([1.0]), pixels([2.0]), pixels([-5.0])], None), pixels([-2.0]))


def test_weighted_fusion_by_hand() -> None:
    features = [pixels([6.0, -3.0]), pixels([2.0, 1.0]), pixels([100.0, 100.0])]
    # A negative weight counts as zero: (3 * 6 + 1 * 2) / 4.0001 and (3 * -3 + 1) / 4.0001.
    expected_BCHW = pixels([20 / (4 + FUSION_EPSILON), -8 / (4 + FUSION_EPSILON)])
    torch.testing.assert_close(fused(features, torch.tensor([3.0, 1.0, -2.0])), expected_BCHW)
    # Of no weight at all nothing is left, and nothing is divided by zero.
    assert torch.equal(fused(features, torch.zeros(3)), pixels([0.0, 0.0]))


def test_halving_stride_by_side() -> None:
    assert [halving_stride(size) for size in ((1, 1), (1, 5), (2, 1), (7, 8))] == [(1, 1), (1, 2), (2, 1), (2, 2)]


@pytest.mark.skipif(not computes_bf16(torch.device("cpu")), reason="this CPU has no bfloat16")
@pytest.mark.parametrize("kind", [EdgeKind.CONV, EdgeKind.DEPTHWISE])
@pytest.mark.parametrize("in_size", [(1, 1), (1, 8), (2, 1), (8, 1)])
def test_bf16_gradients_do_not_depend_on_memory_where_a_side_is_one_pixel(kind: EdgeKind, in_size: Size) -> None:
    gradients = set()
    for junk_value in (1e4, math.nan, 0.0, math.nan, 3.0):
        torch.manual_seed(0)
        edge = resampling(planned(kind, in_size, 1, channels=16, mid=16), activation_function("swish"))
        edge = edge.to(memory_format=torch.channels_last)
        features_BCHW = torch.randn(4, 16, *in_size).contiguous(memory_format=torch.channels_last)
        junk = [torch.full((2**power,), junk_value) for power in range(3, 20) for _ in range(8)]
        del junk  # what the backward pass allocates is not zero
        with torch.autocast("cpu", torch.bfloat16):
            output_BCHW = edge(features_BCHW)
        (output_BCHW.float() * torch.arange(output_BCHW.numel()).reshape(output_BCHW.shape)).sum().backward()
        gradients.add(tuple(float(p.grad.double().abs().sum()) for p in edge.parameters() if p.grad is not None))
    assert len(gradients) == 1
