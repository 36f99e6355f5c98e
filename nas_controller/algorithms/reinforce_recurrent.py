"""REINFORCE with the controller of the papers: an LSTM over the sequence of decisions (Zoph and Le 2017).

From the paper (arXiv 1611.01578, sections 3.1 and 4.1): the controller predicts one decision after the other; each
by a softmax classifier on the LSTM's output, and what was taken is the next input. Two layers of 35 hidden units, first
weights uniform in -0.08 to 0.08, Adam; the baseline is a moving average of rewards.

Ours: embeddings as wide as a layer, and one classifier for each kind of decision, by the position of an option among
all that the kind ever offers; what is not offered is masked. The estimator is that of `policy_gradient`, with one step
a result, and so are its settings: the paper's learning rate, 0.0006, is one for 12,800 trials.

What an option means is unknown to it, and so is at which decision it is, but for what it remembers.

Shapes: T decision points, N options of all of them, O options of one, H width, R rows: options of all kinds.
"""

from dataclasses import dataclass

import numpy as np

from nas_controller.algorithms.cells import Lstm
from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.parameters import Array, Parameters
from nas_controller.algorithms.policy import Offers, Policy, Reading, row_sums
from nas_controller.algorithms.policy_gradient import PolicyGradient, PolicyGradientSettings
from search_space.decisions import DecisionKind, DecisionPoint, Genotype, SearchSpace

_KINDS = tuple(DecisionKind)
_POSITIONS = 64
"""Of the options of a kind; those beyond share the last."""
_NUM_ROWS = len(_KINDS) * _POSITIONS
_BEFORE_THE_FIRST = _NUM_ROWS
_WIDTH = 35
_SPREAD = 0.08


def _rows(point: DecisionPoint) -> list[int]:
    """Rows of the options: pool positions and features stay the same whatever was taken before."""
    first = _KINDS.index(point.kind) * _POSITIONS
    positions = [option.feature if option.feature >= 0 else place for place, option in enumerate(point.options)]
    return [first + min(position, _POSITIONS - 1) for position in positions]


class _RecurrentCourse:
    """A genotype in the making."""

    def __init__(self, policy: "RecurrentPolicy") -> None:
        self._policy = policy
        self._previous = _BEFORE_THE_FIRST
        self._states = [(np.zeros(_WIDTH), np.zeros(_WIDTH)) for _ in policy.layers]

    def scores(self, point: DecisionPoint) -> Array:
        """What the classifier of the point's kind says of the options."""
        policy = self._policy
        output_H = policy.embeddings_RH[self._previous]
        for place, layer in enumerate(policy.layers):
            self._states[place] = layer.step(output_H, *self._states[place])
            output_H = self._states[place][0]
        self._rows_O = _rows(point)
        scores_O: Array = policy.classifiers_RH[self._rows_O] @ output_H + policy.biases_R[self._rows_O]
        return scores_O

    def take(self, index: int) -> None:
        """What was taken is the next input."""
        self._previous = self._rows_O[index]


class RecurrentPolicy(Policy):
    """The controller.

    Args:
        draws: for the first parameters.
    """

    def __init__(self, space: SearchSpace, draws: np.random.Generator) -> None:
        parameters = Parameters(
            {
                "embeddings_RH": (_NUM_ROWS + 1, _WIDTH),
                "classifiers_RH": (_NUM_ROWS, _WIDTH),
                "biases_R": (_NUM_ROWS,),
                **Lstm.shapes("first", _WIDTH, _WIDTH),
                **Lstm.shapes("second", _WIDTH, _WIDTH),
            }
        )
        parameters.vector_P[...] = draws.uniform(-_SPREAD, _SPREAD, len(parameters.vector_P))
        super().__init__(space, parameters, np.ones_like(parameters.vector_P))
        self.embeddings_RH = parameters["embeddings_RH"]
        self.classifiers_RH = parameters["classifiers_RH"]
        self.biases_R = parameters["biases_R"]
        self.layers = (Lstm("first", parameters), Lstm("second", parameters))

    def begin(self) -> _RecurrentCourse:
        """A genotype at its beginning."""
        return _RecurrentCourse(self)

    def read(self, genotype: Genotype) -> Reading:
        """The probabilities of all options on the way of a complete genotype."""
        return _RecurrentReading(self, self.points(genotype), genotype).reading()


class _RecurrentReading:
    """A way through the network, forwards when made."""

    def __init__(self, policy: RecurrentPolicy, points: list[DecisionPoint], genotype: Genotype) -> None:
        self._policy, self._points, self._offers = policy, points, Offers.of(points, genotype)
        rows = [row for point in points for row in _rows(point)]
        inputs = [_BEFORE_THE_FIRST, *(rows[taken] for taken in self._offers.taken_T[:-1])]
        self._inputs_TR = row_sums([(row,) for row in inputs], _NUM_ROWS + 1)
        self._offered_NR = row_sums([(row,) for row in rows], _NUM_ROWS)
        first, second = policy.layers
        self._first_trace = first.run(self._inputs_TR @ policy.embeddings_RH)
        self._second_trace = second.run(self._first_trace.hidden_TH)
        self._outputs_NH: Array = self._second_trace.hidden_TH[self._offers.points_N]
        self._classifiers_NH: Array = self._offered_NR @ policy.classifiers_RH

    def reading(self) -> Reading:
        """What came out of it."""
        scores_N = np.einsum("nh,nh->n", self._classifiers_NH, self._outputs_NH)
        scores_N += self._offered_NR @ self._policy.biases_R
        return Reading(self._points, self._offers, self._offers.log_softmax(scores_N), self._backward)

    def _backward(self, by_scores_N: Array) -> Array:
        gradients = Parameters(self._policy.parameters.shapes)
        gradients["biases_R"][...] = self._offered_NR.T @ by_scores_N
        gradients["classifiers_RH"][...] = self._offered_NR.T @ (by_scores_N[:, None] * self._outputs_NH)
        by_outputs_NH = by_scores_N[:, None] * self._classifiers_NH
        first, second = self._policy.layers
        by_second_TH = np.add.reduceat(by_outputs_NH, self._offers.starts_T)
        by_first_TH = second.backward(self._second_trace, by_second_TH, gradients)
        by_inputs_TH = first.backward(self._first_trace, by_first_TH, gradients)
        gradients["embeddings_RH"][...] = self._inputs_TR.T @ by_inputs_TH
        return gradients.vector_P


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrentSettings(PolicyGradientSettings):
    """Those of the estimator; the network learns at a rate of its own, and gradients through time are clipped."""

    learning_rate: float = 0.003
    gradient_clip: float = 10.0


class ReinforceRecurrent(PolicyGradient):
    """The papers' controller, moved towards what was rewarded."""

    def __init__(self, space: SearchSpace, seed: int, settings: RecurrentSettings) -> None:
        super().__init__(space, seed, settings, RecurrentPolicy(space, trial_draws(seed, 0)))
