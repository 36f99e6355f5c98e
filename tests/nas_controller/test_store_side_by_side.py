"""Memory and SQLite do the same, whatever is asked of them in whatever order."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nas_controller.records import JobKind, Search, SearchLease, SearchState, Trial, TrialState
from nas_controller.requests import RequestState, RequestVerb, SearchEdit, SearchOrder
from nas_controller.store.base import Store, StoreError
from nas_controller.store.memory import MemoryStore
from nas_controller.store.open import open_store
from nas_controller.webhooks.records import Outcome
from tests.conformance.store_cases import (
    CONFIG,
    LOST_WORKER,
    MODEL_FAILURE,
    at,
    evaluation,
    make_artifact,
    make_checkpoint,
    make_draft,
    make_latency,
    make_measurement,
    make_reference,
    make_request,
    make_snapshot,
    readable,
)
from tests.conformance.store_token_suite import make_token
from tests.conformance.store_webhook_suite import make_cursor, make_delivery, make_webhook

SEARCHES = st.sampled_from(["s1", "s2"])
STATES = st.sampled_from(list(SearchState))
SMALL = st.integers(1, 4)
REWARDS = st.sampled_from([-0.5, 0.0, 0.25, 0.5, float("nan"), float("inf")])
KINDS = st.sampled_from(list(JobKind))


class SideBySide(RuleBasedStateMachine):
    """Each rule is one call on both stores: the same answer or the same error, and the same to read after it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.folder.name) / 'searches.sqlite'}"
        self.stores: list[Store] = [MemoryStore(), open_store(self.url)]
        self.leases: list[SearchLease] = []
        self.acknowledged: dict[tuple[str, int], Trial] = {}
        self.seconds = 0

    def both(self, call: Callable[[Store], Any]) -> Any:
        """The answer that both give; None where both raise the same error."""
        answers = [self._answer(store, call) for store in self.stores]
        assert answers[0] == answers[1]
        return None if isinstance(answers[0], tuple) else answers[0]

    def _answer(self, store: Store, call: Callable[[Store], Any]) -> Any:
        try:
            return call(store)
        except (StoreError, ValueError) as error:
            return (type(error), str(error))

    def now(self) -> Any:
        self.seconds += 1
        return at(self.seconds)

    def lease(self, pick: int) -> SearchLease:
        """One of the newest leases; some are lost."""
        return self.leases[-min(pick, len(self.leases))]

    def trials(self, search_id: str) -> list[Trial]:
        """All of the search; none of one that is gone."""
        found = self._answer(self.stores[0], lambda store: store.list_trials(search_id, 10_000))
        return found if isinstance(found, list) else []

    def job_id(self, search_id: str, pick: int) -> str:
        """One of the search's jobs; an unknown one where there are too few."""
        found = self._answer(self.stores[0], lambda store: store.list_jobs(search_id))
        jobs = found if isinstance(found, list) else []
        return jobs[-pick].id if pick <= len(jobs) else "none"

    @initialize()
    def a_search_that_a_controller_holds(self) -> None:
        self.create("s1", None)
        self.claim("s1", "a", 10_000)

    @rule(search_id=SEARCHES, key=st.sampled_from([None, "key"]))
    def create(self, search_id: str, key: str | None) -> None:
        now = self.now()
        self.both(lambda store: store.create_search(search_id, "search", CONFIG, now, key))

    @rule(search_id=SEARCHES, state=STATES, is_likely=st.integers(0, 3))
    def request(self, search_id: str, state: SearchState, is_likely: int) -> None:
        wanted = state if is_likely == 0 else SearchState.PENDING
        now = self.now()
        self.both(lambda store: store.request_state(search_id, wanted, "asked", now))

    @rule(search_id=SEARCHES, owner=st.sampled_from(["a", "b"]), seconds=st.sampled_from([2, 10_000]))
    def claim(self, search_id: str, owner: str, seconds: int) -> None:
        now = self.now()
        lease = self.both(lambda store: store.claim_search(search_id, owner, now, seconds))
        if lease is not None:
            self.leases.append(lease)

    @rule(pick=SMALL, renew=st.booleans())
    def renew_or_release(self, pick: int, renew: bool) -> None:
        now, lease = self.now(), self.lease(pick)
        if renew:
            self.both(lambda store: store.renew_lease(lease, now, 5))
        else:
            self.both(lambda store: store.release_lease(lease))

    @rule(pick=SMALL, state=STATES, is_likely=st.integers(0, 3))
    def set_state(self, pick: int, state: SearchState, is_likely: int) -> None:
        wanted = state if is_likely == 0 else SearchState.RUNNING
        now, lease = self.now(), self.lease(pick)
        self.both(lambda store: store.set_search_state(lease, wanted, "found", now))

    @rule(pick=SMALL, twin=SMALL, infeasible=st.booleans(), skip=st.sampled_from([0, 0, 0, 1]))
    def add_trial(self, pick: int, twin: int, infeasible: bool, skip: int) -> None:
        now, lease = self.now(), self.lease(pick)
        number = len(self.trials(lease.search_id)) + 1 + skip
        reason = "too large" if infeasible else ""
        draft = make_draft(number, fingerprint=f"f{twin}", infeasible_reason=reason, measurement_key="k")
        self.both(lambda store: store.add_trial(lease, draft, number, now))

    @rule(pick=SMALL, twin=SMALL, worker=SMALL, skip=st.sampled_from([0, 0, 0, 1]))
    def start_trial(self, pick: int, twin: int, worker: int, skip: int) -> None:
        """The usual way, so that runs get further than chance would take them."""
        now, lease = self.now(), self.lease(pick)
        number = len(self.trials(lease.search_id)) + 1 + skip
        draft = make_draft(number, fingerprint=f"f{twin}", measurement_key="k")
        self.both(lambda store: store.start_trial(lease, draft, number, f"worker-{worker}", now))

    @rule(pick=SMALL, twin=SMALL, first=KINDS, is_taken_over=st.booleans())
    def start_timed(self, pick: int, twin: int, first: JobKind, is_taken_over: bool) -> None:
        """With a latency job, or with the latency of one of the first trials where it has one."""
        now, lease = self.now(), self.lease(pick)
        trials = self.trials(lease.search_id)
        timed = next(iter(trials[twin:]), None) if is_taken_over else None
        draft = make_draft(len(trials) + 1, fingerprint=f"f{twin}", measurement_key="k")
        self.both(lambda store: store.start_trial(lease, draft, 5, "worker-1", now, first=first, timed=timed))
        self.both(lambda store: store.first_timed(lease.search_id, f"f{twin}"))

    @rule(pick=SMALL, job=SMALL, number=SMALL, median_ms=st.sampled_from([3.5, 12.25]))
    def complete_latency(self, pick: int, job: int, number: int, median_ms: float) -> None:
        now, lease = self.now(), self.lease(pick)
        job_id, latency = self.job_id(lease.search_id, job), make_latency(median_ms)
        self.both(lambda store: store.complete_latency(lease, job_id, number, latency, now))

    @rule(pick=SMALL, twin=SMALL, skip=st.sampled_from([0, 0, 0, 1]))
    def add_reused(self, pick: int, twin: int, skip: int) -> None:
        """The network of one of the first trials again, with its reward where it has one."""
        now, lease = self.now(), self.lease(pick)
        trials = self.trials(lease.search_id)
        measured = self.both(lambda store: store.first_measured("k", f"f{twin}")) or next(iter(trials[twin:]), None)
        if measured is not None:
            draft = make_draft(len(trials) + 1 + skip, fingerprint=f"f{twin}", measurement_key="k")
            self.both(lambda store: store.add_reused_trial(lease, draft, measured, now))

    @rule(pick=SMALL)
    def add_reference(self, pick: int) -> None:
        now, lease = self.now(), self.lease(pick)
        number = len(self.trials(lease.search_id)) + 1
        self.both(lambda store: store.add_trial(lease, make_reference(number), None, now))

    @rule(pick=SMALL, number=SMALL, kind=KINDS, seed=SMALL)
    def add_job(self, pick: int, number: int, kind: JobKind, seed: int) -> None:
        now, lease = self.now(), self.lease(pick)
        self.both(lambda store: store.add_job(lease, number, kind, seed, now))

    @rule(pick=SMALL, job=SMALL)
    def start(self, pick: int, job: int) -> None:
        now, lease = self.now(), self.lease(pick)
        job_id = self.job_id(lease.search_id, job)
        self.both(lambda store: store.start_attempt(lease, job_id, "worker-1", now))

    @rule(pick=SMALL, job=SMALL, number=st.sampled_from([1, 1, 2]), reward=REWARDS, step=st.sampled_from([None, 25]))
    def complete(self, pick: int, job: int, number: int, reward: float, step: int | None) -> None:
        now, lease = self.now(), self.lease(pick)
        job_id = self.job_id(lease.search_id, job)
        document = {**evaluation(0.1 * job), "stopped_at_step": step}
        trial = self.both(lambda store: store.complete_attempt(lease, job_id, number, document, reward, now))
        if trial is not None and trial.reward is not None:
            self.acknowledged.setdefault((trial.search_id, trial.number), trial)

    @rule(
        pick=SMALL, job=SMALL, number=st.sampled_from([1, 1, 2]), step=st.sampled_from([25, 50]), measured=st.booleans()
    )
    def report(self, pick: int, job: int, number: int, step: int, measured: bool) -> None:
        now, lease = self.now(), self.lease(pick)
        job_id = self.job_id(lease.search_id, job)
        progress = make_measurement(step, 0.1 * job) if measured else make_checkpoint(step)
        self.both(lambda store: store.record_progress(lease, job_id, number, progress, now))

    @rule(pick=SMALL, job=SMALL, number=st.sampled_from([1, 1, 2]), retry=st.booleans())
    def fail(self, pick: int, job: int, number: int, retry: bool) -> None:
        now, lease = self.now(), self.lease(pick)
        job_id = self.job_id(lease.search_id, job)
        failure = LOST_WORKER if retry else MODEL_FAILURE
        self.both(lambda store: store.fail_attempt(lease, job_id, number, failure, retry, now))

    @rule(pick=SMALL, kept=st.sampled_from([None, 1, 2]))
    def requeue(self, pick: int, kept: int | None) -> None:
        now, lease = self.now(), self.lease(pick)
        keep = [] if kept is None else [self.job_id(lease.search_id, kept)]
        self.both(lambda store: store.requeue_lost_attempts(lease, now, keep))

    @rule(pick=SMALL, back=st.sampled_from([-1, 0, 0, 1, 2]), has_file=st.booleans())
    def add_snapshot(self, pick: int, back: int, has_file: bool) -> None:
        lease = self.lease(pick)
        found = self._answer(self.stores[0], lambda store: store.get_search(lease.search_id))
        sequence = (found.last_sequence if isinstance(found, Search) else 1) - back
        changes = {"search_id": lease.search_id} if has_file else {"search_id": lease.search_id, "artifact_key": None}
        self.both(lambda store: store.add_snapshot(lease, make_snapshot(sequence, **changes)))

    @rule(search_id=SEARCHES)
    def expire(self, search_id: str) -> None:
        """Every lease of two seconds is over, and another controller takes the search."""
        self.seconds += 10
        self.claim(search_id, "c", 2)

    @rule(search_id=SEARCHES, number=st.sampled_from([None, 1]), name=st.sampled_from(["a.log", "b.log"]))
    def add_artifact(self, search_id: str, number: int | None, name: str) -> None:
        artifact = make_artifact(search_id, trial_number=number, name=name)
        self.both(lambda store: store.add_artifact(artifact))

    @rule(search_id=SEARCHES, limit=SMALL, after=SMALL, states=st.lists(st.sampled_from(list(TrialState)), max_size=3))
    def read_pages(self, search_id: str, limit: int, after: int, states: list[TrialState]) -> None:
        self.both(lambda store: store.list_trials(search_id, limit, after, states))
        self.both(lambda store: store.best_trials(search_id, limit))
        self.both(lambda store: store.read_ledger(search_id, after, limit))
        self.both(lambda store: store.list_jobs(search_id, after, open_only=True))
        self.both(lambda store: store.list_artifacts(search_id, after))
        self.both(lambda store: store.list_measurements(search_id, after))
        self.both(lambda store: store.measured_at(search_id, 25))
        self.both(lambda store: store.list_searches(limit, search_id, name="1", order=SearchOrder.NEWEST))
        self.both(lambda store: store.list_searches(limit, search_id, name="1", order=SearchOrder.NAME))
        self.both(lambda store: store.worker_seconds(search_id, at(10_000)))

    @rule(search_id=SEARCHES, trials=SMALL, archived=st.sampled_from([None, None, True, False]), is_stale=st.booleans())
    def edit(self, search_id: str, trials: int, archived: bool | None, is_stale: bool) -> None:
        now, limits = self.now(), {"trials": trials} if archived is None else None
        edit = SearchEdit(name=f"search {trials}", limits=limits, archived=archived)
        self.both(lambda store: store.edit_search(search_id, edit, now, "0" * 16 if is_stale else None))

    @rule(search_id=SEARCHES, verb=st.sampled_from(list(RequestVerb)), count=SMALL)
    def ask(self, search_id: str, verb: RequestVerb, count: int) -> None:
        now = self.now()
        self.both(lambda store: store.add_requests(search_id, [make_request(verb=verb)] * count, now))

    @rule(pick=SMALL, number=SMALL)
    def answer(self, pick: int, number: int) -> None:
        now, lease = self.now(), self.lease(pick)
        self.both(lambda store: store.answer_request(lease, number, RequestState.REFUSED, "no", now))

    @rule(pick=SMALL, number=SMALL)
    def take(self, pick: int, number: int) -> None:
        now, lease = self.now(), self.lease(pick)
        draft = make_draft(len(self.trials(lease.search_id)) + 1, measurement_key="k")
        self.both(lambda store: store.start_trial(lease, draft, draft.number, "worker-9", now, number))

    @rule(search_id=SEARCHES)
    def delete(self, search_id: str) -> None:
        now = self.now()
        self.both(lambda store: store.delete_search(search_id, now))
        if search_id not in [search.id for search in self.stores[0].list_searches(10)]:
            self.acknowledged = {key: trial for key, trial in self.acknowledged.items() if key[0] != search_id}

    @rule(number=SMALL, revoke=st.booleans())
    def let_in(self, number: int, revoke: bool) -> None:
        now = self.now()
        self.both(lambda store: store.create_token(make_token(number)))
        self.both(lambda store: store.record_token_use(f"t{number}", now.date()))
        if revoke:
            self.both(lambda store: store.revoke_token(f"t{number}", now))

    @rule(number=SMALL, search_id=st.sampled_from([None, "s1", "s2"]), is_deleted=st.booleans())
    def watch(self, number: int, search_id: str | None, is_deleted: bool) -> None:
        if is_deleted:
            self.both(lambda store: store.delete_webhook(f"w{number}"))
        self.both(lambda store: store.create_webhook(make_webhook(number, search_id=search_id)))

    @rule(number=SMALL, search_id=SEARCHES, outcome=st.sampled_from(list(Outcome)), is_test=st.booleans(), back=SMALL)
    def deliver(self, number: int, search_id: str, outcome: Outcome, is_test: bool, back: int) -> None:
        now, webhook_id = self.now(), f"w{number}"
        lease = self.both(lambda store: store.claim_webhook(webhook_id, "a", now, 2))
        self.both(lambda store: store.claim_webhook(webhook_id, "b", now, 2))
        self.both(lambda store: store.ask_webhook_test(webhook_id, now))
        delivery = make_delivery(self.seconds, outcome=outcome)
        cursor = make_cursor(search_id, webhook_id=webhook_id, sequence=back, is_closed=back == 4)
        if lease is not None:
            self.both(lambda store: store.record_delivery(lease, delivery, None if is_test else cursor))

    @rule()
    def open_again(self) -> None:
        self.stores[1].close()
        self.stores[1] = open_store(self.url)

    @invariant()
    def the_same_can_be_read(self) -> None:
        everything = [readable(store) for store in self.stores]
        assert everything[0] == everything[1]
        tallies = [store.tallies(at(0), (1.0, 60.0)) for store in self.stores]
        assert tallies[0] == tallies[1]
        assert self.told(self.stores[0]) == self.told(self.stores[1])
        for search in everything[0].values():
            self.check(search)
        for (search_id, number), trial in self.acknowledged.items():
            stored = everything[0][search_id]["trials"][number - 1]
            assert (stored.state, stored.reward) == (trial.state, trial.reward), "a reward that was committed stays"

    def told(self, store: Store) -> Any:
        """Who is let in, and who is told of what."""
        webhooks = store.list_webhooks()
        return store.list_tokens(10), webhooks, [store.webhook_cursors(webhook.id) for webhook in webhooks]

    def check(self, search: dict[str, Any]) -> None:
        """What holds in every search at every time."""
        sequences = [entry.sequence for entry in search["ledger"]]
        assert sequences == list(range(1, search["search"].last_sequence + 1))
        told = [entry.trial_number for entry in search["ledger"] if entry.kind == "trial.finished"]
        assert len(told) == len(set(told))
        rewards = {t.number: t.reward for t in search["trials"] if t.reward is not None}
        assert rewards == {
            entry.trial_number: entry.payload["reward"]
            for entry in search["ledger"]
            if entry.kind == "trial.finished" and entry.payload["reward"] is not None
        }, "what the algorithm is told is what the trials have"
        if search["search"].state.is_final:
            assert search["open"] == []
            assert [request for request in search["requests"] if request.state is RequestState.OPEN] == []
            assert all(trial.state.is_final for trial in search["trials"])

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()


SideBySide.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestSideBySide = SideBySide.TestCase
