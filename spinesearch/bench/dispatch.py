"""What a trial costs beside its training: ours against Ray Tune and against Optuna, in one run.

Ours runs no-op trials through everything that a real one goes through: controller, ledger on SQLite, Ray and back. Ray
Tune runs as many decisions by its own random search on reused actors. Optuna only asks and tells them on SQLite: it has
no workers. Each contender has a process of its own; memory is that of this process, without its workers.

Two more figures, with simulated workers: what share of the time many of them are busy with short trials, on a clock
that the controller's real seconds are added to; and how long a controller takes to take up a search that was cut off.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.progress import Progress

from spinesearch.bench.proxy import in_fresh_process

OURS, TUNE, OPTUNA = "ours", "Ray Tune, reused actors", "Optuna, ask and tell only"
NUM_TRIALS, NUM_TUNE_TRIALS, NUM_OPTUNA_TRIALS = 10_000, 500, 300
QUICK_TRIALS, QUICK_PEER_TRIALS = 200, 20
NUM_PARTS = 10
NUM_WORKERS = 2
RESUMED_TRIALS, QUICK_RESUMED_TRIALS = (1_000, 10_000), (100,)
BUSY_WORKERS, BUSY_TRIAL_SECONDS, BUSY_TRIALS_OF_A_WORKER = 200, 10.0, 10
TARGET_MILLISECONDS, TARGET_BYTES, TARGET_BUSY_SHARE = 10.0, 5_000.0, 0.98


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a contender had come: trials, seconds since the first one began, bytes of its process."""

    num_trials: int
    seconds: float
    resident_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContenderReport:
    """What a trial costs.

    Args:
        milliseconds: of wall time a trial, over all of them.
        first_milliseconds, last_milliseconds: over the first and the last tenth.
        bytes_a_trial: by which the process grows with each trial: the slope over all tenths but the first.
    """

    name: str
    num_trials: int
    milliseconds: float
    first_milliseconds: float
    last_milliseconds: float
    bytes_a_trial: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchReport:
    """What was measured.

    Args:
        busy_share: of the time of `BUSY_WORKERS` simulated workers, from the start of the first trial to that of the
            last.
        resume_seconds: until a search that was cut off after so many trials can ask for the next; workers start beside.
    """

    contenders: tuple[ContenderReport, ...]
    busy_workers: int
    busy_trial_seconds: float
    busy_share: float
    resume_seconds: dict[int, float]


def run_dispatch(
    *, num_trials: int | None = None, quick: bool = False, console: Console | None = None
) -> DispatchReport:
    """Runs the contenders one after another, then the simulated workers.

    Args:
        num_trials: of ours.
        console: where progress is shown; None for nowhere.
    """
    num_trials = num_trials or (QUICK_TRIALS if quick else NUM_TRIALS)
    peers = (QUICK_PEER_TRIALS, QUICK_PEER_TRIALS) if quick else (NUM_TUNE_TRIALS, NUM_OPTUNA_TRIALS)
    work = ((OURS, measure_ours, num_trials), (TUNE, measure_tune, peers[0]), (OPTUNA, measure_optuna, peers[1]))
    resumed = QUICK_RESUMED_TRIALS if quick else RESUMED_TRIALS
    contenders, resume_seconds = [], {}
    with Progress(console=console or Console(quiet=True)) as progress:
        bar = progress.add_task("dispatching", total=len(work) + 1 + len(resumed))
        for name, measure, number in work:
            contenders.append(contender_report(name, in_fresh_process(measure, number)))
            progress.advance(bar)
        busy_share = in_fresh_process(measure_busy_share, 2 if quick else BUSY_TRIALS_OF_A_WORKER)
        progress.advance(bar)
        for number in resumed:
            resume_seconds[number] = in_fresh_process(measure_resume, number)
            progress.advance(bar)
    return DispatchReport(
        contenders=tuple(contenders),
        busy_workers=BUSY_WORKERS,
        busy_trial_seconds=BUSY_TRIAL_SECONDS,
        busy_share=busy_share,
        resume_seconds=resume_seconds,
    )


def measure_ours(num_trials: int) -> list[Mark]:
    """Marks of ours, in this process."""
    from spinesearch.bench import dispatch_ours

    return dispatch_ours.measure(num_trials)


def measure_tune(num_trials: int) -> list[Mark]:
    """Marks of Ray Tune, in this process."""
    from spinesearch.bench import dispatch_peers

    return dispatch_peers.measure_tune(num_trials)


def measure_optuna(num_trials: int) -> list[Mark]:
    """Marks of Optuna, in this process."""
    from spinesearch.bench import dispatch_peers

    return dispatch_peers.measure_optuna(num_trials)


def measure_busy_share(trials_of_a_worker: int) -> float:
    """The share of busy time of the simulated workers, in this process."""
    from spinesearch.bench import dispatch_ours

    return dispatch_ours.measure_busy_share(BUSY_WORKERS, BUSY_TRIAL_SECONDS, trials_of_a_worker)


def measure_resume(num_trials: int) -> float:
    """Seconds to go on after so many trials, in this process."""
    from spinesearch.bench import dispatch_ours

    return dispatch_ours.measure_resume(num_trials)


def marked_at(num_trials: int) -> tuple[int, ...]:
    """After how many trials a contender notes how far it is: at the start, and after each tenth.

    >>> marked_at(20)
    (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20)
    """
    return tuple(num_trials * part // NUM_PARTS for part in range(NUM_PARTS + 1))


def contender_report(name: str, marks: Sequence[Mark]) -> ContenderReport:
    """What marks at the start and after each tenth say."""
    grown = np.polyfit([mark.num_trials for mark in marks[1:]], [mark.resident_bytes for mark in marks[1:]], 1)
    return ContenderReport(
        name=name,
        num_trials=marks[-1].num_trials,
        milliseconds=_milliseconds(marks[0], marks[-1]),
        first_milliseconds=_milliseconds(marks[0], marks[1]),
        last_milliseconds=_milliseconds(marks[-2], marks[-1]),
        bytes_a_trial=float(grown[0]),
    )


def _milliseconds(earlier: Mark, later: Mark) -> float:
    return 1000 * (later.seconds - earlier.seconds) / (later.num_trials - earlier.num_trials)
