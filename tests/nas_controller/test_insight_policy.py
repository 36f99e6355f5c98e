import json
import math
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_controller.insight.policy import MAX_BUCKETS, Policy, PolicyBucket
from nas_controller.insight.seen_networks import MAX_KEPT
from nas_controller.records import EntryKind, LedgerEntry, TrialState
from search_space.decisions import random_genotype
from search_space.spaces import R35_SP18, SPACES, SPINENET_49
from tests.nas_controller.insight_ledger import START, WrittenLedger, ledgers, uniform_log_probs


def folded(entries: Sequence[LedgerEntry]) -> Policy:
    policy = Policy(R35_SP18)
    for entry in entries:
        policy.apply(entry)
    return policy


def as_stored(policy: Policy) -> Policy:
    """After its way through a row of a store."""
    return Policy.from_document(policy.space, json.loads(json.dumps(policy.to_document())))


def expected_bucket(entries: Sequence[LedgerEntry], numbers: range) -> dict[str, Any]:
    """A bucket counted over all entries, by what the words mean."""
    asks = {e.trial_number: e for e in entries if e.kind is EntryKind.TRIAL_CREATED}
    tells = {e.trial_number: e for e in entries if e.kind is EntryKind.TRIAL_FINISHED}
    told = [e for e in tells.values() if e.payload["consumed"]]
    trials = [asks[number] for number in numbers if asks[number].payload["arm"] != "reference"]
    own = [ask for ask in trials if ask.payload["arm"] != "enqueued"]
    ended = {ask.trial_number: tells[ask.trial_number] for ask in own if ask.trial_number in tells}
    trained = [
        number
        for number, tell in ended.items()
        if tell.payload["consumed"] and tell.payload["state"] != "infeasible" and tell.payload["reused_from"] is None
    ]
    staleness = [
        sum(asks[number].sequence < tell.sequence < tells[number].sequence for tell in told) for number in trained
    ]
    before = {
        ask.trial_number: [
            other.payload["fingerprint"]
            for other in asks.values()
            if other.sequence < ask.sequence and other.payload["arm"] != "reference"
        ]
        for ask in own
    }
    return {
        "arms": dict(Counter(ask.payload["arm"] for ask in trials)),
        "asked": len(own),
        "told": sum(tell.trial_number in numbers for tell in told),
        "infeasible": sum(tell.payload["state"] == "infeasible" for tell in ended.values()),
        "duplicates": sum(ask.payload["fingerprint"] in before[ask.trial_number] for ask in own),
        "reused": sum(tell.payload["reused_from"] is not None for tell in ended.values()),
        "staleness": staleness,
        "parents": [ask.payload["log_probs"] for ask in own],
    }


@given(ledgers(R35_SP18))
def test_buckets_are_what_counting_all_trials_gives(entries: list[LedgerEntry]) -> None:
    policy = folded(entries)
    for place, bucket in enumerate(policy.buckets):
        numbers = range(place * policy.width + 1, min((place + 1) * policy.width, policy.num_trials) + 1)
        expected = expected_bucket(entries, numbers)
        assert {name: getattr(bucket, name) for name in expected.keys() - {"staleness", "parents"}} == {
            name: value for name, value in expected.items() if name not in ("staleness", "parents")
        }
        assert (bucket.staleness.count, bucket.staleness.total) == (
            len(expected["staleness"]),
            sum(expected["staleness"]),
        )
        assert bucket.staleness_max == max(expected["staleness"], default=0)
        # Points 1 to 5 pick the outputs: the last has no choice. Points 6 to 17 are parents, of six blocks.
        if expected["parents"]:
            outputs = [
                sum(-log_probs[point] / math.log(6 - point) for point in range(1, 5)) / 4
                for log_probs in expected["parents"]
            ]
            assert bucket.entropy["output_level"].count == len(outputs)
            assert bucket.entropy["output_level"].total == pytest.approx(sum(outputs))
    assert len(policy.buckets) == -(-policy.num_trials // policy.width)


@given(ledgers(R35_SP18), st.data())
def test_a_kept_fold_goes_on_as_if_it_had_never_stopped(entries: list[LedgerEntry], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(entries)))
    resumed = as_stored(folded(entries[:cut]))
    for entry in entries[cut:]:
        resumed.apply(entry)
    assert resumed == folded(entries)


def test_uniform_choices_have_an_entropy_of_exactly_1_in_every_space() -> None:
    rng = Random(0)
    for space in SPACES.values():
        ledger = WrittenLedger()
        for _ in range(12):
            ledger.ask(random_genotype(space, rng), uniform_log_probs(space))
        policy = Policy(space)
        for entry in ledger.entries:
            policy.apply(entry)
        kinds = {kind.value for (kind, _), count in zip(space.points, space.option_counts, strict=True) if count > 1}
        for bucket in policy.buckets:
            assert {kind: sums.mean for kind, sums in bucket.entropy.items()} == dict.fromkeys(kinds, 1.0)
            assert policy.mean_entropy(bucket) == 1.0


def test_stored_log_probabilities_estimate_the_entropy_of_what_was_drawn_from() -> None:
    # The first output of five is drawn from these probabilities, the three after it uniformly, the last one is left.
    probabilities, rng, ledger = (0.6, 0.2, 0.1, 0.05, 0.05), Random(3), WrittenLedger()
    log_probs = uniform_log_probs(R35_SP18)
    for _ in range(3000):
        taken = rng.choices(range(5), probabilities)[0]
        genotype = random_genotype(R35_SP18, rng)
        ledger.ask((genotype[0], taken, *genotype[2:]), [log_probs[0], math.log(probabilities[taken]), *log_probs[2:]])
    entropy = -sum(each * math.log(each) for each in probabilities) / math.log(5)
    policy = folded(ledger.entries)
    whole = PolicyBucket()
    for bucket in policy.buckets:
        whole = whole.plus(bucket)
    found = whole.entropy["output_level"]
    assert found.standard_error is not None
    assert found.mean == pytest.approx((entropy + 3) / 4, abs=4 * found.standard_error)
    assert found.standard_error < 0.005
    assert whole.entropy["parent"].mean == 1.0


def test_of_what_users_take_for_certain_no_entropy_is_told() -> None:
    ledger = WrittenLedger()
    genotype = (0,) * R35_SP18.genotype_length
    for arm in ("enqueued", "retry", "warm_start"):
        ledger.finish(ledger.ask(genotype, [0.0] * len(genotype), arm), 0.5)
    ledger.finish(ledger.ask((), (), "enqueued", "of another space"), 0.5)
    bucket = folded(ledger.entries).buckets[0]
    assert (bucket.asked, bucket.told, bucket.entropy, bucket.duplicates) == (0, 4, {}, 0)
    assert bucket.arms == {"enqueued": 2, "retry": 1, "warm_start": 1}


def test_of_what_was_made_of_another_trial_no_entropy_is_told() -> None:
    """Evolution draws its first trials, then mutates: a mutation is no decision under a policy."""
    ledger = WrittenLedger()
    genotype = (0,) * R35_SP18.genotype_length
    ledger.ask(genotype, uniform_log_probs(R35_SP18), "random")
    ledger.ask(genotype, [0.0] * len(genotype), "evolution")
    bucket = folded(ledger.entries).buckets[0]
    assert (bucket.asked, bucket.duplicates) == (2, 1)
    assert {kind: (sums.count, sums.mean) for kind, sums in bucket.entropy.items()} == {
        "output_level": (1, 1.0),
        "parent": (1, 1.0),
    }


def test_the_room_that_is_taken_has_a_bound() -> None:
    rng, ledger = Random(1), WrittenLedger()
    genotype, log_probs = random_genotype(SPINENET_49, rng), uniform_log_probs(SPINENET_49)
    sizes = []
    policy = Policy(SPINENET_49)
    for _ in range(100_000):
        number = ledger.ask(genotype, log_probs, fingerprint=str(rng.random()))
        ledger.finish(number, 0.5)
        policy.diagnostics.note(number, START, {"entropy": rng.random(), "baseline": rng.random()})
        for entry in ledger.entries:
            policy.apply(entry)
        ledger.entries.clear()
        if number in (1_000, 10_000, 100_000):
            sizes.append(len(json.dumps(policy.to_document())))
    assert len(policy.buckets) <= MAX_BUCKETS
    assert len(policy.seen.kept) <= MAX_KEPT
    assert sizes[2] < 150_000
    assert sizes[2] < 1.2 * sizes[1]
    assert as_stored(policy) == policy


def test_a_search_that_ends_waits_for_nothing() -> None:
    ledger = WrittenLedger()
    ledger.ask((0,) * 18)
    assert folded(ledger.entries).waiting == {1: 0}
    ledger.end()
    assert folded(ledger.entries).waiting == {}


def test_a_trial_that_was_stopped_early_was_trained() -> None:
    ledger = WrittenLedger()
    first, second = ledger.ask((0,) * 18), ledger.ask((0,) * 18)
    ledger.finish(second, 0.5, TrialState.STOPPED_EARLY)
    ledger.finish(first, 0.5)
    bucket = folded(ledger.entries).buckets[0]
    assert (bucket.staleness.count, bucket.staleness.total, bucket.staleness_max) == (2, 1.0, 1)
