"""REINFORCE with a policy that points at options by what they mean (`pointer_policy`); the estimator is that of
`policy_gradient`.

The paper names the RNN controller of Zoph and Le 2017 (Du et al. 2020, section 5.1) and publishes neither estimator
nor settings: those are ours. That controller is `reinforce_recurrent`.
"""

from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.pointer_policy import PointerPolicy
from nas_controller.algorithms.policy_gradient import PolicyGradient, PolicyGradientSettings
from search_space.decisions import SearchSpace


class Reinforce(PolicyGradient):
    """A pointer policy, moved towards what was rewarded."""

    def __init__(self, space: SearchSpace, seed: int, settings: PolicyGradientSettings) -> None:
        super().__init__(space, seed, settings, PointerPolicy(space, trial_draws(seed, 0)))
