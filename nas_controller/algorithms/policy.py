"""The policy of REINFORCE: a recurrent network that points at options by what they mean.

At each decision point a GRU (Cho et al. 2014) reads what the point is about and the option taken before it. Its
output, together with a direct query of the point, scores every offered option by an inner product with the option's
key. A key is a sum of embeddings of the option's features (level, type, distance, ...): equal blocks score equally, any
number of options can be offered, and what was taken already is not there to be scored.

Queries start at zero, so the first policy is exactly uniform.

Shapes: T decision points, O options (padded), F feature fields, D key width, H hidden width, R embedding rows.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nas_controller.algorithms.draws import draw_index
from search_space.decisions import DecisionKind, DecisionPoint, Genotype, Option, SearchSpace
from search_space.spec import MAX_LEVEL, BlockType

_KINDS = tuple(DecisionKind)
_TYPES = ("", *BlockType)
_LAST_FEATURE = 63  # features and distances beyond share its embedding

_LAST_MULTIPLIER = 24  # in quarters of an octave to both sides of 1: 1/64 to 64

_KEY_WIDTH = 32
_HIDDEN_WIDTH = 32
_QUERY_SCALES_F1 = torch.tensor([[0.3], [1.0], [0.3], [0.3]], dtype=torch.float64)
"""Weights of a point's kind, subject, level and type in its query. What many points share is changed by each of
them, so that it would move fastest of all with weight 1."""
_RECURRENT_SCALE = 0.1
"""Weight of what the GRU adds to a query."""

_POINT_FIELDS = (1, _LAST_FEATURE + 2, MAX_LEVEL + 1, len(_TYPES))
"""Values of: kind, subject, subject level, subject type."""
_OPTION_FIELDS = (
    MAX_LEVEL + 1,
    len(_TYPES),
    _LAST_FEATURE + 2,
    _LAST_FEATURE + 2,
    2 * MAX_LEVEL + 1,
    2 * MAX_LEVEL + 1,
    2 * _LAST_MULTIPLIER + 2,
)
"""Values of: level, type, feature, distance, level adjustment, level above the subject's, resource multiplier."""


class _Rows:
    """Numbers the rows of one embedding table: a row for each decision kind, field and value."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.total = sum(sizes)
        self.offsets = tuple(sum(sizes[:index]) for index in range(len(sizes)))

    def of(self, kind: DecisionKind, values: Sequence[int]) -> list[int]:
        first = _KINDS.index(kind) * self.total
        return [first + offset + value for offset, value in zip(self.offsets, values, strict=True)]


_POINT_ROWS = _Rows(_POINT_FIELDS)
_OPTION_ROWS = _Rows(_OPTION_FIELDS)


def _point_rows(point: DecisionPoint) -> list[int]:
    subject = min(point.subject, _LAST_FEATURE) + 1
    return _POINT_ROWS.of(point.kind, (0, subject, point.subject_level, _TYPES.index(point.subject_type)))


def _option_rows(point: DecisionPoint, option: Option) -> list[int]:
    """Embedding rows of an option. The pool position of a block is left out: blocks of one level are alike."""
    is_parent = point.kind is DecisionKind.PARENT
    feature = min(option.feature, _LAST_FEATURE) + 1 if is_parent else 0
    step = option.level - point.subject_level if is_parent else 0
    return _OPTION_ROWS.of(
        point.kind,
        (
            option.level,
            _TYPES.index(option.block_type),
            feature,
            min(option.distance, _LAST_FEATURE + 1),
            option.adjustment + MAX_LEVEL,
            step + MAX_LEVEL,
            _multiplier_row(option.multiplier),
        ),
    )


def _multiplier_row(multiplier: float) -> int:
    """0 where none is chosen; else by quarters of an octave."""
    if not multiplier:
        return 0
    quarters = round(4 * math.log2(multiplier))
    return min(max(quarters, -_LAST_MULTIPLIER), _LAST_MULTIPLIER) + _LAST_MULTIPLIER + 1


@dataclass(frozen=True, slots=True)
class Walk:
    """The decision points that a genotype goes through, as embedding rows.

    Args:
        points_TF, options_TOF: rows; a padded option has the rows of option 0.
        offered_TO: which options are real.
        taken_T: the genotype.
    """

    points_TF: Tensor
    options_TOF: Tensor
    offered_TO: Tensor
    taken_T: Tensor


def walk(space: SearchSpace, genotype: Genotype) -> Walk:
    """The decision points of a complete genotype of the space."""
    points, options = [], []
    for index in range(len(genotype)):
        point = space.options(genotype[:index])
        assert point is not None
        points.append(_point_rows(point))
        options.append([_option_rows(point, option) for option in point.options])
    most = max(len(rows) for rows in options)
    return Walk(
        points_TF=torch.tensor(points),
        options_TOF=torch.tensor([rows + rows[:1] * (most - len(rows)) for rows in options]),
        offered_TO=torch.tensor([[index < len(rows) for index in range(most)] for rows in options]),
        taken_T=torch.tensor(genotype),
    )


class PolicyNetwork(nn.Module):
    """Log-probabilities of offered options. Float64 throughout: sampling one decision at a time and going
    through a whole genotype at once then agree far below 1e-6."""

    def __init__(self, draws: np.random.Generator) -> None:
        super().__init__()
        point_rows, option_rows = len(_KINDS) * _POINT_ROWS.total, len(_KINDS) * _OPTION_ROWS.total
        self.point_inputs_RD = _empty(point_rows, _KEY_WIDTH)
        self.point_queries_RD = _empty(point_rows, _KEY_WIDTH)
        self.option_keys_RD = _empty(option_rows, _KEY_WIDTH)
        self.hidden_to_query_HD = _empty(_HIDDEN_WIDTH, _KEY_WIDTH)
        self.recurrent = nn.GRU(_KEY_WIDTH, _HIDDEN_WIDTH, device="meta", dtype=torch.float64).to_empty(device="cpu")
        self._initialise(draws)

    def _initialise(self, draws: np.random.Generator) -> None:
        """Keys of length about 1; queries and biases zero; the rest as wide as a layer's fan-in asks for."""
        for name, parameter in self.named_parameters():
            spread = _HIDDEN_WIDTH**-0.5
            if name == "option_keys_RD":
                spread = (len(_OPTION_FIELDS) * _KEY_WIDTH) ** -0.5
            if "quer" in name or "bias" in name:
                spread = 0.0
            parameter.data.copy_(torch.from_numpy(draws.normal(0.0, spread, tuple(parameter.shape))))

    def rates(self) -> list[float]:
        """Learning rate of each parameter, relative to that of the queries: what options mean, and what the GRU
        makes of it, changes slower than what is asked for."""
        slow = {"option_keys_RD": 0.3, "point_queries_RD": 1.0, "hidden_to_query_HD": 1.0}
        return [slow.get(name, 0.1) for name, _ in self.named_parameters()]

    def begin(self) -> tuple[Tensor, Tensor]:
        """The key before the first decision (1D), and the first hidden state (1H)."""
        return torch.zeros(1, _KEY_WIDTH, dtype=torch.float64), torch.zeros(1, _HIDDEN_WIDTH, dtype=torch.float64)

    def keys(self, options_XF: Tensor) -> Tensor:
        """Keys of options, XD."""
        return self.option_keys_RD[options_XF].sum(-2)

    def queries(self, points_TF: Tensor, previous_TD: Tensor, hidden_1H: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (TD) of consecutive points, and the hidden state after them; `previous_TD` are the keys of the
        options taken just before each."""
        inputs_TD = self.point_inputs_RD[points_TF].sum(-2) + previous_TD
        outputs_TH, hidden_1H = self.recurrent(inputs_TD, hidden_1H)
        direct_TD = (_QUERY_SCALES_F1 * self.point_queries_RD[points_TF]).sum(-2)
        return direct_TD + _RECURRENT_SCALE * outputs_TH @ self.hidden_to_query_HD, hidden_1H

    def log_probs(self, walked: Walk) -> Tensor:
        """Log-probability of every offered option on the way of a genotype, TO; -1e30 where padded."""
        keys_TOD = self.keys(walked.options_TOF)
        taken_TD = keys_TOD[torch.arange(len(walked.taken_T)), walked.taken_T]
        first_1D, hidden_1H = self.begin()
        previous_TD = torch.cat([first_1D, taken_TD[:-1]])
        queries_TD, _ = self.queries(walked.points_TF, previous_TD, hidden_1H)
        scores_TO = torch.einsum("td,tod->to", queries_TD, keys_TOD)
        return torch.log_softmax(scores_TO.masked_fill(~walked.offered_TO, -1e30), dim=-1)

    @torch.no_grad()
    def sample(self, space: SearchSpace, draws: np.random.Generator) -> tuple[Genotype, tuple[float, ...]]:
        """A complete genotype and the log-probability of each of its decisions."""
        genotype: Genotype = ()
        log_probs: tuple[float, ...] = ()
        previous_1D, hidden_1H = self.begin()
        while (point := space.options(genotype)) is not None:
            keys_OD = self.keys(torch.tensor([_option_rows(point, option) for option in point.options]))
            queries_1D, hidden_1H = self.queries(torch.tensor([_point_rows(point)]), previous_1D, hidden_1H)
            logs_O = torch.log_softmax(keys_OD @ queries_1D[0], dim=0).numpy()
            taken = draw_index(np.exp(logs_O), draws.random())
            genotype, log_probs = (*genotype, taken), (*log_probs, float(logs_O[taken]))
            previous_1D = keys_OD[taken : taken + 1]
        return genotype, log_probs


@contextmanager
def single_thread() -> Iterator[None]:
    """One torch thread inside, as many as before afterwards: sums in one order, and no start-up for tiny work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _empty(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(*shape, dtype=torch.float64))
