"""The fixed parts of an exported PyTorch file, as text; `pytorch` puts them together.

Lines have at most 88 characters, and what is spread over lines ends in a comma, so that a formatter leaves the
file as it is, be its limit 88 or 120. ``$NAME`` stands for a value.
"""

HEADER = '''"""$NAME: a detection backbone, written by spinesearch.

It needs torch alone, takes images of any size, and returns the pyramid by name:

    backbone = build_backbone()
    features = backbone(images)  # {"p3": ..., "p4": ..., ...}, $CHANNELS channels each

Target:         $IMAGE_SIZE x $IMAGE_SIZE pixels, width scale $WIDTH_SCALE
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

    `width` is that of the 3x3 convolutions; a bottleneck puts out four times as many
    channels. `inputs` are pairs: the feature read, and its width on the way, or RAW
    where it is added as it is. A block without inputs reads the one before it.
    """

    feature: int
    level: int
    kind: str
    width: int
    inputs: tuple[tuple[int, int], ...] = ()
    repeats: int = 1

    @property
    def out_channels(self) -> int:
        return 4 * self.width if self.kind == "bottleneck" else self.width


IMAGE_SIZE = $IMAGE_SIZE
STEM_CHANNELS = $STEM_CHANNELS
CHANNELS = $CHANNELS
RAW = 0
# Level of the pyramid: the feature it is made of.
PYRAMID = $PYRAMID
# Feature, level, kind, width, inputs.
BLOCKS = (
$BLOCKS
)
'''

BLOCK_CLASSES = '''

def activate(x: Tensor) -> Tensor:
    return functional.$ACTIVATION(x)


class ConvNormAct(nn.Module):
    def __init__(
        self,
        channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        act: bool = True,
    ) -> None:
        super().__init__()
        pad = kernel // 2
        self.conv = nn.Conv2d(channels, out_channels, kernel, stride, pad, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, eps=1e-3)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return activate(x) if self.act else x


def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return ConvNormAct(in_channels, out_channels, 1, stride, act=False)


class Bottleneck(nn.Module):
    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(in_channels, width, 1)
        self.conv2 = ConvNormAct(width, width, 3, stride)
        self.conv3 = ConvNormAct(width, 4 * width, 1, act=False)
        self.shortcut = shortcut(in_channels, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        return activate(self.conv3(self.conv2(self.conv1(x))) + self.shortcut(x))


class Residual(nn.Module):
    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(in_channels, width, 3, stride)
        self.conv2 = ConvNormAct(width, width, 3, act=False)
        self.shortcut = shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        return activate(self.conv2(self.conv1(x)) + self.shortcut(x))


def operations(block: Block, in_channels: int, stride: int = 1) -> nn.Sequential:
    """The block's operation, repeated; the first copy has the stride."""
    operation = Bottleneck if block.kind == "bottleneck" else Residual
    layers: list[nn.Module] = [operation(in_channels, block.width, stride)]
    more = range(block.repeats - 1)
    layers += [operation(block.out_channels, block.width) for _ in more]
    return nn.Sequential(*layers)


class StemBlock(nn.Module):
    """One block of the serial part; the first of a new level halves the size."""

    def __init__(self, block: Block, before: Block | None) -> None:
        super().__init__()
        in_channels = before.out_channels if before else STEM_CHANNELS
        stride = 2 if before and before.level < block.level else 1
        self.layers = operations(block, in_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
'''

SEARCHED_CLASSES = '''

class Resample(nn.Module):
    """Brings a feature to another level and width."""

    def __init__(self, source: Block, width: int, target: Block) -> None:
        super().__init__()
        self.levels_down = target.level - source.level
        self.reduce = ConvNormAct(source.out_channels, width, 1)
        if self.levels_down > 0:
            self.down = ConvNormAct(width, width, 3, stride=2)
        self.expand = ConvNormAct(width, target.out_channels, 1, act=False)

    def forward(self, x: Tensor, size: list[int]) -> Tensor:
        x = self.reduce(x)
        if self.levels_down > 0:
            x = self.down(x)
            for _ in range(self.levels_down - 1):
                x = functional.max_pool2d(x, kernel_size=3, stride=2, padding=1)
        elif self.levels_down < 0:
            x = functional.interpolate(x, size=size, mode="nearest")
        return self.expand(x)


class MergeBlock(nn.Module):
    """The inputs of a block resampled, summed and activated; then its operation."""

    def __init__(self, block: Block, sources: dict[int, Block]) -> None:
        super().__init__()
        self.inputs = block.inputs
        self.edges = nn.ModuleDict()
        for k, (feature, width) in enumerate(block.inputs):
            if width != RAW:
                self.edges[str(k)] = Resample(sources[feature], width, block)
        self.layers = operations(block, block.out_channels)

    def forward(self, features: dict[int, Tensor], size: list[int]) -> Tensor:
        brought = []
        for k, (feature, width) in enumerate(self.inputs):
            x = features[feature]
            brought.append(x if width == RAW else self.edges[str(k)](x, size))
        return self.layers(activate(sum(brought[1:], brought[0])))
'''

SEARCHED_BACKBONE = '''

class Backbone(nn.Module):
    """The stem, the blocks of the table, and a 1x1 convolution for each level."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, STEM_CHANNELS, 7, stride=2)
        self.blocks = nn.ModuleDict()
        built: dict[int, Block] = {}
        for block in BLOCKS:
            if block.inputs:
                self.blocks[str(block.feature)] = MergeBlock(block, built)
            else:
                before = built.get(block.feature - 1)
                self.blocks[str(block.feature)] = StemBlock(block, before)
            built[block.feature] = block
        self.endpoints = nn.ModuleDict()
        for level, feature in PYRAMID.items():
            channels = built[feature].out_channels
            self.endpoints[str(level)] = ConvNormAct(channels, CHANNELS, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images (batch, 3, height, width) to features by name, the largest first."""
        x = functional.max_pool2d(self.stem(images), kernel_size=3, stride=2, padding=1)
        features: dict[int, Tensor] = {}
        for block in BLOCKS:
            module = self.blocks[str(block.feature)]
            if block.inputs:
                size = [-(-side // 2**block.level) for side in images.shape[-2:]]
                features[block.feature] = module(features, size)
            else:
                features[block.feature] = x = module(x)
        pyramid: dict[str, Tensor] = {}
        for level, feature in PYRAMID.items():
            pyramid[f"p{level}"] = self.endpoints[str(level)](features[feature])
        return pyramid
'''

FPN_BACKBONE = '''

class PyramidConv(nn.Module):
    """A convolution with bias; the backbone applies its batch norm, at the end."""

    def __init__(self, channels: int, kernel: int, stride: int, norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, CHANNELS, kernel, stride, kernel // 2)
        self.norm = nn.BatchNorm2d(CHANNELS, eps=1e-3) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Backbone(nn.Module):
    """The stem and the blocks of the table in a row, then a feature pyramid."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, STEM_CHANNELS, 7, stride=2)
        self.blocks = nn.ModuleDict()
        before: Block | None = None
        for block in BLOCKS:
            self.blocks[str(block.feature)] = StemBlock(block, before)
            before = block
        self.laterals, self.outputs = nn.ModuleDict(), nn.ModuleDict()
        for level, feature in PYRAMID.items():
            if feature is None:
                self.outputs[str(level)] = PyramidConv(CHANNELS, 3, 2, norm=True)
            else:
                channels = BLOCKS[feature].out_channels
                self.laterals[str(level)] = PyramidConv(channels, 1, 1, norm=False)
                self.outputs[str(level)] = PyramidConv(CHANNELS, 3, 1, norm=True)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images (batch, 3, height, width) to features by name, the largest first."""
        x = functional.max_pool2d(self.stem(images), kernel_size=3, stride=2, padding=1)
        features = []
        for block in self.blocks.values():
            x = block(x)
            features.append(x)
        merged: dict[int, Tensor] = {}
        for level, feature in reversed(PYRAMID.items()):
            if feature is not None:
                x = self.laterals[str(level)](features[feature])
                if level + 1 in merged:
                    above = merged[level + 1]
                    x = x + functional.interpolate(above, x.shape[-2:], mode="nearest")
                merged[level] = x
        return self._outputs(merged)

    def _outputs(self, merged: dict[int, Tensor]) -> dict[str, Tensor]:
        """Each level's convolution; above the stem, that of the level below it."""
        convolved: dict[int, Tensor] = {}
        for level, feature in PYRAMID.items():
            x = merged[level] if feature is not None else convolved[level - 1]
            if feature is None and PYRAMID[level - 1] is None:
                x = activate(x)
            convolved[level] = self.outputs[str(level)](x)
        return {f"p{k}": self.outputs[str(k)].norm(x) for k, x in convolved.items()}
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
    return json.loads(SPEC_JSON)


SPEC_JSON = r"""
$SPEC_JSON
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the backbone once, on noise.")
    parser.add_argument("--image-size", type=int, default=IMAGE_SIZE)
    image_size = parser.parse_args().image_size
    if image_size < 1:
        parser.error(f"--image-size {image_size}: must be at least 1 pixel")
    backbone = build_backbone().eval()
    with torch.inference_mode():
        features = backbone(torch.rand(1, 3, image_size, image_size))
    for name, feature in features.items():
        print(f"{name}: {tuple(feature.shape)}")
    print(f"parameters: {sum(p.numel() for p in backbone.parameters()):,}")


if __name__ == "__main__":
    main()
'''
