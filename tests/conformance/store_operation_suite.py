"""What every store must do with operations. Part of `StoreSuite`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from nas_controller.operations.records import (
    MAX_ATTEMPTS,
    MAX_OPEN_OPERATIONS,
    Operation,
    OperationKind,
    OperationLease,
    OperationResult,
    OperationState,
    Work,
)
from nas_controller.store.base import LeaseLostError, NotFoundError, Store, TooManyOperationsError
from tests.conformance.store_cases import at

RESULT = OperationResult(key="0e" * 32, num_bytes=3_000_000_000)


def make_work(number: int = 1) -> Work:
    """Each number is other work."""
    document = {"spec": {"name": f"n{number}", "alpha": 0.5}, "target": {"image_size": [640, 512], "width_scale": 1.0}}
    return Work(kind=OperationKind.EXPORT_ONNX, document=document)


def make_operation(number: int = 1, **changes: Any) -> Operation:
    """Each number was asked for a second after the last."""
    operation = Operation(work=make_work(number), state=OperationState.PENDING, created_at=at(number))
    return replace(operation, **changes)


def asked(store: Store, number: int = 1) -> Operation:
    """An operation that was just asked for."""
    return store.ask_operation(make_work(number), at(number))


def begun(store: Store, seconds: float, owner: str = "daemon", lasts: float = 60) -> OperationLease:
    """A lease for a minute on what has waited longest, so many seconds after the start."""
    lease = store.claim_operation(owner, at(seconds), lasts)
    assert lease is not None
    return lease


class StoreOperationSuite:
    """Operations, and who carries them out."""

    def test_an_operation_is_made_once_for_the_same_work(self, store: Store) -> None:
        first, other = asked(store), asked(store, 2)
        assert (first, other) == (make_operation(), make_operation(2))
        assert store.ask_operation(make_work(), at(50)) == first == store.get_operation(first.id)
        assert first.id != other.id
        with pytest.raises(NotFoundError, match="none"):
            store.get_operation("none")

    def test_of_many_who_ask_at_once_all_get_the_same(self, store: Store) -> None:
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda second: store.ask_operation(make_work(), at(second)), range(8)))
        assert {operation.id for operation in found} == {make_work().id}
        assert begun(store, 10).operation_id == make_work().id
        assert store.claim_operation("daemon 2", at(11), 60) is None

    def test_there_is_room_for_so_many_that_are_open(self, store: Store) -> None:
        for number in range(MAX_OPEN_OPERATIONS):
            asked(store, number)
        with pytest.raises(TooManyOperationsError, match="20 operations are open"):
            asked(store, MAX_OPEN_OPERATIONS)
        assert asked(store, 3).created_at == at(3), "one that there is needs no room"
        store.finish_operation(begun(store, 50), RESULT, at(51))
        assert asked(store, MAX_OPEN_OPERATIONS).state is OperationState.PENDING

    def test_who_waited_longest_is_first_and_each_is_claimed_once(self, store: Store) -> None:
        second, first = asked(store, 2), asked(store, 1)
        lease = begun(store, 5, "a")
        assert lease == OperationLease(operation_id=first.id, owner="a", token=1, expires_at=at(65))
        assert store.claim_operation("a", at(5), 60) == lease, "the answer was lost"
        assert store.get_operation(first.id) == make_operation(1, state=OperationState.RUNNING, num_attempts=1)
        assert begun(store, 6, "b").operation_id == second.id
        assert store.claim_operation("c", at(7), 60) is None

    def test_several_who_claim_at_once_get_one_each(self, store: Store) -> None:
        ids = {asked(store, number).id for number in range(4)}
        with ThreadPoolExecutor(4) as threads:
            leases = list(threads.map(lambda number: store.claim_operation(f"d{number}", at(9), 60), range(4)))
        assert sorted(lease.operation_id for lease in leases if lease is not None) == sorted(ids)

    def test_a_lease_that_expired_is_another_attempt_and_who_had_it_writes_nothing(self, store: Store) -> None:
        asked(store)
        lost = begun(store, 10, "a")
        assert store.claim_operation("b", at(69), 60) is None
        taken = begun(store, 70, "b")
        assert (taken.token, taken.expires_at) == (2, at(130))
        before = store.get_operation(lost.operation_id)
        assert (before.state, before.num_attempts) == (OperationState.RUNNING, 2)
        with pytest.raises(LeaseLostError):
            store.finish_operation(lost, RESULT, at(71))
        with pytest.raises(LeaseLostError):
            store.keep_operation(lost, at(71), 60)
        with pytest.raises(LeaseLostError):
            store.lose_operation_attempt(lost, "killed", at(71))
        assert store.get_operation(lost.operation_id) == before

    def test_a_lease_is_kept(self, store: Store) -> None:
        asked(store)
        lease = begun(store, 10)
        assert store.keep_operation(lease, at(60), 60) == replace(lease, expires_at=at(120))
        assert store.claim_operation("b", at(119), 60) is None
        assert begun(store, 120, "b").token == 2

    def test_a_result_is_kept_with_its_file(self, store: Store) -> None:
        operation_id = asked(store).id
        lease = begun(store, 10)
        assert store.needed_artifacts([RESULT.key]) == set()
        done = make_operation(state=OperationState.SUCCEEDED, num_attempts=1, result=RESULT, finished_at=at(20))
        for _ in range(2):  # the second time as its answer was lost
            assert store.finish_operation(lease, RESULT, at(20)) == done
        assert store.get_operation(operation_id) == done == store.ask_operation(make_work(), at(500))
        assert store.claim_operation("daemon", at(500), 60) is None
        with pytest.raises(LeaseLostError):
            store.finish_operation(lease, "another end", at(21))
        assert store.needed_artifacts([RESULT.key, "ab" * 32], at(1000)) == {RESULT.key}

    def test_one_that_failed_may_be_asked_for_again_after_a_minute(self, store: Store) -> None:
        asked(store)
        lease = begun(store, 10)
        failed = make_operation(
            state=OperationState.FAILED, num_attempts=1, problem="no room \\x00", finished_at=at(20)
        )
        assert store.finish_operation(lease, "no room \0", at(20)) == failed
        assert store.ask_operation(make_work(), at(79)) == failed
        again = make_operation(created_at=at(80))
        assert store.ask_operation(make_work(), at(80)) == again == store.get_operation(again.id)
        assert begun(store, 81).token == 2, "leases are told apart for ever"

    def test_one_whose_file_is_gone_may_be_asked_for_again(self, store: Store) -> None:
        asked(store)
        store.finish_operation(begun(store, 10), RESULT, at(20))
        assert store.ask_operation(make_work(), at(21), "ab" * 32).state is OperationState.SUCCEEDED
        assert store.ask_operation(make_work(), at(22), RESULT.key) == make_operation(created_at=at(22))
        assert store.ask_operation(make_work(), at(23), RESULT.key) == make_operation(created_at=at(22))

    def test_a_process_that_is_lost_leaves_it_to_the_next_until_the_last_attempt(self, store: Store) -> None:
        operation_id = asked(store).id
        for attempt in range(1, MAX_ATTEMPTS):
            lease = begun(store, 100 * attempt)
            lost = store.lose_operation_attempt(lease, "killed", at(100 * attempt + 1))
            assert (lost.state, lost.problem) == (OperationState.RUNNING, "killed")
            assert store.claim_operation("b", at(100 * attempt + 59), 60) is None, "not before the lease expires"
        last = begun(store, 900)
        failed = store.lose_operation_attempt(last, "killed", at(901))
        assert (failed.state, failed.finished_at) == (OperationState.FAILED, at(901))
        assert failed.problem == "killed, at the last of 3 attempts"
        assert store.lose_operation_attempt(last, "killed", at(901)) == failed == store.get_operation(operation_id)

    def test_one_whose_controllers_die_fails_after_the_last_attempt(self, store: Store) -> None:
        first, second = asked(store, 1), asked(store, 2)
        for attempt in range(MAX_ATTEMPTS):
            assert begun(store, 10 + 100 * attempt).operation_id == first.id
        assert begun(store, 500).operation_id == second.id
        failed = store.get_operation(first.id)
        assert (failed.state, failed.problem) == (OperationState.FAILED, "its process was lost 3 times")
        assert failed.finished_at == at(500)

    def test_what_ended_long_ago_is_forgotten(self, store: Store) -> None:
        old, new, is_open = (asked(store, number) for number in (1, 2, 3))
        store.finish_operation(begun(store, 10), RESULT, at(20))
        store.finish_operation(begun(store, 30), "no", at(40))
        store.forget_operations(at(40))
        with pytest.raises(NotFoundError):
            store.get_operation(old.id)
        assert store.get_operation(new.id).problem == "no"
        assert store.get_operation(is_open.id) == is_open
        assert store.needed_artifacts([RESULT.key]) == set()
