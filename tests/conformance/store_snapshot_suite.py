"""What every store must do with snapshots of a controller's state. Part of `StoreSuite`."""

from dataclasses import replace

import pytest

from nas_controller.records import SearchLease, SearchState, Snapshot
from nas_controller.store.base import ConflictError, Store
from tests.conformance.store_cases import at, claimed, make_snapshot, readable, readable_search


def with_entries(store: Store, count: int, search_id: str = "s1") -> SearchLease:
    """A search that runs, whose ledger has so many entries."""
    lease = claimed(store, search_id)
    for number in range(count - 2):
        store.set_search_state(lease, SearchState.RUNNING, f"{number} of them", at(2))
    return lease


def without_file(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, artifact_key=None)


class StoreSnapshotSuite:
    """The last three have files; all of them stay in the list."""

    def test_the_last_three_snapshots_keep_their_files(self, store: Store) -> None:
        lease = with_entries(store, 10)
        first, second, third, fourth, fifth = map(make_snapshot, (2, 4, 6, 8, 10))
        assert [store.add_snapshot(lease, snapshot) for snapshot in (first, second, third)] == [[], [], []]
        assert store.list_snapshots("s1") == [first, second, third]
        assert store.add_snapshot(lease, fourth) == [first.artifact_key]
        assert store.add_snapshot(lease, fifth) == [second.artifact_key]
        assert store.list_snapshots("s1") == [without_file(first), without_file(second), third, fourth, fifth]

    def test_a_snapshot_without_a_file_takes_no_others_place(self, store: Store) -> None:
        lease = with_entries(store, 5)
        snapshots = [make_snapshot(1), without_file(make_snapshot(2)), make_snapshot(3), make_snapshot(4)]
        assert [store.add_snapshot(lease, snapshot) for snapshot in snapshots] == [[]] * 4
        assert store.list_snapshots("s1") == snapshots

    def test_a_snapshot_takes_the_place_of_one_of_the_same_entry(self, store: Store) -> None:
        lease = with_entries(store, 4)
        old, new = make_snapshot(3), make_snapshot(3, artifact_key="ab" * 32, versions={"cpu": "another"})
        store.add_snapshot(lease, old)
        assert store.add_snapshot(lease, new) == [old.artifact_key]
        assert store.add_snapshot(lease, new) == []
        assert store.list_snapshots("s1") == [new]

    def test_a_snapshot_is_of_an_entry_of_its_search(self, store: Store) -> None:
        lease = with_entries(store, 4)
        before = readable(store)
        for wrong in (make_snapshot(5), make_snapshot(4, search_id="s2")):
            with pytest.raises(ConflictError):
                store.add_snapshot(lease, wrong)
        assert readable(store) == before

    def test_a_snapshot_is_no_entry_and_a_final_search_may_have_one(self, store: Store) -> None:
        lease = with_entries(store, 4)
        store.set_search_state(lease, SearchState.SUCCEEDED, "", at(5))
        before = readable_search(store, "s1")
        store.add_snapshot(lease, make_snapshot(5))
        assert readable_search(store, "s1") == {**before, "snapshots": [make_snapshot(5)]}

    def test_files_of_snapshots_are_needed_while_they_are_named(self, store: Store) -> None:
        leases = [with_entries(store, 8), with_entries(store, 8, "s2")]
        for sequence in (1, 3, 5, 7):
            store.add_snapshot(leases[0], make_snapshot(sequence))
        other = make_snapshot(2, search_id="s2")
        store.add_snapshot(leases[1], other)
        keys = [str(snapshot.artifact_key) for snapshot in [*map(make_snapshot, (1, 3, 5, 7)), other]]
        assert store.needed_artifacts([*keys, "ef" * 32]) == set(keys[1:])
        store.request_state("s1", SearchState.CANCELLED, "", at(9))
        assert store.needed_artifacts(keys) == set(keys[1:])

    def test_searches_have_their_own_snapshots(self, store: Store) -> None:
        leases = [with_entries(store, 6), with_entries(store, 6, "s2")]
        for sequence in (1, 2, 3):
            store.add_snapshot(leases[0], make_snapshot(sequence))
        other = make_snapshot(4, search_id="s2")
        assert store.add_snapshot(leases[1], other) == []
        assert store.list_snapshots("s1") == [make_snapshot(1), make_snapshot(2), make_snapshot(3)]
        assert store.list_snapshots("s2") == [other]
