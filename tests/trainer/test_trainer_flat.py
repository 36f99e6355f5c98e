"""Parameters as long vectors, exact and rounded."""

import copy

import torch
from torch import nn

from trainer.flat import RoundedWeights, flattened


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    # The last convolution is used twice: its gradient is a sum.
    shared = nn.Conv2d(4, 4, 1)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), shared, nn.ReLU(), shared)


def stepped(model: nn.Module, *, is_rounded: bool, steps: int = 4) -> tuple[list[float], nn.Parameter]:
    """Losses of a training in bfloat16, and the exact weights at its end."""
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    exact = flattened(weights)
    rounded = RoundedWeights(weights, exact) if is_rounded else None
    optimizer = torch.optim.AdamW([exact], lr=0.05)
    images_BCHW = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    losses = []
    for _ in range(steps):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(images_BCHW).float().square().mean()
        optimizer.zero_grad(set_to_none=False)
        if rounded is not None:
            rounded.zero_gradient()
        loss.backward()
        if rounded is not None:
            rounded.hand_over_gradient()
        optimizer.step()
        if rounded is not None:
            rounded.follow()
        losses.append(float(loss.detach()))
    return losses, exact


def test_rounded_weights_train_like_autocast_to_the_bit() -> None:
    model = small_network()
    losses, exact = stepped(copy.deepcopy(model), is_rounded=False)
    same_losses, same_exact = stepped(model, is_rounded=True)
    assert losses[-1] < 0.9 * losses[0]
    assert losses == same_losses
    assert torch.equal(exact, same_exact)


def test_the_model_computes_with_what_the_optimizer_has() -> None:
    model = small_network()
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    before = [weight.detach().clone() for weight in weights]
    exact = flattened(weights)
    rounded = RoundedWeights(weights, exact)
    assert all(torch.equal(weight, old.bfloat16()) for weight, old in zip(weights, before, strict=True))
    exact.data.fill_(1 / 3)
    assert all(torch.equal(weight, old.bfloat16()) for weight, old in zip(weights, before, strict=True))
    rounded.follow()
    assert all(bool((weight == torch.tensor(1 / 3).bfloat16()).all()) for weight in weights)
    assert float(exact.detach()[0]) == float(torch.tensor(1 / 3))
