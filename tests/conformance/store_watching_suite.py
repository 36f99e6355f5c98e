"""What every store must tell to those who watch the service. Part of `StoreSuite`."""

from nas_controller.records import AttemptState, FailureReason, JobKind, SearchState, TrialState
from nas_controller.store.base import Store
from nas_controller.tallies import Group, Heartbeat, ProcessRole
from tests.conformance.store_cases import (
    CONFIG,
    DAY,
    LOST_WORKER,
    MODEL_FAILURE,
    START,
    added,
    at,
    claimed,
    finished,
    make_draft,
    make_reference,
    started,
    stopped,
)


def make_heartbeat(name: str, seconds: float, **numbers: float) -> Heartbeat:
    """Of a search's process, at so many seconds after the start."""
    return Heartbeat(name=name, role=ProcessRole.SEARCH, at=at(seconds), search_id="s1", numbers=numbers)


class StoreWatchingSuite:
    """Counts over all searches, and heartbeats."""

    def test_an_empty_store_counts_nothing(self, store: Store) -> None:
        tallies = store.tallies(at(0), (1.0,))
        assert (tallies.searches, tallies.trials, tallies.attempts, tallies.queued) == ({}, {}, {}, {})
        assert (tallies.oldest_queued_at, tallies.best_rewards) == (None, {})
        assert (tallies.num_leased, tallies.num_unleased, tallies.ledger_entries) == (0, 0, 0)

    def test_trials_are_counted_by_state_reason_and_time(self, store: Store) -> None:
        leases = [claimed(store, "s1"), claimed(store, "s2")]
        finished(store, leases[0], 1, 0.25)  # from 11 to 12 s
        finished(store, leases[1], 1, 0.5, arm="random")
        slow = started(store, leases[0], 2)
        store.complete_attempt(leases[0], slow.id, 1, {"average_precision": 0.125}, 0.125, at(111))
        stopped(store, leases[0], 3, 0.0625)
        diverged = started(store, leases[0], 4)
        store.fail_attempt(leases[0], diverged.id, 1, MODEL_FAILURE, False, at(13))
        store.add_trial(leases[0], make_draft(5, infeasible_reason="too large"), None, at(14))
        store.add_trial(leases[0], make_reference(6), None, at(14))
        started(store, leases[0], 7)
        added(store, leases[0], 8)
        trials = store.tallies(at(20), (0.5, 1.0, 60.0)).trials
        assert trials == {
            (TrialState.COMPLETED, None): Group(count=3, seconds=102.0, num_within=(0, 2, 2)),
            (TrialState.STOPPED_EARLY, None): Group(count=1, seconds=1.0, num_within=(0, 1, 1)),
            (TrialState.FAILED, FailureReason.DIVERGED): Group(count=1, seconds=2.0, num_within=(0, 0, 1)),
            (TrialState.INFEASIBLE, None): Group(count=1, num_within=(0, 0, 0)),
            (TrialState.RUNNING, None): Group(count=1, num_within=(0, 0, 0)),
            (TrialState.QUEUED, None): Group(count=1, num_within=(0, 0, 0)),
        }

    def test_attempts_are_counted_by_state_and_reason(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        store.fail_attempt(lease, job.id, 1, LOST_WORKER, True, at(14))  # 3 s
        store.start_attempt(lease, job.id, "worker-2", at(20))
        store.requeue_lost_attempts(lease, at(25))  # 5 s
        store.start_attempt(lease, job.id, "worker-2", at(30))
        finished(store, lease, 2, 0.5)  # 1 s
        assert store.tallies(at(30)).attempts == {
            (AttemptState.FAILED, FailureReason.WORKER_LOST): Group(count=1, seconds=3.0),
            (AttemptState.LOST, None): Group(count=1, seconds=5.0),
            (AttemptState.RUNNING, None): Group(count=1),
            (AttemptState.COMPLETED, None): Group(count=1, seconds=1.0),
        }
        assert store.get_trial("s1", 1).failure_reason is None, "it is tried again"

    def test_a_failed_trial_says_why_and_a_cancelled_one_does_not(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        trial = store.fail_attempt(lease, job.id, 1, MODEL_FAILURE, False, at(13))
        assert (trial.failure_reason, store.get_trial("s1", 1)) == (FailureReason.DIVERGED, trial)
        started(store, lease, 2)
        store.request_state("s1", SearchState.CANCELLED, "", at(21))
        cancelled = store.tallies(at(30)).attempts[AttemptState.CANCELLED, None]
        assert cancelled == Group(count=1, seconds=10.0)
        assert store.get_trial("s1", 2).failure_reason is None

    def test_the_queue_is_that_of_searches_that_want_workers(self, store: Store) -> None:
        running, paused = claimed(store, "s1"), claimed(store, "s2")
        finished(store, running, 1, 0.5)
        store.add_job(running, 1, JobKind.REEVALUATE, 1, at(30))
        store.add_trial(running, make_draft(2), 7, at(40))
        store.add_trial(running, make_draft(3), 8, at(35))
        started(store, running, 4)
        added(store, paused, 1)
        store.request_state("s2", SearchState.PAUSED, "", at(41))
        tallies = store.tallies(at(50))
        assert tallies.queued == {JobKind.REEVALUATE: 1, JobKind.PROXY: 2}
        assert tallies.oldest_queued_at == at(30)

    def test_searches_leases_ledgers_and_rewards(self, store: Store) -> None:
        leases = [claimed(store, "s1", seconds=9.0), claimed(store, "s2"), claimed(store, "s3")]  # s1's until 10 s
        store.create_search("s4", "waits", CONFIG, START)
        for lease, reward in zip(leases, (0.25, 0.5, 0.75), strict=True):
            finished(store, lease, 1, reward)
        finished(store, leases[0], 2, 0.125)
        stopped(store, leases[0], 3, 0.875)  # never among the best
        store.request_state("s2", SearchState.STOPPING, "", at(15))
        store.set_search_state(leases[2], SearchState.SUCCEEDED, "", at(16))
        tallies = store.tallies(at(10))
        S = SearchState
        assert tallies.searches == {S.RUNNING: 1, S.STOPPING: 1, S.SUCCEEDED: 1, S.PENDING: 1}
        assert (tallies.num_leased, tallies.num_unleased) == (1, 1)
        assert tallies.best_rewards == {"s1": 0.25, "s2": 0.5}
        positions = [store.get_search(search_id).last_sequence for search_id in ("s1", "s2", "s3", "s4")]
        assert tallies.ledger_entries == sum(positions)
        assert store.tallies(at(9.5)).num_leased == 2

    def test_a_released_lease_holds_no_more(self, store: Store) -> None:
        lease = claimed(store)
        store.release_lease(lease)
        assert store.tallies(at(2)).num_unleased == 1

    def test_the_last_heartbeat_of_each_process_is_kept(self, store: Store) -> None:
        assert store.list_heartbeats() == []
        store.record_heartbeat(make_heartbeat("b", 1, turns=1.0))
        daemon = Heartbeat(name="a", role=ProcessRole.DAEMON, at=at(2), numbers={})
        store.record_heartbeat(daemon)
        store.record_heartbeat(make_heartbeat("b", 6, turns=2.5))
        assert store.list_heartbeats() == [daemon, make_heartbeat("b", 6, turns=2.5)]
        assert [each.is_alive(at(22)) for each in store.list_heartbeats()] == [False, True]  # 20 s, 16 s

    def test_old_heartbeats_are_forgotten(self, store: Store) -> None:
        store.record_heartbeat(make_heartbeat("a", 0))
        store.record_heartbeat(make_heartbeat("b", 1))
        store.record_heartbeat(make_heartbeat("c", 3601))
        assert [each.name for each in store.list_heartbeats()] == ["b", "c"]
        store.record_heartbeat(make_heartbeat("d", DAY))
        assert [each.name for each in store.list_heartbeats()] == ["d"]

    def test_the_schema_is_ours(self, store: Store) -> None:
        assert store.schema_problem() == ""
