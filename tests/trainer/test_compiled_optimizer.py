"""The SGD whose learning rate is a tensor, on the CPU; `tests/xla` holds the compiled trainings."""

import torch
from torch import Tensor, nn

from trainer.compiled_optimizer import make_compiled_sgd


def test_sgd_with_a_tensor_for_a_rate_is_torchs_sgd() -> None:
    parameters, groups = zip(*(parameters_and_groups() for _ in range(2)), strict=True)
    own, torchs = make_compiled_sgd(groups[0], momentum=0.9), torch.optim.SGD(groups[1], lr=0.1, momentum=0.9)
    for rate in (0.1, 0.03, 1.0):
        for optimizer, lr in ((own, torch.tensor([rate])), (torchs, rate)):
            optimizer.zero_grad(set_to_none=False)
            for group in optimizer.param_groups:
                group["lr"] = lr
        for weights, bias in parameters:
            loss: Tensor = (weights.sin().sum() + bias.exp().sum()).square()
            loss.backward()  # type: ignore[no-untyped-call]
        own.step()
        torchs.step()
    start = parameters_and_groups()[0]
    for moved, expected, before in zip(*parameters, start, strict=True):
        torch.testing.assert_close(moved, expected)
        assert not torch.allclose(moved, before, atol=0.05)


def parameters_and_groups() -> tuple[tuple[nn.Parameter, nn.Parameter], list[dict[str, object]]]:
    weights = nn.Parameter(torch.tensor([[0.5, -1.0], [2.0, 0.1]]))
    bias = nn.Parameter(torch.tensor([0.2, -0.3]))
    groups: list[dict[str, object]] = [
        {"params": [weights], "weight_decay": 0.1},
        {"params": [bias], "weight_decay": 0.0},
    ]
    return (weights, bias), groups
