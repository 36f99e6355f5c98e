"""`bench dispatch`: what marks say, whose seconds the simulated clock counts, and that each contender runs."""

import io
import json
import time
from dataclasses import asdict
from itertools import pairwise

import pytest
from rich.console import Console

from nas_controller.dispatch.base import AttemptKey
from nas_controller.dispatch.simulated import VirtualClock
from search_space.reference import reference
from search_space.spaces import find_space
from spinesearch.bench.dispatch import (
    OURS,
    TUNE,
    DispatchReport,
    Mark,
    contender_report,
    marked_at,
    measure_optuna,
    run_dispatch,
)
from spinesearch.bench.dispatch_ours import ChargedDispatcher, busy_share, measure_busy_share, measure_resume
from spinesearch.bench.dispatch_peers import numbers_of_options
from spinesearch.bench.dispatch_table import print_dispatch
from tests.nas_controller.test_search_loop import NOWHERE
from trainer.task import PRESETS, DataSource, EvaluationRequest

REQUEST = EvaluationRequest(
    spec=reference("spinenet-49"),
    task=PRESETS["cpu-tiny"],
    data=DataSource(train=NOWHERE, val=NOWHERE),
    seed=1,
)


def growing(num_trials: int, milliseconds: float, bytes_a_trial: int) -> list[Mark]:
    """Marks of a contender that costs the same at every trial, and whose first tenth also loads 1 MB of libraries."""
    return [
        Mark(n, n * milliseconds / 1000, 50_000_000 + (1_000_000 if n else 0) + n * bytes_a_trial)
        for n in marked_at(num_trials)
    ]


def test_a_trial_costs_what_all_cost_by_their_number() -> None:
    report = contender_report(OURS, growing(1000, milliseconds=4.0, bytes_a_trial=300))
    assert report.num_trials == 1000
    assert (report.milliseconds, report.first_milliseconds, report.last_milliseconds) == pytest.approx((4.0, 4.0, 4.0))
    assert report.bytes_a_trial == pytest.approx(300)  # the first tenth's libraries are not a trial's


def test_a_contender_that_slows_down_is_seen_in_its_last_tenth() -> None:
    marks = [Mark(n, (n / 100) ** 2, 0) for n in marked_at(1000)]
    report = contender_report(OURS, marks)
    assert report.first_milliseconds == pytest.approx(10.0)  # 1 s for the first hundred
    assert report.last_milliseconds == pytest.approx(190.0)  # 10 ** 2 - 9 ** 2 s for the last


def test_workers_that_never_wait_are_busy_all_the_time() -> None:
    assert busy_share([0, 1, 10, 11, 20, 21], 2, 10.0) == 1.0
    assert busy_share([0, 0, 20, 20], 2, 10.0) == 0.5


def test_the_simulated_clock_counts_the_seconds_of_the_caller() -> None:
    clock = VirtualClock()
    dispatcher = ChargedDispatcher(2, 10.0, clock)
    time.sleep(0.05)
    dispatcher.submit("worker-1", AttemptKey("a", 1), REQUEST)
    time.sleep(0.05)
    dispatcher.submit("worker-2", AttemptKey("b", 1), REQUEST)
    first, second = dispatcher.started
    assert first >= 0.05
    assert first + 0.05 <= second
    assert [outcome.key.job_id for outcome in dispatcher.wait(60)] == ["a"]
    assert clock.seconds >= first + 10


def test_simulated_workers_are_busy_for_a_part_of_the_time() -> None:
    assert 0.5 < measure_busy_share(4, 10.0, 5) <= 1.0


def test_a_search_that_was_cut_off_goes_on() -> None:
    assert measure_resume(60) > 0.0  # more than a snapshot's 50 tells


def test_peers_take_as_many_decisions_as_ours() -> None:
    options = numbers_of_options(find_space("spinenet-49"))
    assert len(options) > 50
    assert all(count >= 1 for count in options)


def test_optuna_is_marked_at_the_start_and_after_each_tenth() -> None:
    marks = measure_optuna(10)
    assert [mark.num_trials for mark in marks] == list(range(11))
    assert all(earlier.seconds < later.seconds for earlier, later in pairwise(marks))


def test_the_table_says_what_was_missed() -> None:
    ours, tune = (contender_report(n, growing(100, ms, 100)) for n, ms in ((OURS, 20.0), (TUNE, 40.0)))
    report = DispatchReport(
        contenders=(ours, tune),
        busy_workers=200,
        busy_trial_seconds=10.0,
        busy_share=0.99,
        resume_seconds={1000: 0.256},
    )
    output = io.StringIO()
    print_dispatch(report, Console(file=output, width=160))
    text = output.getvalue()
    assert "10 ms (missed)" in text
    assert "5,000 bytes a trial (reached)" in text
    assert "2.0 times" in text
    assert "99.00% of the time (target: 98%: reached)" in text
    assert "after 1,000 trials goes on after 0.26 s" in text


@pytest.mark.slow
def test_all_contenders_run_to_their_end() -> None:
    report = run_dispatch(quick=True)
    assert [one.num_trials for one in report.contenders] == [200, 20, 20]
    assert all(one.milliseconds > 0 for one in report.contenders)
    assert json.loads(json.dumps(asdict(report)))["busy_workers"] == 200
