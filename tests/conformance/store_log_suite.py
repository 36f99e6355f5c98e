"""What every store must do with the logs of attempts. Part of `StoreSuite`."""

import pytest

from nas_controller.artifacts.log_parts import HEAD_BYTES, PART_BYTES, TAIL_BYTES
from nas_controller.records import AttemptState, SearchState
from nas_controller.store.base import LeaseLostError, NotFoundError, Store
from tests.conformance.store_cases import (
    DAY,
    LOST_WORKER,
    MODEL_FAILURE,
    at,
    claimed,
    evaluation,
    make_log_part,
    readable,
    started,
)


class StoreLogSuite:
    """Parts of logs, by attempt."""

    def test_a_part_is_kept_under_its_attempt_without_news(self, store: Store) -> None:
        lease = claimed(store)
        job, other = started(store, lease, 1), started(store, lease, 2)
        sequence = store.get_search("s1").last_sequence
        assert store.list_log_parts(job.id, 1) == []
        store.record_progress(lease, job.id, 1, make_log_part(0), at(13))
        store.record_progress(lease, job.id, 1, make_log_part(PART_BYTES, 7), at(14))
        assert store.list_log_parts(job.id, 1) == [make_log_part(0), make_log_part(PART_BYTES, 7)]
        assert store.list_log_parts(other.id, 1) == []
        assert [attempt.log_bytes for attempt in store.list_attempts(job.id)] == [PART_BYTES + 7]
        assert store.get_search("s1").last_sequence == sequence

    def test_a_longer_part_takes_the_place_of_a_shorter_one(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        for num_bytes in (5, 9, 7, 9):
            store.record_progress(lease, job.id, 1, make_log_part(0, num_bytes), at(13))
        assert store.list_log_parts(job.id, 1) == [make_log_part(0, 9)]
        assert store.list_attempts(job.id)[0].log_bytes == 9

    def test_the_middle_of_a_long_log_is_left_out(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        num_kept, number = (HEAD_BYTES + TAIL_BYTES) // PART_BYTES, 20
        for start in range(number):
            store.record_progress(lease, job.id, 1, make_log_part(start * PART_BYTES), at(13))
        parts = store.list_log_parts(job.id, 1)
        starts = [*range(num_kept // 2), *range(number - num_kept // 2, number)]
        assert [part.start // PART_BYTES for part in parts] == starts
        assert store.list_attempts(job.id)[0].log_bytes == number * PART_BYTES
        gone = make_log_part(10 * PART_BYTES).key
        assert store.needed_artifacts([gone, parts[0].key]) == {parts[0].key}

    def test_each_attempt_has_its_own(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        store.record_progress(lease, job.id, 1, make_log_part(0, 5), at(13))
        store.fail_attempt(lease, job.id, 1, LOST_WORKER, True, at(14))
        store.start_attempt(lease, job.id, "worker-2", at(15))
        store.record_progress(lease, job.id, 2, make_log_part(0, 9), at(16))
        assert [store.list_log_parts(job.id, number)[0].num_bytes for number in (1, 2)] == [5, 9]
        assert [attempt.log_bytes for attempt in store.list_attempts(job.id)] == [5, 9]

    def test_what_is_told_late_is_kept_whatever_became_of_the_attempt(self, store: Store) -> None:
        lease = claimed(store)
        jobs = [started(store, lease, number) for number in (1, 2, 3, 4)]
        store.complete_attempt(lease, jobs[0].id, 1, evaluation(0.4), 0.4, at(12))
        store.fail_attempt(lease, jobs[1].id, 1, MODEL_FAILURE, False, at(12))
        store.requeue_lost_attempts(lease, at(12), keep=[jobs[3].id])
        store.request_state("s1", SearchState.CANCELLED, "", at(13))
        states = []
        for job in jobs:
            store.record_progress(lease, job.id, 1, make_log_part(0, job.trial_number), at(14))
            (attempt,) = store.list_attempts(job.id)
            assert attempt.log_bytes == job.trial_number
            states.append(attempt.state)
        assert states == [AttemptState.COMPLETED, AttemptState.FAILED, AttemptState.LOST, AttemptState.CANCELLED]

    def test_a_log_is_refused_like_any_other_write(self, store: Store) -> None:
        old = claimed(store)
        job = started(store, old, 1)
        lease = store.claim_search("s1", "controller", at(20), 60)
        assert lease is not None
        before = readable(store)
        with pytest.raises(LeaseLostError):
            store.record_progress(old, job.id, 1, make_log_part(0), at(21))
        with pytest.raises(NotFoundError):
            store.record_progress(lease, job.id, 2, make_log_part(0), at(21))
        for job_id, number in (("none", 1), (job.id, 0), (job.id, 2)):
            with pytest.raises(NotFoundError):
                store.list_log_parts(job_id, number)
        assert readable(store) == before

    def test_files_of_logs_are_needed_as_long_as_those_of_the_search(self, store: Store) -> None:
        lease = claimed(store)
        job = started(store, lease, 1)
        part = make_log_part(0)
        store.record_progress(lease, job.id, 1, part, at(13))
        store.complete_attempt(lease, job.id, 1, evaluation(0.4), 0.4, at(14))
        store.set_search_state(lease, SearchState.SUCCEEDED, "", at(15))
        assert store.needed_artifacts([part.key, "f" * 64], at(15)) == {part.key}
        assert store.needed_artifacts([part.key], at(16)) == set()
        store.release_lease(lease)
        store.delete_search("s1", at(DAY))
        assert store.needed_artifacts([part.key]) == set()
