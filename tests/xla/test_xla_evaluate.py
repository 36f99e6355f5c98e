"""The front door on XLA."""

from dataclasses import replace

import pytest

from tests.trainer.sessions import RecordingSession
from tests.xla.trainings import SMALL, TASK
from trainer.data.generated import generate
from trainer.device import choose_device
from trainer.evaluate import evaluate_architecture
from trainer.memory import available_bytes
from trainer.task import DataSource, EvaluationRequest, Split

LEARNING = replace(
    TASK, steps=100, batch_size=8, learning_rate=8e-3, warmup_steps=10, scale_jitter=(1.0, 1.0), measure_at=(0.5,)
)


@pytest.fixture(scope="module")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return generate(tmp_path_factory.mktemp("drawn") / "data", num_train=60, num_val=24, image_size=64)


def requested(data: DataSource, device: str) -> EvaluationRequest:
    return EvaluationRequest(spec=SMALL, task=LEARNING, data=data, seed=0, split=Split.VAL, device=device)


def test_the_evaluation_is_that_of_the_cpu_and_goes_on_from_a_checkpoint(drawn_data: DataSource) -> None:
    session = RecordingSession(checkpoint_at=(60,))
    own = evaluate_architecture(requested(drawn_data, "xla"), session)
    expected = evaluate_architecture(requested(drawn_data, "cpu"), RecordingSession(checkpoint_at=(60,)))
    # On the CPU alone, eight trainings whose first weights differed by 1e-6 had AP 0.135 to 0.163, with a deviation of
    # 0.010: rounding is enough for that. The difference of two such has 0.014; this is three and a half of it.
    assert own.average_precision == pytest.approx(expected.average_precision, abs=0.05)
    assert min(own.average_precision, expected.average_precision) > 0.1
    assert own.losses[0][1] == pytest.approx(expected.losses[0][1], rel=1e-5)
    assert own.losses[-1][1] < 0.6 * own.losses[0][1]
    assert (own.num_images, own.parameters, own.device) == (24, expected.parameters, "xla CPU (fp32)")
    assert own.peak_memory_bytes > 10**7
    assert [measurement.step for measurement in session.measurements] == [50]
    resumed = evaluate_architecture(
        requested(drawn_data, "xla"), RecordingSession(checkpoint_at=(60,), begins_with=session.checkpoints[60])
    )
    assert (resumed.losses, resumed.average_precision) == (own.losses, own.average_precision)


def test_the_plug_in_computes_in_the_memory_of_the_machine() -> None:
    on = choose_device("xla", "auto")
    assert on.describe() == "xla CPU (fp32)"  # bf16 by itself only on a TPU
    there = available_bytes(on)
    assert there is not None
    assert 2**20 < there < 2**50
