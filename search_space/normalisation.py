"""How many elements the batch norms of a plan see: `normalised_elements(plan) -> int`.

The published figures come from a profiler that adds one multiply-add for each element of a batch norm to
those of convolutions and fully connected layers (the released code's `compute_model_statistics`; counted: 0.11 B
for R50-FPN at 640 pixels, 0.13 B for SpineNet-49). `search_space.cost` leaves them out, as `torch.utils.flop_counter`
does; `search_space.published` shows both.
"""

from search_space.head_cost import BOX_REGION, MASK_REGION, MASK_SCALE
from search_space.heads import ClassificationHead, MaskRCNNHead, RetinaNetHead, SegmentationHead
from search_space.operations import area
from search_space.plan import EdgeKind, NetworkPlan, PlannedBlock, PlannedEdge, PlannedLayer, feature_size
from search_space.spec import BlockType


def normalised_elements(plan: NetworkPlan) -> int:
    """Elements of all features that a batch norm reads, on one image."""
    stem = plan.stem_channels * area(plan.stem_size)
    edges = sum(_edge(edge) for block in plan.blocks for edge in block.edges)
    blocks = sum(_layer(block, layer) for block in plan.blocks for layer in block.layers)
    endpoints = sum(end.out_channels * area(end.size) for end in plan.endpoints)
    return stem + edges + blocks + endpoints + _head(plan)


def _edge(edge: PlannedEdge) -> int:
    mid, down = edge.mid_channels, edge.levels_down
    if edge.kind is EdgeKind.RAW:
        return 0
    total = edge.out_channels * area(edge.out_size)
    if edge.kind is EdgeKind.CONV:
        strided = mid * area(feature_size(edge.in_size, 1)) if down > 0 else 0
        return total + mid * area(edge.in_size) + strided
    first = 1 if edge.kind is EdgeKind.DEPTHWISE else 2
    return total + sum(mid * area(feature_size(edge.in_size, level)) for level in range(first, down + 1))


def _layer(block: PlannedBlock, layer: PlannedLayer) -> int:
    mid, size = layer.mid_channels, area(layer.size)
    total = (mid + layer.out_channels) * size
    if block.block_type is BlockType.MBCONV:
        return total + (mid * area(layer.in_size) if mid != layer.in_channels else 0)
    if block.block_type is BlockType.BOTTLENECK:
        total += mid * area(layer.in_size)
    has_projection = layer.in_channels != layer.out_channels or layer.stride > 1
    return total + (layer.out_channels * size if has_projection else 0)


def _head(plan: NetworkPlan) -> int:
    pixels = sum(area(end.size) for end in plan.endpoints)
    match plan.head:
        case None | ClassificationHead():
            return 0
        case RetinaNetHead() as head:
            return 2 * head.num_convs * head.channels * pixels
        case MaskRCNNHead() as head:
            boxes = head.num_box_convs * head.box_channels * area(BOX_REGION) + head.fc_channels
            masks = (head.num_mask_convs + MASK_SCALE**2) * head.mask_channels * area(MASK_REGION)
            proposals = head.num_rpn_convs * head.rpn_channels * pixels
            return proposals + head.num_proposals * boxes + head.num_masks * masks
        case SegmentationHead() as head:
            return head.num_convs * head.channels * area(plan.size(3))
