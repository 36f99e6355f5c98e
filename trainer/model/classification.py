"""Image classification on the mean of a pyramid (Du et al. 2020, section 4.2).

Legend: B images, C channels, H and W height and width, K classes.
"""

from typing import NamedTuple

from torch import Tensor, nn

from search_space.heads import ClassificationHead
from search_space.plan import NetworkPlan
from trainer.model.backbone import Backbone
from trainer.model.tower import mean_feature


class ClassScores(NamedTuple):
    """What an image shows.

    Args:
        logits_BK: before softmax.
    """

    logits_BK: Tensor


class ImageClassifier(nn.Module):
    """Images to the scores of their classes.

    Raises:
        ValueError: a plan with another head, or without one.
    """

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        if not isinstance(plan.head, ClassificationHead):
            raise ValueError(f"head {plan.head}: an image classifier needs a ClassificationHead")
        lowest = plan.endpoints[0]
        self.size = lowest.size
        self.backbone = Backbone(plan)
        self.prediction = nn.Linear(lowest.out_channels, plan.num_classes)

    def forward(self, images_BCHW: Tensor) -> ClassScores:
        """One row of scores for each image."""
        feature_BCHW = mean_feature(self.backbone(images_BCHW), self.size)
        return ClassScores(self.prediction(feature_BCHW.mean((2, 3))))
