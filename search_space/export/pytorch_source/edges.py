"""How features reach a block of another level and width, and become one."""

CONV_RESAMPLE = '''

class Resample(nn.Module):
    """Brings a feature to another level and width."""

    def __init__(self, source: Block, width: int, block: Block) -> None:
        super().__init__()
        self.levels_down = block.level - source.level
        self.reduce = ConvNormAct(source.channels, width, 1)
        if self.levels_down > 0:
            self.down = ConvNormAct(width, width, 3, stride=2)
        self.expand = ConvNormAct(width, block.channels, 1, act=False)

    def forward(self, x: Tensor, size: list[int]) -> Tensor:
        x = self.reduce(x)
        if self.levels_down > 0:
            x = self.down(x)
            for _ in range(self.levels_down - 1):
                x = functional.max_pool2d(x, kernel_size=3, stride=2, padding=1)
        elif self.levels_down < 0:
            x = functional.interpolate(x, size=size, mode="nearest")
        x = self.expand(x)
        return x
'''

DEPTHWISE_RESAMPLE = '''

class Resample(nn.Module):
    """Brings a feature to another level and width."""

    def __init__(self, source: Block, width: int, block: Block) -> None:
        super().__init__()
        self.levels_down = block.level - source.level
        self.down = nn.ModuleList()
        for _ in range(self.levels_down):
            self.down.append(ConvNormAct(width, width, 3, stride=2, groups=width))
        self.expand = ConvNormAct(width, block.channels, 1, act=False)

    def forward(self, x: Tensor, size: list[int]) -> Tensor:
        for halve in self.down:
            x = halve(x)
        if self.levels_down < 0:
            x = functional.interpolate(x, size=size, mode="nearest")
        x = self.expand(x)
        return x
'''

SPACE_TO_DEPTH_RESAMPLE = '''

def space_to_depth(x: Tensor) -> Tensor:
    """Four neighbours as channels; an odd side ends in zeros."""
    height, width = x.shape[-2:]
    even = functional.pad(x, (0, width % 2, 0, height % 2))
    return functional.pixel_unshuffle(even, 2)


class Resample(nn.Module):
    """Brings a feature to another level and width."""

    def __init__(self, source: Block, width: int, block: Block) -> None:
        super().__init__()
        self.levels_down = block.level - source.level
        self.down = nn.ModuleList()
        for _ in range(self.levels_down - 1):
            self.down.append(ConvNormAct(width, width, 3, stride=2, groups=width))
        self.expand = ConvNormAct(width, block.channels, 1, act=False)

    def forward(self, x: Tensor, size: list[int]) -> Tensor:
        if self.levels_down > 0:
            x = space_to_depth(x)
            for halve in self.down:
                x = halve(x)
        elif self.levels_down < 0:
            x = functional.interpolate(x, size=size, mode="nearest")
        x = self.expand(x)
        return x
'''

SUMMED_BLOCK = '''

class MergeBlock(nn.Module):
    """The inputs of a block resampled, summed and activated; then its operation."""

    def __init__(self, block: Block, sources: dict[int, Block]) -> None:
        super().__init__()
        self.inputs = block.inputs
        self.edges = nn.ModuleDict()
        for k, (feature, width) in enumerate(block.inputs):
            if width != RAW:
                self.edges[str(k)] = Resample(sources[feature], width, block)
        self.layers = operations(block, block.channels)

    def forward(self, features: dict[int, Tensor], size: list[int]) -> Tensor:
        brought = []
        for k, (feature, width) in enumerate(self.inputs):
            x = features[feature]
            brought.append(x if width == RAW else self.edges[str(k)](x, size))
        fused = activate(sum(brought[1:], brought[0]))
        output: Tensor = self.layers(fused)
        return output
'''

WEIGHTED_BLOCK = '''

class MergeBlock(nn.Module):
    """The weighted mean of a block's inputs, activated; then its operation."""

    def __init__(self, block: Block, sources: dict[int, Block]) -> None:
        super().__init__()
        self.inputs = block.inputs
        self.edges = nn.ModuleDict()
        for k, (feature, width) in enumerate(block.inputs):
            if width != RAW:
                self.edges[str(k)] = Resample(sources[feature], width, block)
        self.fusion = nn.Parameter(torch.ones(len(block.inputs)))
        self.layers = operations(block, block.channels)

    def forward(self, features: dict[int, Tensor], size: list[int]) -> Tensor:
        weights = functional.relu(self.fusion)
        weights = weights / (weights.sum() + 1e-4)
        weighted = []
        for k, (feature, width) in enumerate(self.inputs):
            x = features[feature]
            x = x if width == RAW else self.edges[str(k)](x, size)
            weighted.append(weights[k] * x)
        fused = activate(sum(weighted[1:], weighted[0]))
        output: Tensor = self.layers(fused)
        return output
'''
