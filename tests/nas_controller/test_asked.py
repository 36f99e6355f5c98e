"""Trials that users ask for, and trials that they stop, in searches that run."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from nas_controller.algorithms.table import ALGORITHM_NAMES
from nas_controller.records import EntryKind, Failure, FailureReason, SearchState, Trial, TrialKey, TrialState
from nas_controller.requests import RequestDraft, RequestState, RequestVerb
from nas_controller.search_loop import run_search
from nas_controller.verification import verify
from search_space.decisions import random_genotype
from search_space.reference import reference
from search_space.spaces import find_space
from tests.nas_controller.test_search_loop import SEARCH, Bench, measured
from tests.nas_controller.test_search_loop_progress import CurveBench
from trainer.task import Evaluation, EvaluationRequest

WIDE = {"relative_to": "r0-sp53", "tolerance": 0.9}


def bench_of(trials: int = 8, **document: Any) -> Bench:
    return Bench(trials=trials, **{"budget": WIDE, "reevaluate": {"top": 0}, **document})


def own(number: int = 1, **changes: Any) -> RequestDraft:
    """A user's architecture, in the space."""
    space = find_space("r0-sp53")
    spec = space.decode(random_genotype(space, Random(number)), "mine")
    draft = RequestDraft(verb=RequestVerb.ENQUEUE, spec=spec.to_document(), genotype=space.encode(spec))
    return replace(draft, **changes)


def ask(bench: Bench, *drafts: RequestDraft) -> None:
    bench.store.add_requests(bench.search_id, drafts, bench.clock.now())


def run_turns(bench: Bench, number: int, then: Callable[[], object]) -> SearchState:
    """Runs the search to its end; what is done after so many turns."""
    turns = run_search(bench.claim())
    for _ in range(number):
        next(turns)
    then()
    return [*turns][-1]


def trials(bench: Bench) -> list[Trial]:
    return bench.store.list_trials(bench.search_id, 1000)


def test_a_variant_of_a_trial_is_its_child() -> None:
    bench = bench_of()
    variant = own(parents=(2,), edits=("swap 3 and 4",))
    run_turns(bench, 5, lambda: ask(bench, variant))
    (asked,) = (trial for trial in trials(bench) if trial.draft.arm == "enqueued")
    assert (asked.draft.parents, asked.draft.edits, asked.draft.source) == ((2,), variant.edits, None)
    assert [child.number for child in bench.store.list_children(bench.search_id, 2, 10)] == [asked.number]
    assert verify(bench.store, bench.search_id, {}, lambda *_: None).difference is None


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_what_a_user_asked_for_is_next_and_is_told(algorithm: str) -> None:
    bench = bench_of(algorithm=algorithm)
    assert run_turns(bench, 5, lambda: ask(bench, own(1), own(2, name="from-a-paper"))) is SearchState.SUCCEEDED
    asked = [trial for trial in trials(bench) if trial.draft.arm == "enqueued"]
    assert [trial.draft.genotype for trial in asked] == [own(1).genotype, own(2).genotype]
    assert [trial.draft.name for trial in asked] == ["", "from-a-paper"]
    assert all(set(trial.draft.log_probs) == {0.0} for trial in asked)
    assert [trial.number for trial in asked] == [4, 5]  # three workers were at work
    assert bench.store.count_trials(SEARCH).trained == 8
    told = bench.store.read_ledger(SEARCH, kinds=[EntryKind.TRIAL_FINISHED])
    assert all(entry.payload["consumed"] for entry in told)
    done = bench.store.list_requests(SEARCH)
    assert [(request.state, request.trial_number) for request in done] == [
        (RequestState.DONE, 4),
        (RequestState.DONE, 5),
    ]


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
@pytest.mark.parametrize("cut", [4, 6, 12])
def test_a_search_with_requests_is_cut_and_replayed_to_the_last_bit(algorithm: str, cut: int) -> None:
    bench = bench_of(algorithm=algorithm)
    ask(bench, own(1))
    for turn, _ in enumerate(run_search(bench.claim())):
        if turn == 3:
            ask(bench, own(2), own(3, spec=reference("resnet-50-fpn").to_document(), genotype=()))
        if turn == cut:
            break
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    verification = verify(bench.store, SEARCH, {}, lambda _sequence, _last: None)
    assert verification.difference is None
    own_trials = [trial for trial in trials(bench) if trial.draft.arm == "enqueued"]
    assert len(own_trials) == 3
    assert verification.num_asks == len(trials(bench)) - 3
    assert verification.num_states >= 3


def test_an_architecture_of_no_space_is_trained_and_no_algorithm_is_told() -> None:
    bench = bench_of()
    ask(bench, own(spec=reference("resnet-50-fpn").to_document(), genotype=()))
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    first = bench.store.get_trial(SEARCH, 1)
    assert (first.state, first.draft.genotype) == (TrialState.COMPLETED, ())
    assert first.reward is not None
    told = {
        entry.trial_number: entry.payload["consumed"]
        for entry in bench.store.read_ledger(SEARCH, kinds=[EntryKind.TRIAL_FINISHED])
    }
    assert [number for number, consumed in told.items() if not consumed] == [1]


def test_what_cannot_be_drafted_is_refused_and_the_search_goes_on() -> None:
    bench = bench_of()
    ask(bench, own(genotype=(99,)), own(2))
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    refused, done = bench.store.list_requests(SEARCH)
    assert refused.state is RequestState.REFUSED
    assert "genotype of length 1" in refused.reason
    assert (done.state, done.trial_number) == (RequestState.DONE, 1)


def test_a_network_that_was_measured_is_not_trained_for_a_request_under_reuse() -> None:
    bench = bench_of(duplicates={"policy": "reuse"})
    ask(bench, own(1))
    turns = run_search(bench.claim())
    for _ in turns:
        if bench.store.count_trials(SEARCH)[TrialState.COMPLETED] == 3:
            break
    ask(bench, own(1))
    assert [*turns][-1] is SearchState.SUCCEEDED
    first, again = (trial for trial in trials(bench) if trial.draft.arm == "enqueued")
    assert again.reused_from == TrialKey(search_id=SEARCH, number=first.number)
    assert bench.store.list_requests(SEARCH, open_only=True) == []


def test_a_request_is_not_taken_beyond_a_limit() -> None:
    bench = bench_of(trials=4)
    ask(bench, *(own(number) for number in range(1, 7)))
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    states = [request.state for request in bench.store.list_requests(SEARCH)]
    assert states == [RequestState.DONE] * 4 + [RequestState.CANCELLED] * 2


def test_a_failed_trial_is_tried_again_with_another_seed_and_names_its_source() -> None:
    def failing_once(request: EvaluationRequest) -> Evaluation | Failure:
        is_first = request.spec.name.endswith("-1")
        return Failure(reason=FailureReason.RAISED, message="once") if is_first else measured(request)

    bench = bench_of()
    for turn, _ in enumerate(run_search(bench.claim(failing_once))):
        first = bench.store.list_trials(SEARCH, 1)
        if turn == 25:
            assert first[0].state is TrialState.FAILED
            draft = first[0].draft
            source = TrialKey(search_id=SEARCH, number=1)
            ask(bench, own(verb=RequestVerb.RETRY, spec=draft.spec, genotype=draft.genotype, source=source))
    (again,) = (trial for trial in trials(bench) if trial.draft.arm == "retry")
    failed = bench.store.get_trial(SEARCH, 1)
    assert (again.state, failed.state) == (TrialState.COMPLETED, TrialState.FAILED)
    assert again.draft.source == TrialKey(search_id=SEARCH, number=1)
    assert again.draft.fingerprint == failed.draft.fingerprint
    seeds = [bench.store.list_jobs(SEARCH, number)[0].seed for number in (1, again.number)]
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize("cut", [False, True])
def test_a_trial_is_stopped_with_what_it_measured_last(cut: bool) -> None:
    bench = CurveBench(trials=6, proxy={"preset": "paper", "measure_at": [0.25, 0.5, 0.75]})
    stop = RequestDraft(verb=RequestVerb.STOP, source=TrialKey(search_id=SEARCH, number=2))
    turns = run_search(bench.claimed())
    for _ in turns:
        if bench.store.list_measurements(SEARCH, 2):
            break
    ask(bench, stop)
    assert [*(run_search(bench.claimed()) if cut else turns)][-1] is SearchState.SUCCEEDED
    trial = bench.store.get_trial(SEARCH, 2)
    assert trial.state is TrialState.STOPPED_EARLY
    curve = bench.store.list_measurements(SEARCH, 2)
    assert len(curve) < 3
    assert trial.average_precision == curve[-1].average_precision
    (request,) = bench.store.list_requests(SEARCH)
    assert request.state is RequestState.DONE
    others = [t.state for t in bench.trials() if t.number != 2]
    assert set(others) == {TrialState.COMPLETED}
