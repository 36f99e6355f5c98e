"""The policy of REINFORCE: a recurrent network that points at options by what they mean.

At each decision point a GRU reads what the point is about and the option taken before it. Its output, with a
direct query of the point, scores every offered option by an inner product with the option's key. A key is a
sum of embeddings of the option's features (level, type, distance, ...), so equal blocks score equally, any
number of options can be offered, and what was picked already is not there to be scored.

Zero query weights at the start make the first policy exactly uniform.

Shapes: T decision points, O options (padded), F feature fields, D key width, H hidden width.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from search_space.decisions import DecisionKind, DecisionPoint, Genotype, Option, SearchSpace
from search_space.spec import BlockType

_KINDS = tuple(DecisionKind)
_TYPES = ("", *BlockType)
_MAX_LEVEL = 15
_MAX_ADJUSTMENT = 15
_MAX_FEATURE = 127
"""Values beyond these share the last embedding."""

_POINT_FIELDS = (1, _MAX_FEATURE + 2, _MAX_LEVEL + 1, len(_TYPES))
_OPTION_FIELDS = (
    _MAX_LEVEL + 1,
    len(_TYPES),
    _MAX_FEATURE + 2,
    _MAX_FEATURE + 2,
    2 * _MAX_ADJUSTMENT + 1,
    2 * _MAX_LEVEL + 1,
)


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
    subject = min(point.subject, _MAX_FEATURE) + 1
    return _POINT_ROWS.of(point.kind, (0, subject, point.subject_level, _TYPES.index(point.subject_type)))


def _option_rows(point: DecisionPoint, option: Option) -> list[int]:
    """Embedding rows of an option. The pool position of a block is left out: blocks of one level are alike."""
    is_parent = point.kind is DecisionKind.PARENT
    feature = min(option.feature, _MAX_FEATURE) + 1 if is_parent else 0
    step = option.level - point.subject_level if is_parent else 0
    return _OPTION_ROWS.of(
        point.kind,
        (
            option.level,
            _TYPES.index(option.block_type),
            feature,
            min(option.distance, _MAX_FEATURE),
            option.adjustment + _MAX_ADJUSTMENT,
            step + _MAX_LEVEL,
        ),
    )


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
    """The decision points of a complete genotype.

    Raises:
        ValueError: an option that is not offered, or a genotype too short or too long.
    """
    points, options = [], []
    for index in range(len(genotype) + 1):
        point = space.options(genotype[:index])
        if (point is None) != (index == len(genotype)):
            raise ValueError(f"genotype of {len(genotype)} decisions: too {'short' if point else 'long'}")
        if point is None:
            break
        if not 0 <= genotype[index] < len(point.options):
            raise ValueError(f"genotype[{index}] is {genotype[index]}: {len(point.options)} options are offered")
        points.append(_point_rows(point))
        options.append([_option_rows(point, option) for option in point.options])
    most = max(len(rows) for rows in options)
    return Walk(
        torch.tensor(points),
        torch.tensor([rows + rows[:1] * (most - len(rows)) for rows in options]),
        torch.tensor([[index < len(rows) for index in range(most)] for rows in options]),
        torch.tensor(genotype),
    )


class PolicyNetwork(nn.Module):
    """Log-probabilities of offered options. Float64 throughout: sampling one decision at a time and going
    through a whole genotype at once then agree far below 1e-6."""

    def __init__(self, key_width: int, hidden_width: int, draws: np.random.Generator) -> None:
        super().__init__()
        self.key_width = key_width
        point_rows, option_rows = len(_KINDS) * _POINT_ROWS.total, len(_KINDS) * _OPTION_ROWS.total
        self.point_inputs = nn.Parameter(torch.empty(point_rows, key_width, dtype=torch.float64))
        self.point_queries = nn.Parameter(torch.empty(point_rows, key_width, dtype=torch.float64))
        self.option_keys = nn.Parameter(torch.empty(option_rows, key_width, dtype=torch.float64))
        self.recurrent = nn.GRU(key_width, hidden_width, device="meta", dtype=torch.float64).to_empty(device="cpu")
        self.hidden_to_query = nn.Parameter(torch.empty(hidden_width, key_width, dtype=torch.float64))
        self._initialise(draws)

    def _initialise(self, draws: np.random.Generator) -> None:
        spread = {"point_queries": 0.0, "hidden_to_query": 0.0}
        spread["option_keys"] = (len(_OPTION_FIELDS) * self.key_width) ** -0.5
        for name, parameter in self.named_parameters():
            default = 0.0 if "bias" in name else self.recurrent.hidden_size**-0.5
            values = draws.normal(0.0, spread.get(name, default), tuple(parameter.shape))
            parameter.data.copy_(torch.from_numpy(values))

    def begin(self) -> tuple[Tensor, Tensor]:
        """The key before the first decision, and the first hidden state."""
        zeros = self.option_keys.new_zeros
        return zeros(1, self.key_width), zeros(1, self.recurrent.hidden_size)

    def keys(self, options_XF: Tensor) -> Tensor:
        """Keys of options, XD."""
        return self.option_keys[options_XF].sum(-2)

    def queries(self, points_TF: Tensor, previous_TD: Tensor, hidden_1H: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (TD) of consecutive points, and the hidden state after them; `previous_TD` are the keys of the
        options taken just before each."""
        inputs_TD = self.point_inputs[points_TF].sum(-2) + previous_TD
        outputs_TH, hidden_1H = self.recurrent(inputs_TD, hidden_1H)
        return self.point_queries[points_TF].sum(-2) + outputs_TH @ self.hidden_to_query, hidden_1H

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


def draw_index(probabilities: np.ndarray, uniform: float) -> int:
    """The index that a uniform number in [0, 1) falls on."""
    cumulative = np.cumsum(probabilities)
    return min(int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right")), len(cumulative) - 1)


@contextmanager
def single_thread() -> Iterator[None]:
    """One torch thread inside, as many as before afterwards: sums in one order, and no start-up for tiny work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
