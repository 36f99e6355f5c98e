from random import Random
from typing import Any

import pytest

from nas_controller.insight.choice_report import choice_fields
from nas_controller.insight.choices import Choices
from nas_controller.insight.policy import Policy
from nas_controller.insight.policy_report import controller_fields
from search_space.decisions import Genotype, SearchSpace, random_genotype
from search_space.spaces import EFF_SPINENET_B0, R23_SP30, R35_SP18, SPACES, SPINENET_49
from tests.nas_controller.insight_ledger import WrittenLedger, uniform_log_probs


def policy_of(ledger: WrittenLedger, space: SearchSpace) -> Policy:
    policy = Policy(space)
    for entry in ledger.entries:
        policy.apply(entry)
    return policy


def choices_of(ledger: WrittenLedger, space: SearchSpace) -> Choices:
    choices = Choices(space)
    for entry in ledger.entries:
        choices.apply(entry)
    return choices


def decisions_by_label(fields: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {decision["label"]: decision for decision in fields["decisions"]}


def test_a_planted_effect_is_found_and_nothing_else() -> None:
    """The type of block 5 makes half of the variance, and nothing else matters."""
    rng, ledger = Random(21), WrittenLedger()
    for _ in range(300):
        genotype = random_genotype(SPINENET_49, rng)
        is_residual = SPINENET_49.decode(genotype).all_blocks[5].block_type == "residual"
        ledger.train(genotype, 0.3 + 0.05 * (1 if is_residual else -1) + rng.gauss(0, 0.05))
    fields = choice_fields(choices_of(ledger, SPINENET_49), top=50)
    important = {label: d["importance"] for label, d in decisions_by_label(fields).items() if d["importance"]}
    assert important == {"block 5: type": pytest.approx(0.5, abs=0.1)}
    options = decisions_by_label(fields)["block 5: type"]["options"]
    means = {option["label"]: option["mean_reward"] for option in options}
    assert means == {"bottleneck": pytest.approx(0.25, abs=0.02), "residual": pytest.approx(0.35, abs=0.02)}
    top_counts = {option["label"]: option["top_count"] for option in options}
    assert sum(top_counts.values()) == 50
    assert top_counts["residual"] > 40


def test_a_planted_parent_is_found() -> None:
    """A block whose parents are the two before it: both of its decisions say so."""
    rng, ledger = Random(22), WrittenLedger()
    for _ in range(400):
        genotype = random_genotype(R35_SP18, rng)
        first = R35_SP18.decode(genotype).blocks[0]
        ledger.train(genotype, (first.parents == (9, 10)) + rng.gauss(0, 0.3))
    fields = choice_fields(choices_of(ledger, R35_SP18), top=20)
    important = [label for label, decision in decisions_by_label(fields).items() if decision["importance"]]
    assert important == ["block 11: earlier parent", "block 11: later parent"]


def test_a_planted_multiplier_is_found() -> None:
    rng, ledger = Random(23), WrittenLedger()
    for _ in range(200):
        genotype = random_genotype(EFF_SPINENET_B0, rng)
        ledger.train(genotype, genotype[4] + rng.gauss(0, 1))
    fields = choice_fields(choices_of(ledger, EFF_SPINENET_B0), top=20)
    # Five shares with means 0 to 4 have a variance of 2, the noise one of 1.
    assert {label: d["importance"] for label, d in decisions_by_label(fields).items() if d["importance"]} == {
        "block 4: multiplier": pytest.approx(2 / 3, abs=0.1)
    }
    assert fields["motifs"] == []


def test_a_planted_motif_is_found() -> None:
    """What has an edge from level 3 to a block of level 4 just after it is better."""
    rng, ledger = Random(24), WrittenLedger()
    for _ in range(300):
        genotype = random_genotype(R23_SP30, rng)
        ledger.train(genotype, _has_edge(genotype) + rng.gauss(0, 0.2))
    fields = choice_fields(choices_of(ledger, R23_SP30), top=20)
    found = [motif for motif in fields["motifs"] if motif["p_value"] < 0.05]
    assert [motif["label"] for motif in found] == ["level 3 bottleneck -> level 4 bottleneck, the block before"]
    assert found[0]["top_share"] == 1.0
    assert found[0]["lift"] == pytest.approx(1.0 / found[0]["rest_share"])
    assert found[0]["interval"][0] > 0
    assert fields["motifs"][0] == found[0]


def _has_edge(genotype: Genotype) -> bool:
    spec = R23_SP30.decode(genotype)
    blocks = list(enumerate(spec.all_blocks))[spec.num_stem_blocks :]
    return any(
        block.level == 4 and parent == place - 1 and spec.all_blocks[parent].level == 3
        for place, block in blocks
        for parent in block.parents
    )


def test_shares_are_told_by_bucket() -> None:
    ledger = WrittenLedger()
    for number in range(20):
        ledger.train((0, 0 if number < 10 else number % 2, *(0,) * 16), 0.5)
    fields = choice_fields(choices_of(ledger, R35_SP18), top=10)
    assert fields["buckets"] == [{"first_trial": 1, "last_trial": 10}, {"first_trial": 11, "last_trial": 20}]
    output = decisions_by_label(fields)["block 12: output level"]
    shares = {option["label"]: option["shares"] for option in output["options"]}
    assert shares == {"level 3": [1.0, 0.5], "level 4": [0.0, 0.5]}
    assert (fields["top"], fields["trained"]) == (10, 20)
    assert output["options"][0]["mean_reward"] == 0.5
    assert output["options"][0]["standard_error"] == 0.0


def test_of_a_search_without_trials_nothing_is_said() -> None:
    for space in SPACES.values():
        fields = choice_fields(Choices(space), top=20)
        assert {decision["importance"] for decision in fields["decisions"]} == {None}
        assert [fields[name] for name in ("top", "trained", "buckets", "motifs")] == [0, 0, [], []]
        assert controller_fields(Policy(space)) == {"buckets": [], "diagnostics": [], "warnings": []}


def trained_ledger(log_probs: list[float], num_networks: int, sharp_log_probs: list[float]) -> WrittenLedger:
    """Twenty proposals of a new policy, then forty of a sharp one, of so many networks."""
    ledger = WrittenLedger()
    for number in range(60):
        fingerprint = f"new {number}" if number < 20 else f"sharp {number % num_networks}"
        genotype = (0,) * len(log_probs)
        ledger.finish(ledger.ask(genotype, log_probs if number < 20 else sharp_log_probs, fingerprint=fingerprint), 0.5)
    return ledger


def test_a_policy_that_repeats_itself_with_certainty_has_collapsed() -> None:
    uniform = uniform_log_probs(R35_SP18)
    sharp = [log_prob / 20 for log_prob in uniform]
    collapsed = controller_fields(policy_of(trained_ledger(uniform, 2, sharp), R35_SP18))
    assert [warning["code"] for warning in collapsed["warnings"]] == ["collapse"]
    assert "15 of its last 15 proposals" in collapsed["warnings"][0]["message"]
    assert "is 5% of what it was" in collapsed["warnings"][0]["message"]


def test_a_policy_that_is_certain_or_repeats_itself_only_has_not_collapsed() -> None:
    uniform = uniform_log_probs(R35_SP18)
    sharp = [log_prob / 20 for log_prob in uniform]
    for num_networks, log_probs in ((1000, sharp), (2, uniform)):
        fields = controller_fields(policy_of(trained_ledger(uniform, num_networks, log_probs), R35_SP18))
        assert fields["warnings"] == []


def test_buckets_are_told_with_their_trials() -> None:
    ledger = WrittenLedger()
    for _ in range(7):
        ledger.train((0,) * 18, 0.5)
    ledger.ask((), (), "reference")
    buckets = controller_fields(policy_of(ledger, R35_SP18))["buckets"]
    spans = [(bucket["first_trial"], bucket["last_trial"], bucket["asked"]) for bucket in buckets]
    assert spans == [(1, 5, 5), (6, 8, 2)]
    assert (buckets[0]["staleness_mean"], buckets[0]["staleness_max"]) == (0.0, 0)
    assert (buckets[0]["duplicates"], buckets[0]["arms"]) == (4, {"policy": 5})
