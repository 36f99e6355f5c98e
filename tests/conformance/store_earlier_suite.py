"""What every store must do with what an algorithm is told of earlier searches. Part of `StoreSuite`."""

import math
from dataclasses import replace

import pytest

from nas_controller.earlier import EarlierTold, EarlierTrial
from nas_controller.records import EntryKind, SearchState
from nas_controller.store.base import ConflictError, LeaseLostError, Store
from tests.conformance.store_cases import DAY, at, claimed, readable

TRIAL = EarlierTrial(number=-1, trial=7, genotype=(2, 0), reward=0.25, multiply_adds=85_000_000_000)
EARLIER = EarlierTold(
    search_id="s0",
    space="r0-sp53",
    num_looked_at=2,
    left_out={"off budget": 1},
    words="1 of 2 trials of s0 (r0-sp53) are told; 1 off budget",
    log_probs=(-1.0986122886681098, 0.0),
    trials=(TRIAL,),
)


class StoreEarlierSuite:
    """One ledger entry for each earlier search."""

    def test_what_is_told_of_an_earlier_search_is_an_entry(self, store: Store) -> None:
        lease = claimed(store)
        sequence = store.get_search("s1").last_sequence
        store.tell_earlier(lease, EARLIER, at(5))
        (entry,) = store.read_ledger("s1", sequence)
        assert (entry.kind, entry.trial_number, entry.at) == (EntryKind.EARLIER_TOLD, None, at(5))
        assert entry.payload == {
            "search": "s0",
            "space": "r0-sp53",
            "looked_at": 2,
            "left_out": {"off budget": 1},
            "words": "1 of 2 trials of s0 (r0-sp53) are told; 1 off budget",
            "log_probs": [-1.0986122886681098, 0.0],
            "trials": [{"number": -1, "trial": 7, "genotype": [2, 0], "reward": 0.25, "multiply_adds": 85_000_000_000}],
        }
        assert store.list_trials("s1", 10) == []

    def test_the_same_telling_again_writes_nothing(self, store: Store) -> None:
        lease = claimed(store)
        store.tell_earlier(lease, EARLIER, at(5))
        before = readable(store)
        store.tell_earlier(lease, EARLIER, at(5))
        assert readable(store) == before
        store.tell_earlier(lease, replace(EARLIER, search_id="s2"), at(5))
        told = store.read_ledger("s1", kinds=[EntryKind.EARLIER_TOLD])
        assert [entry.payload["search"] for entry in told] == ["s0", "s2"]

    def test_a_telling_that_cannot_be_is_refused(self, store: Store) -> None:
        lease = claimed(store)
        before = readable(store)
        with pytest.raises(ValueError, match=r"reward nan of trial 7 of s0: must be finite"):
            store.tell_earlier(lease, replace(EARLIER, trials=(replace(TRIAL, reward=math.nan),)), at(5))
        assert readable(store) == before
        store.set_search_state(lease, SearchState.SUCCEEDED, "", at(6))
        with pytest.raises(ConflictError):
            store.tell_earlier(lease, EARLIER, at(7))

    def test_only_the_newest_lease_tells(self, store: Store) -> None:
        old = claimed(store)
        store.release_lease(old)
        new = store.claim_search("s1", "another controller", at(5), DAY)
        assert new is not None
        with pytest.raises(LeaseLostError):
            store.tell_earlier(old, EARLIER, at(6))
        store.tell_earlier(new, EARLIER, at(6))
        assert [entry.payload["search"] for entry in store.read_ledger("s1", kinds=[EntryKind.EARLIER_TOLD])] == ["s0"]
