"""Optimizers whose steps are all one compiled graph, for XLA: what changes from step to step are tensors.

The parameters stay apart: a compiler joins operations by itself, and views of one vector cost it minutes.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class TensorRateSGD(torch.optim.Optimizer):
    """SGD with momentum and coupled weight decay, as torch's; that one reads the learning rate as a number.

    Args:
        groups: each with ``params``, ``weight_decay`` and ``momentum``. Their ``lr`` is set before each step, to a
            tensor of one number.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {"lr": 0.0})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Moves the parameters along their gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                velocity = self.state[parameter]["momentum_buffer"]
                velocity.mul_(group["momentum"]).add_(parameter.grad).add_(parameter, alpha=group["weight_decay"])
                parameter.sub_(group["lr"] * velocity)


def make_compiled_adamw(groups: list[dict[str, Any]], betas: tuple[float, float]) -> torch.optim.AdamW:
    """AdamW, as torch's; ``lr`` is set as of `TensorRateSGD`."""
    optimizer = torch.optim.AdamW(groups, betas=betas, capturable=True)
    _make_state(optimizer, ("exp_avg", "exp_avg_sq"))
    for state in optimizer.state.values():
        state["step"] = torch.zeros((), device=state["exp_avg"].device)
    return optimizer


def make_compiled_sgd(groups: list[dict[str, Any]], momentum: float) -> TensorRateSGD:
    """SGD, whose ``lr`` is set before each step."""
    optimizer = TensorRateSGD([{**group, "momentum": momentum} for group in groups])
    _make_state(optimizer, ("momentum_buffer",))
    return optimizer


def _make_state(optimizer: torch.optim.Optimizer, names: Sequence[str]) -> None:
    """Makes gradients and what is remembered zero; made by the first step, they would make it a graph of its own."""
    parameters: list[nn.Parameter] = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
        optimizer.state[parameter] = {name: torch.zeros_like(parameter) for name in names}
