"""What every store must do with full trainings, and with what asks for them. Part of `StoreSuite`."""

from dataclasses import replace

from nas_controller.records import EntryKind, JobKind, JobState, SearchState, TrialKey
from nas_controller.requests import RequestState, RequestVerb
from nas_controller.store.base import Store
from tests.conformance.store_cases import MODEL_FAILURE, at, claimed, evaluation, finished, make_request, reevaluated

PROMOTE = make_request(
    verb=RequestVerb.PROMOTE,
    source=TrialKey(search_id="s1", number=1),
    spec=None,
    genotype=(),
    num_steps=600,
    num_seeds=3,
)


class StorePromotionSuite:
    """Full trainings are work on a trial that leaves the trial as it is."""

    def test_a_request_says_how_long_and_how_often(self, store: Store) -> None:
        lease = claimed(store)
        default = replace(PROMOTE, num_steps=None, num_seeds=1)
        added = store.add_requests("s1", [PROMOTE, default], at(5))
        assert [request.draft for request in store.list_requests("s1")] == [PROMOTE, default]
        answered = store.answer_request(lease, added[0].number, RequestState.DONE, "", at(6))
        assert (answered.state, answered.trial_number) == (RequestState.DONE, None)
        entries = store.read_ledger("s1", kinds=[EntryKind.REQUEST_CREATED])
        assert entries[0].payload["verb"] == "promote"

    def test_a_job_keeps_its_steps(self, store: Store) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.5)
        job = store.add_job(lease, 1, JobKind.FULL_TRAIN, 7, at(20), 600)
        assert (job.kind, job.num_steps, job.state) == (JobKind.FULL_TRAIN, 600, JobState.QUEUED)
        assert store.add_job(lease, 1, JobKind.FULL_TRAIN, 7, at(21), 900) == job, "the job that was made first"
        assert store.add_job(lease, 1, JobKind.FULL_TRAIN, 8, at(22)).num_steps is None
        store.start_attempt(lease, job.id, "worker-1", at(23))
        store.requeue_lost_attempts(lease, at(24))
        assert store.get_job(job.id).num_steps == 600

    def test_what_it_measures_leaves_the_trial_and_the_mean_on_val(self, store: Store) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.5)
        trial = reevaluated(store, lease, 1, 1, 0.2)
        sequence = store.get_search("s1").last_sequence
        for seed, value in ((7, 0.9), (8, None)):
            job = store.add_job(lease, 1, JobKind.FULL_TRAIN, seed, at(30))
            store.start_attempt(lease, job.id, "worker-1", at(31))
            assert store.get_trial("s1", 1) == trial
            if value is None:
                assert store.fail_attempt(lease, job.id, 1, MODEL_FAILURE, False, at(32)) == trial
            else:
                assert store.complete_attempt(lease, job.id, 1, evaluation(value), None, at(32)) == trial
        assert store.get_trial("s1", 1) == trial
        told = store.read_ledger("s1", after=sequence)
        assert [(entry.kind, entry.trial_number) for entry in told] == [(EntryKind.JOB_FINISHED, 1)] * 2
        assert [(entry.payload["kind"], entry.payload["average_precision"]) for entry in told] == [
            ("full_train", 0.9),
            ("full_train", None),
        ]
        assert all(entry.payload["val_average_precision"] == 0.2 for entry in told)
        assert store.count_trials("s1").trained == 1

    def test_the_end_of_a_search_cancels_those_that_wait(self, store: Store) -> None:
        lease = claimed(store)
        finished(store, lease, 1, 0.5)
        job = store.add_job(lease, 1, JobKind.FULL_TRAIN, 7, at(20))
        assert dict(store.count_open_jobs("s1")) == {JobKind.FULL_TRAIN: 1}
        store.request_state("s1", SearchState.CANCELLED, "", at(30))
        assert store.get_job(job.id).state is JobState.CANCELLED
