"""The algorithms by the name that a search document gives."""

from collections.abc import Mapping
from functools import partial

from nas_controller.algorithms.base import SearchAlgorithm
from nas_controller.algorithms.controlled import Controlled
from nas_controller.algorithms.decomposed import Decomposed, Part
from nas_controller.algorithms.evolution import EvolutionSettings, RegularizedEvolution
from nas_controller.algorithms.guided import Guided, GuidedSettings
from nas_controller.algorithms.local_search import LocalSearch, LocalSearchSettings
from nas_controller.algorithms.mixed import Mixed, MixedSettings
from nas_controller.algorithms.optuna_search import OptunaCmaEs, OptunaNsga2, OptunaTpe
from nas_controller.algorithms.policy_gradient import PolicyGradientSettings
from nas_controller.algorithms.random_search import RandomSearch
from nas_controller.algorithms.reinforce import Reinforce
from nas_controller.algorithms.reinforce_recurrent import RecurrentSettings, ReinforceRecurrent
from nas_controller.reward import TargetForm
from nas_controller.search_config import CostTarget, SearchConfig
from nas_controller.wanted_front import WantedFront
from search_space.decisions import Rounding, SearchSpace


def make_algorithm(name: str, space: SearchSpace, seed: int, settings: Mapping[str, float]) -> SearchAlgorithm:
    """A new algorithm that was told nothing yet.

    Args:
        seed: in [0, 2**63).
        settings: the algorithm's own; what is left out has its default.

    Raises:
        ValueError: an unknown algorithm or setting, or a value out of range.
    """
    if name not in _TABLE:
        raise ValueError(f"algorithm.name: {name!r}: must be one of {', '.join(_TABLE)}")
    return _TABLE[name](space, seed, settings)


def configured_algorithm(config: SearchConfig, space: SearchSpace) -> SearchAlgorithm:
    """The algorithm that a search document asks for; it was told nothing yet. Raises ValueError as above."""
    wanted = config.algorithm
    make = partial(make_algorithm, wanted.name, space, wanted.seed, wanted.settings)
    algorithm = make()
    if config.front is not None:
        algorithm = Decomposed(space, [Part(make(), target) for target in _part_targets(config.front, space)])
    return Controlled(space, wanted.seed, algorithm, wanted.control_share) if wanted.control_share else algorithm


def _part_targets(front: WantedFront, space: SearchSpace) -> list[CostTarget]:
    """What the parts of a search for a front are aimed at.

    Where each genotype can be had at each target, its cost says nothing of it: there one part serves all targets, and
    what it is told is free of the cost as far as the soft exponent says what cost is worth.
    """
    if space.rounding is Rounding.EXACT:
        middle = front.targets[front.points // 2]
        return [CostTarget(cost="multiply_adds", target=middle, form=TargetForm.SOFT)]
    return [CostTarget(cost="multiply_adds", target=limit, form=TargetForm.HARD) for limit in front.ceilings]


def _random(space: SearchSpace, seed: int, settings: Mapping[str, float]) -> SearchAlgorithm:
    if settings:
        raise ValueError(f"algorithm.settings.{min(settings)}: unknown; random has no settings")
    return RandomSearch(space, seed)


def _reinforce(space: SearchSpace, seed: int, settings: Mapping[str, float]) -> SearchAlgorithm:
    return Reinforce(space, seed, PolicyGradientSettings.from_mapping(settings))


def _reinforce_recurrent(space: SearchSpace, seed: int, settings: Mapping[str, float]) -> SearchAlgorithm:
    return ReinforceRecurrent(space, seed, RecurrentSettings.from_mapping(settings))


def _evolution(space: SearchSpace, seed: int, settings: Mapping[str, float]) -> SearchAlgorithm:
    return RegularizedEvolution(space, seed, EvolutionSettings.from_mapping(settings))


def _local_search(space: SearchSpace, seed: int, settings: Mapping[str, float]) -> SearchAlgorithm:
    return LocalSearch(space, seed, LocalSearchSettings.from_mapping(settings))


def _guided(space: SearchSpace, seed: int, settings: Mapping[str, float]) -> SearchAlgorithm:
    return Guided(space, seed, GuidedSettings.from_mapping(settings))


def _mixed(space: SearchSpace, seed: int, settings: Mapping[str, float]) -> SearchAlgorithm:
    return Mixed(space, seed, MixedSettings.from_mapping(settings))


_TABLE = {
    "random": _random,
    "evolution": _evolution,
    "local_search": _local_search,
    "guided": _guided,
    "reinforce": _reinforce,
    "reinforce_recurrent": _reinforce_recurrent,
    "optuna_tpe": OptunaTpe,
    "optuna_nsga2": OptunaNsga2,
    "optuna_cmaes": OptunaCmaEs,
    "mixed": _mixed,
}
ALGORITHM_NAMES = tuple(_TABLE)
