"""What `bench algorithms` says of the default's targets, of rows written by hand."""

from dataclasses import replace

import pytest

from spinesearch.bench.algorithms import AlgorithmsReport, PolicyGain, Row
from spinesearch.bench.algorithms_table import as_markdown
from spinesearch.bench.algorithms_verdict import RIVALS, Verdict, verdicts

BUDGETS = (100, 500, 1000, 2000)
KINDS = ("additive", "relational", "rugged", "trained", "training_free")
NUM_WORKERS = 100


def row(kind: str, contender: str, *differences: float, reaches: int | None = 100, milliseconds: float = 9.0) -> Row:
    return Row(
        space="joint",
        kind=kind,
        contender=contender,
        num_seeds=12,
        means=tuple(1.0 for _ in differences),
        errors=tuple(0.1 for _ in differences),
        differences=differences,
        reaches=reaches,
        reaches_draws=None,
        area=None,
        milliseconds=milliseconds,
    )


def rows_of(kind: str) -> list[Row]:
    """The default is far ahead of all rivals; TPE has run to 1,000."""
    far = (-0.001, -0.001, -0.001, -0.001)
    return [
        row(kind, "random", *far),
        *(row(kind, name, *(far[:3] if "TPE" in name else far)) for name in RIVALS),
        row(kind, "guided", *far),
        row(kind, "mixed", 1.0, 1.0, 1.0, 1.0),
    ]


def report_of(rows: list[Row], policies: tuple[PolicyGain, ...] = ()) -> AlgorithmsReport:
    return AlgorithmsReport(
        budgets=BUDGETS,
        num_seeds=12,
        num_workers=NUM_WORKERS,
        base="mixed",
        num_draws=0,
        rows=tuple(rows),
        policies=policies,
    )


ALL = [one for kind in KINDS for one in rows_of(kind)]


def changed(kind: str, contender: str, **fields: object) -> AlgorithmsReport:
    """The report with another row in place of one."""
    rows = [replace(one, **fields) if (one.kind, one.contender) == (kind, contender) else one for one in ALL]  # type: ignore[arg-type]
    return report_of(rows)


def verdict(report: AlgorithmsReport, about: str) -> Verdict:
    (found,) = [one for one in verdicts(report) if about in one.target]
    return found


def test_who_is_far_ahead_reaches_all() -> None:
    said = verdicts(
        report_of(ALL, (PolicyGain(space="joint", kind="rugged", budget=1000, gain=1, error=0, chance=0.01),))
    )
    assert len(said) == 5
    assert all(one.is_reached for one in said)
    assert "at most 10 ms of the controller a trial: reached; 9.0 (additive, joint)" in as_markdown(report_of(ALL))


@pytest.mark.parametrize(("chance", "is_reached"), [(0.04, False), (0.06, True), (-0.04, True)])
def test_a_competitor_that_is_significantly_ahead_once_is_one_too_many(chance: float, is_reached: bool) -> None:
    said = verdict(changed("rugged", RIVALS[0], differences=(-0.001, -0.001, -0.001, chance)), "behind a competitor")
    assert said.is_reached == is_reached
    assert ("evolution, 50 and 10 (rugged, joint, 2,000)" in said.detail) != is_reached


def test_a_part_that_is_ahead_is_named_and_is_no_competitor() -> None:
    said = verdict(changed("rugged", "guided", differences=(1.0, 1.0, 0.01, 1.0)), "behind a competitor")
    assert said.is_reached
    assert said.detail == "behind none; behind its own parts: guided (rugged, joint, 1,000)"


@pytest.mark.parametrize(("reaches", "is_reached"), [(250, True), (288, False), (None, False)])
def test_the_level_of_random_has_a_limit_by_workers(reaches: int | None, is_reached: bool) -> None:
    report = changed("trained", "mixed", reaches=reaches)
    assert verdict(report, "within 250 trials of 100 workers").is_reached == is_reached
    assert not [one for one in verdicts(replace(report, num_workers=7)) if "workers" in one.target]
    with_ten = verdict(replace(report_of(ALL), num_workers=10), "within 150 trials of 10 workers")
    assert with_ten.is_reached


def test_one_kind_of_five_may_be_level_with_a_rival_and_two_may_not() -> None:
    level = (-0.001, -0.001, -0.3)
    one = changed("rugged", "Optuna TPE", differences=level)
    said = verdict(one, "ahead of evolution and TPE")
    assert said.is_reached
    assert said.detail == (
        "on additive, relational, trained, training_free; "
        "comparisons: additive 6 of 6, relational 6 of 6, rugged 5 of 6, trained 6 of 6, training_free 6 of 6"
    )
    rows = [
        replace(each, differences=level) if each.kind == "trained" and "TPE" in each.contender else each
        for each in one.rows
    ]
    assert not verdict(replace(one, rows=tuple(rows)), "ahead of evolution and TPE").is_reached


def test_a_level_at_a_budget_in_between_does_not_matter() -> None:
    report = changed("rugged", RIVALS[0], differences=(-0.3, -0.001, -0.3, -0.001))
    assert "rugged 6 of 6" in verdict(report, "ahead of evolution and TPE").detail


@pytest.mark.parametrize(("gain", "chance", "is_reached"), [(0.5, 0.01, True), (0.5, 0.2, False), (-0.5, 0.01, False)])
def test_the_policy_is_to_be_ahead_of_the_papers(gain: float, chance: float, is_reached: bool) -> None:
    of_little = PolicyGain(space="joint", kind="rugged", budget=100, gain=-1, error=0.1, chance=0.01)
    one = PolicyGain(space="joint", kind="rugged", budget=2000, gain=gain, error=0.1, chance=chance)
    said = verdict(report_of(ALL, (of_little, one)), "the papers' controller")
    assert said.is_reached == is_reached
    assert said.detail == f"{gain:+.2f} (rugged, joint, 2,000; p = {chance:.3f})"


def test_a_slow_kind_is_too_slow() -> None:
    assert not verdict(changed("trained", "mixed", milliseconds=13.7), "ms of the controller").is_reached


def test_nothing_is_said_of_what_did_not_run() -> None:
    assert verdicts(replace(report_of(ALL), base="reinforce")) == []
    alone = verdicts(report_of([one for one in ALL if one.contender == "mixed"]))
    assert [one.target.split(" ")[0] for one in alone] == ["what", "at"]
    assert "Targets" not in as_markdown(replace(report_of(ALL), base="reinforce"))
