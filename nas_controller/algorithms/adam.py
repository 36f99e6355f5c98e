"""Adam (Kingma and Ba 2015) over one vector of parameters."""

import numpy as np

from nas_controller.algorithms.parameters import Array

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Moving means of the gradient and of its square.

    Args:
        parameters_P: changed in place.
        rates_P: of each, relative to the step's.
    """

    def __init__(self, parameters_P: Array, rates_P: Array) -> None:
        self._parameters_P = parameters_P
        self._rates_P = rates_P
        self.means_P: Array = np.zeros_like(parameters_P)
        self.squares_P: Array = np.zeros_like(parameters_P)

    def step(self, gradient_P: Array, learning_rate: float, number: int) -> None:
        """One step down the gradient.

        Args:
            number: of the step, from 1.
        """
        self.means_P += (1 - _BETA_1) * (gradient_P - self.means_P)
        self.squares_P *= _BETA_2
        self.squares_P += (1 - _BETA_2) * gradient_P**2
        lengths_P = np.sqrt(self.squares_P / (1 - _BETA_2**number)) + _EPSILON
        self._parameters_P -= learning_rate / (1 - _BETA_1**number) * self._rates_P * self.means_P / lengths_P
