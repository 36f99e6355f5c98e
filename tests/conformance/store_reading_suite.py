"""What every store must give to read of trials and jobs. Part of `StoreSuite`."""

from nas_controller.records import JobKind, TrialState
from nas_controller.store.base import Store
from tests.conformance.store_cases import (
    added,
    at,
    claimed,
    evaluation,
    finished,
    make_draft,
    make_reference,
    started,
)


class StoreReadingSuite:
    """Lists, the best, counts."""

    def test_trials_are_listed_by_number_and_state(self, store: Store) -> None:
        lease = claimed(store)
        for number in range(1, 4):
            finished(store, lease, number, 0.1)
        added(store, lease, 4)
        store.add_trial(lease, make_draft(5, infeasible_reason="too large"), None, at(5))

        def numbers(limit: int, after: int = 0, states: tuple[TrialState, ...] = ()) -> list[int]:
            return [trial.number for trial in store.list_trials("s1", limit, after, states)]

        assert numbers(10) == [1, 2, 3, 4, 5]
        assert numbers(2, after=1) == [2, 3]
        assert numbers(10, states=(TrialState.QUEUED, TrialState.INFEASIBLE)) == [4, 5]
        assert numbers(1, after=1, states=(TrialState.COMPLETED,)) == [2]
        assert numbers(10, after=5) == []

    def test_the_best_have_one_trial_for_each_fingerprint(self, store: Store) -> None:
        lease = claimed(store)
        rewards = [0.2, 0.5, 0.5, -0.1, 0.4, 0.5, 0.3]
        fingerprints = ["a", "b", "c", "d", "b", "b", "a"]
        for number, (reward, fingerprint) in enumerate(zip(rewards, fingerprints, strict=True), start=1):
            finished(store, lease, number, reward, fingerprint=fingerprint)
        store.add_trial(lease, make_reference(8), None, at(5))
        added(store, lease, 9)
        # b: 0.5 first reached by trial 2; c: trial 3, as good and later; a: 0.3 by trial 7; d: trial 4.
        assert [trial.number for trial in store.best_trials("s1", 10)] == [2, 3, 7, 4]
        assert [trial.number for trial in store.best_trials("s1", 2)] == [2, 3]
        assert store.best_trials("s1", 1) == [store.get_trial("s1", 2)]

    def test_best_and_counts_are_of_one_search(self, store: Store) -> None:
        leases = [claimed(store, "s1"), claimed(store, "s2")]
        for lease, reward in zip(leases, (0.1, 0.9), strict=True):
            finished(store, lease, 1, reward, fingerprint="same")
        assert [trial.reward for trial in store.best_trials("s1", 10)] == [0.1]
        assert store.count_trials("s2").total == 1

    def test_references_are_not_counted(self, store: Store) -> None:
        lease = claimed(store)
        references = [store.add_trial(lease, make_reference(n, f"r{n}"), None, at(3)) for n in (1, 2)]
        finished(store, lease, 3, 0.1)
        started(store, lease, 4)
        counts = store.count_trials("s1")
        assert dict(counts.by_state) == {TrialState.COMPLETED: 1, TrialState.RUNNING: 1}
        assert (counts.total, counts.trained, counts[TrialState.FAILED]) == (2, 1, 0)
        assert store.reference_trials("s1") == references

    def test_jobs_are_listed_in_the_order_made(self, store: Store) -> None:
        lease = claimed(store)
        first, second = added(store, lease, 1), added(store, lease, 2)
        again = store.add_job(lease, 1, JobKind.REEVALUATE, 3, at(20))
        assert store.list_jobs("s1") == [first, second, again]
        assert store.list_jobs("s1", 1) == [first, again]
        store.start_attempt(lease, first.id, "worker-1", at(21))
        store.complete_attempt(lease, first.id, 1, evaluation(0.1), 0.1, at(22))
        assert store.list_jobs("s1", open_only=True) == [second, again]
        assert store.list_jobs("s1", 1, open_only=True) == [again]
        assert dict(store.count_open_jobs("s1")) == {JobKind.PROXY: 1, JobKind.REEVALUATE: 1}
        store.start_attempt(lease, second.id, "worker-1", at(23))
        assert dict(store.count_open_jobs("s1")) == {JobKind.PROXY: 1, JobKind.REEVALUATE: 1}
        store.complete_attempt(lease, second.id, 1, evaluation(0.1), 0.1, at(24))
        assert dict(store.count_open_jobs("s1")) == {JobKind.REEVALUATE: 1}
        assert store.list_jobs("s1", 9) == []
