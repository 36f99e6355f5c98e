import json
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_controller.insight.choices import MAX_BUCKETS, MAX_TOP, Choices
from nas_controller.insight.meanings import in_order, motif_keys, option_key
from nas_controller.records import EntryKind, LedgerEntry, TrialState
from search_space.decisions import SearchSpace, random_genotype
from search_space.spaces import JOINT, R23_SP30, R35_SP18, SPACES
from tests.nas_controller.insight_ledger import WrittenLedger, ledgers


def folded(entries: Sequence[LedgerEntry], space: SearchSpace = R35_SP18) -> Choices:
    choices = Choices(space)
    for entry in entries:
        choices.apply(entry)
    return choices


def as_stored(choices: Choices) -> Choices:
    """After its way through a row of a store."""
    return Choices.from_document(choices.space, json.loads(json.dumps(choices.to_document())))


def chosen_keys(space: SearchSpace, entry: LedgerEntry) -> list[Any]:
    return [option_key(decision) for decision in in_order(space.decisions(entry.payload["genotype"]))]


@given(ledgers(R35_SP18))
def test_options_are_what_counting_all_trials_gives(entries: list[LedgerEntry]) -> None:
    choices = folded(entries)
    asks = {e.trial_number: e for e in entries if e.kind is EntryKind.TRIAL_CREATED and e.payload["genotype"]}
    keys = {number: chosen_keys(R35_SP18, ask) for number, ask in asks.items()}
    rewards = {
        e.trial_number: e.payload["reward"]
        for e in entries
        if e.kind is EntryKind.TRIAL_FINISHED and e.payload["state"] == "completed" and e.payload["reused_from"] is None
    }
    for place, counts in enumerate(choices.decisions):
        assert list(counts.places.values()) == list(range(len(counts.options)))
        assert set(counts.places) == {of_trial[place] for of_trial in keys.values()}
        for key, option in zip(counts.places, counts.options, strict=True):
            took = [number for number, of_trial in keys.items() if of_trial[place] == key]
            assert option.asked == len(took)
            buckets = [(number - 1) // choices.width for number in took if number is not None]
            assert option.by_bucket == [buckets.count(bucket) for bucket in range(max(buckets) + 1)]
            known = [rewards[number] for number in took if number in rewards]
            assert option.rewards.count == len(known)
            # Rewards are eighths: sums of them are exact.
            assert option.rewards.total == sum(reward - choices.first_reward for reward in known)
            assert option.rewards.squares == sum((reward - choices.first_reward) ** 2 for reward in known)
    best = sorted(rewards.items(), key=lambda item: (-item[1], item[0]))[:MAX_TOP]
    assert [(trial.number, trial.reward) for trial in choices.top] == best


@given(ledgers(R35_SP18))
def test_motifs_are_what_counting_all_trained_trials_gives(entries: list[LedgerEntry]) -> None:
    choices = folded(entries)
    asks = {e.trial_number: e for e in entries if e.kind is EntryKind.TRIAL_CREATED and e.payload["genotype"]}
    of_trial = {n: motif_keys(R35_SP18.decisions(ask.payload["genotype"])) for n, ask in asks.items()}
    trained = [
        e.trial_number
        for e in entries
        if e.kind is EntryKind.TRIAL_FINISHED and e.payload["reward"] is not None and e.payload["reused_from"] is None
    ]
    assert choices.num_trained == len(trained)
    for key, count in zip(choices.motif_places, choices.motif_counts, strict=True):
        assert count == sum(key in of_trial[number] for number in trained)
    keys = list(choices.motif_places)
    for trial in choices.top:
        assert {keys[motif] for motif in trial.chosen.motifs} == of_trial[trial.number]


@given(ledgers(R35_SP18), st.data())
def test_a_kept_fold_goes_on_as_if_it_had_never_stopped(entries: list[LedgerEntry], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(entries)))
    resumed = as_stored(folded(entries[:cut]))
    for entry in entries[cut:]:
        resumed.apply(entry)
    assert resumed == folded(entries)


@pytest.mark.parametrize("space", SPACES.values(), ids=lambda space: space.name)
def test_every_space_is_counted_and_kept(space: SearchSpace) -> None:
    rng, ledger = Random(5), WrittenLedger()
    for number in range(40):
        ledger.train(random_genotype(space, rng), number / 64)
    choices = folded(ledger.entries, space)
    for counts in choices.decisions:
        assert sum(option.asked for option in counts.options) == 40
        assert sum(option.rewards.count for option in counts.options) == 40
    assert [trial.number for trial in choices.top] == list(range(40, 0, -1))
    assert as_stored(choices) == choices


def test_the_order_of_two_parents_means_nothing() -> None:
    start = (0, 0, 0, 0, 0, 0)  # then pairs of parents: block 11 chooses among the five before it
    one, other = WrittenLedger(), WrittenLedger()
    one.ask((*start, 1, 2, *(0,) * 10))
    other.ask((*start, 3, 1, *(0,) * 10))  # of five: 3, then 1 of the four others; before: 1, then 2 of the others, 3
    assert one.entries[0].payload["genotype"] != other.entries[0].payload["genotype"]
    assert folded(one.entries).decisions == folded(other.entries).decisions


def test_the_room_that_is_taken_has_a_bound() -> None:
    """A hundred thousand trials, of which every fiftieth is looked at: the others would change no more."""
    rng, ledger, choices = Random(2), WrittenLedger(), Choices(R23_SP30)
    sizes = []
    for step in range(2_000):
        ledger.num_trials = step * 50
        ledger.train(random_genotype(R23_SP30, rng), rng.random())
        for entry in ledger.entries:
            choices.apply(entry)
        ledger.entries.clear()
        if step % 1_000 == 999:
            sizes.append(len(json.dumps(choices.to_document())))
    assert choices.num_trials > 99_900
    assert len(choices.asked) <= MAX_BUCKETS
    assert len(choices.top) == MAX_TOP
    assert sizes[1] < 100_000
    assert sizes[1] < 1.2 * sizes[0]


def test_of_the_joint_space_a_document_stays_under_half_a_megabyte() -> None:
    rng, ledger = Random(2), WrittenLedger()
    for _ in range(600):
        ledger.train(random_genotype(JOINT, rng), rng.random())
    choices = folded(ledger.entries, JOINT)
    options = sum(len(counts.options) for counts in choices.decisions)
    # Each option has at most 30 counts of a few digits, and half a dozen other numbers.
    assert options < 1_800
    assert len(json.dumps(choices.to_document())) < options * 200 + 100_000


def test_a_search_that_ends_waits_for_nothing() -> None:
    ledger = WrittenLedger()
    ledger.ask((0,) * 18)
    assert list(folded(ledger.entries).waiting) == [1]
    ledger.end()
    assert folded(ledger.entries).waiting == {}


def test_a_reward_far_from_zero_keeps_its_digits() -> None:
    ledger = WrittenLedger()
    for number in range(8):
        ledger.train((0, number % 2, *(0,) * 16), 1e8 + number / 8)
    first = folded(ledger.entries).decisions[1].options[0].rewards
    # Of 0, 2, 4, 6 eighths.
    assert first.squared_deviations == sum((each / 8 - 3 / 8) ** 2 for each in (0, 2, 4, 6))


def test_a_trial_stopped_early_is_with_the_rest() -> None:
    ledger = WrittenLedger()
    ledger.finish(ledger.ask((0,) * 18), 0.9, TrialState.STOPPED_EARLY)
    choices = folded(ledger.entries)
    assert (choices.num_trained, choices.top, choices.decisions[1].options[0].rewards.count) == (1, [], 0)
