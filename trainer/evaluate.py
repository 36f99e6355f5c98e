"""The front door of the trainer: `evaluate_architecture(request) -> Evaluation`.

Legend: B images of a batch, D detections, 7 = image id, x, y, width, height, score, category id.
"""

import logging
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor

from search_space.cost import cost
from search_space.plan import NetworkPlan, resolve
from trainer.checkpoint import CheckpointError, pack, request_fingerprint, unpack
from trainer.coco_eval import CocoScores, coco_scores
from trainer.data.dataset import coco_ground_truth, data_hash, load_split
from trainer.data.pixels import ENCODINGS
from trainer.data.shown import MIN_SCORE, shown_pictures
from trainer.data.tensors import DetectionTensors, pixel_batches
from trainer.device import ComputeDevice, choose_device, keep_freed_memory, repeatable_convolutions
from trainer.full_training import keep_weights
from trainer.loop import (
    Deadline,
    Training,
    begin_training,
    measured_steps,
    normalised,
    reestimated_batch_norm,
    train_steps,
)
from trainer.memory import keep_to_share, naming_out_of_memory, require_memory, training_bytes
from trainer.model.anchors import anchor_boxes, anchors_by_level
from trainer.model.detections import detect
from trainer.model.retinanet import RetinaNet, build_retinanet
from trainer.pictures import keep_pictures
from trainer.session import LoneSession, Measurement, TrainingSession, TrainingStopped
from trainer.task import TRAINER_VERSION, Evaluation, EvaluationRequest, Split, TrainingDiverged

EVAL_BATCH_SIZE = 16
PARTS_SAID = 10
"""The log has the loss after each of so many parts of a training."""
_ALONE = LoneSession()
_log = logging.getLogger(__name__)


def evaluate_architecture(request: EvaluationRequest, session: TrainingSession = _ALONE) -> Evaluation:
    """Builds, trains and measures one architecture; the number of threads is restored afterwards.

    The session is told each measurement at the task's `measure_at`, may stop the training with one, and keeps
    checkpoints. What it is told, and when, changes nothing about the training.

    Raises:
        TaskError: a data set or a device that cannot be used.
        TrainingDiverged: the loss exploded, became infinite or not a number.
        TrainingOutOfMemory: the training surely does not fit, or memory ran out.
        TimeLimitReached: the request's time is over.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(request.threads)
    try:
        with repeatable_convolutions():
            return _evaluate(request, session)
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """What a request is made into before the first step."""

    request: EvaluationRequest
    on: ComputeDevice
    plan: NetworkPlan
    train_images: DetectionTensors
    eval_images: DetectionTensors
    anchors_A4: Tensor
    training: Training

    @property
    def num_eval_images(self) -> int:
        """Images that AP is measured on."""
        return min(self.eval_images.num_images, self.request.task.max_eval_images or self.eval_images.num_images)


def _evaluate(request: EvaluationRequest, session: TrainingSession) -> Evaluation:
    started = time.perf_counter()
    task, on = request.task, choose_device(request.device, request.task.precision, request.device_share)
    keep_freed_memory()
    keep_to_share(on)
    train_images = load_split(request.data, request.trained_part, task.image_size, request.cache)
    eval_images = load_split(request.data, request.split.value, task.image_size, request.cache)
    plan = resolve(request.spec, task.network(train_images.num_classes))
    needed_bytes = training_bytes(plan, task, train_images.boxes_NM4.shape[1], uses_bf16=on.uses_bf16)
    require_memory(needed_bytes, on)
    with naming_out_of_memory(needed_bytes, on):
        model = build_retinanet(plan, torch.Generator().manual_seed(request.seed))
        model = model.to(on.device).to(memory_format=torch.channels_last)
        training = begin_training(model, task, train_images.num_images, on)
        parts = _Parts(request, on, plan, train_images, eval_images, anchor_boxes(plan).to(on.device), training)
        _go_on_from_checkpoint(parts, session)
        deadline = Deadline(training, request.time_limit_seconds, started - training.all_seconds)
        setup_seconds = time.perf_counter() - started
        words = "%s: %d steps on %d images, on %s"
        _log.info(words, request.spec.name, training.num_steps, train_images.num_images, on.describe())
        scores, stopped_at_step = _train_and_measure(parts, session, deadline)
    report = cost(plan)
    return Evaluation(
        average_precision=scores.average_precision,
        metrics={name: value for name, value in scores.metrics.items() if name != "ap"},
        class_average_precision=scores.class_average_precision,
        losses=training.losses,
        stopped_at_step=stopped_at_step,
        num_images=parts.num_eval_images,
        train_seconds=training.seconds,
        eval_seconds=training.measuring_seconds,
        setup_seconds=setup_seconds,
        parameters=report.parameters,
        multiply_adds=report.multiply_adds,
        peak_memory_bytes=on.peak_memory_bytes(),
        device=on.describe(),
        provenance=_provenance(request),
    )


def _go_on_from_checkpoint(parts: _Parts, session: TrainingSession) -> None:
    """Brings the training to where the session's checkpoint was written; to its beginning where it has none."""
    content = session.load_checkpoint()
    if content is None:
        return
    try:
        unpack(content, parts.training, request_fingerprint(parts.request))
    except CheckpointError as error:
        _log.warning("The training begins at its beginning: %s", error)
    parts.on.end_step()


def _train_and_measure(parts: _Parts, session: TrainingSession, deadline: Deadline) -> tuple[CocoScores, int | None]:
    """The scores after the last step, with pictures where they are of val, and None; or those of the last measurement,
    after which the session stopped the training, and its step."""
    request, training = parts.request, parts.training
    measured_at = measured_steps(request.task, training.num_steps)
    said_at = {math.ceil(training.num_steps * part / PARTS_SAID) for part in range(1, PARTS_SAID + 1)}
    measured: tuple[CocoScores, int] | None = None
    for step in train_steps(training, parts.anchors_A4, parts.train_images, request.task, request.seed, parts.on):
        deadline.check()
        if step in said_at:
            _log.info("step %d of %d: loss %.4g", step, training.num_steps, float(training.losses_S.cpu()[step - 1]))
        if step in measured_at:
            measured = _measured(parts, deadline)[0], step
            try:
                session.measured(_measurement(training, measured_at, measured[0]))
            except TrainingStopped:
                return measured
        if measured is not None and session.is_stopped():
            return measured
        if session.wants_checkpoint():
            session.save_checkpoint(step, pack(training, request_fingerprint(request)))
    scores, rows_D7 = _measured(parts, deadline)
    if request.split is Split.VAL:
        images, seed = parts.eval_images, request.data.split_seed
        pictures = shown_pictures(images, parts.num_eval_images, rows_D7, seed)
        keep_pictures(session, pictures, images.category_names, MIN_SCORE)
    if request.is_full:
        with reestimated_batch_norm(training.model, parts.train_images, request.task, request.seed, parts.on):
            keep_weights(session, training.model, request, parts.train_images.category_names)
    return scores, None


def _measurement(training: Training, measured_at: Sequence[int], scores: CocoScores) -> Measurement:
    first = max((step for step in measured_at if step < training.step), default=0)
    return Measurement(
        step=training.step,
        num_steps=training.num_steps,
        loss=float(training.losses_S.cpu()[first : training.step].mean()),
        average_precision=scores.average_precision,
        seconds=training.all_seconds,
    )


def _measured(parts: _Parts, deadline: Deadline) -> tuple[CocoScores, NDArray[np.float64]]:
    """The scores of the network as it is now, and its detections (D, 7). Afterwards nothing that the next step reads
    has changed."""
    started = time.perf_counter()
    request, model, on = parts.request, parts.training.model, parts.on
    with reestimated_batch_norm(model, parts.train_images, request.task, request.seed, on):
        rows_D7 = detection_rows(
            model,
            parts.anchors_A4,
            anchors_by_level(parts.plan),
            parts.eval_images,
            parts.num_eval_images,
            on,
            check=deadline.check,
        )
    ground_truth = coco_ground_truth(request.data, request.split.value)
    scores = coco_scores(_first_images(ground_truth, parts.num_eval_images), rows_D7, request.task.coco_eval)
    parts.training.measuring_seconds += time.perf_counter() - started
    words = "AP %.4f on %d images, after step %d"
    _log.info(words, scores.average_precision, parts.num_eval_images, parts.training.step)
    return scores, rows_D7


def detection_rows(
    model: RetinaNet,
    anchors_A4: Tensor,
    level_anchors: tuple[int, ...],
    images: DetectionTensors,
    num_images: int,
    on: ComputeDevice,
    check: Callable[[], None] = lambda: None,
) -> NDArray[np.float64]:
    """Detections (D, 7) on the first `num_images` images, in pixels of the original images.

    Args:
        check: called before each batch; what it raises ends the evaluation.

    Raises:
        TrainingDiverged: a prediction is infinite or not a number.
    """
    model.eval()
    category_ids_K = torch.tensor(images.category_ids)
    rows: list[Tensor] = []
    with torch.inference_mode():
        parts = batches_of_positions(num_images, EVAL_BATCH_SIZE, on)
        for part, pixels_BCHW in zip(parts, pixel_batches(images.images_NCHW, parts, on.device), strict=True):
            check()
            with on.autocast():
                logits_BAK, deltas_BA4 = model(normalised(pixels_BCHW))
            is_finite = torch.isfinite(logits_BAK).all() & torch.isfinite(deltas_BA4).all()
            sizes_B2 = images.valid_sizes_N2[part].to(on.device)
            found = detect(logits_BAK, deltas_BA4, anchors_A4, level_anchors, sizes_B2)
            on.end_step()
            if not bool(is_finite.cpu()):
                raise TrainingDiverged("a prediction is not finite after the last step")
            num_real = min(EVAL_BATCH_SIZE, num_images - EVAL_BATCH_SIZE * len(rows))
            boxes_BD4, scores_BD, labels_BD, is_real_BD = (column.cpu()[:num_real] for column in found)
            image_D, rank_D = torch.nonzero(is_real_BD, as_tuple=True)
            scores_D, labels_D = scores_BD[image_D, rank_D], labels_BD[image_D, rank_D]
            boxes_D4 = boxes_BD4[image_D, rank_D] / images.scales_N2[part].flip(1).repeat(1, 2)[image_D]
            x0_D, y0_D, x1_D, y1_D = boxes_D4.unbind(1)
            ids_D, categories_D = images.image_ids_N[part][image_D], category_ids_K[labels_D]
            columns = [ids_D, x0_D, y0_D, x1_D - x0_D, y1_D - y0_D, scores_D, categories_D]
            rows.append(torch.stack([column.double() for column in columns], dim=1))
    return torch.cat(rows).numpy()


def batches_of_positions(num_images: int, batch_size: int, on: ComputeDevice) -> Sequence[slice | Tensor]:
    """Positions 0 to `num_images` - 1 in batches; on XLA the last image fills the last batch, so that all are alike."""
    if not on.is_compiled:
        return [slice(n, min(n + batch_size, num_images)) for n in range(0, num_images, batch_size)]
    position_N = torch.arange(num_images + batch_size).clamp(max=num_images - 1)
    return [position_N[n : n + batch_size] for n in range(0, num_images, batch_size)]


def _first_images(ground_truth: dict[str, Any], num_images: int) -> dict[str, Any]:
    """The document restricted to its first images."""
    images = ground_truth["images"][:num_images]
    kept = {image["id"] for image in images}
    annotations = [a for a in ground_truth["annotations"] if a["image_id"] in kept]
    return {**ground_truth, "images": images, "annotations": annotations}


def _provenance(request: EvaluationRequest) -> dict[str, str]:
    return {
        "data": data_hash(request.data, request.image_form),
        "images": ENCODINGS[request.image_form],
        "trainer": str(TRAINER_VERSION),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "machine": platform.processor() or platform.machine(),
        "threads": str(request.threads),
    }
