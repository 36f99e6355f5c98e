"""The recurrent cell: numbers and gradients are those of torch."""

import numpy as np
import pytest
import torch

from nas_controller.algorithms.cells import Lstm
from nas_controller.algorithms.parameters import Array, Parameters

NUM_STEPS, NUM_INPUTS, WIDTH = 7, 5, 6
CLOSE = 1e-9


def drawn(shapes: dict[str, tuple[int, ...]]) -> Parameters:
    parameters = Parameters(shapes)
    parameters.vector_P[...] = np.random.default_rng(3).normal(size=len(parameters.vector_P))
    return parameters


def drawn_arrays() -> tuple[Array, Array]:
    """Inputs, and the gradient of some number by the hidden states."""
    draws = np.random.default_rng(4)
    return draws.normal(size=(NUM_STEPS, NUM_INPUTS)), draws.normal(size=(NUM_STEPS, WIDTH))


def in_torch(module: torch.nn.LSTM, arrays: dict[str, Array]) -> tuple[Array, dict[str, Array], Array]:
    """Hidden states of torch's module with these arrays; gradients by the arrays, and by the inputs."""
    inputs_TI, by_hidden_TH = drawn_arrays()
    for name, array in arrays.items():
        getattr(module, name).data.copy_(torch.from_numpy(array))
    inputs = torch.from_numpy(inputs_TI).requires_grad_()
    hidden_TH, _ = module(inputs)
    hidden_TH.backward(torch.from_numpy(by_hidden_TH))
    assert inputs.grad is not None
    by_arrays = {name: getattr(module, name).grad.numpy() for name in arrays}
    return hidden_TH.detach().numpy(), by_arrays, inputs.grad.numpy()


def assert_close(found: Array, expected: Array) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE)


def test_an_lstm_is_that_of_torch() -> None:
    parameters = drawn(dict(Lstm.shapes("cell", NUM_INPUTS, WIDTH)))
    names = {"weight_ih_l0": "cell.input_GI", "weight_hh_l0": "cell.hidden_GH", "bias_ih_l0": "cell.bias_G"}
    arrays = {theirs: parameters[ours] for theirs, ours in names.items()}
    arrays["bias_hh_l0"] = np.zeros(4 * WIDTH)
    expected, by_arrays, by_inputs = in_torch(torch.nn.LSTM(NUM_INPUTS, WIDTH, dtype=torch.float64), arrays)
    cell, gradients = Lstm("cell", parameters), Parameters(parameters.shapes)
    inputs_TI, by_hidden_TH = drawn_arrays()
    trace = cell.run(inputs_TI)
    assert_close(trace.hidden_TH, expected)
    assert_close(cell.backward(trace, by_hidden_TH, gradients), by_inputs)
    for theirs, ours in names.items():
        assert_close(gradients[ours], by_arrays[theirs])
    hidden_H, cells_H = np.zeros(WIDTH), np.zeros(WIDTH)
    for inputs_I, expected_H in zip(inputs_TI, expected, strict=True):
        hidden_H, cells_H = cell.step(inputs_I, hidden_H, cells_H)
        assert_close(hidden_H, expected_H)


@pytest.mark.parametrize("value", [-1e4, 1e4])
def test_large_numbers_saturate_and_overflow_nothing(value: float) -> None:
    parameters = drawn(dict(Lstm.shapes("cell", NUM_INPUTS, WIDTH)))
    trace = Lstm("cell", parameters).run(np.full((NUM_STEPS, NUM_INPUTS), value))
    assert np.abs(trace.hidden_TH).max() <= 1.0
