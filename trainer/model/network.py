"""From a plan to the network that it describes: `build_network(plan, generator) -> module`."""

import torch
from torch import nn

from search_space.heads import ClassificationHead, MaskRCNNHead, RetinaNetHead, SegmentationHead
from search_space.plan import NetworkPlan
from trainer.model.backbone import Backbone
from trainer.model.classification import ImageClassifier
from trainer.model.mask_rcnn import MaskRCNN
from trainer.model.retinanet import RetinaNet, build_retinanet
from trainer.model.segmentation import Segmenter
from trainer.model.weights import initialised


def build_network(plan: NetworkPlan, generator: torch.Generator) -> nn.Module:
    """The network on the CPU with weights drawn from `generator` only, ready to train."""
    if isinstance(plan.head, RetinaNetHead):
        return build_retinanet(plan, generator)
    return initialised(lambda: make_network(plan), generator)


def make_network(plan: NetworkPlan) -> nn.Module:
    """The modules of the network, with torch's own weights; for a plan without a head the backbone alone.

    What `forward` returns is said by the class of each head.

    Raises:
        ValueError: a Mask R-CNN with fewer than two classes.
    """
    match plan.head:
        case None:
            return Backbone(plan)
        case RetinaNetHead():
            return RetinaNet(plan)
        case MaskRCNNHead():
            return MaskRCNN(plan)
        case ClassificationHead():
            return ImageClassifier(plan)
        case SegmentationHead():
            return Segmenter(plan)
