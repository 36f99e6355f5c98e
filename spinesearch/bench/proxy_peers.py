"""What people train with today: torchvision's RetinaNet around our backbone, as its reference scripts train it.

`stock`: float32, images decoded in loader processes, transforms image by image, one image a batch in the evaluation.
`tuned`: the same with bfloat16 and channels last, images decoded once into memory, larger batches in the evaluation.

Legend: B images, C channels, H and W pixels, N boxes of an image, D detections, 7 = image id, x, y, width, height,
score, category id.
"""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from torchvision import tv_tensors
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.retinanet import RetinaNetHead as TorchvisionHead
from torchvision.transforms import v2

from search_space.heads import RetinaNetHead
from search_space.plan import NetworkPlan, resolve
from spinesearch.bench.proxy import TUNED, Trial
from trainer.coco_eval import coco_scores
from trainer.data.dataset import coco_ground_truth
from trainer.data.images import image_path
from trainer.device import ComputeDevice, choose_device
from trainer.loop import ADAM_BETAS, PIXEL_DEVIATION, PIXEL_MEAN, learning_rate_factor
from trainer.model.anchors import ANCHOR_SCALE, ASPECT_RATIOS
from trainer.model.backbone import Backbone
from trainer.model.retinanet import build_retinanet
from trainer.task import CocoSource, EvaluationRequest, ProxyTask

Sample = tuple[Tensor, dict[str, Tensor]]

MAX_LOADER_WORKERS = 4  # the reference scripts' default
STOCK_EVAL_BATCH, TUNED_EVAL_BATCH = 1, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a peer differs from the other.

    Args:
        on: device and precision.
        loader_workers: processes that decode; 0: the training process does it itself.
    """

    on: ComputeDevice
    is_tuned: bool
    loader_workers: int
    eval_batch: int


def settings(request: EvaluationRequest, contender: str) -> Settings:
    """A peer's settings on this machine: one thread of the request's is left to compute where loaders take the rest."""
    on = choose_device(request.device, request.task.precision)
    if contender == TUNED:
        return Settings(on=on, is_tuned=True, loader_workers=0, eval_batch=TUNED_EVAL_BATCH)
    workers = min(MAX_LOADER_WORKERS, request.threads - 1)
    on = ComputeDevice(on.device, uses_bf16=False)
    return Settings(on=on, is_tuned=False, loader_workers=workers, eval_batch=STOCK_EVAL_BATCH)


def measure(request: EvaluationRequest, contender: str) -> Trial:
    """One trial of a peer, in this process.

    Raises:
        ValueError: see `head`.
    """
    torch.set_num_threads(request.threads)
    torch.manual_seed(request.seed)
    started = time.perf_counter()
    task, chosen = request.task, settings(request, contender)
    truth, eval_truth = (coco_ground_truth(request.data, part) for part in ("train", request.split.value))
    learned = CocoImages(request.data.train, truth, task.flip, in_memory=chosen.is_tuned, only_annotated=True)
    eval_truth["images"] = eval_truth["images"][: task.max_eval_images]
    measured = CocoImages(request.data.train, eval_truth, flip=False, in_memory=chosen.is_tuned)
    plan = resolve(request.spec, task.network(len(truth["categories"])))
    model = detector(plan, request.seed, chosen).to(chosen.on.device)
    set_up = time.perf_counter()
    train(model, learned, task, request.seed, chosen)
    trained = time.perf_counter()
    rows_D7 = detection_rows(model, measured, chosen)
    kept = {image["id"] for image in eval_truth["images"]}
    eval_truth["annotations"] = [a for a in eval_truth["annotations"] if a["image_id"] in kept]
    scores = coco_scores(eval_truth, rows_D7, "pycocotools")
    ended = time.perf_counter()
    return Trial(
        contender=contender,
        uses_bf16=chosen.on.uses_bf16,
        average_precision=max(0.0, scores.metrics["ap"]),
        multiply_adds=multiply_adds(model, task.image_size, chosen.on.device),
        setup_seconds=set_up - started,
        train_seconds=trained - set_up,
        eval_seconds=ended - trained,
        seconds=ended - started,
        num_eval_images=len(eval_truth["images"]),
        peak_memory_bytes=chosen.on.peak_memory_bytes(),
    )


class CocoImages(Dataset[Sample]):
    """Images with their boxes, decoded when asked for, or all at once and kept; crowd regions are left out.

    Args:
        document: COCO instances as plain data.
        only_annotated: leave out images without a box, as the reference scripts do in training.
    """

    def __init__(
        self,
        source: CocoSource,
        document: Mapping[str, Any],
        flip: bool,
        *,
        in_memory: bool,
        only_annotated: bool = False,
    ) -> None:
        self.category_ids = [category["id"] for category in document["categories"]]
        self.annotations: dict[int, list[Any]] = defaultdict(list)
        for annotation in document["annotations"]:
            if not annotation["iscrowd"] and min(annotation["bbox"][2:]) > 0:
                self.annotations[annotation["image_id"]].append(annotation)
        images = [image for image in document["images"] if image["id"] in self.annotations or not only_annotated]
        self.image_ids = [image["id"] for image in images]
        self.paths = [image_path(source, image["file_name"]) for image in images]
        self.decoded = [self._decode(n) for n in range(len(images))] if in_memory else None
        flips = [v2.RandomHorizontalFlip(0.5)] if flip else []
        self.transform = v2.Compose([*flips, v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])

    def _decode(self, index: int) -> Image.Image:
        with Image.open(self.paths[index]) as image:
            return image.convert("RGB")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:
        image = self._decode(index) if self.decoded is None else self.decoded[index]
        annotations = self.annotations[self.image_ids[index]]
        boxes_N4 = torch.tensor([a["bbox"] for a in annotations], dtype=torch.float32).reshape(-1, 4)
        boxes_N4[:, 2:] += boxes_N4[:, :2]
        labels_N = torch.tensor([self.category_ids.index(a["category_id"]) for a in annotations], dtype=torch.int64)
        size = (image.height, image.width)
        boxes = tv_tensors.BoundingBoxes(boxes_N4, format="XYXY", canvas_size=size)
        pixels_CHW, boxes = self.transform(image, boxes)
        return pixels_CHW.as_subclass(Tensor), {"boxes": boxes.as_subclass(Tensor), "labels": labels_N}


class PyramidBackbone(nn.Module):
    """One of our backbones as torchvision wants it."""

    def __init__(self, backbone: Backbone, plan: NetworkPlan, *, channels_last: bool) -> None:
        super().__init__()
        self.body, self.out_channels = backbone, plan.endpoints[0].out_channels
        self.levels = [str(endpoint.level) for endpoint in plan.endpoints]
        self.channels_last = channels_last

    def forward(self, images_BCHW: Tensor) -> "OrderedDict[str, Tensor]":
        """The pyramid features by level."""
        if self.channels_last:
            images_BCHW = images_BCHW.contiguous(memory_format=torch.channels_last)
        return OrderedDict(zip(self.levels, self.body(images_BCHW), strict=True))


def detector(plan: NetworkPlan, seed: int, chosen: Settings) -> RetinaNet:
    """torchvision's RetinaNet on the backbone that ours starts with; its head's weights are its own."""
    ours = build_retinanet(plan, torch.Generator().manual_seed(seed))
    backbone = PyramidBackbone(ours.backbone, plan, channels_last=chosen.is_tuned)
    size = max(plan.target.height_and_width)
    model = RetinaNet(
        backbone,
        plan.num_classes,
        min_size=size,
        max_size=size,
        size_divisible=size,  # every batch is padded to the same square
        image_mean=[mean / 255 for mean in PIXEL_MEAN],
        image_std=[deviation / 255 for deviation in PIXEL_DEVIATION],
        anchor_generator=anchors(plan),
        head=head(plan, backbone.out_channels),
    )
    return model.to(memory_format=torch.channels_last) if chosen.is_tuned else model


def anchors(plan: NetworkPlan) -> AnchorGenerator:
    """Anchors of the sides and aspect ratios of ours."""
    num_scales = _head(plan).anchors_per_location // len(ASPECT_RATIOS)
    sides = tuple(
        tuple(ANCHOR_SCALE * 2**endpoint.level * 2 ** (i / num_scales) for i in range(num_scales))
        for endpoint in plan.endpoints
    )
    return AnchorGenerator(sides, (ASPECT_RATIOS,) * len(plan.endpoints))


def head(plan: NetworkPlan, channels: int) -> TorchvisionHead:
    """torchvision's head with as many convolutions as ours.

    Raises:
        ValueError: a head that is separable, or not as wide as the pyramid; torchvision has none of these.
    """
    ours = _head(plan)
    if ours.separable or ours.channels != channels:
        raise ValueError(f"head {ours}: torchvision's is dense and {channels} channels wide, as the pyramid")
    theirs = TorchvisionHead(channels, ours.anchors_per_location, plan.num_classes)
    for subnet in (theirs.classification_head, theirs.regression_head):
        if ours.num_convs > len(subnet.conv):
            raise ValueError(f"head_convs {ours.num_convs}: torchvision's head has at most {len(subnet.conv)}")
        subnet.conv = subnet.conv[: ours.num_convs]
    return theirs


def _head(plan: NetworkPlan) -> RetinaNetHead:
    if not isinstance(plan.head, RetinaNetHead):
        raise ValueError(f"head {plan.head}: must be a RetinaNetHead")
    return plan.head


def multiply_adds(model: RetinaNet, image_size: int, device: torch.device) -> int:
    """Of backbone and head for one image, by torch's own counter, which counts two for each."""
    model.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.head(list(model.backbone(torch.zeros(1, 3, image_size, image_size, device=device)).values()))
    return int(counter.get_total_flops()) // 2


def train(model: RetinaNet, images: CocoImages, task: ProxyTask, seed: int, chosen: Settings) -> None:
    """Trains `model` in place for the task's steps."""
    loader = DataLoader(
        images,
        task.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=chosen.loader_workers,
        collate_fn=as_lists,
        generator=torch.Generator().manual_seed(seed),
        pin_memory=chosen.on.device.type == "cuda",
    )
    steps = task.steps or max(1, round((task.epochs or 0.0) * len(images) / task.batch_size))
    optimizer = plain_optimizer(model, task)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(task, step, steps))
    model.train()
    for _, (pixels, targets) in zip(range(steps), _endless(loader), strict=False):
        pixels = [image_CHW.to(chosen.on.device) for image_CHW in pixels]
        targets = [{name: tensor.to(chosen.on.device) for name, tensor in target.items()} for target in targets]
        with chosen.on.autocast() if chosen.is_tuned else nullcontext():
            losses = model(pixels, targets)
        loss = sum(losses.values(), torch.zeros((), device=chosen.on.device))
        float(loss.detach())  # the reference scripts look at each loss, to end when it is not finite
        optimizer.zero_grad()
        loss.backward()
        if task.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), task.clip_norm)
        optimizer.step()
        schedule.step()
    chosen.on.wait()


def as_lists(samples: Sequence[Sample]) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Images and targets of a batch; images may differ in size."""
    return [image_CHW for image_CHW, _ in samples], [target for _, target in samples]


def _endless(loader: "DataLoader[Sample]") -> Iterator[Any]:
    while True:
        yield from loader


def plain_optimizer(model: nn.Module, task: ProxyTask) -> torch.optim.Optimizer:
    """The task's optimizer as it is without asking for more: one update for each parameter."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": task.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if task.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=task.learning_rate, betas=ADAM_BETAS)
    return torch.optim.SGD(groups, lr=task.learning_rate, momentum=0.9)


def detection_rows(model: RetinaNet, images: CocoImages, chosen: Settings) -> NDArray[np.float64]:
    """Detections (D, 7) by torchvision's post-processing, in pixels of the original images."""
    loader = DataLoader(images, chosen.eval_batch, num_workers=chosen.loader_workers, collate_fn=as_lists)
    model.eval()
    rows, position = [np.zeros((0, 7))], 0
    with torch.inference_mode():
        for pixels, _ in loader:
            with chosen.on.autocast() if chosen.is_tuned else nullcontext():
                found = model([image_CHW.to(chosen.on.device) for image_CHW in pixels])
            for detections in found:
                rows.append(_rows_of_image(detections, images.image_ids[position], images.category_ids))
                position += 1
    return np.concatenate(rows)


def _rows_of_image(detections: Mapping[str, Tensor], image_id: int, category_ids: Sequence[int]) -> NDArray[np.float64]:
    boxes_D4 = detections["boxes"].double().cpu().numpy()
    labels_D = detections["labels"].cpu().numpy()
    return np.column_stack(
        [
            np.full(len(labels_D), image_id),
            boxes_D4[:, :2],
            boxes_D4[:, 2:] - boxes_D4[:, :2],
            detections["scores"].double().cpu().numpy(),
            np.array(category_ids, dtype=np.int64)[labels_D],
        ]
    )
