"""RetinaNet: a backbone, and two small subnets shared by all levels of its pyramid (Lin et al. 2017).

The convolutions are shared, the batch norms are not: each level and layer has its own.

Legend: B images, C channels, H and W height and width, A anchors of all levels, K classes.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn

from search_space.plan import NetworkPlan
from trainer.model.backbone import Backbone
from trainer.model.blocks import Activation, BatchNorm, Bottleneck, Residual, activation_function

PRIOR_PROBABILITY = 0.01
HEAD_DEVIATION = 0.01


class Subnet(nn.Module):
    """Shared 3x3 convolutions with batch norm for each level, then a 3x3 prediction."""

    def __init__(
        self, in_channels: int, width: int, num_convs: int, outputs: int, levels: list[int], act: Activation
    ) -> None:
        super().__init__()
        self.activate = act
        widths = [in_channels] + [width] * num_convs
        self.convs = nn.ModuleList(nn.Conv2d(widths[i], width, 3, padding=1) for i in range(num_convs))
        self.norms = nn.ModuleDict(
            {str(level): nn.ModuleList(BatchNorm(width) for _ in range(num_convs)) for level in levels}
        )
        self.prediction = nn.Conv2d(widths[-1], outputs, 3, padding=1)

    def forward(self, pyramid: list[Tensor]) -> list[Tensor]:
        """Predictions for each level, (B, outputs, H, W)."""
        predictions = []
        for feature_BCHW, norms in zip(pyramid, self.norms.values(), strict=True):
            level_norms = cast(nn.ModuleList, norms)
            for i, conv in enumerate(self.convs):
                feature_BCHW = self.activate(level_norms[i](conv(feature_BCHW)))
            predictions.append(self.prediction(feature_BCHW))
        return predictions


class RetinaNet(nn.Module):
    """Images to class logits and box deltas for every anchor."""

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        head = plan.head
        if head is None:
            raise ValueError("a RetinaNet needs a plan with a head")
        activate = activation_function(plan.activation)
        levels = [endpoint.level for endpoint in plan.endpoints]
        in_channels = plan.endpoints[0].out_channels
        self.num_classes = plan.num_classes
        self.backbone = Backbone(plan)
        anchors = head.anchors_per_location
        sizes = (in_channels, head.channels, head.num_convs)
        self.class_subnet = Subnet(*sizes, anchors * plan.num_classes, levels, activate)
        self.box_subnet = Subnet(*sizes, anchors * 4, levels, activate)

    def forward(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (B, A, K) and box deltas (B, A, 4), in the order of `anchors.anchor_boxes`."""
        pyramid = self.backbone(images_BCHW)
        logits_BAK = _by_anchor(self.class_subnet(pyramid), self.num_classes)
        deltas_BA4 = _by_anchor(self.box_subnet(pyramid), 4)
        return logits_BAK, deltas_BA4


def _by_anchor(predictions: list[Tensor], outputs: int) -> Tensor:
    """Predictions of all levels as (B, A, outputs): level by level, row by row, anchor by anchor."""
    return torch.cat([p.permute(0, 2, 3, 1).reshape(p.shape[0], -1, outputs) for p in predictions], dim=1)


def build_retinanet(plan: NetworkPlan, generator: torch.Generator) -> RetinaNet:
    """A RetinaNet on the CPU with weights drawn from `generator` only, in the order of its modules.

    The last batch norm of every residual block starts at zero (Goyal et al. 2017, section 5.1), which the published
    SpineNet code does not do: a short training from scratch learns several times faster with it.
    """
    with torch.device("meta"):
        model = RetinaNet(plan)
    model = model.to_empty(device="cpu")
    residual_norms: list[BatchNorm] = []
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, (Bottleneck, Residual)):
            residual_norms.append(module.last_norm)
        elif isinstance(module, nn.Conv2d):
            _initialise_convolution(module, generator, is_head="subnet" in name)
    for norm in residual_norms:
        nn.init.zeros_(norm.weight)
    bias = cast(Tensor, model.class_subnet.prediction.bias)
    nn.init.constant_(bias, -math.log((1 - PRIOR_PROBABILITY) / PRIOR_PROBABILITY))
    return model


def _initialise_convolution(conv: nn.Conv2d, generator: torch.Generator, is_head: bool) -> None:
    """Head: N(0, 0.01), as published. Backbone: He et al. 2015, by fan-in."""
    fan_in = conv.weight[0].numel()
    deviation = HEAD_DEVIATION if is_head else math.sqrt(2.0 / fan_in)
    nn.init.normal_(conv.weight, 0.0, deviation, generator=generator)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
