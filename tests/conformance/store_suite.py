"""What every store must do, sentence by sentence of `store.base`. A subclass gives the fixture `store`, empty."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from nas_controller.records import EntryKind, JobKind, SearchLease, SearchState, TrialState
from nas_controller.store.base import ConflictError, LeaseLostError, NotFoundError, Store
from tests.conformance.store_cases import (
    CONFIG,
    DAY,
    LOST_WORKER,
    MODEL_FAILURE,
    START,
    added,
    at,
    claimed,
    evaluation,
    finished,
    make_artifact,
    make_checkpoint,
    make_draft,
    make_snapshot,
    readable,
    readable_search,
    started,
)
from tests.conformance.store_earlier_suite import StoreEarlierSuite
from tests.conformance.store_editing_suite import StoreEditingSuite
from tests.conformance.store_insight_suite import StoreInsightSuite
from tests.conformance.store_latency_suite import StoreLatencySuite
from tests.conformance.store_log_suite import StoreLogSuite
from tests.conformance.store_operation_suite import StoreOperationSuite
from tests.conformance.store_progress_suite import StoreProgressSuite
from tests.conformance.store_promotion_suite import StorePromotionSuite
from tests.conformance.store_reading_suite import StoreReadingSuite
from tests.conformance.store_request_suite import StoreRequestSuite
from tests.conformance.store_reuse_suite import StoreReuseSuite
from tests.conformance.store_snapshot_suite import StoreSnapshotSuite
from tests.conformance.store_starting_suite import StoreStartingSuite
from tests.conformance.store_summary_suite import StoreSummarySuite
from tests.conformance.store_token_suite import StoreTokenSuite
from tests.conformance.store_usage_suite import StoreUsageSuite
from tests.conformance.store_watching_suite import StoreWatchingSuite
from tests.conformance.store_webhook_suite import StoreWebhookSuite
from tests.conformance.store_work_suite import StoreWorkSuite
from tests.conformance.store_workers_suite import StoreWorkersSuite

S = SearchState
# What the API may ask for, by the state that holds (`Store.request_state`); the rest conflicts.
REQUESTS = {
    S.PENDING: {S.PAUSED, S.STOPPING, S.CANCELLED},
    S.RUNNING: {S.PAUSED, S.STOPPING, S.CANCELLED},
    S.PAUSED: {S.PENDING, S.STOPPING, S.CANCELLED},
    S.STOPPING: {S.CANCELLED},
}
SETTINGS = {  # what a controller may write (`Store.set_search_state`)
    S.PENDING: {S.PENDING, S.RUNNING, S.PAUSED, S.SUCCEEDED, S.FAILED},
    S.RUNNING: {S.PENDING, S.RUNNING, S.PAUSED, S.SUCCEEDED, S.FAILED},
    S.PAUSED: {S.PAUSED, S.SUCCEEDED, S.FAILED},
    S.STOPPING: {S.SUCCEEDED, S.FAILED},
}


def brought_to(store: Store, state: SearchState, search_id: str = "s1") -> SearchLease:
    """The lease on a new search in the given state."""
    store.create_search(search_id, "search", CONFIG, START)
    lease = store.claim_search(search_id, "controller", at(1), DAY)
    assert lease is not None
    if state in (S.RUNNING, S.SUCCEEDED, S.FAILED):
        store.set_search_state(lease, state, "", at(2))
    elif state is not S.PENDING:
        store.request_state(search_id, state, "", at(2))
    assert store.get_search(search_id).state is state
    return lease


class StoreSuite(
    StoreWorkSuite,
    StoreWorkersSuite,
    StoreStartingSuite,
    StoreSummarySuite,
    StoreProgressSuite,
    StoreLatencySuite,
    StoreLogSuite,
    StoreReuseSuite,
    StoreEditingSuite,
    StoreRequestSuite,
    StoreEarlierSuite,
    StorePromotionSuite,
    StoreUsageSuite,
    StoreSnapshotSuite,
    StoreInsightSuite,
    StoreReadingSuite,
    StoreWatchingSuite,
    StoreTokenSuite,
    StoreWebhookSuite,
    StoreOperationSuite,
):
    """Searches, states, leases, the ledger and artifacts; the rest is in the suites it is made of."""

    # Searches

    def test_a_new_search_is_pending_and_says_so_in_its_ledger(self, store: Store) -> None:
        search = store.create_search("s1", "blood cells", CONFIG, START)
        assert (search.id, search.name, search.config, search.state) == ("s1", "blood cells", CONFIG, S.PENDING)
        assert (search.created_at, search.started_at, search.finished_at) == (START, None, None)
        assert store.get_search("s1") == search
        (entry,) = store.read_ledger("s1")
        assert (entry.sequence, entry.kind, entry.at) == (1, EntryKind.SEARCH_STATE, START)
        assert entry.payload == {"state": "pending", "reason": ""}
        assert search.last_sequence == 1

    def test_times_come_back_in_utc(self, store: Store) -> None:
        """The same search, once told in UTC and once in Tokyo's time, reads the same."""
        tokyo = timezone(timedelta(hours=9))
        for search_id, zone in (("s1", UTC), ("s2", tokyo)):

            def when(seconds: float, zone: timezone = zone) -> datetime:
                return at(seconds).astimezone(zone)

            store.create_search(search_id, "search", CONFIG, when(0))
            lease = store.claim_search(search_id, "controller", when(1), 60)
            assert lease is not None
            lease = store.renew_lease(lease, when(2), 60)
            assert lease.expires_at.utcoffset() == timedelta(0)
            store.set_search_state(lease, S.RUNNING, "", when(3))
            trial = store.add_trial(lease, make_draft(1), 1, when(4))
            assert trial.created_at.utcoffset() == timedelta(0)
            (job,) = store.list_jobs(search_id)
            assert store.start_attempt(lease, job.id, "w", when(5)).started_at.utcoffset() == timedelta(0)
            store.complete_attempt(lease, job.id, 1, {"average_precision": 0.5}, 0.5, when(6))
            store.add_job(lease, 1, JobKind.REEVALUATE, 1, when(7))
            store.add_artifact(make_artifact(search_id, created_at=when(8)))
            store.request_state(search_id, S.CANCELLED, "", when(9))
        both = readable(store)
        told_in_utc, told_in_tokyo = (repr(both[search_id]) for search_id in ("s1", "s2"))
        assert told_in_tokyo.replace("s2", "s1") == told_in_utc
        assert "timezone.utc" in told_in_utc

    def test_a_time_without_a_zone_is_refused(self, store: Store) -> None:
        lease = claimed(store)
        job, waiting = started(store, lease, 1), added(store, lease, 2)
        before = readable(store)
        bare = at(50).replace(tzinfo=None)
        for call in (
            lambda: store.create_search("s2", "search", CONFIG, bare),
            lambda: store.request_state("s1", S.PAUSED, "", bare),
            lambda: store.claim_search("s1", "controller", bare, 60),
            lambda: store.renew_lease(lease, bare, 60),
            lambda: store.set_search_state(lease, S.PAUSED, "", bare),
            lambda: store.add_trial(lease, make_draft(3), 1, bare),
            lambda: store.add_job(lease, 1, JobKind.REEVALUATE, 1, bare),
            lambda: store.start_attempt(lease, waiting.id, "worker-1", bare),
            lambda: store.complete_attempt(lease, job.id, 1, {"average_precision": 0.5}, 0.5, bare),
            lambda: store.fail_attempt(lease, job.id, 1, MODEL_FAILURE, False, bare),
            lambda: store.requeue_lost_attempts(lease, bare),
            lambda: store.add_artifact(make_artifact("s1", created_at=bare)),
        ):
            with pytest.raises(ValueError, match="time zone"):
                call()
        assert readable(store) == before
        assert store.set_search_state(lease, S.RUNNING, "", at(51)).state is S.RUNNING

    def test_a_key_used_again_gives_the_first_search(self, store: Store) -> None:
        first = store.create_search("s1", "search", CONFIG, START, "key")
        assert store.create_search("s2", "search", CONFIG, at(1), "key") == first
        assert store.create_search("s1", "search", dict(CONFIG), at(1), "key") == first
        assert [search.id for search in store.list_searches(10)] == ["s1"]

    def test_a_key_used_for_another_config_conflicts(self, store: Store) -> None:
        store.create_search("s1", "search", CONFIG, START, "key")
        with pytest.raises(ConflictError):
            store.create_search("s2", "search", {**CONFIG, "tolerance": 0.06}, START, "key")
        with pytest.raises(NotFoundError):
            store.get_search("s2")

    def test_an_id_used_again_conflicts(self, store: Store) -> None:
        first = store.create_search("s1", "search", CONFIG, START, "key")
        for key in (None, "other"):
            with pytest.raises(ConflictError):
                store.create_search("s1", "search", CONFIG, START, key)
        assert store.list_searches(10) == [first]

    def test_one_of_many_creations_with_one_key_wins(self, store: Store) -> None:
        with ThreadPoolExecutor(4) as threads:
            made = list(threads.map(lambda n: store.create_search(f"s{n}", "x", CONFIG, START, "key"), range(12)))
        assert len({search.id for search in made}) == 1
        assert len(store.list_searches(100)) == 1

    def test_searches_are_listed_newest_first_and_paged(self, store: Store) -> None:
        for n, seconds in enumerate([0, 2, 1, 2]):
            store.create_search(f"s{n}", "search", CONFIG, at(seconds))
        store.request_state("s0", S.PAUSED, "", at(9))
        newest_first = ["s3", "s1", "s2", "s0"]
        assert [s.id for s in store.list_searches(10)] == newest_first
        assert [s.id for s in store.list_searches(2)] == newest_first[:2]
        assert [s.id for s in store.list_searches(10, before="s3")] == newest_first[1:]
        assert [s.id for s in store.list_searches(1, before="s1")] == ["s2"]
        assert [s.id for s in store.list_searches(10, states=[S.PAUSED])] == ["s0"]
        assert [s.id for s in store.list_searches(10, states=[S.PENDING, S.PAUSED])] == newest_first
        assert store.list_searches(10, before="s0") == []
        with pytest.raises(NotFoundError):
            store.list_searches(10, before="none")

    def test_unknown_searches_and_parts_are_not_found(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        foreign = SearchLease(search_id="none", owner="controller", token=1, expires_at=at(DAY))
        for call in (
            lambda: store.get_search("none"),
            lambda: store.request_state("none", S.PAUSED, "", START),
            lambda: store.claim_search("none", "controller", START, 1),
            lambda: store.renew_lease(foreign, START, 1),
            lambda: store.set_search_state(foreign, S.RUNNING, "", START),
            lambda: store.get_trial("none", 1),
            lambda: store.get_trial("s1", 2),
            lambda: store.list_trials("none", 10),
            lambda: store.best_trials("none", 10),
            lambda: store.reference_trials("none"),
            lambda: store.count_trials("none"),
            lambda: store.list_jobs("none"),
            lambda: store.count_open_jobs("none"),
            lambda: store.get_job("none"),
            lambda: store.list_attempts("none"),
            lambda: store.read_ledger("none"),
            lambda: store.list_snapshots("none"),
            lambda: store.list_artifacts("none"),
            lambda: store.add_artifact(make_artifact("none")),
            lambda: store.start_attempt(lease, "none", "worker-1", START),
            lambda: store.complete_attempt(lease, job.id, 2, {"average_precision": 0.1}, 0.1, START),
        ):
            with pytest.raises(NotFoundError):
                call()

    # States

    @pytest.mark.parametrize("now", S)
    def test_what_a_user_may_ask_for(self, store: Store, now: SearchState) -> None:
        for wanted in S:
            brought_to(store, now, wanted)
            before = readable_search(store, wanted)
            if wanted is now:
                assert store.request_state(wanted, wanted, "again", at(5)) == before["search"]
                assert readable_search(store, wanted) == before
            elif wanted in REQUESTS.get(now, ()):
                search = store.request_state(wanted, wanted, "asked", at(5))
                assert (search.state, search.reason) == (wanted, "asked")
                assert search.finished_at == (at(5) if wanted is S.CANCELLED else None)
                assert store.get_search(wanted) == search
                entry = store.read_ledger(wanted)[-1]
                assert (entry.kind, entry.payload) == (EntryKind.SEARCH_STATE, {"state": wanted, "reason": "asked"})
            else:
                with pytest.raises(ConflictError):
                    store.request_state(wanted, wanted, "", at(5))
                assert readable_search(store, wanted) == before

    @pytest.mark.parametrize("now", S)
    def test_what_a_controller_may_write(self, store: Store, now: SearchState) -> None:
        for wanted in S:
            lease = brought_to(store, now, wanted)
            before = readable_search(store, wanted)
            if wanted in SETTINGS.get(now, ()):
                search = store.set_search_state(lease, wanted, "found", at(5))
                assert (search.state, search.reason) == (wanted, "found")
                assert search.last_sequence == before["search"].last_sequence + 1
                assert store.read_ledger(wanted)[-1].payload == {"state": wanted, "reason": "found"}
            else:
                with pytest.raises(ConflictError):
                    store.set_search_state(lease, wanted, "", at(5))
                assert readable_search(store, wanted) == before

    def test_a_search_starts_once_and_finishes(self, store: Store) -> None:
        lease = brought_to(store, S.RUNNING)
        assert store.get_search("s1").started_at == at(2)
        assert store.set_search_state(lease, S.RUNNING, "", at(3)).started_at == at(2)
        search = store.set_search_state(lease, S.SUCCEEDED, "limit reached", at(4))
        assert (search.started_at, search.finished_at) == (at(2), at(4))

    def test_a_reason_may_be_any_text(self, store: Store) -> None:
        lease = brought_to(store, S.RUNNING)
        search = store.set_search_state(lease, S.FAILED, "no file b\udce9.jpg\0", at(3))
        assert search.reason == "no file b\\udce9.jpg\\x00"
        assert store.get_search("s1") == search
        assert store.read_ledger("s1")[-1].payload["reason"] == search.reason

    # Leases

    def test_one_controller_holds_a_search(self, store: Store) -> None:
        store.create_search("s1", "search", CONFIG, START)
        lease = store.claim_search("s1", "a", START, 60)
        assert lease == SearchLease(search_id="s1", owner="a", token=1, expires_at=at(60))
        assert store.claim_search("s1", "b", at(59.9), 60) is None
        assert store.set_search_state(lease, S.RUNNING, "", at(59.9)).state is S.RUNNING

    def test_an_expired_lease_is_followed_by_a_larger_token(self, store: Store) -> None:
        store.create_search("s1", "search", CONFIG, START)
        first = store.claim_search("s1", "a", START, 60)
        second = store.claim_search("s1", "b", at(60), 60)
        assert first is not None
        assert second is not None
        assert second.token > first.token
        assert second.expires_at == at(120)

    def test_the_same_owner_may_claim_again(self, store: Store) -> None:
        store.create_search("s1", "search", CONFIG, START)
        first = store.claim_search("s1", "a", START, 60)
        second = store.claim_search("s1", "a", at(1), 60)
        assert first is not None
        assert second is not None
        assert second.token > first.token
        with pytest.raises(LeaseLostError):
            store.renew_lease(first, at(2), 60)

    def test_a_renewed_lease_expires_later(self, store: Store) -> None:
        store.create_search("s1", "search", CONFIG, START)
        lease = store.claim_search("s1", "a", START, 60)
        assert lease is not None
        renewed = store.renew_lease(lease, at(50), 60)
        assert (renewed.token, renewed.expires_at) == (lease.token, at(110))
        assert store.claim_search("s1", "b", at(100), 60) is None
        assert store.set_search_state(lease, S.RUNNING, "", at(100)).state is S.RUNNING

    def test_a_lease_that_expired_holds_until_it_is_taken(self, store: Store) -> None:
        lease = claimed(store, seconds=60)
        assert store.set_search_state(lease, S.PAUSED, "", at(1000)).state is S.PAUSED

    def test_a_released_search_is_free_at_once(self, store: Store) -> None:
        store.create_search("s1", "search", CONFIG, START)
        first = store.claim_search("s1", "a", START, 60)
        assert first is not None
        store.release_lease(first)
        second = store.claim_search("s1", "b", at(1), 60)
        assert second is not None
        assert second.token > first.token
        store.release_lease(first)
        assert store.claim_search("s1", "c", at(2), 60) is None

    @pytest.mark.parametrize("state", S)
    def test_only_work_to_do_can_be_claimed(self, store: Store, state: SearchState) -> None:
        lease = brought_to(store, state)
        store.release_lease(lease)
        claim = store.claim_search("s1", "other", at(5), 60)
        assert (claim is not None) == (state in (S.PENDING, S.RUNNING, S.STOPPING))

    def test_a_lost_lease_writes_nothing(self, store: Store) -> None:
        old = claimed(store, seconds=60)
        job = started(store, old, 1)
        waiting = added(store, old, 2)
        store.claim_search("s1", "other", at(100), 60)
        before = readable(store)
        for call in (
            lambda: store.renew_lease(old, at(101), 60),
            lambda: store.set_search_state(old, S.SUCCEEDED, "", at(101)),
            lambda: store.add_trial(old, make_draft(3), 1, at(101)),
            lambda: store.add_job(old, 1, job.kind, 99, at(101)),
            lambda: store.start_attempt(old, waiting.id, "worker-1", at(101)),
            lambda: store.complete_attempt(old, job.id, 1, {"average_precision": 0.5}, 0.5, at(101)),
            lambda: store.fail_attempt(old, job.id, 1, MODEL_FAILURE, False, at(101)),
            lambda: store.requeue_lost_attempts(old, at(101)),
            lambda: store.add_snapshot(old, make_snapshot(2)),
        ):
            with pytest.raises(LeaseLostError):
                call()
        assert readable(store) == before

    def test_one_of_many_claims_wins(self, store: Store) -> None:
        store.create_search("s1", "search", CONFIG, START)
        with ThreadPoolExecutor(4) as threads:
            leases = list(threads.map(lambda n: store.claim_search("s1", f"owner-{n}", START, 60), range(12)))
        assert [lease.token for lease in leases if lease is not None] == [1]

    # The ledger

    def test_the_ledger_is_read_in_pages(self, store: Store) -> None:
        lease = claimed(store)
        for number in range(1, 6):
            finished(store, lease, number, 0.1)
        whole = store.read_ledger("s1")
        assert [entry.sequence for entry in whole] == list(range(1, 18))  # 2 states, 5 x (created, started, finished)
        assert store.get_search("s1").last_sequence == 17
        assert store.read_ledger("s1", after=4, limit=3) == whole[4:7]
        assert store.read_ledger("s1", after=17) == []

    def test_threads_leave_no_gap_and_no_duplicate(self, store: Store) -> None:
        lease = claimed(store)
        jobs = [added(store, lease, number) for number in range(1, 21)]

        def train(index: int) -> None:
            store.start_attempt(lease, jobs[index].id, f"worker-{index}", at(11))
            store.complete_attempt(lease, jobs[index].id, 1, {"average_precision": 0.1}, 0.1, at(12))

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(train, range(20)))
        entries = store.read_ledger("s1")
        assert [entry.sequence for entry in entries] == list(range(1, 63))  # 2 states and 20 x 3
        told = [entry.trial_number for entry in entries if entry.kind is EntryKind.TRIAL_FINISHED]
        assert sorted(n for n in told if n is not None) == list(range(1, 21))
        assert store.count_trials("s1")[TrialState.COMPLETED] == 20

    def test_threads_that_want_the_same_number_get_it_once(self, store: Store) -> None:
        lease = claimed(store)

        def add(worker: int) -> int:
            conflicts = 0
            for number in range(1, 6):
                try:
                    store.add_trial(lease, make_draft(number, fingerprint=f"of {worker}"), number, at(10))
                except ConflictError:
                    conflicts += 1
            return conflicts

        with ThreadPoolExecutor(8) as threads:
            conflicts = sum(threads.map(add, range(8)))
        assert conflicts == 8 * 5 - 5
        assert [trial.number for trial in store.list_trials("s1", 100)] == [1, 2, 3, 4, 5]
        assert [job.trial_number for job in store.list_jobs("s1")] == [1, 2, 3, 4, 5]
        assert [entry.sequence for entry in store.read_ledger("s1")] == list(range(1, 8))  # 2 states, 5 created

    def test_searches_have_their_own_sequences(self, store: Store) -> None:
        leases = [claimed(store, "s1"), claimed(store, "s2")]
        for lease in leases:
            added(store, lease, 1)
        assert [entry.sequence for entry in store.read_ledger("s2")] == [1, 2, 3]
        assert store.get_job(store.list_jobs("s2")[0].id).search_id == "s2"

    # Artifacts

    def test_artifacts_are_listed_in_the_order_added(self, store: Store) -> None:
        lease = claimed(store)
        added(store, lease, 1)
        files = [
            make_artifact("s1", key="cd" * 32),
            make_artifact("s1"),
            make_artifact("s1", name="copy.log"),
            make_artifact("s1", trial_number=None, name="report.html"),
            make_artifact("s1", trial_number=2),
        ]
        for artifact in [*files, *files]:
            store.add_artifact(artifact)
        assert store.list_artifacts("s1") == files
        assert store.list_artifacts("s1", 1) == files[:3]
        assert store.list_artifacts("s1", 7) == []
        assert store.list_artifacts("s1", key="cd" * 32) == files[:1]
        assert store.list_artifacts("s1", 1, key="ab" * 32) == files[1:3]
        assert store.list_artifacts("s1", 2, key="cd" * 32) == []

    def test_artifacts_are_needed_by_their_rows_and_by_open_jobs(self, store: Store) -> None:
        lease = claimed(store)
        running, requeued, done = (started(store, lease, number) for number in (1, 2, 3))
        for step, job in ((10, running), (20, running), (30, requeued), (40, done)):
            store.record_progress(lease, job.id, 1, make_checkpoint(step), at(13))
        store.fail_attempt(lease, requeued.id, 1, LOST_WORKER, True, at(14))
        store.complete_attempt(lease, done.id, 1, evaluation(0.5), 0.5, at(14))
        other = claimed(store, "s2")
        store.record_progress(other, started(store, other, 1).id, 1, make_checkpoint(50), at(13))
        store.request_state("s2", S.PAUSED, "", at(15))
        store.add_artifact(make_artifact("s2", key="cd" * 32))
        checkpoints = [make_checkpoint(step).key for step in (10, 20, 30, 40, 50)]
        keys = [*checkpoints, "cd" * 32, "ef" * 32, *(f"{n:064x}" for n in range(1000, 3000))]
        # 10 was replaced, 40 is of a job that is final; a paused search goes on from 50.
        assert store.needed_artifacts(keys) == {*checkpoints[1:3], checkpoints[4], "cd" * 32}
        assert store.needed_artifacts([checkpoints[1], "ef" * 32]) == {checkpoints[1]}
        assert store.needed_artifacts([]) == set()
        store.request_state("s2", S.CANCELLED, "", at(16))
        assert store.needed_artifacts(keys) == {*checkpoints[1:3], "cd" * 32}
        store.set_search_state(lease, S.FAILED, "", at(17))
        assert store.needed_artifacts(keys) == {"cd" * 32}
