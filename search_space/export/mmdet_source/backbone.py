"""The beginning of the file, the class that MMDetection builds, and how it gets to know it."""

HEADER = '''"""$NAME: a backbone and a configuration for MMDetection 3, by spinesearch.

The class `$CLASS` needs torch alone. Where mmdet or mmengine is installed, importing
this file registers it. To train, put this file where Python finds it and write its
configuration beside it; then give that to MMDetection:

    python FILE.py --write-config CONFIG.py
    PYTHONPATH=. python tools/train.py CONFIG.py

Target:         $HEIGHT x $WIDTH pixels, width scale $WIDTH_SCALE
Head:           RetinaSepBNHead, $NUM_CONVS convolutions of $HEAD_CHANNELS channels$DENSE
Parameters:     $PARAMETERS of the backbone
Multiply-adds:  $MULTIPLY_ADDS of the backbone (convolutions, one image)

The parameters of the backbone have the names of the network that the search trained,
so that its weights load with `load_state_dict`. It has the pyramid in it: no neck.
"""

import argparse
import importlib
import json
import pprint
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
'''

CLASS = '''

class $CLASS(nn.Module):
    """The backbone as MMDetection wants it: a tuple of features, the largest first."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = build_backbone()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features: dict[str, Tensor] = self.backbone(images)
        return tuple(features.values())


def register() -> bool:
    """Makes the class known by its name; false where there is no registry."""
    for name in ("mmdet.registry", "mmengine.registry"):
        try:
            models = importlib.import_module(name).MODELS
        except ImportError:
            continue
        models.register_module("$CLASS", force=True, module=$CLASS)
        return True
    return False


register()
'''

MAIN = '''

def write_config(path: Path) -> None:
    """CONFIG as a file of MMDetection's, which imports this one by its name."""
    imports = {"imports": [Path(__file__).stem], "allow_failed_imports": False}
    lines = [f"# Written by {Path(__file__).name}; train this with MMDetection."]
    for name, value in {"custom_imports": imports, **CONFIG}.items():
        lines.append(f"{name} = {pprint.pformat(value, width=88, sort_dicts=False)}")
    path.write_text("\\n".join(lines) + "\\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the config, or try the class.")
    parser.add_argument("--write-config", type=Path, metavar="CONFIG.py")
    path = parser.parse_args().write_config
    if path is not None:
        if "." in Path(__file__).stem:
            parser.error(f"{Path(__file__).name}: rename it, Python imports no dots")
        write_config(path)
        return
    with torch.inference_mode():
        features = $CLASS().eval()(torch.rand(1, 3, *IMAGE_SIZE))
    for feature in features:
        print(tuple(feature.shape))


if __name__ == "__main__":
    main()
'''
