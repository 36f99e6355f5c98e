"""A search for a whole front: where widths are settled, what is trained, stopped and re-evaluated, and its replay."""

import pytest

from nas_controller.enqueueing import placed
from nas_controller.records import JobKind, SearchState, Trial, TrialState
from nas_controller.requests import RequestDraft, RequestVerb
from nas_controller.search_loop import run_search
from nas_controller.verification import verify
from search_space.reference import reference
from tests.nas_controller.test_search_loop import SEARCH, Bench
from tests.nas_controller.test_search_loop_progress import CurveBench

FRONT = {"low": "15G", "high": "60G", "points": 3}
TARGETS = (15 * 10**9, 30 * 10**9, 60 * 10**9)


def front_bench(space: str = "joint", trials: int = 9, **document: object) -> Bench:
    once = {"top": 1, "seeds": 2, "references": []}
    return Bench(
        trials,
        space,
        **{"algorithm": "evolution", "budget": None, "front": FRONT, "reevaluate": once, **document},  # type: ignore[arg-type]
    )


def cost_of(trial: Trial) -> int:
    return trial.draft.target_cost.backbone_multiply_adds


@pytest.fixture(scope="module")
def finished() -> Bench:
    """In a space whose widths are settled, cut once, with an architecture that somebody asked for on the way."""
    bench = front_bench()
    search = bench.claim()
    for turn, _ in enumerate(run_search(search)):
        if turn == 2:
            spec = bench.store.get_trial(SEARCH, 2).draft.spec
            genotype = bench.store.get_trial(SEARCH, 2).draft.genotype
            wanted = RequestDraft(verb=RequestVerb.ENQUEUE, spec=spec, genotype=genotype)
            bench.store.add_requests(SEARCH, [wanted], bench.clock.now())
        if turn == 4:
            break
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    return bench


def test_widths_are_settled_at_the_target_of_the_number_and_where_somebody_asked_near_what_was_named(
    finished: Bench,
) -> None:
    trials = finished.store.list_trials(SEARCH, 100)
    (asked,) = [trial for trial in trials if trial.draft.arm == "enqueued"]
    assert asked.number % 3 != 2  # so another target would be its number's
    assert cost_of(asked) == pytest.approx(TARGETS[2], rel=0.01)
    for trial in trials:
        if trial is not asked:
            assert cost_of(trial) == pytest.approx(TARGETS[trial.number % 3], rel=0.01)


def test_the_best_under_each_target_are_measured_on_val(finished: Bench) -> None:
    jobs = [job for job in finished.store.list_jobs(SEARCH) if job.kind is JobKind.REEVALUATE]
    expected = set()
    for target in TARGETS:
        under = [t for t in finished.store.list_trials(SEARCH, 100) if cost_of(t) <= 1.01 * target]
        expected.add(max(under, key=lambda trial: (trial.reward, -trial.number)).number)
    assert len(jobs) == 2 * len(expected)
    assert {job.trial_number for job in jobs} == expected


def test_the_search_follows_from_its_document_and_its_ledger(finished: Bench) -> None:
    found = verify(finished.store, SEARCH, {}, lambda _sequence, _last: None)
    assert (found.difference, found.num_asks) == (None, 8)


def test_rewards_stay_what_was_measured_and_what_is_off_the_range_is_not_trained() -> None:
    """Nine in ten random architectures of this space cost 35 to 39.5 billion."""
    bench = front_bench("r0-sp53", 12, front={"low": "36G", "high": "38.5G", "points": 2}, algorithm="local_search")
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    trials = bench.store.list_trials(SEARCH, 1000)
    assert {trial.state for trial in trials} == {TrialState.COMPLETED, TrialState.INFEASIBLE}
    for trial in trials:
        is_inside = 0.99 * 36e9 <= cost_of(trial) <= 1.01 * 38.5e9
        assert trial.state is (TrialState.COMPLETED if is_inside else TrialState.INFEASIBLE)
        assert trial.reward == trial.average_precision
    assert verify(bench.store, SEARCH, {}, lambda _sequence, _last: None).difference is None


def test_what_somebody_names_is_placed_at_the_nearest_target() -> None:
    """SpineNet-49 has 28 billion: within the range, but not within 5 % of its middle."""
    config = front_bench().config
    genotype, problem = placed(config, reference("spinenet-49"))
    assert (bool(genotype), problem) == (True, "")


def test_a_training_is_stopped_for_those_of_its_own_target() -> None:
    """Twelve trials for twelve targets: none has another one to be behind."""
    rule = {"rule": "median", "at": [0.25, 0.5], "min_trials": 1}
    one, front = (
        CurveBench(12, early_stopping=rule, budget=budget, front=front)
        for budget, front in (({"multiply_adds": "30G", "tolerance": 1}, None), (None, {**FRONT, "points": 12}))
    )
    for bench in (one, front):
        bench.finish(bench.claimed())
    assert one.store.count_trials(SEARCH)[TrialState.STOPPED_EARLY] > 0
    assert front.store.count_trials(SEARCH)[TrialState.STOPPED_EARLY] == 0
