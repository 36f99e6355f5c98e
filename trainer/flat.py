"""Parameters as long vectors, on which a step is a few operations instead of a few hundred on short ones."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def flattened(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    """One vector that holds all the parameters, which become views of it, as their gradients of its gradient."""
    flat = nn.Parameter(torch.cat([_in_memory_order(p.detach()).reshape(-1) for p in parameters]))
    flat.grad = torch.zeros_like(flat)
    _share(parameters, flat.detach(), flat.grad)
    return flat


class RoundedWeights:
    """Convolution weights in bfloat16, for forward and backward passes in it; the optimizer keeps the exact ones.

    Autocast rounds each weight at each step, and each gradient becomes float32 again. Here both are done for all
    weights at once, with the same result.

    Args:
        parameters: views of `exact`; from now on views of the rounded vector, as their gradients of its gradient.
        exact: float32, as `flattened` made it.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], exact: nn.Parameter) -> None:
        self._exact = exact
        self._rounded = exact.detach().bfloat16()
        self._gradient = torch.zeros_like(self._rounded)
        _share(parameters, self._rounded, self._gradient)

    def zero_gradient(self) -> None:
        """Makes ready for a backward pass."""
        self._gradient.zero_()

    def hand_over_gradient(self) -> None:
        """Gives the exact weights the gradient of the backward pass."""
        assert self._exact.grad is not None
        self._exact.grad.copy_(self._gradient)

    def follow(self) -> None:
        """Takes over the exact weights, rounded; to be called after each change of them."""
        self._rounded.copy_(self._exact.detach())


def _share(parameters: Sequence[nn.Parameter], flat: Tensor, gradient: Tensor) -> None:
    """Makes the parameters views of a vector, one after the other, and their gradients views of another."""
    first = 0
    for parameter in parameters:
        place = slice(first, first + parameter.numel())
        parameter.grad = None  # it may be of another precision than the new weights
        parameter.data = _view_like(flat[place], parameter)
        parameter.grad = _view_like(gradient[place], parameter)
        first = place.stop


def _in_memory_order(weights: Tensor) -> Tensor:
    return weights.permute(0, 2, 3, 1) if weights.ndim == 4 else weights


def _view_like(vector: Tensor, parameter: Tensor) -> Tensor:
    """The vector in the parameter's shape, convolution weights channels last."""
    if parameter.ndim != 4:
        return vector.view(parameter.shape)
    out_channels, in_channels, height, width = parameter.shape
    return vector.view(out_channels, height, width, in_channels).permute(0, 3, 1, 2)
