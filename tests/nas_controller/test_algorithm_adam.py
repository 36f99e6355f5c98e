"""Adam over one vector of named arrays: steps are those of torch."""

import numpy as np
import torch

from nas_controller.algorithms.adam import Adam
from nas_controller.algorithms.parameters import Parameters

RATES = {"slow": 0.1, "fast": 1.0}


def test_steps_are_those_of_torch() -> None:
    draws = np.random.default_rng(1)
    ours = Parameters({"slow": (2, 3), "fast": (4,)})
    ours.vector_P[...] = draws.normal(size=10)
    adam = Adam(ours.vector_P, ours.filled(RATES))
    theirs = {name: torch.nn.Parameter(torch.from_numpy(ours[name].copy())) for name in RATES}
    optimizer = torch.optim.Adam([{"params": [theirs[name]], "lr": 0.02 * RATES[name]} for name in RATES])
    for number in range(1, 6):
        gradient = Parameters(ours.shapes)
        gradient.vector_P[...] = draws.normal(size=10)
        adam.step(gradient.vector_P, 0.02, number)
        for name, parameter in theirs.items():
            parameter.grad = torch.from_numpy(gradient[name].copy())
        optimizer.step()
        for name, parameter in theirs.items():
            np.testing.assert_allclose(ours[name], parameter.detach().numpy(), rtol=0, atol=1e-12)
