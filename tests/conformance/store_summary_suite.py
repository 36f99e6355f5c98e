"""What every store must give to read of many trials at once. Part of `StoreSuite`."""

from dataclasses import replace

import pytest

from nas_controller.records import NetworkCost, TrialKey, TrialState
from nas_controller.store.base import NotFoundError, Store
from nas_controller.trial_summaries import Objective, TrialSummary
from tests.conformance.store_cases import (
    added,
    at,
    claimed,
    evaluation,
    finished,
    make_draft,
    make_reference,
    reevaluated,
    started,
    stopped,
)

REWARD, AP, VAL = Objective.REWARD, Objective.AVERAGE_PRECISION, Objective.VAL_AVERAGE_PRECISION


def costing(multiply_adds: int, parameters: int) -> NetworkCost:
    """Of a backbone at target size."""
    counted = make_draft(1).target_cost
    return replace(counted, backbone_multiply_adds=multiply_adds, backbone_parameters=parameters)


class StoreSummarySuite:
    """Summaries, the best by several numbers and under limits, and children."""

    def test_a_summary_is_the_trial_without_its_architecture(self, store: Store) -> None:
        lease = claimed(store)
        finished(
            store, lease, 1, 0.25, fingerprint="same", measurement_key="k", source=TrialKey(search_id="x", number=3)
        )
        reevaluated(store, lease, 1, 7, 0.5)
        draft = make_draft(2, fingerprint="same", measurement_key="k")
        store.add_reused_trial(lease, draft, store.get_trial("s1", 1), at(30))
        store.add_trial(lease, make_draft(3, infeasible_reason="too large"), None, at(31))
        stopped(store, lease, 4, 0.125)
        trials = store.list_trials("s1", 10)
        assert store.list_summaries("s1", 10) == [TrialSummary.of(trial) for trial in trials]
        first, second, *_ = store.list_summaries("s1", 10)
        assert (first.val_average_precision, first.source) == (0.5, TrialKey(search_id="x", number=3))
        assert second.reused_from == TrialKey(search_id="s1", number=1)

    def test_summaries_are_listed_as_trials_are(self, store: Store) -> None:
        lease = claimed(store)
        for number in range(1, 4):
            finished(store, lease, number, 0.1)
        added(store, lease, 4)

        def numbers(limit: int, after: int = 0, states: tuple[TrialState, ...] = ()) -> list[int]:
            return [trial.number for trial in store.list_summaries("s1", limit, after, states)]

        assert (numbers(2, after=1), numbers(10, after=4)) == ([2, 3], [])
        assert numbers(1, after=1, states=(TrialState.COMPLETED,)) == [2]
        assert numbers(10, states=(TrialState.QUEUED, TrialState.RUNNING)) == [4]

    def test_the_best_are_those_with_the_most_of_what_is_wanted(self, store: Store) -> None:
        """Rewards need not be AP: here it is the other way round. On val, two were measured, and a reference."""
        lease = claimed(store)
        for number, (reward, precision) in enumerate([(0.5, 0.1), (0.25, 0.3), (0.25, 0.2)], start=1):
            job = started(store, lease, number)
            store.complete_attempt(lease, job.id, 1, evaluation(precision), reward, at(12))
        store.add_trial(lease, make_reference(4), None, at(13))
        for number, precision in ((2, 0.125), (3, 0.375), (4, 0.5)):
            reevaluated(store, lease, number, 7, precision)
        best = {objective: [t.number for t in store.best_summaries("s1", 9, objective)] for objective in Objective}
        assert best == {REWARD: [1, 2, 3], AP: [2, 3, 1], VAL: [3, 2]}
        assert [trial.number for trial in store.best_summaries("s1", 1, AP)] == [2]

    @pytest.mark.parametrize("objective", Objective)
    def test_of_each_fingerprint_the_best_trial_stands_for_all(self, store: Store, objective: Objective) -> None:
        lease = claimed(store)
        for number, (value, fingerprint) in enumerate(zip([0.2, 0.5, 0.5, 0.3, 0.5], "abcab", strict=True), start=1):
            finished(store, lease, number, value, fingerprint=fingerprint)
            reevaluated(store, lease, number, 7, value)
        # b: first reached by trial 2; c: trial 3, as good and later; a: trial 4, better than 1.
        assert [trial.number for trial in store.best_summaries("s1", 10, objective)] == [2, 3, 4]

    def test_a_reference_takes_no_trials_place(self, store: Store) -> None:
        """Somebody had the same network trained: as a trial it is among the best."""
        lease = claimed(store)
        store.add_trial(lease, make_reference(1), None, at(3))
        finished(store, lease, 2, 0.25, fingerprint="f1")
        reevaluated(store, lease, 1, 7, 0.5)
        reevaluated(store, lease, 2, 7, 0.25)
        assert [trial.number for trial in store.best_summaries("s1", 10, VAL)] == [2]

    def test_the_best_may_cost_no_more_than_is_said(self, store: Store) -> None:
        lease = claimed(store)
        for number, cost in enumerate([(30, 9), (20, 8), (10, 7), (2**40, 1)], start=1):
            finished(store, lease, number, 1 / number, target_cost=costing(*cost))

        def numbers(limit: int = 10, **limits: int) -> list[int]:
            return [trial.number for trial in store.best_summaries("s1", limit, REWARD, **limits)]

        assert numbers(max_multiply_adds=20) == [2, 3]
        assert numbers(max_multiply_adds=2**40) == [1, 2, 3, 4]
        assert numbers(max_parameters=8) == [2, 3, 4]
        assert numbers(max_multiply_adds=20, max_parameters=7) == [3]
        assert numbers(limit=1, max_multiply_adds=20) == [2]
        assert numbers(max_multiply_adds=9) == []

    def test_children_are_those_that_were_made_from_a_trial(self, store: Store) -> None:
        lease = claimed(store)
        for number, parents in enumerate([(), (1,), (1, 2), (2, 2), (1,)], start=1):
            added(store, lease, number, parents=parents)
        other = claimed(store, "s2")
        added(store, other, 1, parents=())
        added(store, other, 2, parents=(1,))

        def children(number: int, limit: int = 10, after: int = 0) -> list[int]:
            return [child.number for child in store.list_children("s1", number, limit, after)]

        assert (children(1), children(2), children(3)) == ([2, 3, 5], [3, 4], [])
        assert (children(1, 2), children(1, 2, after=3)) == ([2, 3], [5])
        assert [store.count_children("s1", number) for number in (1, 2, 3, 9)] == [3, 2, 0, 0]
        assert store.list_children("s2", 1, 10) == [TrialSummary.of(store.get_trial("s2", 2))]

    def test_lists_of_no_search_are_not_found(self, store: Store) -> None:
        for call in (
            lambda: store.list_summaries("none", 1),
            lambda: store.best_summaries("none", 1),
            lambda: store.list_children("none", 1, 1),
            lambda: store.count_children("none", 1),
        ):
            with pytest.raises(NotFoundError):
                call()
