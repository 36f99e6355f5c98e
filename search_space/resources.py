"""From resource multipliers to widths: equation 4 of Du et al. 2020b (arXiv 2010.11426, section 3.3).

A block of width f costs about C = beta * f**2. With a multiplier pi_i for each block and the budget C_t,
alpha_i = pi_i * C_t / sum_j(pi_j * C_j) and the new width is sqrt(alpha_i) * f_i, rounded to a multiple of 8.

`shared_by_paper` takes C_t = sum_j(C_j) as the paper does, so the cost of the whole network spreads around the base
network's (resampling edges grow with the product of two widths, and rounding adds its part). `shared_exactly` keeps the
ratios of the widths and finds the one factor for which the whole backbone, counted, meets the budget.
Base widths are those of the spec's table at each block's own level. Both work at width scale 1, so widths are multiples
of 8 there, and a target's or proxy's width scale is applied to them afterwards.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from search_space.cost import block_inputs, block_layers, endpoint, stem_cost
from search_space.graph import feature_inputs
from search_space.operations import area
from search_space.plan import MBCONV_EXPANSION, BlockPlanner, PlannedBlock, TargetNetwork, feature_size
from search_space.spec import ArchitectureSpec, BlockSpec, BlockType, nearest_multiple

DIVISOR = 8
CLOSE_ENOUGH = 3e-3
"""Relative distance from the budget at which the search for the factor ends; rounding adds more."""
MAX_TRIES = 30


def base_multiply_adds(block: BlockSpec, width: int, pixels: int) -> int:
    """Multiply-adds of a block's operation at equal input and output width: C of equation 4.

    MBConv: h*w * e*f * (2*f + k**2) (equation 2); bottleneck: h*w * 17 * f**2; residual: h*w * 18 * f**2.
    """
    if block.block_type is BlockType.MBCONV:
        expansion = MBCONV_EXPANSION if block.expansion is None else block.expansion
        return pixels * expansion * width * (2 * width + block.kernel**2)
    return pixels * (17 if block.block_type is BlockType.BOTTLENECK else 18) * width**2


def shared_by_paper(spec: ArchitectureSpec, target: TargetNetwork) -> ArchitectureSpec:
    """The spec with every width settled by equation 4, C_t being the cost of the base network's blocks."""
    factor = _equation_4_factor(spec, target)
    widths = [nearest_multiple(factor * width, DIVISOR) for width in _relative_widths(spec)]
    return _with_widths(spec, widths)


def shared_exactly(
    spec: ArchitectureSpec, target: TargetNetwork, multiply_adds: int, tolerance: float
) -> ArchitectureSpec:
    """The spec with every width settled so that the backbone with endpoints costs `multiply_adds`.

    First the factor is found, then widths are rounded to multiples of 8, then single widths are changed by 8, each
    time the one that comes nearest to its exact value, until the cost is within `tolerance` (relative). Where the
    budget is out of reach (every width at 8, or no step helps), the nearest widths found are given.
    """
    model = _BackboneCost(spec, target)
    relative = _relative_widths(spec)
    factor = _exact_factor(model, relative, _equation_4_factor(spec, target), multiply_adds)
    exact = [factor * width for width in relative]
    model.set_widths([nearest_multiple(width, DIVISOR) for width in exact])
    _step_towards(model, exact, multiply_adds, tolerance)
    return _with_widths(spec, model.widths)


def _exact_factor(model: "_BackboneCost", relative: Sequence[float], factor: float, multiply_adds: int) -> float:
    """The factor on all widths, not rounded to 8, for which the backbone costs nearly `multiply_adds`.

    Cost is close to a power of the factor, a little below 2 as the endpoints' share grows slower. The power is
    read off the last two tries.
    """
    power, tried = 2.0, (0.0, 0)
    for _ in range(MAX_TRIES):
        total = model.set_widths([max(1, round(factor * width)) for width in relative])
        if abs(total - multiply_adds) <= CLOSE_ENOUGH * multiply_adds or max(model.widths) == 1:
            break
        if tried[1] and total != tried[1]:
            power = max(1.0, math.log(total / tried[1]) / math.log(factor / tried[0]))
        tried = (factor, total)
        factor *= (multiply_adds / total) ** (1 / power)
    return factor


def _relative_widths(spec: ArchitectureSpec) -> list[float]:
    return [spec.base_width(block.level) * math.sqrt(block.resource_multiplier) for block in spec.all_blocks]


def _equation_4_factor(spec: ArchitectureSpec, target: TargetNetwork) -> float:
    """sqrt(C_t / sum(pi * C)) with C_t = sum(C)."""
    plain = shared = 0.0
    for block in spec.all_blocks:
        pixels = area(feature_size(target.height_and_width, block.level))
        one = base_multiply_adds(block, spec.base_width(block.level), pixels)
        plain += one
        shared += block.resource_multiplier * one
    return math.sqrt(plain / shared)


def _with_widths(spec: ArchitectureSpec, widths: Sequence[int]) -> ArchitectureSpec:
    blocks = [replace(block, width=width) for block, width in zip(spec.all_blocks, widths, strict=True)]
    return spec.with_blocks(blocks)


def _step_towards(model: "_BackboneCost", exact: Sequence[float], multiply_adds: int, tolerance: float) -> None:
    """Greedy steps of 8, each of which brings the cost nearer to `multiply_adds`."""
    while abs(model.total - multiply_adds) > tolerance * multiply_adds:
        step = DIVISOR if model.total < multiply_adds else -DIVISOR
        by_error = sorted(model.live, key=lambda i: abs(model.widths[i] + step - exact[i]) / exact[i])
        if not any(model.try_step(index, step, multiply_adds) for index in by_error):
            return


class _BackboneCost:
    """Multiply-adds of a backbone with endpoints, kept up to date while single widths change."""

    def __init__(self, spec: ArchitectureSpec, target: TargetNetwork) -> None:
        self.widths: list[int] = [spec.base_width(block.level) for block in spec.all_blocks]
        self._planner = BlockPlanner(spec, target, self.widths)
        self.live = self._planner.live
        self._planned: dict[int, PlannedBlock] = {}
        self._parts: dict[int, int] = {}
        self._stem = stem_cost(spec, self._planner.stem_channels, self._planner.size(1)).multiply_adds
        self.total = 0
        self._readers: dict[int, list[int]] = {index: [] for index in self.live}
        inputs = feature_inputs(spec)
        for index in self.live:
            for source in inputs[index]:
                self._readers[source].append(index)

    def set_widths(self, widths: Sequence[int]) -> int:
        """Changes all widths; the total afterwards."""
        self.widths[:] = widths
        for index in self.live:
            self._plan(index)
        self.total = self._counted()
        return self.total

    def try_step(self, index: int, step: int, wanted: int) -> bool:
        """Changes one width if that brings the total nearer to `wanted`."""
        if self.widths[index] + step < DIVISOR:
            return False
        changed = (index, *self._readers[index])
        kept = [(self._planned[i], self._parts[i]) for i in changed]
        self.widths[index] += step
        for i in changed:
            self._plan(i)
        total = self._counted()
        if abs(total - wanted) < abs(self.total - wanted):
            self.total = total
            return True
        self.widths[index] -= step
        for i, (planned, part) in zip(changed, kept, strict=True):
            self._planned[i], self._parts[i] = planned, part
        return False

    def _plan(self, index: int) -> None:
        block = self._planner.block(index, self._planned)
        self._planned[index] = block
        self._parts[index] = block_inputs(block).multiply_adds + block_layers(block).multiply_adds

    def _counted(self) -> int:
        neck, ends = self._planner.spec.neck, self._planner.endpoints(self._planned)
        return self._stem + sum(self._parts.values()) + sum(endpoint(end, neck).multiply_adds for end in ends)
