"""What every store must do when searches are edited, listed, archived and deleted. Part of `StoreSuite`."""

import pytest

from nas_controller.records import EntryKind, SearchLease, SearchState
from nas_controller.requests import SearchEdit, SearchOrder, edit_tag
from nas_controller.store.base import ConflictError, NotFoundError, StaleError, Store
from tests.conformance.store_cases import (
    CONFIG,
    START,
    at,
    claimed,
    finished,
    make_artifact,
    make_measurement,
    make_request,
    make_snapshot,
    readable,
    readable_search,
    started,
)

LIMITS = {"trials": 7, "hours": 1.5}


def ended(store: Store, search_id: str = "s1", finished_at: float = 30) -> SearchLease:
    """A search that succeeded and was given back."""
    lease = claimed(store, search_id)
    store.set_search_state(lease, SearchState.SUCCEEDED, "", at(finished_at))
    store.release_lease(lease)
    return lease


def ids(store: Store, **filters: object) -> list[str]:
    return [search.id for search in store.list_searches(10, **filters)]  # type: ignore[arg-type]


class StoreEditingSuite:
    """Of searches as a whole."""

    def test_an_edit_is_kept_and_told(self, store: Store) -> None:
        claimed(store)
        sequence = store.get_search("s1").last_sequence
        edit = SearchEdit(name="red cells", notes="line 1\nline 2", limits=LIMITS)
        search = store.edit_search("s1", edit, at(5))
        assert (search.name, search.notes, search.config) == (
            "red cells",
            "line 1\nline 2",
            {**CONFIG, "limits": LIMITS},
        )
        assert store.get_search("s1") == search
        (entry,) = store.read_ledger("s1", sequence)
        assert (entry.kind, entry.trial_number, entry.at) == (EntryKind.SEARCH_EDITED, None, at(5))
        assert entry.payload == {"name": "red cells", "notes": "line 1\nline 2", "limits": LIMITS}

    def test_only_what_changes_is_told(self, store: Store) -> None:
        claimed(store)
        store.edit_search("s1", SearchEdit(name="red cells"), at(5))
        before = readable(store)
        store.edit_search("s1", SearchEdit(name="red cells", notes="", limits=CONFIG["limits"]), at(6))  # type: ignore[arg-type]
        assert readable(store) == before
        store.edit_search("s1", SearchEdit(name="red cells", notes="x"), at(7))
        assert store.read_ledger("s1")[-1].payload == {"notes": "x"}

    def test_an_edit_of_what_was_edited_meanwhile_is_refused(self, store: Store) -> None:
        claimed(store)
        seen = edit_tag(store.get_search("s1"))
        store.set_search_state(claimed_again(store), SearchState.RUNNING, "", at(5))
        first = store.edit_search("s1", SearchEdit(limits=LIMITS), at(6), seen)
        assert edit_tag(first) != seen
        before = readable(store)
        assert store.edit_search("s1", SearchEdit(limits=LIMITS), at(6), seen) == first  # the answer was lost
        with pytest.raises(StaleError):
            store.edit_search("s1", SearchEdit(notes="mine"), at(7), seen)
        assert readable(store) == before
        assert store.edit_search("s1", SearchEdit(notes="mine"), at(7), edit_tag(first)).notes == "mine"

    def test_a_search_that_has_ended_keeps_its_limits(self, store: Store) -> None:
        ended(store)
        before = readable(store)
        with pytest.raises(ConflictError, match="limits"):
            store.edit_search("s1", SearchEdit(name="new", limits=LIMITS), at(40))
        assert readable(store) == before
        assert store.edit_search("s1", SearchEdit(name="new", notes="done"), at(40)).name == "new"
        with pytest.raises(NotFoundError):
            store.edit_search("none", SearchEdit(name="new"), at(40))

    def test_an_edited_search_is_found_by_its_key_and_first_document(self, store: Store) -> None:
        store.create_search("s1", "cells", CONFIG, START, "key")
        for limit in (7, 8):
            store.edit_search("s1", SearchEdit(limits={"trials": limit}), at(limit))
        assert store.create_search("s2", "cells", CONFIG, at(9), "key") == store.get_search("s1")
        with pytest.raises(ConflictError):
            store.create_search("s2", "cells", {**CONFIG, "limits": {"trials": 8}}, at(9), "key")

    def test_a_clone_names_its_source(self, store: Store) -> None:
        ended(store)
        clone = store.create_search("s2", "cells", CONFIG, at(40), None, "s1")
        assert (clone.cloned_from, store.get_search("s1").cloned_from) == ("s1", None)
        store.delete_search("s1", at(50))
        assert store.get_search("s2") == clone

    def test_lists_are_filtered_and_ordered(self, store: Store) -> None:
        for number, name in enumerate(["beta", "Alpha", "alphabet", "b_ta"]):
            store.create_search(f"s{number}", name, CONFIG, at(number))
        assert ids(store) == ["s3", "s2", "s1", "s0"]
        assert ids(store, order=SearchOrder.OLDEST) == ["s0", "s1", "s2", "s3"]
        assert ids(store, order=SearchOrder.NAME) == ["s1", "s2", "s3", "s0"]  # A < a, _ < e
        assert ids(store, name="ALPHA") == ["s2", "s1"]
        assert ids(store, name="b_t") == ["s3"]
        assert ids(store, name="%") == []
        store.request_state("s2", SearchState.PAUSED, "", at(9))
        assert ids(store, name="alpha", states=[SearchState.PAUSED]) == ["s2"]

    @pytest.mark.parametrize("order", list(SearchOrder))
    def test_pages_of_any_order_are_the_whole(self, store: Store, order: SearchOrder) -> None:
        for number, name in enumerate(["b", "a", "b", "a", "c"]):
            store.create_search(f"s{number}", name, CONFIG, at(number // 2))
        whole = ids(store, order=order)
        seen: list[str] = []
        while page := store.list_searches(2, seen[-1] if seen else None, order=order):
            seen += [search.id for search in page]
        assert seen == whole
        assert sorted(seen) == [f"s{number}" for number in range(5)]

    def test_an_archived_search_is_listed_where_it_is_asked_for(self, store: Store) -> None:
        ended(store)
        claimed(store, "s2")
        assert store.edit_search("s1", SearchEdit(archived=True), at(40)).archived_at == at(40)
        assert store.edit_search("s1", SearchEdit(archived=True), at(41)).archived_at == at(40)
        assert store.read_ledger("s1")[-1].payload == {"archived": True}
        assert (ids(store), ids(store, archived=False), ids(store, archived=True)) == (["s2", "s1"], ["s2"], ["s1"])
        assert store.edit_search("s1", SearchEdit(archived=False), at(42)).archived_at is None
        assert ids(store, archived=False) == ["s2", "s1"]
        with pytest.raises(ConflictError, match="only what has ended"):
            store.edit_search("s2", SearchEdit(archived=True), at(43))

    def test_of_a_deleted_search_nothing_is_left(self, store: Store) -> None:
        lease = claimed(store)
        store.add_requests("s1", [make_request()], at(5))
        finished(store, lease, 1, 0.5)
        job = started(store, lease, 2)
        store.record_progress(lease, job.id, 1, make_measurement(50, 0.25), at(14))
        store.add_snapshot(lease, make_snapshot(4))
        store.add_artifact(make_artifact("s1"))
        other = finished(store, claimed(store, "s2"), 1, 0.25)
        kept = readable_search(store, "s2")
        keys = [make_artifact("s1").key, str(make_snapshot(4).artifact_key)]
        assert store.needed_artifacts(keys) == set(keys)
        store.request_state("s1", SearchState.CANCELLED, "", at(20))
        store.release_lease(lease)
        store.delete_search("s1", at(21))
        assert ids(store) == ["s2"]
        with pytest.raises(NotFoundError):
            store.get_search("s1")
        with pytest.raises(NotFoundError):
            store.get_job(job.id)
        assert store.needed_artifacts(keys) == set()
        assert (readable_search(store, "s2"), store.get_trial("s2", 1)) == (kept, other)
        store.delete_search("s1", at(21))  # the answer was lost
        claimed(store, "s1")
        assert (store.list_trials("s1", 10), store.list_jobs("s1"), store.list_requests("s1")) == ([], [], [])

    def test_a_search_that_somebody_works_on_is_not_deleted(self, store: Store) -> None:
        lease = claimed(store, seconds=60)
        with pytest.raises(ConflictError, match="cancel it first"):
            store.delete_search("s1", at(2))
        store.request_state("s1", SearchState.CANCELLED, "", at(3))
        with pytest.raises(ConflictError, match="has not left it"):
            store.delete_search("s1", at(4))
        before = readable(store)
        assert before["s1"]["search"].state is SearchState.CANCELLED
        store.delete_search("s1", lease.expires_at)
        assert store.list_searches(10) == []

    def test_files_of_searches_that_ended_long_ago_are_not_needed(self, store: Store) -> None:
        keys = {}
        for search_id, finished_at in (("s1", 30), ("s2", 50)):
            lease = claimed(store, search_id)
            key = f"{finished_at:064x}"
            store.add_snapshot(lease, make_snapshot(1, search_id=search_id, artifact_key=key))
            store.add_artifact(make_artifact(search_id, key=f"{finished_at + 1:064x}"))
            store.set_search_state(lease, SearchState.SUCCEEDED, "", at(finished_at))
            keys[search_id] = {key, f"{finished_at + 1:064x}"}
        store.add_artifact(make_artifact("s2", key=f"{31:064x}"))  # the same file, of both
        wanted = sorted(keys["s1"] | keys["s2"])
        assert store.needed_artifacts(wanted) == set(wanted)
        assert store.needed_artifacts(wanted, at(30)) == set(wanted)
        assert store.needed_artifacts(wanted, at(50)) == keys["s2"] | {f"{31:064x}"}
        running = claimed(store, "s3")
        store.add_snapshot(running, make_snapshot(1, search_id="s3", artifact_key=f"{30:064x}"))
        assert store.needed_artifacts(wanted, at(1000)) == {f"{30:064x}"}
        assert [snapshot.artifact_key for snapshot in store.list_snapshots("s1")] == [f"{30:064x}"]


def claimed_again(store: Store) -> SearchLease:
    """The lease on search s1, taken once more."""
    lease = store.claim_search("s1", "controller", at(4), 60)
    assert lease is not None
    return lease
