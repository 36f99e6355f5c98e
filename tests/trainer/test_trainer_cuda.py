"""Trainings on a GPU; skipped where there is none (`make test-gpu` runs them where there is one)."""

from dataclasses import replace

import pytest
import torch

from search_space.reference import REFERENCES
from tests.trainer.sessions import RecordingSession
from tests.trainer.test_trainer_checkpoint import cut_after, results
from trainer import recorded
from trainer.evaluate import evaluate_architecture
from trainer.recorded import WARM_UP_STEPS, RecordedStep, Step
from trainer.task import DataSource, Evaluation, EvaluationRequest, ProxyTask, TrainingDiverged, TrainingOutOfMemory

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

TASK = ProxyTask(
    image_size=64,
    width_scale=0.125,
    endpoint_channels=16,
    head_channels=16,
    head_convs=1,
    steps=30,
    batch_size=4,
    learning_rate=4e-3,
    warmup_steps=2,
    scale_jitter=(0.8, 1.25),
    measure_at=(0.5,),
)


def requested(data: DataSource, task: ProxyTask = TASK, **others: object) -> EvaluationRequest:
    request = EvaluationRequest(spec=REFERENCES["spinenet-49"].spec, task=task, data=data, seed=3, device="cuda")
    return replace(request, **others)  # type: ignore[arg-type]


def losses(evaluation: Evaluation) -> list[float]:
    return [loss for _, loss in evaluation.losses]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_recorded_steps_are_those_that_are_launched_one_by_one(
    small_data: DataSource, optimizer: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = requested(small_data, replace(TASK, optimizer=optimizer, precision=precision))
    played = evaluate_architecture(request)
    monkeypatch.setattr(recorded, "RecordedStep", unrecorded)
    assert results(evaluate_architecture(request)) == results(played)
    assert min(losses(played)[-5:]) < losses(played)[0]


@pytest.mark.parametrize("name", ["spinenet-49", "resnet-50-fpn", "eff-spinenet-d0", "r0-sp53"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_trainings_are_equal(small_data: DataSource, name: str, precision: str) -> None:
    request = requested(small_data, replace(TASK, precision=precision), spec=REFERENCES[name].spec)
    assert results(evaluate_architecture(request)) == results(evaluate_architecture(request))


def unrecorded(step: Step, device: torch.device) -> Step:
    rate = torch.zeros((), device=device)
    return lambda batch, learning_rate: step(batch, rate.fill_(learning_rate))


def test_a_step_changes_the_weights_once_also_when_it_is_recorded() -> None:
    device = torch.device("cuda")
    weights = torch.zeros(3, device=device)

    def step(batch: tuple[torch.Tensor, ...], learning_rate: float | torch.Tensor) -> torch.Tensor:
        weights.add_(batch[0] * learning_rate)
        return weights.sum()

    taken = RecordedStep(step, device)
    for number in range(1, WARM_UP_STEPS + 5):
        loss = taken((torch.full((3,), float(number), device=device),), 10.0 * number)
        expected = sum(10.0 * n * n for n in range(1, number + 1))
        assert weights.tolist() == [expected] * 3
        assert loss.item() == 3 * expected


def test_the_first_losses_are_those_of_a_cpu(small_data: DataSource) -> None:
    request = requested(small_data, replace(TASK, precision="fp32", measure_at=()))
    on_cpu = replace(request, device="cpu")
    assert losses(evaluate_architecture(request))[:3] == pytest.approx(
        losses(evaluate_architecture(on_cpu))[:3],
        rel=0.03,  # a GPU rounds factors to ten bits
    )


def test_a_training_that_was_cut_goes_on(small_data: DataSource) -> None:
    request = requested(small_data)
    resumed = evaluate_architecture(request, RecordingSession(begins_with=cut_after(request, 12)))
    assert results(resumed) == results(evaluate_architecture(request))


def test_a_training_that_explodes_is_seen(small_data: DataSource) -> None:
    wild = replace(TASK, learning_rate=10.0, warmup_steps=0, optimizer="sgd", clip_norm=None, measure_at=())
    with pytest.raises(TrainingDiverged):
        evaluate_architecture(requested(small_data, wild))


def test_a_share_of_the_device_is_kept_to(small_data: DataSource) -> None:
    large = replace(TASK, image_size=512, batch_size=64, width_scale=0.5)
    share = 1.3e9 / torch.cuda.get_device_properties(0).total_memory
    with pytest.raises(TrainingOutOfMemory):
        evaluate_architecture(requested(small_data, large, device_share=share))
    torch.cuda.set_per_process_memory_fraction(1.0)
