"""Mask R-CNN: region proposals on all levels, then boxes and masks of regions (He et al. 2017).

The number of proposals and of masks is fixed, so every feature has the shape that the cost model counts.

Legend: B images, C channels, H and W height and width, A anchors of all levels, P proposals of an image, R regions of
all images, K classes, M masks of an image, S side of a region, 4 = x0, y0, x1, y1 in pixels, or box deltas.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from search_space.head_cost import BOX_REGION, MASK_REGION, MASK_SCALE
from search_space.heads import BOX_NUMBERS, MaskRCNNHead
from search_space.operations import area
from search_space.plan import NetworkPlan, Size
from trainer.model.anchors import anchor_boxes, anchors_by_level, decode
from trainer.model.backbone import Backbone
from trainer.model.blocks import Activation, BatchNorm, activation_function
from trainer.model.regions import best_boxes, clipped, pool_regions, propose
from trainer.model.retinanet import by_anchor
from trainer.model.tower import Tower

BACKGROUND_CLASS = 0
MAX_OVERLAP = 0.5
CANDIDATES_PER_IMAGE = 1000


class Instances(NamedTuple):
    """The best M objects of each image, best first; where there are fewer, empty boxes of score 0 and label 0.

    Args:
        boxes_BM4: in pixels of the network's input, inside it.
        scores_BM: in [0, 1].
        labels_BM: 1 to K - 1; class 0 is the background.
        masks_BMHW: probability that a pixel belongs to the object, on 28x28 pixels of its box.
    """

    boxes_BM4: Tensor
    scores_BM: Tensor
    labels_BM: Tensor
    masks_BMHW: Tensor


class ProposalSubnet(Tower):
    """Shared 3x3 convolutions with batch norm for each level, then 1x1 predictions."""

    def __init__(self, in_channels: int, head: MaskRCNNHead, levels: Sequence[str], activate: Activation) -> None:
        super().__init__(in_channels, head.rpn_channels, head.num_rpn_convs, levels, activate, separable=head.separable)
        self.score_prediction = nn.Conv2d(self.out_channels, head.anchors_per_location, 1)
        self.box_prediction = nn.Conv2d(self.out_channels, head.anchors_per_location * BOX_NUMBERS, 1)

    def predictions(self, pyramid: list[Tensor]) -> tuple[Tensor, Tensor]:
        """A logit (B, A) and box deltas (B, A, 4) for each anchor, float32."""
        features = self(pyramid)
        scores_BA1 = by_anchor([self.score_prediction(feature_BCHW) for feature_BCHW in features], 1)
        deltas_BA4 = by_anchor([self.box_prediction(feature_BCHW) for feature_BCHW in features], BOX_NUMBERS)
        return scores_BA1.squeeze(2).float(), deltas_BA4.float()


class BoxHead(nn.Module):
    """3x3 convolutions and a fully connected layer on regions, then a class and a box for each class."""

    def __init__(self, in_channels: int, head: MaskRCNNHead, num_classes: int, activate: Activation) -> None:
        super().__init__()
        self.activate = activate
        self.tower = Tower(
            in_channels, head.box_channels, head.num_box_convs, ["regions"], activate, separable=head.separable
        )
        self.hidden = nn.Linear(self.tower.out_channels * area(BOX_REGION), head.fc_channels)
        self.norm = BatchNorm(head.fc_channels)
        self.class_prediction = nn.Linear(head.fc_channels, num_classes)
        self.box_prediction = nn.Linear(head.fc_channels, num_classes * BOX_NUMBERS)

    def forward(self, regions_RCSS: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (R, K) and box deltas (R, K, 4), float32."""
        features_RN = self.tower([regions_RCSS])[0].flatten(1)
        features_RN = self.activate(self.norm(self.hidden(features_RN)))
        deltas_RK4 = self.box_prediction(features_RN).reshape(len(features_RN), -1, BOX_NUMBERS)
        return self.class_prediction(features_RN).float(), deltas_RK4.float()


class MaskHead(nn.Module):
    """3x3 convolutions on regions, twice the size, then a mask for each class."""

    def __init__(self, in_channels: int, head: MaskRCNNHead, num_classes: int, activate: Activation) -> None:
        super().__init__()
        self.activate = activate
        channels = head.mask_channels
        self.tower = Tower(in_channels, channels, head.num_mask_convs, ["regions"], activate, separable=head.separable)
        self.up = nn.ConvTranspose2d(self.tower.out_channels, channels, MASK_SCALE, MASK_SCALE)
        self.norm = BatchNorm(channels)
        self.prediction = nn.Conv2d(channels, num_classes, 1)

    def forward(self, regions_RCSS: Tensor) -> Tensor:
        """Mask logits (R, K, 2 * S, 2 * S)."""
        features_RCHW = self.activate(self.norm(self.up(self.tower([regions_RCSS])[0])))
        masks_RKHW: Tensor = self.prediction(features_RCHW)
        return masks_RKHW


class MaskRCNN(nn.Module):
    """Images to objects with boxes and masks.

    Raises:
        ValueError: a plan with another head, or with no class besides the background.
    """

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__()
        head = plan.head
        if not isinstance(head, MaskRCNNHead):
            raise ValueError(f"head {head}: a Mask R-CNN needs a MaskRCNNHead")
        if plan.num_classes < 2:
            raise ValueError(f"num_classes {plan.num_classes}: a Mask R-CNN needs 2 or more, the first is background")
        self.plan, self.head = plan, head
        self.levels = [endpoint.level for endpoint in plan.endpoints]
        in_channels, activate = plan.endpoints[0].out_channels, activation_function(plan.activation)
        self.backbone = Backbone(plan)
        self.proposal_subnet = ProposalSubnet(in_channels, head, [str(level) for level in self.levels], activate)
        self.box_head = BoxHead(in_channels, head, plan.num_classes, activate)
        self.mask_head = MaskHead(in_channels, head, plan.num_classes, activate)

    def forward(self, images_BCHW: Tensor) -> Instances:
        """The objects of each image."""
        pyramid = self.backbone(images_BCHW)
        proposals_BP4 = self._proposals(pyramid)
        regions_RCSS = pool_regions(pyramid, self.levels, proposals_BP4, BOX_REGION[0])
        logits_RK, deltas_RK4 = self.box_head(regions_RCSS)
        num_images, num_proposals = proposals_BP4.shape[:2]
        boxes_BM4, scores_BM, labels_BM = best_detections(
            logits_RK.reshape(num_images, num_proposals, -1),
            deltas_RK4.reshape(num_images, num_proposals, -1, BOX_NUMBERS),
            proposals_BP4,
            self.plan.target.height_and_width,
            self.head.num_masks,
        )
        masks_RKHW = self.mask_head(pool_regions(pyramid, self.levels, boxes_BM4, MASK_REGION[0]))
        masks_BMKHW = masks_RKHW.reshape(*labels_BM.shape, *masks_RKHW.shape[1:])
        masks_BMHW = torch.take_along_dim(masks_BMKHW, labels_BM[:, :, None, None, None], dim=2)[:, :, 0]
        return Instances(boxes_BM4, scores_BM, labels_BM, masks_BMHW.float().sigmoid())

    def _proposals(self, pyramid: list[Tensor]) -> Tensor:
        scores_BA, deltas_BA4 = self.proposal_subnet.predictions(pyramid)
        return propose(
            scores_BA,
            deltas_BA4,
            anchor_boxes(self.plan).to(scores_BA.device),
            anchors_by_level(self.plan),
            self.plan.target.height_and_width,
            self.head.num_proposals,
        )


def best_detections(
    logits_BPK: Tensor, deltas_BPK4: Tensor, proposals_BP4: Tensor, image_size: Size, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (B, M, 4), scores and labels (B, M) of the `count` best detections, padded as `Instances` says.

    The 1,000 best pairs of proposal and class take part in non-maximum suppression, which is inside a class.
    """
    num_classes = logits_BPK.shape[2]
    scores_BQ = logits_BPK.softmax(2)[:, :, BACKGROUND_CLASS + 1 :].flatten(1)
    best = scores_BQ.topk(min(CANDIDATES_PER_IMAGE, scores_BQ.shape[1]), dim=1)
    proposal_BC = best.indices // (num_classes - 1)
    label_BC = best.indices % (num_classes - 1) + 1
    pair_BC1 = (proposal_BC * num_classes + label_BC)[:, :, None]
    deltas_BC4 = torch.take_along_dim(deltas_BPK4.flatten(1, 2), pair_BC1, dim=1)
    from_BC4 = torch.take_along_dim(proposals_BP4, proposal_BC[:, :, None], dim=1)
    boxes_BC4 = clipped(decode(deltas_BC4, from_BC4), image_size)
    found = []
    for boxes_C4, scores_C, label_C in zip(boxes_BC4, best.values, label_BC, strict=True):
        index_M, is_real_M = best_boxes(boxes_C4, scores_C, label_C, MAX_OVERLAP, count)
        found.append(
            (boxes_C4[index_M] * is_real_M[:, None], scores_C[index_M] * is_real_M, label_C[index_M] * is_real_M)
        )
    boxes, scores, labels = zip(*found, strict=True)
    return torch.stack(boxes), torch.stack(scores), torch.stack(labels)
