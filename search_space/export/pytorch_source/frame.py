"""The beginning and the end of every exported PyTorch file: its table, and what runs it.

The modules of this package hold sections of that file as text; `export.pytorch` puts those together that a plan needs.
Lines have at most 88 characters, and what is spread over lines ends in a comma, so that a formatter leaves the
file as it is, be its limit 88 or 120. ``$NAME`` stands for a value.
"""

HEADER = '''"""$NAME: a detection backbone, written by spinesearch.

It needs torch alone, takes images of any size, and returns the pyramid by name:

    backbone = build_backbone()
    features = backbone(images)  # {"p3": ..., "p4": ..., ...}, $CHANNELS channels each

Target:         $HEIGHT x $WIDTH pixels, width scale $WIDTH_SCALE
Head:           $HEAD
Parameters:     $PARAMETERS
Multiply-adds:  $MULTIPLY_ADDS (convolutions, one image of the target size)

The parameters have the names of the network that the search trained, so that its
backbone weights load with `load_state_dict`.
"""

import argparse
import json
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(NamedTuple):
    """`repeats` copies of an operation at 1 / 2**level of the image.

$BLOCK_DOCSTRING
    """

    feature: int
    level: int
    kind: str
    channels: int
$BLOCK_FIELDS


IMAGE_SIZE = ($HEIGHT, $WIDTH)  # height, width
STEM_CHANNELS = $STEM_CHANNELS
CHANNELS = $CHANNELS
$CONSTANTS# Level of the pyramid: the feature it is made of.
PYRAMID = $PYRAMID
# $COLUMNS.
BLOCKS = (
$BLOCKS
)


def activate(x: Tensor) -> Tensor:
    return functional.$ACTIVATION(x)
'''

FOOTER = '''

def build_backbone() -> Backbone:
    """The backbone with new weights (He et al. 2015)."""
    backbone = Backbone()
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return backbone


def load_spec() -> dict[str, Any]:
    """The architecture as spinesearch reads it; what is left out has its default."""
    spec: dict[str, Any] = json.loads(SPEC_JSON)
    return spec


SPEC_JSON = r"""
$SPEC_JSON
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the backbone once, on noise.")
    parser.add_argument("--image-size", type=int, nargs="+", default=IMAGE_SIZE)
    size = parser.parse_args().image_size
    if len(size) > 2 or min(size) < 1:
        parser.error(f"--image-size {size}: must be a side, or height and width")
    backbone = build_backbone().eval()
    with torch.inference_mode():
        features = backbone(torch.rand(1, 3, size[0], size[-1]))
    for name, feature in features.items():
        print(f"{name}: {tuple(feature.shape)}")
    print(f"parameters: {sum(p.numel() for p in backbone.parameters()):,}")


if __name__ == "__main__":
    main()
'''
