"""Semantic segmentation at output stride 8 (Du et al. 2020b, section 4.4).

Legend: B images, C channels, H and W height and width, K classes.
"""

from typing import NamedTuple

from torch import Tensor, nn

from search_space.heads import SegmentationHead
from search_space.plan import NetworkPlan
from trainer.model.backbone import Backbone
from trainer.model.blocks import activation_function
from trainer.model.tower import Tower, mean_feature

OUTPUT_LEVEL = 3


class PixelScores(NamedTuple):
    """What the pixels of an image show.

    Args:
        logits_BKHW: before softmax, at an eighth of the image's height and width.
    """

    logits_BKHW: Tensor


class Segmenter(nn.Module):
    """Images to the scores of the classes of their pixels.

    Raises:
        ValueError: a plan with another head, or without one.
    """

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        head = plan.head
        if not isinstance(head, SegmentationHead):
            raise ValueError(f"head {head}: a segmenter needs a SegmentationHead")
        in_channels, activate = plan.endpoints[0].out_channels, activation_function(plan.activation)
        self.size = plan.size(OUTPUT_LEVEL)
        self.backbone = Backbone(plan)
        self.tower = Tower(
            in_channels, head.channels, head.num_convs, [str(OUTPUT_LEVEL)], activate, separable=head.separable
        )
        self.prediction = nn.Conv2d(self.tower.out_channels, plan.num_classes, 1)

    def forward(self, images_BCHW: Tensor) -> PixelScores:
        """One map of scores for each image and class."""
        feature_BCHW = mean_feature(self.backbone(images_BCHW), self.size)
        return PixelScores(self.prediction(self.tower([feature_BCHW])[0]))
