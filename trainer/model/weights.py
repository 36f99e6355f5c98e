"""Initial weights: `initialised(make, generator) -> module`."""

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from trainer.model.backbone import BackboneBlock
from trainer.model.blocks import BatchNorm, Bottleneck, Residual
from trainer.model.mbconv import MBConv

HEAD_DEVIATION = 0.01

M = TypeVar("M", bound=nn.Module)


def initialised(make: Callable[[], M], generator: torch.Generator) -> M:
    """The module that `make` makes, on the CPU, with weights drawn from `generator` only, in the order of its modules.

    The last batch norm of every residual block starts at zero (Goyal et al. 2017, section 5.1), which the published
    SpineNet code does not do: a short training from scratch learns several times faster with it.
    """
    with torch.device("meta"):
        model = make()
    model = model.to_empty(device="cpu")
    residual_norms: list[BatchNorm] = []
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, (Bottleneck, Residual)) or (isinstance(module, MBConv) and module.has_skip):
            residual_norms.append(module.last_norm)
        elif isinstance(module, BackboneBlock) and module.fusion is not None:
            nn.init.ones_(module.fusion)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, 0.0, _deviation(module, name), generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for norm in residual_norms:
        nn.init.zeros_(norm.weight)
    return model


def _deviation(module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, name: str) -> float:
    """Subnets and predictions: 0.01, as published, but for depthwise convolutions. The rest: He et al. 2015, by fan-in.

    Each output of a transposed convolution whose stride is its kernel reads one pixel of every input channel.
    """
    is_depthwise = isinstance(module, nn.Conv2d) and module.groups > 1
    if ("subnet" in name or "prediction" in name) and not is_depthwise:
        return HEAD_DEVIATION
    fan_in = module.in_channels if isinstance(module, nn.ConvTranspose2d) else module.weight[0].numel()
    return math.sqrt(2.0 / fan_in)
