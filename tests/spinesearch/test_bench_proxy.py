"""The proxy benchmark: a quick run end to end, its peers, its arithmetic."""

import json
from dataclasses import asdict, replace

import pytest
import torch
from rich.console import Console

from search_space.cost import cost
from search_space.plan import resolve
from search_space.reference import reference
from spinesearch.bench.proxy import (
    CONTENDERS,
    OURS,
    QUICK_EVAL_IMAGES,
    QUICK_STEPS,
    STOCK,
    TUNED,
    ContenderReport,
    Limits,
    Trial,
    contender_report,
    quick_task,
    ratio,
    run_proxy,
)
from spinesearch.bench.proxy_peers import CocoImages, anchors, detector, head, multiply_adds, settings
from spinesearch.bench.proxy_table import print_proxy
from trainer.data.dataset import coco_ground_truth
from trainer.data.generated import generate
from trainer.model.anchors import anchor_boxes, anchors_by_level
from trainer.task import PRESETS, DataSource, EvaluationRequest

SPEC = reference("spinenet-49")
TASK = quick_task(PRESETS["cpu-small"])
LIMITS = Limits(bare_step_seconds=0.1, bf16_flops=4e9, fp32_flops=1e9)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return generate(tmp_path_factory.mktemp("proxy") / "data", num_train=20, num_val=1, image_size=64)


def request(data: DataSource, threads: int = 1) -> EvaluationRequest:
    return EvaluationRequest(spec=SPEC, task=TASK, data=data, seed=0, threads=threads, device="cpu")


@pytest.mark.slow
def test_a_quick_run_compares_equal_networks(data: DataSource) -> None:
    report = run_proxy(name="spinenet-49", spec=SPEC, task=TASK, data=data, num_seeds=1, device="cpu", threads=1)
    assert tuple(contender.name for contender in report.contenders) == CONTENDERS
    counted = cost(resolve(SPEC, TASK.network(4))).multiply_adds
    assert [contender.multiply_adds for contender in report.contenders] == [counted] * 3
    for contender in report.contenders:
        assert 0 < contender.outside_seconds < contender.trial_seconds
        assert contender.eval_images_per_second > 0
        assert contender.peak_memory_bytes > 10**8  # a process that imported torch
        assert 0 < contender.peak_share < 1
    assert report.bare_seconds == pytest.approx(QUICK_STEPS * report.limits.bare_step_seconds)
    assert report.allowed_seconds == pytest.approx(1.1 * report.bare_seconds + 2)
    assert [(one.peer, one.target) for one in report.ratios] == [(STOCK, 2.0), (TUNED, 1.2)]
    assert asdict(report)["task"]["steps"] == QUICK_STEPS
    console = Console(record=True, width=200)
    print_proxy(report, console)
    text = console.export_text()
    assert f"{counted:,}" in text
    assert "ours against tuned" in text
    assert json.loads(json.dumps(asdict(report)))["contenders"][0]["name"] == OURS


def test_no_seed_is_refused(data: DataSource) -> None:
    with pytest.raises(ValueError, match="0 seeds: must be at least 1"):
        run_proxy(name="spinenet-49", spec=SPEC, task=TASK, data=data, num_seeds=0)


def trial(**changes: object) -> Trial:
    fields = {
        "contender": STOCK,
        "uses_bf16": False,
        "average_precision": 0.2,
        "multiply_adds": 1_000_000,
        "setup_seconds": 1.0,
        "train_seconds": 10.0,
        "eval_seconds": 2.0,
        "seconds": 13.5,
        "num_eval_images": 50,
        "peak_memory_bytes": 7,
    }
    return Trial(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_contender_is_the_median_of_its_trials() -> None:
    trials = [
        trial(average_precision=0.1),
        trial(average_precision=0.2, train_seconds=20.0, seconds=24.0, eval_seconds=5.0, peak_memory_bytes=9),
        trial(average_precision=0.3, train_seconds=90.0, seconds=99.0, eval_seconds=8.0),
    ]
    report = contender_report(trials, num_images=400, limits=LIMITS)
    assert report.train_images_per_second == 400 / 20
    assert report.eval_images_per_second == 50 / 5
    assert report.trial_seconds == 24
    assert report.outside_seconds == 4  # of 3.5, 4 and 9
    # 400 images of a million multiply-adds, two operations each, three passes: 2.4e9 in 20 s of 1e9 a second.
    assert report.peak_share == pytest.approx(2.4 / 20)
    assert report.peak_memory_bytes == 9
    assert report.mean == pytest.approx(0.2)
    assert report.standard_error == pytest.approx(0.1 / 3**0.5)
    rounded = contender_report([replace(one, uses_bf16=True) for one in trials], 400, LIMITS)
    assert rounded.peak_share == pytest.approx(2.4 / 20 / 4)
    assert contender_report(trials[:1], 400, LIMITS).standard_error == 0


def contender(name: str, mean: float = 0.2, error: float = 0.0, **changes: object) -> ContenderReport:
    report = contender_report([trial(contender=name)], 400, LIMITS)
    return replace(report, mean=mean, standard_error=error, **changes)  # type: ignore[arg-type]


def test_ratios_say_how_many_times_as_fast_ours_is() -> None:
    ours = contender(OURS, trial_seconds=5.0, train_images_per_second=30.0, eval_images_per_second=50.0)
    peer = contender(STOCK, trial_seconds=12.0, train_images_per_second=10.0, eval_images_per_second=100.0)
    found = ratio(ours, peer, target=2.0)
    assert (found.trial, found.training, found.evaluation) == (12 / 5, 3.0, 0.5)
    assert (found.peer, found.target, found.is_as_precise) == (STOCK, 2.0, True)


def test_precision_may_be_one_standard_error_below() -> None:
    # Errors of 0.03 and 0.04 make one of 0.05 on the difference.
    peer = contender(STOCK, mean=0.30, error=0.04)
    assert ratio(contender(OURS, mean=0.26, error=0.03), peer, 2.0).is_as_precise
    assert not ratio(contender(OURS, mean=0.24, error=0.03), peer, 2.0).is_as_precise


def test_another_network_is_refused() -> None:
    ours = contender(OURS)
    assert ratio(ours, contender(STOCK, multiply_adds=1_009_000), 2.0)
    with pytest.raises(ValueError, match="stock: 1,011,000 multiply-adds, where ours has 1,000,000"):
        ratio(ours, contender(STOCK, multiply_adds=1_011_000), 2.0)


def test_peers_have_our_backbone_and_our_anchors(data: DataSource) -> None:
    plan = resolve(SPEC, TASK.network(4))
    stock, tuned = (detector(plan, 3, settings(request(data), name)) for name in (STOCK, TUNED))
    for name, weights in stock.backbone.body.state_dict().items():
        assert torch.equal(weights, tuned.backbone.body.state_dict()[name])
    assert multiply_adds(stock, TASK.image_size, torch.device("cpu")) == cost(plan).multiply_adds
    assert tuned.backbone.body.stem.conv.weight.is_contiguous(memory_format=torch.channels_last)
    sides = sorted((box[2] - box[0]) * (box[3] - box[1]) for level in anchors(plan).cell_anchors for box in level)
    first, ours = 0, []
    for count in anchors_by_level(plan):
        box_9_4 = anchor_boxes(plan)[first : first + 9]
        ours.extend(((box_9_4[:, 2] - box_9_4[:, 0]) * (box_9_4[:, 3] - box_9_4[:, 1])).tolist())
        first += count
    # torchvision rounds the corners of its anchors to whole pixels.
    assert torch.tensor(sides).tolist() == pytest.approx(sorted(ours), rel=0.15)


def test_peers_read_what_ours_reads(data: DataSource) -> None:
    document = coco_ground_truth(data, "train")
    decoded, kept = (CocoImages(data.train, document, False, in_memory=in_memory) for in_memory in (False, True))
    assert len(decoded) == len(kept) == 16  # a fifth of twenty is held out
    for (pixels_CHW, target), (same_CHW, _) in ((decoded[n], kept[n]) for n in range(16)):
        assert torch.equal(pixels_CHW, same_CHW)
        assert pixels_CHW.shape == (3, 64, 64)
        assert 0 <= float(pixels_CHW.min()) < float(pixels_CHW.max()) <= 1
        assert len(target["boxes"]) == len(target["labels"])
    first = document["images"][0]["id"]
    expected = [a for a in document["annotations"] if a["image_id"] == first]
    x, y, width, height = expected[0]["bbox"]
    assert decoded[0][1]["boxes"][0].tolist() == [x, y, x + width, y + height]
    assert decoded[0][1]["labels"].tolist() == [a["category_id"] - 1 for a in expected]


def test_boxes_are_mirrored_with_their_image(data: DataSource) -> None:
    document = coco_ground_truth(data, "train")
    plain, random = (CocoImages(data.train, document, flip, in_memory=True) for flip in (False, True))
    torch.manual_seed(0)
    mirrored = 0
    for n in range(16):
        (pixels_CHW, target), (other_CHW, other) = plain[n], random[n]
        if not torch.equal(pixels_CHW, other_CHW):
            mirrored += 1
            assert torch.equal(pixels_CHW.flip(2), other_CHW)
            x0, y0, x1, y1 = target["boxes"][0].tolist()
            assert other["boxes"][0].tolist() == [64 - x1, y0, 64 - x0, y1]
    assert 0 < mirrored < 16


def test_a_head_that_torchvision_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="16 channels wide, as the pyramid"):
        head(resolve(SPEC, replace(TASK, head_channels=8).network(4)), 16)
    with pytest.raises(ValueError, match="head_convs 5: torchvision's head has at most 4"):
        head(resolve(SPEC, replace(TASK, head_convs=5).network(4)), 32)


def test_loaders_take_the_threads_that_are_left(data: DataSource) -> None:
    assert [settings(request(data, threads), STOCK).loader_workers for threads in (1, 2, 9)] == [0, 1, 4]
    assert settings(request(data, 2), TUNED).loader_workers == 0
    assert not settings(request(data), STOCK).on.uses_bf16


def test_a_quick_task_is_small() -> None:
    assert (TASK.steps, TASK.max_eval_images, TASK.batch_size) == (QUICK_STEPS, QUICK_EVAL_IMAGES, 2)
    assert quick_task(replace(PRESETS["paper"], measure_at=(0.5,))).measure_at == ()
