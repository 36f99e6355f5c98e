"""RetinaNet: a backbone, and two small subnets shared by all levels of its pyramid (Lin et al. 2017).

The convolutions are shared, the batch norms are not: each level and layer has its own.

Legend: B images, C channels, H and W height and width, A anchors of all levels, K classes.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from search_space.heads import BOX_NUMBERS, RetinaNetHead
from search_space.plan import NetworkPlan
from trainer.model.backbone import Backbone
from trainer.model.blocks import Activation, activation_function, square_convolution
from trainer.model.tower import Tower
from trainer.model.weights import initialised

PRIOR_PROBABILITY = 0.01


class Subnet(Tower):
    """Shared 3x3 convolutions with batch norm for each level, then a 3x3 prediction."""

    def __init__(
        self, in_channels: int, head: RetinaNetHead, outputs: int, levels: Sequence[str], activate: Activation
    ) -> None:
        super().__init__(in_channels, head.channels, head.num_convs, levels, activate, separable=head.separable)
        self.prediction = square_convolution(self.out_channels, outputs, separable=head.separable)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Predictions for each level, (B, outputs, H, W)."""
        return [self.prediction(feature_BCHW) for feature_BCHW in super().forward(features)]


class RetinaNet(nn.Module):
    """Images to class logits and box deltas for every anchor.

    Raises:
        ValueError: a plan with another head, or without one.
    """

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        head = plan.head
        if not isinstance(head, RetinaNetHead):
            raise ValueError(f"head {head}: a RetinaNet needs a RetinaNetHead")
        activate = activation_function(plan.activation)
        levels = [str(endpoint.level) for endpoint in plan.endpoints]
        in_channels = plan.endpoints[0].out_channels
        self.num_classes = plan.num_classes
        self.backbone = Backbone(plan)
        anchors = head.anchors_per_location
        self.class_subnet = Subnet(in_channels, head, anchors * plan.num_classes, levels, activate)
        self.box_subnet = Subnet(in_channels, head, anchors * BOX_NUMBERS, levels, activate)

    def forward(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (B, A, K) and box deltas (B, A, 4), in the order of `anchors.anchor_boxes`."""
        pyramid = self.backbone(images_BCHW)
        logits_BAK = by_anchor(self.class_subnet(pyramid), self.num_classes)
        deltas_BA4 = by_anchor(self.box_subnet(pyramid), BOX_NUMBERS)
        return logits_BAK, deltas_BA4


def by_anchor(predictions: list[Tensor], outputs: int) -> Tensor:
    """Predictions of all levels as (B, A, outputs): level by level, row by row, anchor by anchor."""
    return torch.cat([p.permute(0, 2, 3, 1).reshape(p.shape[0], -1, outputs) for p in predictions], dim=1)


def build_retinanet(plan: NetworkPlan, generator: torch.Generator) -> RetinaNet:
    """A RetinaNet on the CPU with `initialised` weights; every class starts with the prior probability."""
    model = initialised(lambda: RetinaNet(plan), generator)
    bias = cast(Tensor, model.class_subnet.prediction.bias)
    nn.init.constant_(bias, -math.log((1 - PRIOR_PROBABILITY) / PRIOR_PROBABILITY))
    return model
