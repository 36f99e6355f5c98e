"""What a search begins with: what it is told of earlier searches, and what of them and of references it trains."""

import math
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from nas_controller.algorithms.base import ToldTrial
from nas_controller.algorithms.policy_gradient import PolicyGradientSettings
from nas_controller.algorithms.reinforce import Reinforce
from nas_controller.algorithms.table import ALGORITHM_NAMES, make_algorithm
from nas_controller.records import EntryKind, Failure, LedgerEntry, SearchState, Trial, TrialKey, TrialState
from nas_controller.requests import RequestState
from nas_controller.search_config import SearchConfig, SearchConfigError
from nas_controller.search_loop import run_search
from nas_controller.verification import verify
from nas_controller.warm_start import _spread, warm_start
from search_space.decisions import SearchSpace, random_genotype
from search_space.spaces import R0_SP53, R35_SP18, find_space
from tests.nas_controller.test_search_loop import SEARCH, Bench, measured
from trainer.task import Evaluation, EvaluationRequest

WIDE = {"relative_to": "r0-sp53", "tolerance": 0.9}
WARM = "s2"


def ended(trials: int = 10, **document: Any) -> Bench:
    """An earlier search."""
    bench = Bench(trials=trials, **{"budget": WIDE, "reevaluate": {"top": 0}, **document})
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    return bench


def warm(first: Bench, trials: int = 6, warm_start: dict[str, Any] | None = None, **document: Any) -> Bench:
    """A search after that one."""
    wanted = {"searches": [SEARCH], "top": 3} if warm_start is None else warm_start
    settings = {"budget": WIDE, "reevaluate": {"top": 0}, "warm_start": wanted, **document}
    return Bench(trials=trials, after=first, **settings)


def poor(request: EvaluationRequest) -> Evaluation | Failure:
    """Worse than anything that the earlier search found."""
    outcome = measured(request)
    assert isinstance(outcome, Evaluation)
    return replace(outcome, average_precision=0.0)


def trials(bench: Bench) -> list[Trial]:
    return bench.store.list_trials(bench.search_id, 1000)


def told(bench: Bench) -> list[LedgerEntry]:
    return bench.store.read_ledger(bench.search_id, kinds=[EntryKind.EARLIER_TOLD])


def is_replayed(bench: Bench) -> bool:
    return verify(bench.store, bench.search_id, {}, lambda _sequence, _last: None).difference is None


@pytest.mark.parametrize(("algorithm", "cut"), [("mixed", 1), ("local_search", 0), ("local_search", 3)])
def test_a_search_is_told_what_an_earlier_one_measured_and_trains_its_best(algorithm: str, cut: int) -> None:
    first = ended(algorithm="local_search")
    bench = warm(first, algorithm=algorithm)
    for turn, _ in enumerate(run_search(bench.claim())):
        if turn == cut:
            break
    assert bench.finish(bench.claim()) is SearchState.SUCCEEDED
    (entry,) = told(bench)
    space = find_space("r0-sp53")
    of_first = {trial.number: trial for trial in trials(first)}
    assert [one["trial"] for one in entry.payload["trials"]] == list(of_first)
    assert [one["number"] for one in entry.payload["trials"]] == [-1 - place for place in range(10)]
    for one in entry.payload["trials"]:
        trial = of_first[one["trial"]]
        canonical = space.encode(space.decode(trial.draft.genotype))
        assert (tuple(one["genotype"]), one["reward"]) == (canonical, trial.reward)
    assert entry.payload["log_probs"] == [-math.log(count) for count in space.option_counts]
    assert entry.payload["words"] == "10 of 10 trials of s1 (r0-sp53) are told"
    found = trials(bench)[:3]
    best = first.store.best_trials(SEARCH, 3)
    assert [trial.draft.arm for trial in found] == ["warm_start"] * 3
    assert [trial.draft.source for trial in found] == [TrialKey(search_id=SEARCH, number=t.number) for t in best]
    assert bench.store.count_trials(WARM).trained == 6, "what was told is no trial"
    assert is_replayed(bench)


def test_it_knows_what_it_was_told_at_its_first_proposal() -> None:
    """Local search proposes at random until 20 trials were trained, then neighbours of the best."""
    first = ended(trials=20, algorithm="random")
    bench = warm(first, algorithm="local_search", trials=5)
    bench.finish(bench.claim(poor))
    asked = trials(bench)[3:]
    assert [trial.draft.arm for trial in asked] == ["local_search"] * 2
    best = first.store.best_trials(SEARCH, 1)[0].number
    for trial in asked:
        assert trial.draft.parents == ()
        assert trial.draft.edits[0] == f"from trial {best} of {SEARCH}"
        assert len(trial.draft.edits) == 2


def test_what_was_measured_otherwise_is_trained_and_not_told() -> None:
    bench = warm(ended(), proxy={"preset": "cpu-small"})
    bench.finish(bench.claim())
    (entry,) = told(bench)
    assert entry.payload["trials"] == []
    assert entry.payload["left_out"] == {"measured otherwise": 10}
    assert entry.payload["words"] == "0 of 10 trials of s1 (r0-sp53) are told; 10 measured otherwise"
    assert [trial.draft.arm for trial in trials(bench)].count("warm_start") == 3


def test_trials_of_another_space_are_told_where_the_networks_are_the_same() -> None:
    bench = warm(ended(), space="spinenet-49", algorithm="mixed")
    bench.finish(bench.claim())
    (entry,) = told(bench)
    space, old = find_space("spinenet-49"), find_space("r0-sp53")
    genotypes = [trial.draft.genotype for trial in bench.store.list_trials(SEARCH, 100)]
    assert [tuple(one["genotype"]) for one in entry.payload["trials"]] == [
        space.encode(old.decode(genotype)) for genotype in genotypes
    ]
    assert is_replayed(bench)


def test_widths_that_a_budget_settles_make_another_network() -> None:
    bench = warm(ended(), space="joint", budget={"relative_to": "spinenet-49", "tolerance": 0.01})
    bench.finish(bench.claim())
    (entry,) = told(bench)
    assert entry.payload["left_out"] == {"another network here": 10}
    assert [trial.state for trial in trials(bench)[:3]] == [TrialState.COMPLETED] * 3


def test_what_the_space_does_not_have_is_counted_and_said() -> None:
    first = ended(space="spinenet-49", algorithm="random")
    bench = warm(first, trials=3)
    bench.finish(bench.claim())
    (entry,) = told(bench)
    assert entry.payload["left_out"] == {"not in this space": 10}
    words = entry.payload["words"]
    assert words.startswith("0 of 10 trials of s1 (spinenet-49) are told; 10 not in this space (trial ")
    assert "not an architecture of r0-sp53: block" in words
    assert all(trial.draft.arm != "warm_start" for trial in trials(bench))


def test_what_is_off_budget_is_left_out() -> None:
    first = ended(trials=12)
    bench = warm(
        first,
        trials=15,
        warm_start={"searches": [SEARCH], "top": 12},
        budget={"relative_to": "r0-sp53", "tolerance": 0.05},
    )
    bench.finish(bench.claim())
    inside = [
        trial.number
        for trial in first.store.best_trials(SEARCH, 12)
        if bench.config.flops_budget().contains(trial.draft.target_cost.backbone_multiply_adds)
    ]
    assert 0 < len(inside) < 12
    found = [trial.draft.source for trial in trials(bench) if trial.draft.arm == "warm_start"]
    assert [key and key.number for key in found] == inside
    assert told(bench)[0].payload["left_out"] == {"off budget": 12 - len(inside)}


def test_references_are_first_and_told_where_the_search_can_train_them() -> None:
    bench = Bench(trials=4, budget=WIDE, reevaluate={"top": 0}, warm_start={"references": ["spinenet-49", "r0-sp53"]})
    bench.finish(bench.claim())
    refused, done = bench.store.list_requests(SEARCH)
    assert refused.state is RequestState.REFUSED
    assert "not an architecture of r0-sp53: block 3: residual: must be bottleneck" in refused.reason
    assert (done.state, done.trial_number) == (RequestState.DONE, 1)
    trial = bench.store.get_trial(SEARCH, 1)
    assert (trial.draft.arm, trial.draft.name) == ("warm_start", "r0-sp53")
    assert trial.draft.genotype
    (finished,) = [
        entry for entry in bench.store.read_ledger(SEARCH, kinds=[EntryKind.TRIAL_FINISHED]) if entry.trial_number == 1
    ]
    assert finished.payload["consumed"]
    assert told(bench) == []


def test_begun_again_before_the_first_trial_it_commits_nothing_more() -> None:
    bench = warm(ended(), warm_start={"searches": [SEARCH], "references": ["r0-sp53"], "top": 2, "tell": 4})
    warm_start(bench.claim(), lambda: None)
    sequence = bench.store.get_search(WARM).last_sequence
    again = bench.claim()
    warm_start(again, lambda: None)
    assert bench.store.get_search(WARM).last_sequence == sequence
    assert len(bench.store.list_requests(WARM)) == 3
    assert sorted(again.earlier) == [-4, -3, -2, -1]


def test_a_search_that_is_gone_fails_it_with_the_reason() -> None:
    bench = Bench(warm_start={"searches": ["gone"]})
    assert bench.finish(bench.claim()) is SearchState.FAILED
    assert bench.store.get_search(SEARCH).reason == "warm_start.searches: no search gone"


def test_of_many_trials_the_best_half_and_evenly_many_others() -> None:
    assert _spread(range(10), 4) == [0, 1, 2, 6]
    assert _spread(range(4), 4) == [0, 1, 2, 3]
    assert _spread(range(4), 0) == []


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, "warm_start: give searches, references or both"),
        ({"searches": ["a", "a"]}, "warm_start: searches: each once"),
        ({"references": ["best"]}, "warm_start.references.0: reference 'best': unknown"),
    ],
)
def test_a_section_that_means_nothing_is_refused(section: dict[str, Any], message: str) -> None:
    with pytest.raises(SearchConfigError, match=message):
        SearchConfig.from_document({"space": "r0-sp53", "data": "generated", "warm_start": section})


def of_earlier(space: SearchSpace, number: int, reward: float | None = None) -> ToldTrial:
    """A trial of an earlier search; its reward is left to its genotype, or given."""
    genotype = random_genotype(space, Random(number))
    return ToldTrial(
        number=-number,
        genotype=genotype,
        log_probs=tuple(-math.log(count) for count in space.option_counts),
        state=TrialState.COMPLETED,
        reward=sum(genotype) % 17 / 40 if reward is None else reward,
        arm="earlier",
    )


@pytest.mark.parametrize("name", ALGORITHM_NAMES)
def test_every_algorithm_takes_what_earlier_searches_trained(name: str) -> None:
    algorithm, again = (make_algorithm(name, R0_SP53, 5, {}) for _ in range(2))
    for number in range(1, 26):
        algorithm.tell(of_earlier(R0_SP53, number))
    again.load_state_dict(algorithm.state_dict())
    proposals = [algorithm.ask(number) for number in range(1, 4)]
    assert len({proposal.genotype for proposal in proposals}) == 3
    assert proposals == [again.ask(number) for number in range(1, 4)]


def test_the_policy_learns_from_them_and_does_not_collapse() -> None:
    """What was rewarded is the first option of the last decision but one, which has 16."""
    policy = Reinforce(R35_SP18, 5, PolicyGradientSettings(horizon=40))
    for number in range(1, 101):
        genotype = random_genotype(R35_SP18, Random(number))
        policy.tell(of_earlier(R35_SP18, number, reward=float(genotype[-2] == 0)))
    said = policy.diagnostics()
    assert said["entropy_bonus"] == PolicyGradientSettings().entropy_start, "the horizon counts this search's trials"
    assert said["entropy"] > 2 * PolicyGradientSettings().collapse_entropy
    assert sum(policy.ask(number).genotype[-2] == 0 for number in range(1, 31)) > 20
