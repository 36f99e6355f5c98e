"""A recurrent cell with its gradient, for one sequence at a time: a few small products a step, in numpy.

Equations and the order of the gates are those of `torch.nn.LSTM`, whose numbers and gradients the tests compare. In a
hundred steps of width 32 torch spends its time on calls; this takes a tenth of it.

Products over all steps are sums by `einsum`: BLAS shares them among threads where they are large enough, and
then their last bits would depend on how many there are.

Shapes: T steps, I inputs, H hidden width, G gates, 4H.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from nas_controller.algorithms.parameters import Array, Parameters


@dataclass(frozen=True, slots=True)
class LstmTrace:
    """What a run kept for its gradient: `gates_TG` after their functions, cells before and after each step."""

    inputs_TI: Array
    before_TH: Array
    cells_before_TH: Array
    cells_TH: Array
    gates_TG: Array
    hidden_TH: Array


class Lstm:
    """A long short-term memory (Hochreiter and Schmidhuber 1997); gates: input, forget, new, output.

    Args:
        name: of its arrays among the parameters.
    """

    def __init__(self, name: str, parameters: Parameters) -> None:
        self._name = name
        self._input_GI, self._hidden_GH = parameters[f"{name}.input_GI"], parameters[f"{name}.hidden_GH"]
        self._bias_G = parameters[f"{name}.bias_G"]
        self.width = self._hidden_GH.shape[1]

    @staticmethod
    def shapes(name: str, num_inputs: int, width: int) -> Mapping[str, tuple[int, ...]]:
        """Its arrays."""
        gates = 4 * width
        return {
            f"{name}.input_GI": (gates, num_inputs),
            f"{name}.hidden_GH": (gates, width),
            f"{name}.bias_G": (gates,),
        }

    def step(self, inputs_I: Array, hidden_H: Array, cells_H: Array) -> tuple[Array, Array]:
        """The hidden state and the cells after one step."""
        return self._step(self._input_GI @ inputs_I + self._bias_G, hidden_H, cells_H)[1:]

    def _step(self, projected_G: Array, hidden_H: Array, cells_H: Array) -> tuple[Array, Array, Array]:
        """Gates, the next hidden state and the next cells."""
        width = self.width
        raw_G = projected_G + self._hidden_GH @ hidden_H
        gates_G = expit(raw_G)
        gates_G[2 * width : 3 * width] = np.tanh(raw_G[2 * width : 3 * width])
        taken_in_H = gates_G[:width] * gates_G[2 * width : 3 * width]
        cells_H = gates_G[width : 2 * width] * cells_H + taken_in_H
        return gates_G, gates_G[3 * width :] * np.tanh(cells_H), cells_H

    def run(self, inputs_TI: Array) -> LstmTrace:
        """All steps of a sequence, from a hidden state and cells of zeros."""
        num_steps, width = len(inputs_TI), self.width
        projected_TG = np.einsum("ti,gi->tg", inputs_TI, self._input_GI) + self._bias_G
        gates_TG = np.empty_like(projected_TG)
        states_TH, cells_TH = np.zeros((num_steps + 1, width)), np.zeros((num_steps + 1, width))
        for t in range(num_steps):
            gates_TG[t], states_TH[t + 1], cells_TH[t + 1] = self._step(projected_TG[t], states_TH[t], cells_TH[t])
        return LstmTrace(inputs_TI, states_TH[:-1], cells_TH[:-1], cells_TH[1:], gates_TG, states_TH[1:])

    def backward(self, trace: LstmTrace, by_hidden_TH: Array, gradients: Parameters) -> Array:
        """Gradient by the inputs, TI, from that by each step's hidden state; that by the parameters goes into
        `gradients`."""
        into_TH, forget_TH, new_TH, out_TH = np.split(trace.gates_TG, 4, axis=1)
        tanh_TH = np.tanh(trace.cells_TH)
        to_cells_TH, to_out_TH = out_TH * (1 - tanh_TH**2), tanh_TH * out_TH * (1 - out_TH)
        to_into_TH = new_TH * into_TH * (1 - into_TH)
        to_forget_TH = trace.cells_before_TH * forget_TH * (1 - forget_TH)
        factors_T3H = np.stack([to_into_TH, to_forget_TH, into_TH * (1 - new_TH**2)], axis=1)
        by_raw_T4H = np.empty((len(by_hidden_TH), 4, self.width))
        carried_H, by_cells_H = np.zeros(self.width), np.zeros(self.width)
        for t in reversed(range(len(by_hidden_TH))):
            by_state_H = by_hidden_TH[t] + carried_H
            by_cells_H = by_cells_H + to_cells_TH[t] * by_state_H
            by_raw_T4H[t, :3] = factors_T3H[t] * by_cells_H
            by_raw_T4H[t, 3] = to_out_TH[t] * by_state_H
            by_cells_H = forget_TH[t] * by_cells_H
            carried_H = by_raw_T4H[t].reshape(-1) @ self._hidden_GH
        by_raw_TG = by_raw_T4H.reshape(len(by_hidden_TH), -1)
        gradients[f"{self._name}.hidden_GH"][...] = np.einsum("tg,th->gh", by_raw_TG, trace.before_TH)
        gradients[f"{self._name}.input_GI"][...] = np.einsum("tg,ti->gi", by_raw_TG, trace.inputs_TI)
        gradients[f"{self._name}.bias_G"][...] = by_raw_TG.sum(0)
        by_inputs_TI: Array = np.einsum("tg,gi->ti", by_raw_TG, self._input_GI)
        return by_inputs_TI
