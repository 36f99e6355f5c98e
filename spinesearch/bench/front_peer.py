"""Optuna's NSGA-II with two objectives, as people use it who search for a front with Optuna."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nas_controller.algorithms.base import Proposal, SearchAlgorithm, StateDict, ToldTrial
from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.optuna_coding import Coding
from nas_controller.records import TrialState
from search_space.decisions import SearchSpace

if TYPE_CHECKING:
    from optuna.trial import Trial


class TwoObjectiveNsga2(SearchAlgorithm):
    """Maximises the reward and minimises multiply-adds (Deb et al. 2002; populations of 50, Optuna's default).

    Optuna's own ask and tell, in a study in memory: an ask changes it, so a search with this cannot be resumed.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._seed = seed
        self._coding = Coding(space, as_numbers=False)
        sampler = optuna.samplers.NSGAIISampler(seed=seed % 2**32)
        self._study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        self._asked: dict[int, Trial] = {}

    def ask(self, trial_number: int) -> Proposal:
        """What Optuna proposes next."""
        trial = self._study.ask(self._coding.distributions)
        self._asked[trial_number] = trial
        genotype = self._coding.genotype(trial.params, trial_draws(self._seed, trial_number))
        return Proposal(genotype=genotype, arm="optuna_nsga2", log_probs=(0.0,) * len(genotype))

    def tell(self, trial: ToldTrial) -> None:
        """Tells Optuna both numbers, or that there are none."""
        from optuna.trial import TrialState as OptunaState

        asked = self._asked.pop(trial.number)
        if trial.state is TrialState.COMPLETED and trial.reward is not None:
            self._study.tell(asked, [trial.reward, float(trial.multiply_adds)])
        else:
            self._study.tell(asked, state=OptunaState.FAIL)

    def state_dict(self) -> StateDict:
        """Nothing: Optuna has it."""
        return {}

    def load_state_dict(self, state: StateDict) -> None:
        """Nothing is loaded. Raises ValueError for a state of another algorithm."""
        if state:
            raise ValueError("this state is of another algorithm")

    def diagnostics(self) -> Mapping[str, float]:
        """Nothing is said."""
        return {}
