import random

from hypothesis import given
from hypothesis import strategies as st

from nas_controller.insight.reduction import kept_points
from nas_controller.records import TrialState

COMPLETED, FAILED = TrialState.COMPLETED, TrialState.FAILED

outcomes = st.lists(
    st.one_of(
        st.tuples(st.floats(0, 1), st.just(COMPLETED)),
        st.tuples(st.none(), st.sampled_from([FAILED, TrialState.INFEASIBLE, TrialState.RUNNING])),
    ),
    max_size=300,
)


@given(outcomes, st.integers(20, 120))
def test_reducing_keeps_the_extremes_and_every_kind_of_outcome(
    found: list[tuple[float | None, TrialState]], max_points: int
) -> None:
    rewards, states = [reward for reward, _ in found], [state for _, state in found]
    kept = kept_points(rewards, states, max_points)
    assert kept == sorted(set(kept))
    assert len(kept) == min(len(found), max_points)
    scored = [reward for reward in rewards if reward is not None]
    shown = [reward for index in kept if (reward := rewards[index]) is not None]
    if scored:
        assert (max(shown), min(shown)) == (max(scored), min(scored))
    assert {states[index] for index in kept} == set(states)


def test_reduced_trials_are_not_only_extremes() -> None:
    rng = random.Random(0)
    states = [rng.choice([COMPLETED, FAILED, TrialState.INFEASIBLE]) for _ in range(10_000)]
    rewards = [rng.random() if state is COMPLETED else None for state in states]
    kept = kept_points(rewards, states, 5000)
    shown = [reward for index in kept if (reward := rewards[index]) is not None]
    # Rewards are uniform in [0, 1]: the middle fifth has to look about as dense as the whole.
    assert 0.1 < sum(0.4 < reward < 0.6 for reward in shown) / len(shown) < 0.3
