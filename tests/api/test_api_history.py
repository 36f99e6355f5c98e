import random

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.history import Histories, kept_points
from nas_controller.records import SearchState, TrialState
from nas_controller.store.base import Store
from nas_controller.store.memory import MemoryStore
from tests.api.searches import START, write_small_search

COMPLETED, FAILED = TrialState.COMPLETED, TrialState.FAILED


def test_the_history_tells_each_trial_in_order(client: httpx.Client, store: Store) -> None:
    write_small_search(store)
    history = client.get("/v1/searches/blood-cells-000001/history").json()
    assert history["number"] == [1, 2, 3, 4, 5, 6]
    assert history["arm"] == ["policy"] * 5 + ["reference"]
    assert history["state"] == ["completed", "infeasible", "failed", "completed", "running", "completed"]
    assert history["reward"] == [0.21, None, None, 0.25, None, None]
    assert history["best_so_far"] == [0.21, 0.21, 0.21, 0.25, 0.25, 0.25]
    assert history["smoothed"] == [0.21, None, None, pytest.approx(0.23), None, None]
    # The clock moves 5 s with each call: claim at 5, trial 1 added at 10, started at 15, completed at 20.
    assert history["seconds"][0] == 15.0
    assert history["is_reduced"] is False
    assert history["sequence"] == store.get_search("blood-cells-000001").last_sequence


def test_asking_again_continues_the_fold() -> None:
    store = MemoryStore()
    histories = Histories(store)
    writer = write_small_search(store)
    before = histories.points(writer.search_id, START)
    store.request_state(writer.search_id, SearchState.CANCELLED, "", writer.tick())
    after = histories.points(writer.search_id, START)
    assert before["state"][4] is TrialState.RUNNING  # type: ignore[index]
    assert after == Histories(store).points(writer.search_id, START)
    assert after["state"][4] is TrialState.CANCELLED  # type: ignore[index]


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
