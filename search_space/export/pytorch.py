"""An architecture as one standalone Python file that needs torch alone."""

from string import Template

from search_space.export.network_source import network_sections, network_values
from search_space.export.pytorch_source import frame
from search_space.plan import TargetNetwork, resolve
from search_space.spec import ArchitectureSpec

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
'''

MAIN = """

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
"""


def export_pytorch(spec: ArchitectureSpec, target: TargetNetwork) -> str:
    """The source of a module with `build_backbone()` and `load_spec()`, for the backbone without a head.

    Dead blocks are left out. Parameter names are those of `trainer.model.backbone.Backbone`.
    """
    plan = resolve(spec, target)
    sections = [HEADER, *network_sections(plan), frame.BUILD, frame.SPEC, MAIN]
    return Template("".join(sections)).substitute(network_values(plan))
