"""REINFORCE: the suite, its exact probabilities, and that it learns."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from nas_controller.algorithms.base import Proposal, SearchAlgorithm
from nas_controller.algorithms.draws import trial_draws
from nas_controller.algorithms.pointer_policy import PointerPolicy
from nas_controller.algorithms.policy_gradient import PolicyGradientSettings
from nas_controller.algorithms.reinforce import Reinforce
from nas_controller.records import TrialState
from search_space.decisions import SearchSpace, random_genotype
from search_space.spaces import R0_SP53, R35_SP18, SPINENET_49
from search_space.spec import ArchitectureSpec
from tests.conformance.algorithm_suite import AlgorithmSuite, run, told


def make(space: SearchSpace, seed: int = 5, **settings: float) -> Reinforce:
    return Reinforce(space, seed, PolicyGradientSettings.from_mapping(settings))


class TestReinforce(AlgorithmSuite):
    def make(self, space: SearchSpace, seed: int = 5) -> SearchAlgorithm:
        return make(space, seed)


def parameters(algorithm: Reinforce) -> np.ndarray:
    return np.asarray(algorithm.state_dict()["parameters"], dtype=np.float64)


def recomputed(algorithm: Reinforce, space: SearchSpace, proposal: Proposal) -> np.ndarray:
    """Log-probability of each decision of a proposal under a policy of the algorithm's parameters."""
    policy = PointerPolicy(space, trial_draws(0, 0))
    policy.parameters.vector_P[...] = parameters(algorithm)
    reading = policy.read(proposal.genotype)
    return reading.log_probs_N[reading.offers.taken_T]


@pytest.mark.parametrize("space", [R35_SP18, SPINENET_49], ids=lambda space: space.name)
def test_log_probs_are_those_of_the_policy(space: SearchSpace) -> None:
    algorithm = make(space)
    run(algorithm, range(1, 20))
    proposals = [algorithm.ask(number) for number in range(20, 24)]
    for proposal in proposals:
        np.testing.assert_allclose(proposal.log_probs, recomputed(algorithm, space, proposal), rtol=0, atol=1e-6)
    uniform = sum(math.log(1 / count) for count in space.option_counts)
    assert max(abs(sum(proposal.log_probs) - uniform) for proposal in proposals) > 0.1


def test_the_first_policy_is_uniform() -> None:
    expected = [math.log(1 / count) for count in SPINENET_49.option_counts]
    np.testing.assert_allclose(make(SPINENET_49).ask(1).log_probs, expected, rtol=0, atol=1e-12)


def test_blocks_of_one_level_are_equally_likely() -> None:
    """The pool is 2 3 3 3 4 4 4 4 4 5: the first pick among the three blocks of level 3 is a matter of chance."""
    algorithm = make(R0_SP53)
    run(algorithm, range(1, 20))
    rest = algorithm.ask(1).genotype[1:]
    picks = [Proposal(genotype=(first, *rest), arm="", log_probs=()) for first in (1, 2, 3, 4)]
    at_1, at_2, at_3, at_4 = (recomputed(algorithm, R0_SP53, pick)[0] for pick in picks)
    assert at_1 == pytest.approx(at_2, abs=1e-12)
    assert at_1 == pytest.approx(at_3, abs=1e-12)
    assert at_1 != pytest.approx(at_4, abs=1e-6)


def planted_score(seed: int) -> Callable[[ArchitectureSpec], float]:
    """A score for each level, type and parent at each place; about standard normal over uniform genotypes."""
    draws = np.random.default_rng(seed)
    levels, types, parents = (draws.normal(size=(17, size)) for size in (9, 2, 17))

    def raw(spec: ArchitectureSpec) -> float:
        searched = enumerate(spec.all_blocks[2:], start=2)
        return float(
            sum(
                levels[place, block.level]
                + types[place, int(block.block_type == "residual")]
                + sum(parents[place, parent] for parent in block.parents)
                for place, block in searched
            )
        )

    rng = Random(seed)
    sample = [raw(SPINENET_49.decode(random_genotype(SPINENET_49, rng))) for _ in range(400)]
    mean, spread = float(np.mean(sample)), float(np.std(sample))
    return lambda spec: (raw(spec) - mean) / spread


def search(
    algorithm: SearchAlgorithm, score: Callable[[ArchitectureSpec], float], trials: int, lag: int
) -> list[float]:
    """Scores in the order of asking; each trial is told `lag` asks later, as AP 0.2 with a deviation of 0.03."""
    running: deque[tuple[int, Proposal, float]] = deque()
    scores = []
    for number in range(1, trials + 1):
        proposal = algorithm.ask(number)
        scores.append(score(SPINENET_49.decode(proposal.genotype)))
        running.append((number, proposal, scores[-1]))
        if len(running) > lag:
            past, older, value = running.popleft()
            algorithm.tell(told(past, older, reward=0.2 + 0.03 * value))
    return scores


def test_it_learns_a_planted_objective() -> None:
    """Random search stays at 0 with a standard error of 0.14 over 50 trials."""
    scores = search(make(SPINENET_49, seed=0, horizon=200), planted_score(0), trials=200, lag=4)
    assert np.mean(scores[-50:]) > np.mean(scores[:50]) + 1.5


def test_it_learns_to_keep_the_budget() -> None:
    """Infeasible: fewer than eight residual blocks of fifteen, half of the uniform genotypes."""
    algorithm = make(SPINENET_49)
    feasible = []
    for number in range(1, 71):
        proposal = algorithm.ask(number)
        blocks = SPINENET_49.decode(proposal.genotype).blocks
        feasible.append(sum(block.block_type == "residual" for block in blocks) >= 8)
        state = TrialState.COMPLETED if feasible[-1] else TrialState.INFEASIBLE
        reward = 0.2 if feasible[-1] else None
        algorithm.tell(told(number, proposal, state, reward))
    assert np.mean(feasible[-30:]) > 0.8


def test_a_better_reward_makes_its_decisions_likelier_and_a_failure_less_likely() -> None:
    for state, reward, sign in [(TrialState.COMPLETED, 0.9, 1), (TrialState.FAILED, None, -1)]:
        algorithm = make(R0_SP53, entropy_start=0.0)
        for number in range(1, 6):
            algorithm.tell(told(number, algorithm.ask(number), reward=0.1 + 0.01 * number))
        proposal = algorithm.ask(6)
        algorithm.tell(told(6, proposal, state, reward))
        assert sign * (recomputed(algorithm, R0_SP53, proposal).sum() - sum(proposal.log_probs)) > 0


@pytest.mark.parametrize(
    ("reward", "advantage"),
    [(0.9, 0.0), (0.3, 0.0), (0.25, -0.5), (0.0, -1.645)],
    ids=["far above", "at the baseline", "half a deviation below", "three below: no worse than a failure"],
)
def test_a_trial_that_was_stopped_is_behind_and_moves_no_baseline(reward: float, advantage: float) -> None:
    """Two rewards of 0.2 and 0.4 with equal weights have mean 0.3 and deviation 0.1."""
    algorithm = make(R35_SP18, baseline_decay=0.9999)
    algorithm.tell(told(1, algorithm.ask(1), reward=0.2))
    algorithm.tell(told(2, algorithm.ask(2), reward=0.4))
    before = algorithm.diagnostics()
    assert before["baseline"] == pytest.approx(0.3, abs=1e-4)
    assert before["spread"] == pytest.approx(0.1, abs=1e-4)
    algorithm.tell(told(3, algorithm.ask(3), TrialState.STOPPED_EARLY, reward))
    after = algorithm.diagnostics()
    assert after["advantage"] == pytest.approx(advantage, abs=2e-3)
    assert [after[name] for name in ("baseline", "spread")] == [before[name] for name in ("baseline", "spread")]
    assert after["told"] == 3


def test_stopped_trials_alone_found_no_baseline() -> None:
    algorithm = make(R35_SP18)
    for number in (1, 2, 3):
        algorithm.tell(told(number, algorithm.ask(number), TrialState.STOPPED_EARLY, 0.1 * number))
        assert algorithm.diagnostics()["advantage"] == 0.0
    assert algorithm.diagnostics()["baseline"] == 0.0


def test_stale_results_weigh_less() -> None:
    algorithm = make(SPINENET_49)
    old = algorithm.ask(1)
    for number in range(2, 12):
        algorithm.tell(told(number, algorithm.ask(number)))
    fresh = algorithm.ask(12)
    algorithm.tell(told(12, fresh))
    assert algorithm.diagnostics()["importance_weight"] == pytest.approx(1.0, abs=1e-9)
    algorithm.tell(told(1, old))
    assert 0.0 < algorithm.diagnostics()["importance_weight"] < 1.0 - 1e-3


@pytest.mark.parametrize(("scale", "shift"), [(0.001, 0.0), (100.0, 0.0), (-1.0, None), (1.0, 1000.0)])
def test_the_units_of_the_reward_do_not_matter(scale: float, shift: float | None) -> None:
    """One learns from rewards, the other from scale * reward + shift; of the one that learns from the opposite, the
    parameters are others."""
    one, other = make(R0_SP53), make(R0_SP53)
    for number in range(1, 21):
        proposal = one.ask(number)
        reward = sum(proposal.genotype) % 17 / 40
        one.tell(told(number, proposal, reward=reward))
        other.tell(told(number, proposal, reward=scale * reward + (shift or 0.0)))
    assert np.allclose(parameters(other), parameters(one), rtol=0, atol=1e-6) == (shift is not None)


def guarded(collapse_entropy: float) -> tuple[list[float], list[float]]:
    """How much the collapse guard pulls, and the entropy, where one genotype is told again and again: better and
    better 40 times, then 60 times as expected; and the same once more in the second half."""
    algorithm = make(
        R35_SP18,
        horizon=200,
        learning_rate=0.3,
        entropy_start=0.0,
        entropy_end=0.0,
        collapse_entropy=collapse_entropy,
    )
    proposal, added, entropies = algorithm.ask(1), [], []
    for number in range(1, 201):
        is_better = number % 100 in range(1, 41)
        reward = 0.1 * number if is_better else algorithm.diagnostics()["baseline"]
        algorithm.tell(told(number, proposal, reward=reward))
        added.append(algorithm.diagnostics()["collapse_guard"])
        entropies.append(algorithm.diagnostics()["entropy"])
    return added, entropies


def test_a_collapse_in_the_first_half_is_pulled_back_until_it_is_over() -> None:
    added, entropies = guarded(collapse_entropy=0.05)
    assert added[0] == 0.0
    assert min(entropies[:100]) < 0.05
    assert max(added[:100]) > 0.1
    assert (added[99], entropies[99] > 0.05) == (0.0, True), "it is over"
    assert set(added[101:]) == {0.0}, "in the second half a policy may be sure"
    added, entropies = guarded(collapse_entropy=0.0)
    assert set(added) == {0.0}
    assert entropies[99] < 0.05


def test_the_step_shrinks_where_ratios_differ() -> None:
    """Half of the decisions have been made three times as likely since, the others half as likely: their effective
    share is (3 + 0.5)**2 / (2 * (9 + 0.25)) = 0.662; below 0.9 the step shrinks by 0.662 / 0.9."""
    steps = []
    for effective_share in (0.0, 0.9):
        algorithm = make(SPINENET_49, effective_share=effective_share, importance=0.0)
        before = parameters(algorithm)
        proposal = algorithm.ask(1)
        factors = [3.0, 0.5] * (len(proposal.log_probs) // 2)
        has_choice = [count > 1 for count in SPINENET_49.option_counts]
        log_probs, turn = [], iter(factors)
        for log_prob, choice in zip(proposal.log_probs, has_choice, strict=True):
            log_probs.append(min(log_prob - math.log(next(turn)), 0.0) if choice else log_prob)
        algorithm.tell(told(1, replace(proposal, log_probs=tuple(log_probs)), TrialState.FAILED))
        steps.append(parameters(algorithm) - before)
        share = algorithm.diagnostics()["effective_share"]
    assert share == pytest.approx(0.662, abs=0.01)
    np.testing.assert_allclose(steps[1], steps[0] * share / 0.9, rtol=1e-9, atol=1e-15)


def test_the_sample_is_what_the_policy_proposed_itself() -> None:
    algorithm = make(SPINENET_49)
    run(algorithm, range(1, 30))
    before = algorithm.diagnostics()["effective_share"]
    assert before < 1.0
    genotype = random_genotype(SPINENET_49, Random(1))
    algorithm.tell(told(30, Proposal(genotype=genotype, arm="enqueued", log_probs=(0.0,) * len(genotype))))
    assert algorithm.diagnostics()["effective_share"] == before


def test_diagnostics_say_what_was_told() -> None:
    """Baseline by hand: (0.95 * 0.05 * 0.2 + 0.05 * 0.4) / (0.95 * 0.05 + 0.05) = 0.0295 / 0.0975."""
    algorithm = make(R35_SP18)
    assert algorithm.diagnostics()["entropy"] == 1.0
    algorithm.tell(told(1, algorithm.ask(1), reward=0.2))
    algorithm.tell(told(2, algorithm.ask(2), reward=0.4))
    algorithm.tell(told(3, algorithm.ask(3), TrialState.INFEASIBLE))
    shown = algorithm.diagnostics()
    assert shown["told"] == 3
    assert shown["baseline"] == pytest.approx(0.0295 / 0.0975)
    assert shown["feasible_share"] == pytest.approx(0.0975 * 0.95 / (0.0975 * 0.95 + 0.05))
    assert shown["advantage"] == pytest.approx(-0.3)
    assert 0.0 < shown["entropy"] <= 1.0
    assert shown["gradient_norm"] > 0


def test_a_state_that_is_not_finite_is_refused() -> None:
    algorithm = make(R35_SP18)
    run(algorithm, range(1, 8))
    before = dict(algorithm.state_dict())
    with pytest.raises(ValueError, match=r"progress.baseline.*finite"):
        algorithm.load_state_dict({**before, "progress.baseline": np.array(math.nan)})
    assert algorithm.state_dict()["progress.baseline"] == before["progress.baseline"]
