"""What every store must do with the insight into a search, and what it tells for it. Part of `StoreSuite`."""

from datetime import timedelta, timezone

import pytest

from nas_controller.records import AttemptState, EntryKind, FailureReason, SearchState
from nas_controller.store.base import ConflictError, LeaseLostError, NotFoundError, Store
from tests.conformance.store_cases import (
    DAY,
    LOST_WORKER,
    MODEL_FAILURE,
    at,
    claimed,
    finished,
    make_draft,
    make_insight,
    readable,
    readable_search,
    started,
    stopped,
)
from tests.conformance.store_snapshot_suite import with_entries


class StoreInsightSuite:
    """One row for each search; the ledger says what it is folded from."""

    def test_an_insight_takes_the_place_of_the_one_before(self, store: Store) -> None:
        lease = with_entries(store, 9)
        with_entries(store, 3, "s2")
        assert store.read_insight("s1") is None
        store.write_insight(lease, make_insight(4))
        assert store.read_insight("s1") == make_insight(4)
        store.write_insight(lease, make_insight(9))
        store.write_insight(lease, make_insight(9))
        assert store.read_insight("s1") == make_insight(9)
        assert store.read_insight("s2") is None
        assert store.read_insight("s3") is None

    def test_an_insight_is_read_where_it_is_newer_than_what_one_has(self, store: Store) -> None:
        store.write_insight(with_entries(store, 6), make_insight(5))
        assert store.read_insight("s1", after=4) == make_insight(5)
        assert store.read_insight("s1", after=5) is None

    def test_an_insight_is_kept_as_plain_data_at_a_time_in_utc(self, store: Store) -> None:
        lease = with_entries(store, 4)
        local = at(3).astimezone(timezone(timedelta(hours=2)))
        store.write_insight(lease, make_insight(3, document={"arms": ("policy", "random")}, written_at=local))
        assert store.read_insight("s1") == make_insight(3, document={"arms": ["policy", "random"]}, written_at=at(3))

    def test_an_insight_is_of_an_entry_of_its_search(self, store: Store) -> None:
        lease = with_entries(store, 4)
        before = readable(store)
        for wrong in (make_insight(5), make_insight(4, search_id="s2")):
            with pytest.raises(ConflictError):
                store.write_insight(lease, wrong)
        assert readable(store) == before

    def test_only_the_newest_lease_writes_an_insight(self, store: Store) -> None:
        old = with_entries(store, 4)
        store.release_lease(old)
        new = store.claim_search("s1", "another controller", at(5), DAY)
        assert new is not None
        with pytest.raises(LeaseLostError):
            store.write_insight(old, make_insight(4))
        store.write_insight(new, make_insight(3))
        assert store.read_insight("s1") == make_insight(3)

    def test_an_insight_is_no_entry_and_goes_with_its_search(self, store: Store) -> None:
        lease = with_entries(store, 4)
        store.set_search_state(lease, SearchState.SUCCEEDED, "", at(5))
        store.release_lease(lease)
        before = readable_search(store, "s1")
        store.write_insight(lease, make_insight(5))
        assert readable_search(store, "s1") == {**before, "insight": make_insight(5)}
        store.delete_search("s1", at(DAY))
        assert store.read_insight("s1") is None

    def test_the_ledger_says_what_a_trial_costs_and_why_it_ended(self, store: Store) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.25)
        job = started(store, lease, 2)
        store.fail_attempt(lease, job.id, 1, MODEL_FAILURE, False, at(12))
        stopped(store, lease, 3, 0.125)
        store.add_trial(lease, make_draft(4, infeasible_reason="too large"), None, at(13))
        created = store.read_ledger("s1", kinds=[EntryKind.TRIAL_CREATED])
        # Of the target's backbone, in `make_draft`.
        assert [(e.payload["multiply_adds"], e.payload["parameters"]) for e in created] == [(22, 11)] * 4
        ended = [e.payload for e in store.read_ledger("s1", kinds=[EntryKind.TRIAL_FINISHED])]
        assert [payload["failure_reason"] for payload in ended] == [None, "diverged", None, None]
        assert [payload["stopped_at_step"] for payload in ended] == [None, None, 50, None]

    def test_attempts_in_vain_are_counted_by_reason(self, store: Store) -> None:
        lease = claimed(store)
        other = claimed(store, "s2")
        finished(store, lease, 1, 0.25)
        assert dict(store.count_failed_attempts("s1")) == {}
        lost, diverged = started(store, lease, 2), started(store, lease, 3)
        store.fail_attempt(lease, lost.id, 1, LOST_WORKER, True, at(12))
        store.start_attempt(lease, lost.id, "worker-2", at(13))
        store.fail_attempt(lease, lost.id, 2, LOST_WORKER, True, at(14))
        store.start_attempt(lease, lost.id, "worker-2", at(15))
        store.fail_attempt(lease, diverged.id, 1, MODEL_FAILURE, False, at(16))
        store.requeue_lost_attempts(lease, at(17))
        started(store, other, 1)
        store.requeue_lost_attempts(other, at(18))
        assert dict(store.count_failed_attempts("s1")) == {
            (AttemptState.FAILED, FailureReason.WORKER_LOST): 2,
            (AttemptState.FAILED, FailureReason.DIVERGED): 1,
            (AttemptState.LOST, None): 1,
        }
        with pytest.raises(NotFoundError):
            store.count_failed_attempts("s3")
