"""A training that is cut and goes on ends as if it had not been."""

import logging
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from search_space.plan import resolve
from search_space.reference import REFERENCES
from tests.trainer.sessions import Interrupted, RecordingSession
from trainer.checkpoint import CheckpointError, pack, request_fingerprint, unpack
from trainer.device import choose_device
from trainer.evaluate import evaluate_architecture
from trainer.loop import Training, begin_training
from trainer.model.retinanet import build_retinanet
from trainer.task import DataSource, Evaluation, EvaluationRequest, ProxyTask, Split, TaskError, TimeLimitReached

TASK = ProxyTask(
    image_size=64,
    width_scale=0.125,
    endpoint_channels=8,
    head_channels=8,
    head_convs=1,
    steps=6,
    batch_size=4,
    learning_rate=4e-3,
    warmup_steps=2,
    scale_jitter=(0.8, 1.25),
    measure_at=(0.34, 0.67),
)


def requested(data: DataSource, task: ProxyTask = TASK, seed: int = 3) -> EvaluationRequest:
    return EvaluationRequest(spec=REFERENCES["spinenet-49"].spec, task=task, data=data, seed=seed, device="cpu")


def results(evaluation: Evaluation) -> tuple[Any, ...]:
    """What does not depend on the clock."""
    return evaluation.losses, evaluation.average_precision, evaluation.metrics, evaluation.class_average_precision


def cut_after(request: EvaluationRequest, step: int) -> bytes:
    """The checkpoint of a training that was cut after a step."""
    session = RecordingSession(cut_at=step)
    with pytest.raises(Interrupted):
        evaluate_architecture(request, session)
    return session.checkpoints[step]


@pytest.mark.parametrize(
    ("precision", "optimizer"),
    [
        ("fp32", "adamw"),
        ("bf16", "sgd"),
        pytest.param("fp32", "sgd", marks=pytest.mark.slow),
        pytest.param("bf16", "adamw", marks=pytest.mark.slow),
    ],
)
def test_a_training_that_was_cut_ends_as_if_it_was_not(small_data: DataSource, optimizer: str, precision: str) -> None:
    task = replace(TASK, optimizer=optimizer, precision=precision)
    request = requested(small_data, task)
    whole, resumed = RecordingSession(checkpoint_at=(6,)), RecordingSession(begins_with=cut_after(request, 3))
    uncut = evaluate_architecture(request, whole)
    assert results(evaluate_architecture(request, resumed)) == results(uncut)
    assert resumed.steps_seen == 3  # it began after the third of six steps
    assert [measurement.step for measurement in whole.measurements] == [2, 4]
    # The mean loss since the second step, of which one is from before the cut.
    assert [(one.step, one.loss) for one in resumed.measurements] == [
        (one.step, one.loss) for one in whole.measurements[1:]
    ]
    assert weights_of(resumed.checkpoints[6]) == weights_of(whole.checkpoints[6])


def weights_of(content: bytes) -> bytes:
    """The tensors' bytes, without the header, which has the seconds."""
    return content[8 + int.from_bytes(content[:8], "little") :]


def test_a_training_cut_before_its_measurement_goes_on_to_it(small_data: DataSource) -> None:
    request = requested(small_data)
    content = cut_after(request, 6)
    session = RecordingSession(begins_with=content)
    assert results(evaluate_architecture(request, session)) == results(evaluate_architecture(request))
    assert session.steps_seen == 0


def test_seconds_before_the_cut_count(small_data: DataSource) -> None:
    request = requested(small_data)
    training = new_training(request)
    training.step, training.seconds, training.measuring_seconds = 3, 100.0, 11.0
    session = RecordingSession(begins_with=pack(training, request_fingerprint(request)))
    evaluation = evaluate_architecture(request, session)
    assert session.measurements[0].seconds > 111
    assert evaluation.train_seconds > 100
    assert evaluation.eval_seconds > 11


def test_another_worker_with_other_threads_and_share_goes_on(small_data: DataSource) -> None:
    request = requested(small_data)
    elsewhere = replace(request, threads=4, device_share=0.25, device="auto")
    assert request_fingerprint(elsewhere) == request_fingerprint(request)
    assert request_fingerprint(replace(request, seed=4)) != request_fingerprint(request)
    for share in (0.0, -0.5, 1.5, float("nan")):
        with pytest.raises(TaskError, match="device_share"):
            replace(request, device_share=share)


def test_a_time_limit_counts_them_and_ends_an_evaluation_too(small_data: DataSource) -> None:
    request = requested(small_data)
    training = new_training(request)
    training.step, training.seconds = 6, 3600.0
    content = pack(training, request_fingerprint(request))
    with pytest.raises(TimeLimitReached, match=r"at step 6 of 6 after 36\d\d\.\d s; the limit is 1800 s"):
        evaluate_architecture(replace(request, time_limit_seconds=1800), RecordingSession(begins_with=content))
    assert evaluate_architecture(replace(request, time_limit_seconds=7200), RecordingSession(begins_with=content))


def test_a_checkpoint_of_another_request_is_refused_and_the_training_begins_at_the_beginning(
    small_data: DataSource, caplog: pytest.LogCaptureFixture
) -> None:
    content = cut_after(requested(small_data, seed=4), 3)
    session = RecordingSession(begins_with=content)
    with caplog.at_level(logging.WARNING):
        evaluation = evaluate_architecture(requested(small_data), session)
    assert "begins at its beginning: the checkpoint is of another request" in caplog.text
    assert session.steps_seen == 6
    assert results(evaluation) == results(evaluate_architecture(requested(small_data)))


def new_training(request: EvaluationRequest) -> Training:
    plan = resolve(request.spec, request.task.network(4))
    model = build_retinanet(plan, torch.Generator().manual_seed(request.seed))
    return begin_training(model, request.task, 16, choose_device("cpu", "fp32"))


def test_what_is_no_whole_checkpoint_is_refused(small_data: DataSource) -> None:
    request = requested(small_data)
    content, fingerprint = cut_after(request, 2), request_fingerprint(request)
    training = new_training(request)
    before = weights_of(pack(training, fingerprint))
    for broken in (b"", b"words" * 10, content[:50], content[:-1], content + b"x"):
        with pytest.raises(CheckpointError, match="not a whole checkpoint"):
            unpack(broken, training, fingerprint)
    smaller = new_training(replace(request, task=replace(TASK, endpoint_channels=4)))
    with pytest.raises(CheckpointError, match="does not fit the network"):
        unpack(content, smaller, fingerprint)
    assert weights_of(pack(training, fingerprint)) == before
    unpack(content, training, fingerprint)
    assert training.step == 2
    assert weights_of(pack(training, fingerprint)) == weights_of(content)


def test_a_fingerprint_is_of_what_decides_the_training(small_data: DataSource) -> None:
    request = requested(small_data)
    fingerprint = request_fingerprint(request)
    same = (replace(request, threads=2), replace(request, split=Split.VAL), replace(request, resume_from="x"))
    others = (
        replace(request, seed=5),
        replace(request, task=replace(TASK, learning_rate=5e-3)),
        replace(request, spec=REFERENCES["r0-sp53"].spec),
        replace(request, data=replace(small_data, split_seed=1)),
    )
    assert {request_fingerprint(one) for one in same} == {fingerprint}
    assert len({fingerprint, *(request_fingerprint(one) for one in others)}) == 5


_CHILD = """
import pickle, sys, time
from pathlib import Path
from trainer.evaluate import evaluate_architecture
from trainer.session import LoneSession

class Kept(LoneSession):
    def wants_checkpoint(self):
        return True
    def save_checkpoint(self, step, content):
        if step == 4:
            time.sleep(600)
        part = Path(sys.argv[2] + ".part")
        part.write_bytes(content)
        part.rename(f"{sys.argv[2]}.{step}")

evaluate_architecture(pickle.loads(Path(sys.argv[1]).read_bytes()), Kept())
"""


def test_a_worker_that_is_killed_loses_nothing_before_its_checkpoint(small_data: DataSource, tmp_path: Path) -> None:
    request = requested(small_data)
    (tmp_path / "request").write_bytes(pickle.dumps(request))
    last = tmp_path / "state.3"
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path / "request"), str(tmp_path / "state")],
        cwd=Path(__file__).parents[2],
    )
    try:
        deadline = time.monotonic() + 120
        while not last.exists() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert last.exists()
    finally:
        child.kill()
    assert child.wait() == -signal.SIGKILL
    session = RecordingSession(begins_with=last.read_bytes())
    assert results(evaluate_architecture(request, session)) == results(evaluate_architecture(request))
    assert session.steps_seen == 3
