"""A search that is killed again and again is, to the last bit, the search that nobody disturbed."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from nas_controller.records import Trial
from nas_controller.replay import replay
from nas_controller.snapshots import state_sha256
from nas_controller.store.open import open_store
from tests.chaos.oracle import check_search
from tests.chaos.searching import REACHED, SEARCH, Scenario, run

ALGORITHMS = ("random", "reinforce")


@pytest.mark.parametrize(
    ("algorithm", "workers", "kills", "trials"),
    [
        ("reinforce", 8, 3, 10),
        *(pytest.param(name, workers, 60, 60, marks=pytest.mark.chaos) for name in ALGORITHMS for workers in (1, 8)),
    ],
)
def test_a_search_in_scripted_order_is_the_same_however_often_it_is_killed(
    algorithm: str, workers: int, kills: int, trials: int, tmp_path: Path
) -> None:
    undisturbed = Scenario(folder=tmp_path / "undisturbed", algorithm=algorithm, workers=workers, trials=trials)
    undisturbed.create()
    assert run(undisturbed) == 0
    check_search(undisturbed)
    killed = replace(undisturbed, folder=tmp_path / "killed")
    killed.create()
    reached: dict[str, int] = json.loads((undisturbed.folder / REACHED).read_text())
    frequent = sorted(point for point, times in reached.items() if times >= kills)  # others come at its end only
    random = Random(f"{algorithm} {workers}")
    num_killed = 0
    while num_killed < kills:
        point = random.choice(frequent)
        code = run(killed, deadly=point, nth=random.randint(1, max(1, reached[point] // kills)))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        num_killed += 1
    assert num_killed >= kills // 2
    assert run(killed) == 0
    check_search(killed)
    assert what_remains(killed) == what_remains(undisturbed)


def test_a_result_that_was_kept_is_told_before_the_next_trial_is_asked_for(tmp_path: Path) -> None:
    undisturbed = Scenario(folder=tmp_path / "undisturbed", trials=8)
    undisturbed.create()
    assert run(undisturbed) == 0
    killed = replace(undisturbed, folder=tmp_path / "killed")
    killed.create()
    assert run(killed, deadly="before store.complete_attempt", nth=3) == -signal.SIGKILL
    assert run(killed) == 0
    assert what_remains(killed) == what_remains(undisturbed)


def what_remains(scenario: Scenario) -> tuple[str, list[Trial]]:
    """The digest of the algorithm's state, and the table of trials but for times."""
    store = open_store(scenario.url)
    algorithm = scenario.new_algorithm()
    replay(store, SEARCH, algorithm)
    trials = store.list_trials(SEARCH, 1_000_000)
    store.close()
    epoch = trials[0].created_at
    times = {"created_at": epoch, "started_at": None, "finished_at": None}
    return state_sha256(algorithm.state_dict()), [replace(trial, **times) for trial in trials]  # type: ignore[arg-type]
