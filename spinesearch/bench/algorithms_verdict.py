"""What the default algorithm was to reach in `bench algorithms`, and whether it did.

A target is judged where a run has what it speaks of: the default as base, the contenders, the budgets. Chances are
those of the report: paired t-tests with Holm's correction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nas_controller.insight.many_tests import ERROR_RATE
from spinesearch.bench.algorithm_tasks import DEFAULT
from spinesearch.bench.algorithms import PAPERS, POLICY, AlgorithmsReport, Row

OWN_PARTS = (POLICY, "guided")
"""The default is made of these, and nobody else has them: being behind one is reported, and is no competitor's lead."""
RIVALS = ("evolution, 50 and 10", "evolution, 100 and 25", "Optuna TPE")
RIVALS_AT = 500
"""The default is to be better than these at this budget and at the last that both ran."""
LEAST_KINDS = 4
LEVEL_WITHIN = {10: 150, 100: 250}
"""By number of workers: trials until random's last level."""
POLICY_AT = (1000, 2000)
MOST_MILLISECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target: what it asks, whether that was reached, and what says so."""

    target: str
    is_reached: bool
    detail: str


def verdicts(report: AlgorithmsReport) -> list[Verdict]:
    """Of all targets that the run can say something about."""
    if report.base != DEFAULT:
        return []
    judged = [judge(report) for judge in _JUDGES]
    return [verdict for verdict in judged if verdict is not None]


def _never_behind(report: AlgorithmsReport) -> Verdict | None:
    competitors = [row for row in report.rows if row.contender not in (DEFAULT, *OWN_PARTS)]
    behind = _ahead_of_the_default(report, competitors)
    of_its_own = _ahead_of_the_default(report, [row for row in report.rows if row.contender in OWN_PARTS])
    detail = f"behind {_listed(behind)}; behind its own parts: {_listed(of_its_own)}"
    return Verdict("never significantly behind a competitor", not behind, detail) if competitors else None


def _ahead_of_the_default(report: AlgorithmsReport, rows: Sequence[Row]) -> list[str]:
    return [
        f"{row.contender} ({row.kind}, {row.space}, {budget:,})"
        for row in rows
        for budget, chance in zip(report.budgets, row.differences, strict=False)
        if 0 < chance <= ERROR_RATE
    ]


def _random_level(report: AlgorithmsReport) -> Verdict | None:
    most = LEVEL_WITHIN.get(report.num_workers)
    rows = _of_default(report)
    if most is None or not rows:
        return None
    reached = [f"{row.kind}, {row.space}: {'never' if row.reaches is None else f'{row.reaches:,}'}" for row in rows]
    is_reached = all(row.reaches is not None and row.reaches <= most for row in rows)
    return Verdict(
        f"what random has in the end within {most} trials of {report.num_workers} workers", is_reached, _listed(reached)
    )


def _ahead_of_rivals(report: AlgorithmsReport) -> Verdict | None:
    rows = [row for row in report.rows if row.contender in RIVALS]
    if RIVALS_AT not in report.budgets or {row.contender for row in rows} != set(RIVALS):
        return None
    ahead = {kind: _ahead(report, [row for row in rows if row.kind == kind]) for kind in _kinds(report)}
    reached = [kind for kind, won in ahead.items() if all(won)]
    counts = [f"{kind} {sum(won)} of {len(won)}" for kind, won in ahead.items()]
    return Verdict(
        f"significantly ahead of evolution and TPE at {RIVALS_AT} and their last budget on {LEAST_KINDS} kinds",
        len(reached) >= LEAST_KINDS,
        f"on {_listed(reached)}; comparisons: {_listed(counts)}",
    )


def _ahead(report: AlgorithmsReport, rows: Sequence[Row]) -> list[bool]:
    """Whether the default is significantly ahead, for each rival and budget."""
    return [
        -ERROR_RATE <= row.differences[place] <= 0
        for row in rows
        for place in sorted({report.budgets.index(RIVALS_AT), len(row.differences) - 1})
    ]


def _better_policy(report: AlgorithmsReport) -> Verdict | None:
    compared = [one for one in report.policies if one.budget in POLICY_AT]
    if not compared:
        return None
    gains = [f"{one.gain:+.2f} ({one.kind}, {one.space}, {one.budget:,}; p = {one.chance:.3f})" for one in compared]
    is_reached = all(one.gain > 0 and one.chance <= ERROR_RATE for one in compared)
    return Verdict(f"{POLICY} significantly ahead of {PAPERS}", is_reached, _listed(gains))


def _controller_time(report: AlgorithmsReport) -> Verdict | None:
    rows = _of_default(report)
    if not rows:
        return None
    times = [f"{row.milliseconds:.1f} ({row.kind}, {row.space})" for row in rows]
    is_reached = max(row.milliseconds for row in rows) <= MOST_MILLISECONDS
    return Verdict(f"at most {MOST_MILLISECONDS:.0f} ms of the controller a trial", is_reached, _listed(times))


_JUDGES: Sequence[Callable[[AlgorithmsReport], Verdict | None]] = (
    _never_behind,
    _random_level,
    _ahead_of_rivals,
    _better_policy,
    _controller_time,
)


def _of_default(report: AlgorithmsReport) -> list[Row]:
    return [row for row in report.rows if row.contender == DEFAULT]


def _kinds(report: AlgorithmsReport) -> list[str]:
    return list(dict.fromkeys(row.kind for row in report.rows))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
