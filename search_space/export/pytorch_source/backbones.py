"""The whole backbone: scale-permuted with endpoints, or serial with a feature pyramid."""

SEARCHED_BACKBONE = '''

class Backbone(nn.Module):
    """The stem, the blocks of the table, and a 1x1 convolution for each level."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, STEM_CHANNELS, $STEM_KERNEL, stride=2)
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
            channels = built[feature].channels
            self.endpoints[str(level)] = ConvNormAct(channels, CHANNELS, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images (batch, 3, height, width) to features by name, the largest first."""
        x = $STEM
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

SEPARABLE_CONV = """

class SeparableConv(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        shape = (CHANNELS, CHANNELS, 3, stride, 1)
        self.depthwise = nn.Conv2d(*shape, groups=CHANNELS, bias=False)
        self.pointwise = nn.Conv2d(CHANNELS, CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pointwise(self.depthwise(x))
        return x
"""

FPN_BACKBONE = '''

class Lateral(nn.Module):
    """A feature of the stem at the width of the pyramid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x


class Output(nn.Module):
    """A 3x3 convolution, and its batch norm, which features above do not read."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.conv = $OUTPUT_CONV
        self.norm = nn.BatchNorm2d(CHANNELS, eps=1e-3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv(x)
        return x, self.norm(x)


class Backbone(nn.Module):
    """The stem and the blocks of the table in a row, then a feature pyramid."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, STEM_CHANNELS, $STEM_KERNEL, stride=2)
        self.blocks = nn.ModuleDict()
        before: Block | None = None
        for block in BLOCKS:
            self.blocks[str(block.feature)] = StemBlock(block, before)
            before = block
        self.laterals, self.outputs = nn.ModuleDict(), nn.ModuleDict()
        for level, feature in PYRAMID.items():
            if feature is not None:
                self.laterals[str(level)] = Lateral(BLOCKS[feature].channels)
            self.outputs[str(level)] = Output(stride=1 if feature is not None else 2)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images (batch, 3, height, width) to features by name, the largest first."""
        x = $STEM
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
        pyramid: dict[str, Tensor] = {}
        for level, feature in PYRAMID.items():
            x = merged[level] if feature is not None else convolved[level - 1]
            if feature is None and PYRAMID[level - 1] is None:
                x = activate(x)
            convolved[level], pyramid[f"p{level}"] = self.outputs[str(level)](x)
        return pyramid
'''
