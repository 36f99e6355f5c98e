"""The beginning of the file, and torchvision's RetinaNet around its backbone."""

HEADER = '''"""$NAME: its backbone in torchvision's RetinaNet, and a script that trains it.

It needs torch and torchvision alone, and pycocotools to measure AP:

    python FILE.py --images DIR --annotations FILE.json \\\\
        --val-images DIR --val-annotations FILE.json --output model.pt

Images and annotations are in COCO's format. Training starts from new weights. To use
what came out:

    saved = torch.load("model.pt", weights_only=True)
    detector = build_detector(len(saved["category_ids"]))
    detector.load_state_dict(saved["model"])

Target:         $HEIGHT x $WIDTH pixels, width scale $WIDTH_SCALE
Head:           torchvision's, 4 convolutions of $CHANNELS channels
Parameters:     $PARAMETERS of the backbone
Multiply-adds:  $MULTIPLY_ADDS of the backbone (convolutions, one image)

The parameters of the backbone have the names of the network that the search trained,
so that its weights load with `load_state_dict`.
"""

import argparse
import contextlib
import io
import json
import math
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.transforms import v2
'''

DETECTOR = '''

class DetectorBackbone(Backbone):
    """The backbone with what torchvision asks it for."""

    out_channels = CHANNELS
'''

BUILD_DETECTOR = '''

def build_detector(num_classes: int) -> RetinaNet:
    """The detector with new weights; labels are counted from 0, without background.

    Images keep their aspect ratio: their longer side becomes the target's. Anchors are
    3 strides times three sizes, as for SpineNet.
    """
    thirds = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
    sizes = tuple(tuple(3 * 2**level * k for k in thirds) for level in PYRAMID)
    anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
    norm = partial(nn.GroupNorm, math.gcd(32, CHANNELS))
    return RetinaNet(
        build_backbone(),
        num_classes,
        min_size=max(IMAGE_SIZE),
        max_size=max(IMAGE_SIZE),
        anchor_generator=anchors,
        head=RetinaNetHead(CHANNELS, 9, num_classes, norm_layer=norm),
    )
'''
