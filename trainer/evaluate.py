"""The front door of the trainer: `evaluate_architecture(request) -> Evaluation`.

Legend: B images of a batch, D detections, 7 = image id, x, y, width, height, score, category id.
"""

import platform
import time
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor

from search_space.cost import cost
from search_space.plan import resolve
from trainer.coco_eval import coco_scores
from trainer.data.dataset import coco_ground_truth, data_hash, load_split
from trainer.data.tensors import DetectionTensors
from trainer.device import ComputeDevice, choose_device, keep_freed_memory
from trainer.loop import normalised, train
from trainer.model.anchors import anchor_boxes, anchors_by_level
from trainer.model.detections import detect
from trainer.model.retinanet import RetinaNet, build_retinanet
from trainer.task import TRAINER_VERSION, Evaluation, EvaluationRequest, TrainingDiverged

EVAL_BATCH_SIZE = 16


def evaluate_architecture(request: EvaluationRequest) -> Evaluation:
    """Builds, trains and measures one architecture; the number of threads is restored afterwards.

    Raises:
        TaskError: a data set or a device that cannot be used.
        TrainingDiverged: the loss became infinite or not a number.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(request.threads)
    try:
        return _evaluate(request)
    finally:
        torch.set_num_threads(threads)


def _evaluate(request: EvaluationRequest) -> Evaluation:
    started = time.perf_counter()
    task, on = request.task, choose_device(request.device, request.task.precision)
    keep_freed_memory()
    train_images = load_split(request.data, "train", task.image_size)
    eval_images = load_split(request.data, request.split.value, task.image_size)
    plan = resolve(request.spec, task.network(train_images.num_classes))
    model = build_retinanet(plan, torch.Generator().manual_seed(request.seed))
    model = model.to(on.device).to(memory_format=torch.channels_last)
    anchors_A4 = anchor_boxes(plan).to(on.device)
    setup_seconds = time.perf_counter() - started
    training = train(model, anchors_A4, train_images, task, request.seed, on)
    eval_started = time.perf_counter()
    ground_truth = coco_ground_truth(request.data, request.split.value)
    num_images = min(eval_images.num_images, task.max_eval_images or eval_images.num_images)
    rows_D7 = detection_rows(model, anchors_A4, anchors_by_level(plan), eval_images, num_images, on)
    scores = coco_scores(_first_images(ground_truth, num_images), rows_D7)
    report = cost(plan)
    return Evaluation(
        average_precision=max(0.0, scores.metrics["ap"]),
        metrics={name: value for name, value in scores.metrics.items() if name != "ap"},
        class_average_precision=scores.class_average_precision,
        losses=training.losses,
        num_images=num_images,
        train_seconds=training.seconds,
        eval_seconds=time.perf_counter() - eval_started,
        setup_seconds=setup_seconds,
        parameters=report.parameters,
        multiply_adds=report.multiply_adds,
        peak_memory_bytes=on.peak_memory_bytes(),
        device=on.describe(),
        provenance=_provenance(request),
    )


def detection_rows(
    model: RetinaNet,
    anchors_A4: Tensor,
    level_anchors: tuple[int, ...],
    images: DetectionTensors,
    num_images: int,
    on: ComputeDevice,
) -> NDArray[np.float64]:
    """Detections (D, 7) on the first `num_images` images, in pixels of the original images.

    Raises:
        TrainingDiverged: a prediction is infinite or not a number.
    """
    model.eval()
    category_ids_K = torch.tensor(images.category_ids)
    rows = []
    with torch.inference_mode():
        for first in range(0, num_images, EVAL_BATCH_SIZE):
            part = slice(first, min(first + EVAL_BATCH_SIZE, num_images))
            with on.autocast():
                logits_BAK, deltas_BA4 = model(normalised(images.images_NCHW[part].to(on.device)))
            if not bool(torch.isfinite(logits_BAK).all() & torch.isfinite(deltas_BA4).all()):
                raise TrainingDiverged("a prediction is not finite after the last step")
            sizes_B2 = images.valid_sizes_N2[part].to(on.device)
            found = detect(logits_BAK, deltas_BA4, anchors_A4, level_anchors, sizes_B2)
            image_D, boxes_D4, scores_D, labels_D = (column.cpu() for column in found)
            boxes_D4 = boxes_D4 / images.scales_N2[part].flip(1).repeat(1, 2)[image_D]
            x0_D, y0_D, x1_D, y1_D = boxes_D4.unbind(1)
            ids_D, categories_D = images.image_ids_N[part][image_D], category_ids_K[labels_D]
            columns = [ids_D, x0_D, y0_D, x1_D - x0_D, y1_D - y0_D, scores_D, categories_D]
            rows.append(torch.stack([column.double() for column in columns], dim=1))
    return torch.cat(rows).numpy()


def _first_images(ground_truth: dict[str, Any], num_images: int) -> dict[str, Any]:
    """The document restricted to its first images."""
    images = ground_truth["images"][:num_images]
    kept = {image["id"] for image in images}
    annotations = [a for a in ground_truth["annotations"] if a["image_id"] in kept]
    return {**ground_truth, "images": images, "annotations": annotations}


def _provenance(request: EvaluationRequest) -> dict[str, str]:
    return {
        "data": data_hash(request.data),
        "trainer": str(TRAINER_VERSION),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "machine": platform.processor() or platform.machine(),
        "threads": str(request.threads),
    }
