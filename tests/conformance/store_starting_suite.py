"""What every store must do when a trial is added and started at once. Part of `StoreSuite`."""

import pytest

from nas_controller.records import SearchState
from nas_controller.store.base import ConflictError, LeaseLostError, Store
from tests.conformance.store_cases import at, claimed, evaluation, make_draft, readable_search

SEED = 2**63 - 1


class StoreStartingSuite:
    """`start_trial` against `add_trial` and `start_attempt`."""

    def test_a_started_trial_is_what_adding_and_starting_it_would_give(self, store: Store) -> None:
        one, two = claimed(store, "s1"), claimed(store, "s2")
        job = store.start_trial(one, make_draft(1), SEED, "worker-3", at(7))
        store.add_trial(two, make_draft(1), SEED, at(7))
        store.start_attempt(two, store.list_jobs("s2")[0].id, "worker-3", at(7))
        assert store.list_jobs("s1") == [job]
        assert without_search(store, "s1") == without_search(store, "s2")

    def test_the_same_start_again_gives_the_same_job_and_changes_nothing(self, store: Store) -> None:
        lease = claimed(store)
        job = store.start_trial(lease, make_draft(1), SEED, "worker-1", at(7))
        before = readable_search(store, "s1")
        assert store.start_trial(lease, make_draft(1), SEED, "worker-1", at(7)) == job
        assert readable_search(store, "s1") == before

    def test_a_started_trial_can_be_completed(self, store: Store) -> None:
        lease = claimed(store)
        job = store.start_trial(lease, make_draft(1), SEED, "worker-1", at(7))
        trial = store.complete_attempt(lease, job.id, job.num_attempts, evaluation(0.25), 0.25, at(9))
        assert (trial.reward, trial.started_at, trial.finished_at) == (0.25, at(7), at(9))

    def test_what_is_not_to_be_trained_or_not_the_next_is_not_started(self, store: Store) -> None:
        lease = claimed(store)
        before = readable_search(store, "s1")
        with pytest.raises(ValueError, match="trial 1: cannot be started: off budget"):
            store.start_trial(lease, make_draft(1, infeasible_reason="off budget"), SEED, "worker-1", at(7))
        with pytest.raises(ConflictError, match="trial 2: the next trial is 1"):
            store.start_trial(lease, make_draft(2), SEED, "worker-1", at(7))
        with pytest.raises(ValueError, match="time zone"):
            store.start_trial(lease, make_draft(1), SEED, "worker-1", at(7).replace(tzinfo=None))
        assert readable_search(store, "s1") == before

    def test_nothing_starts_without_the_lease_or_in_a_search_that_ended(self, store: Store) -> None:
        old = claimed(store, seconds=60)
        new = store.claim_search("s1", "other", at(100), 60)
        assert new is not None
        with pytest.raises(LeaseLostError):
            store.start_trial(old, make_draft(1), SEED, "worker-1", at(101))
        store.set_search_state(new, SearchState.FAILED, "broken data", at(102))
        before = readable_search(store, "s1")
        with pytest.raises(ConflictError):
            store.start_trial(new, make_draft(1), SEED, "worker-1", at(103))
        assert readable_search(store, "s1") == before


def without_search(store: Store, search_id: str) -> str:
    """All that can be read of a search, whatever it is called."""
    return repr(readable_search(store, search_id)).replace(search_id, "the search")
