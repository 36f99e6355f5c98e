"""What every store must do with what users ask for. Part of `StoreSuite`."""

import pytest

from nas_controller.records import EntryKind, SearchState, TrialKey, TrialState
from nas_controller.requests import MAX_OPEN_REQUESTS, RequestState, RequestVerb, TrialRequest
from nas_controller.store.base import ConflictError, LeaseLostError, NotFoundError, Store
from tests.conformance.store_cases import (
    DAY,
    MODEL_FAILURE,
    at,
    claimed,
    evaluation,
    make_draft,
    make_request,
    readable,
    readable_search,
    started,
)

KEY = "a1" * 32
STOP = make_request(verb=RequestVerb.STOP, source=TrialKey(search_id="s1", number=1), spec=None, genotype=())


class StoreRequestSuite:
    """Requests are made by anyone, and become trials under a lease."""

    def test_a_request_is_kept_and_told(self, store: Store) -> None:
        claimed(store)
        sequence = store.get_search("s1").last_sequence
        retry = make_request(verb=RequestVerb.RETRY, source=TrialKey(search_id="s2", number=7), name="spinenet-49")
        added = store.add_requests("s1", [make_request(), retry], at(5))
        assert added == [
            TrialRequest(search_id="s1", number=1, draft=make_request(), state=RequestState.OPEN, created_at=at(5)),
            TrialRequest(search_id="s1", number=2, draft=retry, state=RequestState.OPEN, created_at=at(5)),
        ]
        assert store.list_requests("s1") == added
        assert store.get_request("s1", 2) == added[1]
        assert (store.list_requests("s1", limit=1), store.list_requests("s1", after=1)) == (added[:1], added[1:])
        entries = store.read_ledger("s1", sequence)
        assert [(entry.kind, entry.trial_number, entry.at) for entry in entries] == [
            (EntryKind.REQUEST_CREATED, None, at(5))
        ] * 2
        assert [entry.payload for entry in entries] == [
            {"request": 1, "verb": "enqueue", "name": "", "source": None},
            {"request": 2, "verb": "retry", "name": "spinenet-49", "source": {"search": "s2", "trial": 7}},
        ]

    def test_a_variant_says_what_it_was_made_from(self, store: Store) -> None:
        claimed(store)
        variant = make_request(parents=(3,), edits=("block 7: type bottleneck -> residual",))
        assert store.add_requests("s1", [variant], at(5)) == store.list_requests("s1")
        assert store.get_request("s1", 1).draft == variant

    def test_the_same_requests_again_are_the_same(self, store: Store) -> None:
        claimed(store)
        added = store.add_requests("s1", [make_request(), STOP], at(5))
        before = readable(store)
        assert store.add_requests("s1", [make_request(), STOP], at(5)) == added
        assert readable(store) == before
        assert [request.number for request in store.add_requests("s1", [make_request()], at(6))] == [3]

    def test_what_is_not_there_is_not_found(self, store: Store) -> None:
        lease = claimed(store)
        with pytest.raises(NotFoundError):
            store.get_request("s1", 1)
        with pytest.raises(NotFoundError):
            store.answer_request(lease, 1, RequestState.DONE, "", at(5))
        for call in (store.list_requests, lambda search_id: store.get_request(search_id, 1)):
            with pytest.raises(NotFoundError):
                call("none")
        with pytest.raises(NotFoundError):
            store.add_requests("none", [make_request()], at(5))

    def test_a_request_becomes_a_trial_in_one_transaction(self, store: Store) -> None:
        lease = claimed(store)
        store.add_requests("s1", [make_request(), make_request()], at(5))
        draft = make_draft(1, arm="enqueued", source=TrialKey(search_id="s2", number=3))
        job = store.start_trial(lease, draft, 7, "worker-1", at(9), request=1)
        assert store.get_trial("s1", 1).draft == draft
        done = store.get_request("s1", 1)
        assert (done.state, done.trial_number, done.closed_at) == (RequestState.DONE, 1, at(9))
        assert [request.number for request in store.list_requests("s1", open_only=True)] == [2]
        before = readable_search(store, "s1")
        assert store.start_trial(lease, draft, 7, "worker-1", at(9), request=1) == job
        with pytest.raises(ConflictError, match="request 1 of search s1 is done"):
            store.start_trial(lease, make_draft(2), 7, "worker-2", at(10), request=1)
        with pytest.raises(NotFoundError):
            store.start_trial(lease, make_draft(2), 7, "worker-2", at(10), request=9)
        assert readable_search(store, "s1") == before

    def test_a_request_may_become_a_trial_whose_reward_is_reused(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1, fingerprint="same", measurement_key=KEY)
        source = store.complete_attempt(lease, job.id, 1, evaluation(0.5), 0.5, at(12))
        store.add_requests("s1", [make_request()], at(20))
        draft = make_draft(2, fingerprint="same", measurement_key=KEY)
        trial = store.add_reused_trial(lease, draft, source, at(21), request=1)
        assert trial.state is TrialState.COMPLETED
        assert store.get_request("s1", 1).trial_number == 2
        assert store.add_reused_trial(lease, draft, source, at(21), request=1) == trial
        before = readable(store)
        third = make_draft(3, fingerprint="same", measurement_key=KEY)
        with pytest.raises(ConflictError):
            store.add_reused_trial(lease, third, source, at(22), request=1)
        assert readable(store) == before

    def test_an_answer_is_told_and_stands(self, store: Store) -> None:
        lease = claimed(store)
        store.add_requests("s1", [make_request(), STOP], at(5))
        sequence = store.get_search("s1").last_sequence
        refused = store.answer_request(lease, 1, RequestState.REFUSED, "no such level", at(6))
        assert (refused.state, refused.reason, refused.closed_at) == (RequestState.REFUSED, "no such level", at(6))
        assert store.answer_request(lease, 1, RequestState.DONE, "", at(7)) == refused
        assert store.answer_request(lease, 2, RequestState.DONE, "", at(8)).state is RequestState.DONE
        assert [(entry.kind, entry.payload) for entry in store.read_ledger("s1", sequence)] == [
            (EntryKind.REQUEST_CLOSED, {"request": 1, "state": "refused", "reason": "no such level"}),
            (EntryKind.REQUEST_CLOSED, {"request": 2, "state": "done", "reason": ""}),
        ]

    def test_requests_of_a_search_that_ends_are_cancelled(self, store: Store) -> None:
        lease = claimed(store)
        store.add_requests("s1", [make_request(), make_request()], at(5))
        store.start_trial(lease, make_draft(1), 7, "worker-1", at(9), request=1)
        store.request_state("s1", SearchState.CANCELLED, "", at(20))
        states = [(request.state, request.closed_at) for request in store.list_requests("s1")]
        assert states == [(RequestState.DONE, at(9)), (RequestState.CANCELLED, at(20))]

    @pytest.mark.parametrize("state", [SearchState.STOPPING, SearchState.CANCELLED])
    def test_nothing_is_asked_of_a_search_that_ends(self, store: Store, state: SearchState) -> None:
        claimed(store)
        store.request_state("s1", state, "", at(5))
        before = readable(store)
        with pytest.raises(ConflictError):
            store.add_requests("s1", [make_request()], at(6))
        assert readable(store) == before

    def test_there_are_not_too_many_open_requests(self, store: Store) -> None:
        lease = claimed(store)
        store.add_requests("s1", [STOP] * (MAX_OPEN_REQUESTS - 1), at(5))
        with pytest.raises(ConflictError, match="open requests"):
            store.add_requests("s1", [STOP, STOP], at(6))
        store.add_requests("s1", [STOP], at(7))
        store.answer_request(lease, 1, RequestState.DONE, "", at(8))
        assert [request.number for request in store.add_requests("s1", [STOP], at(9))] == [MAX_OPEN_REQUESTS + 1]

    def test_a_controller_that_lost_its_lease_asks_and_answers_nothing(self, store: Store) -> None:
        old = claimed(store, seconds=60)
        store.add_requests("s1", [make_request()], at(5), old)
        assert store.claim_search("s1", "other", at(100), DAY) is not None
        before = readable(store)
        with pytest.raises(LeaseLostError):
            store.add_requests("s1", [make_request()], at(101), old)
        with pytest.raises(LeaseLostError):
            store.answer_request(old, 1, RequestState.DONE, "", at(101))
        assert readable(store) == before

    def test_an_architecture_without_a_genotype_is_trained_and_not_told(self, store: Store) -> None:
        lease = claimed(store)
        own = {"arm": "enqueued", "genotype": (), "log_probs": ()}
        for number in (1, 2):
            job = started(store, lease, number, **own)
            if number == 1:
                store.complete_attempt(lease, job.id, 1, evaluation(0.5), 0.5, at(12))
            else:
                store.fail_attempt(lease, job.id, 1, MODEL_FAILURE, False, at(12))
        entries = store.read_ledger("s1", kinds=[EntryKind.TRIAL_FINISHED])
        assert [(entry.payload["reward"], entry.payload["consumed"]) for entry in entries] == [
            (0.5, False),
            (None, False),
        ]
        assert [trial.number for trial in store.best_trials("s1", 5)] == [1]
        assert store.count_trials("s1").trained == 2
