"""Convolution with batch norm, and the operations of blocks."""

CONV_NORM_ACT = """

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
"""

GROUPED_CONV_NORM_ACT = """

class ConvNormAct(nn.Module):
    def __init__(
        self,
        channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        act: bool = True,
    ) -> None:
        super().__init__()
        shape = (channels, out_channels, kernel, stride, kernel // 2)
        self.conv = nn.Conv2d(*shape, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, eps=1e-3)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return activate(x) if self.act else x
"""

SHORTCUT = """

def shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return ConvNormAct(in_channels, out_channels, 1, stride, act=False)
"""

BOTTLENECK = """

class Bottleneck(nn.Module):
    def __init__(self, in_channels: int, block: Block, stride: int = 1) -> None:
        super().__init__()
        width = block.channels // 4
        self.conv1 = ConvNormAct(in_channels, width, 1)
        self.conv2 = ConvNormAct(width, width, 3, stride)
        self.conv3 = ConvNormAct(width, block.channels, 1, act=False)
        self.shortcut = shortcut(in_channels, block.channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        return activate(self.conv3(self.conv2(self.conv1(x))) + self.shortcut(x))
"""

RESIDUAL = """

class Residual(nn.Module):
    def __init__(self, in_channels: int, block: Block, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(in_channels, block.channels, 3, stride)
        self.conv2 = ConvNormAct(block.channels, block.channels, 3, act=False)
        self.shortcut = shortcut(in_channels, block.channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        return activate(self.conv2(self.conv1(x)) + self.shortcut(x))
"""

SQUEEZE = '''

class Squeeze(nn.Module):
    """Squeeze-and-excitation: each channel times a factor that depends on all means."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, width, 1)
        self.expand = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.expand(functional.silu(self.reduce(means))))
'''

MBCONV = """

class MBConv(nn.Module):
    def __init__(self, in_channels: int, block: Block, stride: int = 1) -> None:
        super().__init__()
        width = block.expansion * in_channels
        self.expand: nn.Module = nn.Identity()
        if block.expansion > 1:
            self.expand = ConvNormAct(in_channels, width, 1)
        self.depthwise = ConvNormAct(width, width, block.kernel, stride, groups=width)
        self.project = ConvNormAct(width, block.channels, 1, act=False)
        self.has_shortcut = in_channels == block.channels and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.project(self.depthwise(self.expand(x)))
        return residual + x if self.has_shortcut else residual
"""

SQUEEZED_MBCONV = """

class MBConv(nn.Module):
    def __init__(self, in_channels: int, block: Block, stride: int = 1) -> None:
        super().__init__()
        width = block.expansion * in_channels
        self.expand: nn.Module = nn.Identity()
        if block.expansion > 1:
            self.expand = ConvNormAct(in_channels, width, 1)
        self.depthwise = ConvNormAct(width, width, block.kernel, stride, groups=width)
        self.squeeze = Squeeze(width, max(1, int(SQUEEZE_RATIO * in_channels + 1e-6)))
        self.project = ConvNormAct(width, block.channels, 1, act=False)
        self.has_shortcut = in_channels == block.channels and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        wide = self.squeeze(self.depthwise(self.expand(x)))
        residual: Tensor = self.project(wide)
        return residual + x if self.has_shortcut else residual
"""

OPERATIONS = '''

OPERATIONS = {$OPERATIONS}


def operations(block: Block, in_channels: int, stride: int = 1) -> nn.Sequential:
    """The block's operation, repeated; the first copy has the stride."""
    operation = OPERATIONS[block.kind]
    layers: list[nn.Module] = [operation(in_channels, block, stride)]
    layers += [operation(block.channels, block) for _ in range(block.repeats - 1)]
    return nn.Sequential(*layers)


class StemBlock(nn.Module):
    """One block of the serial part; the first of a new level halves the size."""

    def __init__(self, block: Block, before: Block | None) -> None:
        super().__init__()
        in_channels = before.channels if before else STEM_CHANNELS
        stride = 2 if before and before.level < block.level else 1
        self.layers = operations(block, in_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)
        return x
'''
