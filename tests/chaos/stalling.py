"""An evaluator in which one worker stands still: that of the first attempt of all. Files beside the artifacts say what
others have to wait for.
"""

import os
import signal
import time
from pathlib import Path

from tests.nas_controller.test_search_loop_progress import trained
from trainer.session import TrainingSession
from trainer.task import Evaluation, EvaluationRequest, Split

STANDS_STILL = "stands still.txt"
"""The process that does, and the name of its architecture."""
HOLD_NEXT = "hold the next attempt.txt"
"""While it is there, another attempt at that architecture does not end."""
HOLD_VAL = "hold val.txt"
"""While it is there, no measurement on val ends."""
PATIENCE_SECONDS = 120.0


def evaluate(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
    """What every worker of a `Scenario` gives, in its time."""
    assert request.artifact_dir is not None
    folder, name = request.artifact_dir.parent, request.spec.name
    if request.split is Split.VAL:
        _wait_while(folder / HOLD_VAL)
    elif _is_first(folder / STANDS_STILL, name):
        os.kill(os.getpid(), signal.SIGSTOP)
    elif (folder / STANDS_STILL).read_text().endswith(f" {name}"):
        _wait_while(folder / HOLD_NEXT)
    return trained(request, session)


def _is_first(path: Path, name: str) -> bool:
    """Whether nobody was here before; now somebody was."""
    try:
        with path.open("x") as file:
            file.write(f"{os.getpid()} {name}")
    except FileExistsError:
        return False
    return True


def _wait_while(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path.name} is still there")
        time.sleep(0.05)
