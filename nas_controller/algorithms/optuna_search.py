"""Optuna's TPE, NSGA-II and CMA-ES behind our ask and tell: for those who know them, and to compare with.

Optuna keeps what it knows in a study, which its samplers read at each ask. Ours is in memory, made of the told trials
that are kept, and a cache: whoever loads a state makes it again. What differs from Optuna on its own:

* A told trial enters the study as if it had been asked for just now: NSGA-II and CMA-ES count it in the generation that
  is being filled. Optuna counts it in the one in which it was asked, and leaves out what comes late; with many workers
  that is most.
* Trials that run are unknown, as an ask depends on told trials, seed and number alone. So TPE's constant liar, by which
  Optuna keeps workers apart, has nothing to go by; each ask has random numbers of its own.
* Of `CAPACITY` told trials the older half is thinned (`kept`), and generations are counted again from the first that is
  left. The time of an ask of TPE grows with their number.

Optuna is imported when the first algorithm of these is made: other searches do without.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.kept import KeptTrial, KeptTrials
from nas_controller.algorithms.optuna_coding import Coding
from nas_controller.algorithms.random_search import RandomSearch
from nas_controller.algorithms.settings import Ranges, whole_settings
from nas_controller.algorithms.state import require_like
from nas_controller.algorithms.told import check_told
from search_space.decisions import SearchSpace

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

CAPACITY = 2000
_SEEDS = 2**32
"""Optuna's random numbers have seeds below."""
_NUMBERS = 2**64
"""A trial of an earlier search has a number below 1; random numbers are drawn by one below this."""
_ASKED = 0
"""Number of the study's trial on which samplers note what they think of an ask; it never ends."""


class OptunaSearch(SearchAlgorithm):
    """Proposes what a sampler of Optuna does."""

    arm: ClassVar[str]
    ranges: ClassVar[Ranges]
    as_numbers: ClassVar[bool] = False
    has_generations: ClassVar[bool] = True
    """Whether the sampler notes on a trial, when it is asked for, to which generation it belongs."""
    takes_unrewarded: ClassVar[bool] = False
    """Whether trials that were not trained to their end mean anything to it."""

    def __init__(self, space: SearchSpace, seed: int, settings: Mapping[str, float]) -> None:
        self._space = space
        self._seed = seed
        self._settings = whole_settings(settings, self.ranges)
        self._random = RandomSearch(space, seed)
        self._coding = Coding(space, as_numbers=self.as_numbers)
        self._kept = KeptTrials(space, CAPACITY)
        self._study: Study | None = None
        self._num_entered = 0
        self._cuts_when_entered = 0

    @abstractmethod
    def _sampler(self, seed: int) -> "BaseSampler":
        """A new sampler with these random numbers."""

    def ask(self, trial_number: int) -> Proposal:
        """What the sampler proposes; a random genotype where it cannot tell yet."""
        study = self._study_of_kept()
        draws = trial_draws(self._seed, trial_number)
        sampler = self._sampler(int(draws.integers(_SEEDS)))
        parameters = sampler.sample_relative(study, _asked(study, trial_number), self._coding.distributions)
        if not parameters:
            return self._random.ask(trial_number)
        genotype = self._coding.genotype(parameters, draws)
        return Proposal(genotype=genotype, arm=self.arm, log_probs=(0.0,) * len(genotype))

    def tell(self, trial: ToldTrial) -> None:
        """Keeps the trial; it enters the study at the next ask."""
        check_told(self._space, trial)
        self._kept.add(trial)

    def _study_of_kept(self) -> "Study":
        """The study with all trials that are kept."""
        if self._study is None or self._cuts_when_entered != self._kept.num_cuts:
            self._study = _new_study(self._sampler(0))
            self._num_entered, self._cuts_when_entered = 0, self._kept.num_cuts
        for index in range(self._num_entered, len(self._kept)):
            self._enter(self._study, self._kept[index])
        if self.has_generations and self._num_entered < len(self._kept):
            # NSGA-II lists the parents of a generation in another order the first time than ever after.
            self._sampler(0).sample_relative(self._study, _asked(self._study, 0), self._coding.distributions)
        self._num_entered = len(self._kept)
        return self._study

    def _enter(self, study: "Study", trial: KeptTrial) -> None:
        from optuna.trial import TrialState, create_trial

        if trial.reward is None and not self.takes_unrewarded:
            return
        draws = trial_draws(self._seed, trial.number % _NUMBERS)
        sampler = self._sampler(int(draws.integers(_SEEDS)))
        parameters = self._coding.parameters(trial.genotype, draws)
        distributions = self._coding.distributions
        study.add_trial(create_trial(state=TrialState.RUNNING, params=parameters, distributions=distributions))
        entered = study.get_trials(deepcopy=False)[-1]
        if self.has_generations:
            sampler.sample_relative(study, entered, distributions)
        if trial.reward is None:
            study.tell(entered.number, state=TrialState.PRUNED)
        else:
            study.tell(entered.number, trial.reward)

    def state_dict(self) -> StateDict:
        """The trials that are kept."""
        return self._kept.state_dict()

    def load_state_dict(self, state: StateDict) -> None:
        """Takes over what `state_dict` gave."""
        require_like(self.state_dict(), state, self.arm)
        self._kept.load_state_dict(state)
        self._study = None

    def diagnostics(self) -> Mapping[str, float]:
        """How many trials the study is made of."""
        return {"kept": float(len(self._kept))}


class OptunaTpe(OptunaSearch):
    """Multivariate TPE (Bergstra et al. 2011; Watanabe 2023, arXiv 2304.11127). A trial that was not trained to its end
    counts as worse than any that was.

    Settings: `initial`, random trials before it models anything.
    """

    arm = "optuna_tpe"
    ranges: ClassVar[Ranges] = {"initial": (1, 2000)}
    has_generations = False
    takes_unrewarded = True

    def _sampler(self, seed: int) -> "BaseSampler":
        from optuna.samplers import TPESampler

        return TPESampler(n_startup_trials=self._settings.get("initial", 10), constant_liar=False, seed=seed)


class OptunaNsga2(OptunaSearch):
    """NSGA-II (Deb et al. 2002) with one objective: a genetic algorithm with crossover.

    Settings: `population`, trials of a generation.
    """

    arm = "optuna_nsga2"
    ranges: ClassVar[Ranges] = {"population": (2, 1000)}

    def _sampler(self, seed: int) -> "BaseSampler":
        from optuna.samplers import NSGAIISampler

        return NSGAIISampler(population_size=self._settings.get("population", 50), seed=seed)


class OptunaCmaEs(OptunaSearch):
    """CMA-ES (Hansen 2016, arXiv 1604.00772) on numbers that stand for options.

    Settings: `population`, trials of a generation; left out, 4 + 3 ln(decisions).
    """

    arm = "optuna_cmaes"
    ranges: ClassVar[Ranges] = {"population": (4, 1000)}
    as_numbers = True

    def _sampler(self, seed: int) -> "BaseSampler":
        from optuna.samplers import CmaEsSampler

        return CmaEsSampler(popsize=self._settings.get("population"), warn_independent_sampling=False, seed=seed)


def _new_study(sampler: "BaseSampler") -> "Study":
    """A study in memory, with the trial for asks; it is made without a word on the console."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize", sampler=sampler)
    finally:
        optuna.logging.set_verbosity(verbosity)
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING))
    return study


def _asked(study: "Study", trial_number: int) -> "FrozenTrial":
    """The trial for asks, as if it had that number and nothing were noted on it."""
    from optuna.trial import FrozenTrial

    asked = study.get_trials(deepcopy=False)[_ASKED]
    return FrozenTrial(
        number=trial_number,
        trial_id=asked._trial_id,
        state=asked.state,
        value=None,
        datetime_start=asked.datetime_start,
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )
