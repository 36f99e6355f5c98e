"""What every store must do with rewards that are reused. Part of `StoreSuite`."""

from datetime import datetime
from typing import Any

import pytest

from nas_controller.records import EntryKind, JobKind, SearchLease, SearchState, Trial, TrialDraft, TrialKey, TrialState
from nas_controller.store.base import ConflictError, LeaseLostError, Store
from tests.conformance.store_cases import (
    MODEL_FAILURE,
    added,
    at,
    claimed,
    evaluation,
    finished,
    make_draft,
    make_reference,
    readable,
    reevaluated,
    started,
)

KEY = "a1" * 32


def twin(number: int, **changes: Any) -> TrialDraft:
    """One of many candidates of the same network, measured alike."""
    return make_draft(number, **{"fingerprint": "same", "measurement_key": KEY, **changes})


def trained(store: Store, lease: SearchLease, number: int, reward: float, when: datetime, **changes: Any) -> Trial:
    """A new twin, trained to a reward that is not its AP, at a time of its own."""
    job = started(store, lease, number, **{"fingerprint": "same", "measurement_key": KEY, **changes})
    return store.complete_attempt(lease, job.id, 1, evaluation(reward / 2), reward, when)


class StoreReuseSuite:
    """Finding what was measured, and completing a trial with it."""

    def test_a_reused_trial_is_completed_and_told_at_once(self, store: Store) -> None:
        lease = claimed(store)
        source = trained(store, lease, 1, 0.5, at(12))
        sequence = store.get_search("s1").last_sequence
        trial = store.add_reused_trial(lease, twin(2), source, at(30))
        assert (trial.state, trial.draft, trial.reused_from) == (
            TrialState.COMPLETED,
            twin(2),
            TrialKey(search_id="s1", number=1),
        )
        assert (trial.reward, trial.average_precision) == (0.5, 0.25)
        assert (trial.created_at, trial.started_at, trial.finished_at) == (at(30), None, at(30))
        assert store.get_trial("s1", 2) == trial
        assert store.list_jobs("s1", 2) == []
        created, told = store.read_ledger("s1", after=sequence)
        assert (created.kind, created.trial_number, created.at) == (EntryKind.TRIAL_CREATED, 2, at(30))
        assert (told.kind, told.trial_number, told.at) == (EntryKind.TRIAL_FINISHED, 2, at(30))
        assert told.payload == {
            "state": "completed",
            "reward": 0.5,
            "average_precision": 0.25,
            "failure": "",
            "failure_reason": None,
            "stopped_at_step": None,
            "consumed": True,
            "reused_from": {"search": "s1", "trial": 1},
        }
        counts = store.count_trials("s1")
        assert (counts[TrialState.COMPLETED], counts.trained) == (2, 2)
        assert [best.number for best in store.best_trials("s1", 10)] == [1]

    def test_what_was_measured_on_val_is_not_reused(self, store: Store) -> None:
        lease = claimed(store)
        trained(store, lease, 1, 0.5, at(12))
        source = reevaluated(store, lease, 1, 7, 0.4)
        reused = store.add_reused_trial(lease, twin(2), source, at(30))
        assert (reused.val_average_precision, reused.val_count) == (None, 0)
        measured = reevaluated(store, lease, 2, 7, 0.3)
        assert (measured.val_average_precision, measured.val_count) == (0.3, 1)
        assert (measured.reward, measured.reused_from) == (0.5, TrialKey(search_id="s1", number=1))
        assert [job.kind for job in store.list_jobs("s1", 2)] == [JobKind.REEVALUATE]

    def test_a_reward_of_another_search_names_it(self, store: Store) -> None:
        source = trained(store, claimed(store, "s1"), 1, 0.5, at(12))
        trial = store.add_reused_trial(claimed(store, "s2"), twin(1), source, at(30))
        assert (trial.search_id, trial.reused_from) == ("s2", TrialKey(search_id="s1", number=1))
        assert store.get_trial("s2", 1) == trial
        assert store.read_ledger("s2")[-1].payload["reused_from"] == {"search": "s1", "trial": 1}

    @pytest.mark.parametrize(
        "changes",
        [
            {"fingerprint": "other"},
            {"measurement_key": "b2" * 32},
            {"measurement_key": None},
            {"infeasible_reason": "too large"},
        ],
    )
    def test_a_candidate_that_is_no_twin_is_refused(self, store: Store, changes: dict[str, Any]) -> None:
        lease = claimed(store)
        source = trained(store, lease, 1, 0.5, at(12))
        before = readable(store)
        with pytest.raises(ValueError, match="trial 2: trial 1 of s1 did not measure it"):
            store.add_reused_trial(lease, twin(2, **changes), source, at(30))
        assert readable(store) == before

    def test_only_a_trial_that_was_trained_to_a_reward_is_reused(self, store: Store) -> None:
        lease = claimed(store)
        source = trained(store, lease, 1, 0.5, at(12))
        copy = store.add_reused_trial(lease, twin(2), source, at(30))
        failing = started(store, lease, 3, fingerprint="same", measurement_key=KEY)
        failed = store.fail_attempt(lease, failing.id, 1, MODEL_FAILURE, False, at(13))
        infeasible = store.add_trial(lease, twin(4, infeasible_reason="too large"), None, at(14))
        reference = store.add_trial(lease, make_reference(5), None, at(15))
        added(store, lease, 6, fingerprint="same", measurement_key=KEY)
        before = readable(store)
        for wrong in (copy, failed, infeasible, reference, store.get_trial("s1", 6)):
            with pytest.raises(ValueError, match="did not measure it"):
                store.add_reused_trial(lease, twin(7), wrong, at(31))
        assert readable(store) == before

    def test_a_reused_trial_is_refused_like_any_other(self, store: Store) -> None:
        old = claimed(store)
        source = trained(store, old, 1, 0.5, at(12))
        lease = store.claim_search("s1", "controller", at(20), 60)
        assert lease is not None
        before = readable(store)
        with pytest.raises(LeaseLostError):
            store.add_reused_trial(old, twin(2), source, at(30))
        with pytest.raises(ValueError, match="time zone"):
            store.add_reused_trial(lease, twin(2), source, at(30).replace(tzinfo=None))
        with pytest.raises(ValueError, match="log_probs"):
            store.add_reused_trial(lease, twin(2, log_probs=(float("nan"),)), source, at(30))
        for number in (1, 3):
            with pytest.raises(ConflictError):
                store.add_reused_trial(lease, twin(number), source, at(30))
        assert readable(store) == before
        store.set_search_state(lease, SearchState.SUCCEEDED, "", at(31))
        with pytest.raises(ConflictError):
            store.add_reused_trial(lease, twin(2), source, at(32))

    def test_the_first_that_was_measured_is_found(self, store: Store) -> None:
        one, two = claimed(store, "s1"), claimed(store, "s2")
        trained(store, two, 1, 0.9, at(40))
        assert store.first_measured(KEY, "same") == store.get_trial("s2", 1)
        trained(store, one, 1, 0.1, at(50))
        assert store.first_measured(KEY, "same") == store.get_trial("s2", 1)
        trained(store, one, 2, 0.2, at(30))  # of a slower clock: what counts is the time
        assert store.first_measured(KEY, "same") == store.get_trial("s1", 2)
        trained(store, two, 2, 0.3, at(30))
        trained(store, one, 3, 0.4, at(30))
        assert store.first_measured(KEY, "same") == store.get_trial("s1", 2)  # equal times: first search, first number

    def test_what_was_not_measured_is_not_found(self, store: Store) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.5, fingerprint="same")  # nobody noted how
        trained(store, lease, 2, 0.5, at(12), fingerprint="other")
        trained(store, lease, 3, 0.5, at(12), measurement_key="b2" * 32)
        added(store, lease, 4, fingerprint="same", measurement_key=KEY)
        job = started(store, lease, 5, fingerprint="same", measurement_key=KEY)
        store.add_trial(lease, twin(6, infeasible_reason="too large"), None, at(13))
        store.add_trial(lease, make_reference(7), None, at(14))
        assert store.first_measured(KEY, "same") is None
        store.fail_attempt(lease, job.id, 1, MODEL_FAILURE, False, at(15))
        assert store.first_measured(KEY, "same") is None

    def test_a_copy_is_never_the_source(self, store: Store) -> None:
        lease = claimed(store)
        source = trained(store, lease, 1, 0.5, at(40))
        store.add_reused_trial(lease, twin(2), source, at(30))  # of a slower clock
        assert store.first_measured(KEY, "same") == source
