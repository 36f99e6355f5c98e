"""The training loop on a few drawn images."""

import dataclasses
import math
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from search_space.plan import resolve
from search_space.reference import REFERENCES
from tests.trainer.architectures import ARCHITECTURES
from trainer.data.tensors import DetectionTensors
from trainer.device import ComputeDevice, computes_bf16
from trainer.evaluate import detection_rows
from trainer.flat import flattened
from trainer.loop import (
    Deadline,
    Training,
    batches,
    begin_training,
    image_order,
    largest_healthy_loss,
    learning_rate_factor,
    loss_points,
    make_optimizer,
    measured_steps,
    num_steps,
    require_healthy,
    train,
    train_steps,
)
from trainer.model.anchors import anchor_boxes, anchors_by_level
from trainer.model.retinanet import RetinaNet, build_retinanet
from trainer.task import ProxyTask, TimeLimitReached, TrainingDiverged

SIZE = 64
CPU = ComputeDevice(torch.device("cpu"), uses_bf16=False)
TASK = ProxyTask(
    image_size=SIZE,
    width_scale=0.125,
    endpoint_channels=16,
    head_channels=16,
    head_convs=1,
    steps=3,
    batch_size=2,
    learning_rate=4e-3,
    warmup_steps=2,
    precision="fp32",
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def drawn_images(num_images: int = 4) -> DetectionTensors:
    """A red square on gray in each image, a blue one in every second; the last image has a crowd region too."""
    images_NCHW = torch.full((num_images, 3, SIZE, SIZE), 120, dtype=torch.uint8)
    boxes_NM4 = torch.zeros(num_images, 3, 4)
    labels_NM = torch.full((num_images, 3), -1)
    crowd_NM = torch.zeros(num_images, 3, dtype=torch.bool)
    for n in range(num_images):
        for label in range(1 + n % 2):
            x, y = 4 + 3 * n + 30 * label, 30 - 5 * n + 20 * label
            images_NCHW[n, :, y : y + 24, x : x + 24] = torch.tensor([[220, 20, 20], [20, 20, 220]][label])[
                :, None, None
            ].byte()
            boxes_NM4[n, label] = torch.tensor([x, y, x + 24, y + 24])
            labels_NM[n, label] = label
    boxes_NM4[-1, 2] = torch.tensor([0.0, 0, 20, 20])
    labels_NM[-1, 2] = 0
    crowd_NM[-1, 2] = True
    return DetectionTensors(
        images_NCHW=images_NCHW,
        boxes_NM4=boxes_NM4,
        labels_NM=labels_NM,
        crowd_NM=crowd_NM,
        valid_sizes_N2=torch.full((num_images, 2), SIZE),
        scales_N2=torch.full((num_images, 2), 0.5),
        image_ids_N=torch.arange(num_images) + 10,
        category_ids=(3, 8),
        category_names=("red", "blue"),
    )


def trained(task: ProxyTask, images: DetectionTensors, seed: int = 0) -> tuple[RetinaNet, Tensor, Training]:
    plan = resolve(REFERENCES["spinenet-49"].spec, task.network(2))
    model = build_retinanet(plan, torch.Generator().manual_seed(seed)).to(memory_format=torch.channels_last)
    anchors_A4 = anchor_boxes(plan)
    return model, anchors_A4, train(model, anchors_A4, images, task, seed, CPU)


def test_four_images_are_learned_by_heart() -> None:
    task = dataclasses.replace(TASK, steps=60, batch_size=4, flip=False)
    images = drawn_images()
    model, anchors_A4, training = trained(task, images)
    first, last = training.losses[0][1], training.losses[-1][1]
    assert last < 0.35 * first
    plan = resolve(REFERENCES["spinenet-49"].spec, task.network(2))
    rows_D7 = detection_rows(model, anchors_A4, anchors_by_level(plan), images, 4, CPU)
    # The best detection of each image lies on its red square, in pixels of the original (twice as large).
    for n in range(4):
        best = max((row for row in rows_D7.tolist() if row[0] == 10 + n), key=lambda row: row[5])
        assert best[6] in (3, 8)
        label = (3, 8).index(best[6])
        x0, y0, x1, y1 = (images.boxes_NM4[n, label] * 2).tolist()
        assert best[1:5] == pytest.approx([x0, y0, x1 - x0, y1 - y0], abs=14)


def test_two_runs_are_equal_whatever_the_process_random_state() -> None:
    images = drawn_images()
    task = dataclasses.replace(TASK, scale_jitter=(0.8, 1.2))
    torch.manual_seed(1)
    first, _, first_training = trained(task, images, seed=4)
    torch.manual_seed(2)
    second, _, second_training = trained(task, images, seed=4)
    assert first_training.losses == second_training.losses
    weights, again = first.state_dict(), second.state_dict()
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert trained(task, images, seed=5)[2].losses != first_training.losses


def test_a_process_random_state_is_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    trained(TASK, drawn_images())
    assert torch.equal(torch.get_rng_state(), before)


def test_images_without_objects_train() -> None:
    images = dataclasses.replace(drawn_images(), labels_NM=torch.full((4, 3), -1))
    _, _, training = trained(TASK, images)
    assert all(math.isfinite(loss) for _, loss in training.losses)


def test_divergence_names_step_and_loss() -> None:
    losses_S = torch.tensor([1.0] * 6 + [math.nan, 2000.0])
    require_healthy(losses_S, -4, 6, 100.0)
    with pytest.raises(TrainingDiverged, match=r"became nan at step 7$"):
        require_healthy(losses_S, 5, 8, 100.0)
    with pytest.raises(TrainingDiverged, match="became 2000 at step 8; a training that learns stays below 100"):
        require_healthy(losses_S, 7, 8, 100.0)
    plan = resolve(REFERENCES["spinenet-49"].spec, TASK.network(2))
    model = build_retinanet(plan, torch.Generator().manual_seed(0))
    torch.nn.init.constant_(model.backbone.stem.conv.weight, math.inf)
    with pytest.raises(TrainingDiverged, match=r"step 1$"):
        train(model, anchor_boxes(plan), drawn_images(), TASK, 0, CPU)


def test_the_healthy_bound_is_far_above_an_untrained_network_on_any_batch() -> None:
    plan = resolve(REFERENCES["spinenet-49"].spec, TASK.network(2))
    num_logits = 4 * len(anchor_boxes(plan)) * 2
    largest = largest_healthy_loss(num_logits)
    with_objects = dataclasses.replace(TASK, batch_size=4, steps=1)
    without = dataclasses.replace(drawn_images(), labels_NM=torch.full((4, 3), -1))
    for images in (drawn_images(), without):
        _, _, training = trained(with_objects, images)
        assert training.losses[0][1] < largest / 30


@pytest.mark.parametrize(
    ("optimizer", "learning_rate", "clip_norm"), [("adamw", 10.0, 10.0), ("adamw", 10.0, None), ("sgd", 10.0, None)]
)
def test_an_exploding_training_stops_within_a_few_steps(
    optimizer: str, learning_rate: float, clip_norm: float | None
) -> None:
    # About a thousand times the learning rate that learns.
    task = dataclasses.replace(
        TASK, steps=60, batch_size=4, optimizer=optimizer, learning_rate=learning_rate, clip_norm=clip_norm
    )
    plan = resolve(REFERENCES["spinenet-49"].spec, task.network(2))
    model = build_retinanet(plan, torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    training = begin_training(model, task, 4, CPU)
    with pytest.raises(TrainingDiverged, match=r"a training that learns stays below|became (nan|inf)"):
        list(train_steps(training, anchor_boxes(plan), drawn_images(), task, 0, CPU))
    assert training.step <= 20


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_training_that_learns_too_fast_but_learns_is_not_stopped(optimizer: str) -> None:
    task = dataclasses.replace(TASK, steps=40, batch_size=4, optimizer=optimizer, learning_rate=0.1)
    _, anchors_A4, training = trained(task, drawn_images())
    assert float(training.losses_S[-5:].mean()) < float(training.losses_S[0])
    assert float(training.losses_S.max()) < largest_healthy_loss(4 * len(anchors_A4) * 2) / 20


def test_steps_that_are_taken_one_by_one_are_those_of_a_whole_training() -> None:
    plan = resolve(REFERENCES["spinenet-49"].spec, TASK.network(2))
    model = build_retinanet(plan, torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    training = begin_training(model, TASK, 4, CPU)
    for expected in (1, 2, 3):  # three generators, one step each
        done = next(train_steps(training, anchor_boxes(plan), drawn_images(), TASK, 0, CPU))
        assert done == expected == training.step
    assert training.losses == trained(TASK, drawn_images())[2].losses
    assert list(train_steps(training, anchor_boxes(plan), drawn_images(), TASK, 0, CPU)) == []


def test_measured_steps_are_the_nearest_but_the_last() -> None:
    task = dataclasses.replace(TASK, measure_at=(0.001, 0.25, 0.26, 0.5, 0.999))
    # Of 10 steps: 0, 2.5, 2.6, 5, 9.99; the half goes to the even step.
    assert measured_steps(task, 10) == (2, 3, 5)
    assert measured_steps(task, 1) == ()
    assert measured_steps(TASK, 10) == ()


def test_a_deadline_counts_from_the_start() -> None:
    plan = resolve(REFERENCES["spinenet-49"].spec, TASK.network(2))
    model = build_retinanet(plan, torch.Generator().manual_seed(0))
    training = begin_training(model, TASK, 4, CPU)
    now = time.perf_counter()
    Deadline(training, None, now - 1e6).check()
    Deadline(training, 1e3, now - 10).check()
    with pytest.raises(TimeLimitReached, match=r"at step 0 of 3 after 2\d\.\d s; the limit is 20 s"):
        Deadline(training, 20.0, now - 21).check()


def test_bf16_and_sgd_train() -> None:
    task = dataclasses.replace(TASK, optimizer="sgd", learning_rate=0.01, schedule="step")
    plan = resolve(REFERENCES["r0-sp53"].spec, task.network(2))
    model = build_retinanet(plan, torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    on = ComputeDevice(torch.device("cpu"), uses_bf16=True)
    training = train(model, anchor_boxes(plan), drawn_images(), task, 0, on)
    assert all(math.isfinite(loss) for _, loss in training.losses)


def test_weighted_fusion_is_trained() -> None:
    plan = resolve(ARCHITECTURES["mobile-space-to-depth"], TASK.network(2))
    model = build_retinanet(plan, torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    training = train(model, anchor_boxes(plan), drawn_images(), TASK, 0, CPU)
    assert all(math.isfinite(loss) for _, loss in training.losses)
    fusion = {name: weights for name, weights in model.named_parameters() if name.endswith(".fusion")}
    assert len(fusion) == 16  # every block after the stem
    assert all(bool((weights != 1).all()) for weights in fusion.values())


def test_steps_and_epochs() -> None:
    assert num_steps(TASK, 1000) == 3
    # 2.5 passes over 100 images in batches of 8: 31.25 steps.
    epochs = dataclasses.replace(TASK, steps=None, epochs=2.5, batch_size=8)
    assert num_steps(epochs, 100) == 31
    assert num_steps(dataclasses.replace(epochs, epochs=0.01), 100) == 1


def test_learning_rate_schedules() -> None:
    cosine = [learning_rate_factor(TASK, step, 12) for step in range(12)]
    assert cosine[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert cosine[7] == pytest.approx(0.5)  # half of the ten steps after the warm-up
    assert all(after < before for before, after in pairwise(cosine[2:]))
    stepped = dataclasses.replace(TASK, schedule="step", warmup_steps=0)
    assert [learning_rate_factor(stepped, step, 9) for step in (0, 5, 6, 7, 8)] == [1.0, 1.0, 0.1, 0.1, 0.01]


def test_every_image_comes_once_in_a_pass() -> None:
    order_SB = image_order(num_images=10, batch_size=4, steps=5, seed=0)
    assert order_SB.shape == (5, 4)
    assert sorted(order_SB.flatten()[:10].tolist()) == list(range(10))
    assert sorted(order_SB.flatten()[10:].tolist()) == list(range(10))
    # A batch larger than the data set repeats images.
    assert image_order(num_images=3, batch_size=8, steps=1, seed=0).shape == (1, 8)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    seed = 2**62 + 7  # as large as a seed may be that comes out of a hash
    short = list(batches(drawn_images(), TASK, 2, seed, CPU))
    long = list(batches(drawn_images(), TASK, 4, seed, CPU))
    for one, other in zip(short, long, strict=False):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_flat_parameters_train_like_separate_ones() -> None:
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 2, 1)))
    decayed = [p for p in models[1].parameters() if p.ndim > 1]
    others = [p for p in models[1].parameters() if p.ndim <= 1]
    separate = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=TASK.learning_rate
    )
    optimizers = [make_optimizer(models[0], dataclasses.replace(TASK, weight_decay=0.1)), separate]
    images_BCHW = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad(set_to_none=False)
            model(images_BCHW).square().mean().backward()
            optimizer.step()
    weights, same = models[0][3].weight, models[1][3].weight
    torch.testing.assert_close(weights, same, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(models[0][1].weight, models[1][1].weight, rtol=1e-4, atol=1e-5)


def test_flattened_keeps_values_and_shares_memory() -> None:
    weights = torch.nn.Parameter(torch.arange(24.0).reshape(2, 3, 2, 2))
    bias = torch.nn.Parameter(torch.tensor([5.0, 6.0]))
    flat = flattened([weights, bias])
    assert torch.equal(weights.detach(), torch.arange(24.0).reshape(2, 3, 2, 2))
    assert flat.grad is not None
    (weights.square().sum() + 3 * bias.sum()).backward()  # type: ignore[no-untyped-call]
    assert flat.grad[-2:].tolist() == [3.0, 3.0]
    assert weights.grad is not None
    assert torch.equal(weights.grad, 2 * weights.detach())
    flat.data.zero_()
    assert not weights.any()
    assert not bias.any()


def test_loss_points_are_at_most_100_means() -> None:
    assert loss_points(torch.tensor([1.0, 3.0])) == ((1, 1.0), (2, 3.0))
    points = loss_points(torch.arange(250.0))
    # Three steps a point: 0, 1, 2 have mean 1; the 84th point is step 249 alone.
    assert points[0] == (3, 1.0)
    assert points[-1] == (250, 249.0)
    assert len(points) == 84


@pytest.mark.skipif(not computes_bf16(torch.device("cpu")), reason="this CPU has no bfloat16")
@pytest.mark.parametrize("name", ["spinenet-49", "mobile-depthwise", "mobile-space-to-depth"])
def test_bf16_training_is_deterministic_where_features_are_one_pixel(name: str) -> None:
    # At 64 pixels level 6 has one, and the way down to level 7 is a stride-2 convolution on it.
    plan = resolve(ARCHITECTURES[name], TASK.network(2))
    on = ComputeDevice(torch.device("cpu"), uses_bf16=True)
    losses = set()
    for junk_value in (1e4, math.nan, 0.0, math.nan):
        junk = [torch.full((2**power,), junk_value) for power in range(3, 20) for _ in range(8)]
        del junk  # what the next training allocates is not zero
        model = build_retinanet(plan, torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
        losses.add(train(model, anchor_boxes(plan), drawn_images(), TASK, 0, on).losses)
    assert len(losses) == 1
