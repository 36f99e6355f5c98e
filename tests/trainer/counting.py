"""What torch counts of a network that has shapes and no values."""

import warnings

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils.flop_counter import FlopCounterMode

from search_space.heads import MaskRCNNHead
from search_space.plan import NetworkPlan
from trainer.model.network import make_network


def counted(plan: NetworkPlan) -> tuple[int, int]:
    """Parameters and multiply-adds of the network on one image.

    How many boxes non-maximum suppression keeps is unknown without values; fake tensors can stand for that.
    """
    height, width = plan.target.height_and_width
    is_faked = isinstance(plan.head, MaskRCNNHead)
    with warnings.catch_warnings():
        # torchvision's nms asks torch for the unknown number in an older way.
        warnings.filterwarnings("ignore", message=".*create_unbacked_symint", category=FutureWarning)
        with FakeTensorMode(shape_env=ShapeEnv()) if is_faked else torch.device("meta"):
            network = make_network(plan).eval()
            images_BCHW = torch.empty(1, 3, height, width)
            with FlopCounterMode(display=False) as counter:
                network(images_BCHW)
    assert counter.get_total_flops() % 2 == 0
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2
