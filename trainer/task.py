"""What goes into a short training and what comes out: plain data, no torch.

A proxy task is the recipe; an `EvaluationRequest` is one recipe applied to one architecture with one seed;
an `Evaluation` is what was measured.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from search_space.heads import RetinaNetHead
from search_space.plan import TargetNetwork
from search_space.spec import ArchitectureSpec

TRAINER_VERSION = 2
"""Raised by one with every change after which the same request measures another AP (a loss, an augmentation, a
default that is not in the proxy task, a block's arithmetic): what older trainers measured is then not reused."""


COCO_EVALUATORS = ("faster", "pycocotools")


class Split(StrEnum):
    """Which images AP is measured on: REWARD is taken out of train; VAL is never seen by the search."""

    REWARD = "reward"
    VAL = "val"


class TaskError(ValueError):
    """A proxy task or a data set that cannot be used; the message names the place, the value and the rule."""


class TrainingDiverged(RuntimeError):  # noqa: N818 - an outcome of the architecture, not of our code
    """The loss exploded, became infinite or not a number; the message says at which step."""


class TrainingOutOfMemory(RuntimeError):  # noqa: N818
    """The training does not fit; the message says how many bytes it was estimated to need, and how many there are."""


class TimeLimitReached(RuntimeError):  # noqa: N818
    """The training took longer than its request allows; the message says how far it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoSource:
    """One COCO-format split: an instances JSON and the folder its `file_name`s live in."""

    images: Path
    annotations: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """The data set of a search.

    Args:
        train: images to learn from; `reward_split` of them are held out to measure the reward.
        val: images that only `reevaluate` and `full_train` jobs read.
        reward_split: share of train in (0, 1), or a number of images (7,392 for COCO in the papers).
        split_seed: decides which images are held out; the same for all trials of a search.
    """

    train: CocoSource
    val: CocoSource
    reward_split: float = 0.2
    split_seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyTask:
    """The short training that stands in for the full one.

    Args:
        image_size: side of the square input in pixels.
        width_scale, resampling_alpha, endpoint_channels, head_channels, head_convs: size of the network.
        steps: optimizer steps; None where `epochs` decides.
        epochs: passes over the training images; None where `steps` decides.
        batch_size: images a step, at least 2 (batch norm).
        optimizer: ``adamw`` or ``sgd`` (momentum 0.9).
        schedule: ``cosine`` to zero, or ``step``: a tenth at 2/3 and a hundredth at 8/9 of the steps.
        warmup_steps: linear warm-up of the learning rate.
        clip_norm: largest gradient norm; None for no clipping.
        flip: whether images are mirrored at random.
        scale_jitter: range of the random factor on the image, (1, 1) for none.
        precision: ``auto`` (bf16 where the device computes it in hardware), ``bf16`` or ``fp32``.
        max_eval_images: evaluate on at most so many images of the split; None for all.
        coco_eval: what computes AP: ``faster`` (faster-coco-eval) or ``pycocotools``; the numbers are the same.
        measure_at: shares of the steps, rising in (0, 1), after which AP is measured on the way; it changes nothing
            about the training.
    """

    image_size: int
    width_scale: float
    endpoint_channels: int
    head_channels: int
    head_convs: int
    batch_size: int
    learning_rate: float
    steps: int | None = None
    epochs: float | None = None
    resampling_alpha: float | None = None
    optimizer: str = "adamw"
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    warmup_steps: int = 20
    clip_norm: float | None = 10.0
    flip: bool = True
    scale_jitter: tuple[float, float] = (1.0, 1.0)
    precision: str = "auto"
    max_eval_images: int | None = None
    coco_eval: str = "faster"
    measure_at: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        rules = [
            (64 <= self.image_size <= 4096, "image_size", "64 to 4096"),
            (0 < self.width_scale <= 4, "width_scale", "above 0, at most 4"),
            (self.batch_size >= 2, "batch_size", "at least 2 (batch norm)"),
            (0 < self.learning_rate <= 10, "learning_rate", "above 0, at most 10"),
            (self.optimizer in ("adamw", "sgd"), "optimizer", "adamw or sgd"),
            (self.schedule in ("cosine", "step"), "schedule", "cosine or step"),
            (self.precision in ("auto", "bf16", "fp32"), "precision", "auto, bf16 or fp32"),
            (self.steps is None or self.steps >= 1, "steps", "at least 1"),
            (self.epochs is None or self.epochs > 0, "epochs", "above 0"),
            (self.warmup_steps >= 0, "warmup_steps", "0 or more"),
            (self.weight_decay >= 0, "weight_decay", "0 or more"),
            (self.clip_norm is None or self.clip_norm > 0, "clip_norm", "above 0, or null for none"),
            (self.endpoint_channels >= 1, "endpoint_channels", "at least 1"),
            (self.head_channels >= 1, "head_channels", "at least 1"),
            (self.head_convs >= 0, "head_convs", "0 or more"),
            (
                self.resampling_alpha is None or 0 < self.resampling_alpha <= 4,
                "resampling_alpha",
                "in (0, 4]",
            ),
            (
                0.1 <= self.scale_jitter[0] <= self.scale_jitter[1] <= 4,
                "scale_jitter",
                "0.1 <= low <= high <= 4",
            ),
            (self.max_eval_images is None or self.max_eval_images >= 1, "max_eval_images", "at least 1"),
            (self.coco_eval in COCO_EVALUATORS, "coco_eval", " or ".join(COCO_EVALUATORS)),
        ]
        for holds, name, rule in rules:
            if not holds:
                raise TaskError(f"proxy.{name}: {getattr(self, name)!r}: must be {rule}")
        if not all(0 < share < 1 for share in self.measure_at) or list(self.measure_at) != sorted(set(self.measure_at)):
            raise TaskError(f"proxy.measure_at: {self.measure_at!r}: must rise in (0, 1)")
        if (self.steps is None) == (self.epochs is None):
            raise TaskError("proxy: give exactly one of steps and epochs")

    def longer(self, factor: float) -> "ProxyTask":
        """The task with so many times its steps."""
        if self.steps is not None:
            return replace(self, steps=max(1, round(self.steps * factor)))
        return replace(self, epochs=(self.epochs or 0.0) * factor)

    def network(self, num_classes: int) -> TargetNetwork:
        """The network that is trained: the target at proxy size."""
        head = RetinaNetHead(channels=self.head_channels, num_convs=self.head_convs)
        return TargetNetwork(
            image_size=self.image_size,
            width_scale=self.width_scale,
            head=head,
            num_classes=num_classes,
            endpoint_channels=self.endpoint_channels,
            resampling_alpha=self.resampling_alpha,
        )

    def to_document(self) -> dict[str, Any]:
        """The task as plain data."""
        pairs = {"scale_jitter": list(self.scale_jitter), "measure_at": list(self.measure_at)}
        return {**asdict(self), **pairs}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ProxyTask":
        """The task that `to_document` wrote. A key `preset` names one of `PRESETS` to start from.

        Raises:
            TaskError: an unknown preset or key, or a value out of range.
        """
        fields = dict(document)
        for name in ("scale_jitter", "measure_at"):
            if name in fields:
                fields[name] = tuple(fields[name])
        preset = fields.pop("preset", None)
        unknown = sorted(set(fields) - set(cls.__dataclass_fields__))
        if unknown:
            raise TaskError(f"proxy.{unknown[0]}: unknown; known are {', '.join(cls.__dataclass_fields__)}")
        try:
            if preset is None:
                return cls(**fields)
            if preset not in PRESETS:
                raise TaskError(f"proxy.preset: {preset!r}: must be one of {', '.join(PRESETS)}")
            if "steps" in fields and "epochs" not in fields:
                fields["epochs"] = None
            if "epochs" in fields and "steps" not in fields:
                fields["steps"] = None
            return replace(PRESETS[preset], **fields)
        except TypeError as error:
            raise TaskError(f"proxy: {error}") from error


PRESETS: dict[str, ProxyTask] = {
    # For the generated data set: about 13 seconds a trial on one core with bf16 in hardware.
    "cpu-tiny": ProxyTask(
        image_size=96,
        width_scale=0.25,
        endpoint_channels=32,
        head_channels=32,
        head_convs=0,
        steps=140,
        batch_size=8,
        learning_rate=8e-3,
        weight_decay=0.05,
        warmup_steps=10,
    ),
    # For a few hundred photos with few classes, such as blood cells: about 40 seconds a trial on such a core.
    "cpu-small": ProxyTask(
        image_size=160,
        width_scale=0.25,
        endpoint_channels=32,
        head_channels=32,
        head_convs=2,
        steps=300,
        batch_size=4,
        learning_rate=4e-3,
    ),
    # For a few thousand photos on a GPU. Neither its AP nor its noise was measured: measure before trusting it
    # (`bench noise`).
    "gpu-small": ProxyTask(
        image_size=256,
        width_scale=0.25,
        endpoint_channels=64,
        head_channels=64,
        head_convs=4,
        steps=1500,
        batch_size=16,
        learning_rate=4e-3,
        warmup_steps=50,
        scale_jitter=(0.8, 1.25),
    ),
    # Du et al. 2020, section 5.1: width and alpha 0.25, head 64, 512 px, 5 epochs; endpoints, batch and
    # schedule are not in the paper and follow Google's published search configuration.
    "paper": ProxyTask(
        image_size=512,
        width_scale=0.25,
        resampling_alpha=0.25,
        endpoint_channels=64,
        head_channels=64,
        head_convs=4,
        epochs=5,
        batch_size=64,
        optimizer="sgd",
        learning_rate=0.08,
        weight_decay=4e-5,
        schedule="step",
        warmup_steps=500,
        clip_norm=1.0,
        scale_jitter=(0.5, 2.0),
    ),
}


class ImageForm(StrEnum):
    """How resized images are kept: RAW as their pixels; JPEG encoded again, with slightly other pixels."""

    RAW = "raw"
    JPEG = "jpeg"


DEFAULT_CACHE_BYTES = 64 * 2**30
DEFAULT_CACHE_TOTAL_BYTES = 4 * DEFAULT_CACHE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCache:
    """A folder where the resized images of data sets are kept for all trainings on a machine.

    Args:
        folder: made when it is missing; where it cannot be written, raw images are kept in memory instead.
        form: part of what a training measures: the same for all trainings of a search.
        limit_bytes: what one split of a data set may take at one image size; part of how `form` is chosen.
        total_bytes: what all splits in the folder may take: what was used longest ago makes room for a new one.
    """

    folder: Path
    form: ImageForm = ImageForm.RAW
    limit_bytes: int = DEFAULT_CACHE_BYTES
    total_bytes: int = DEFAULT_CACHE_TOTAL_BYTES

    def __post_init__(self) -> None:
        if self.limit_bytes > self.total_bytes:
            raise ValueError(f"image cache: {self.limit_bytes:,} bytes for one split, {self.total_bytes:,} for all")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """One architecture to train and measure.

    Args:
        seed: decides initial weights, order of images and augmentation.
        split: where AP is measured.
        threads: CPU threads that the training may use.
        time_limit_seconds: the training fails with `TimeLimitReached` when it takes longer; None for no limit.
        artifact_dir: where the worker keeps checkpoints, as artifacts; None for none.
        checkpoint_seconds: wall time between two checkpoints.
        resume_from: artifact key of the checkpoint to go on from; "" to begin at the beginning.
        cache: where resized images are kept; None: each process decodes them into its memory.
        device: ``cpu``, ``cuda``, ``xla`` or ``auto``, as `trainer.device.choose_device` says.
        device_share: share of the device's memory that the training may take, in (0, 1]; below 1 where others train
            on the device at the same time. It changes nothing about what is measured.
        is_full: a full training: it learns from all of train, the reward split included, is measured on val, and keeps
            its final weights (`trainer.full_training`).
    """

    spec: ArchitectureSpec
    task: ProxyTask
    data: DataSource
    seed: int
    split: Split = Split.REWARD
    threads: int = 1
    device: str = "auto"
    time_limit_seconds: float | None = None
    artifact_dir: Path | None = None
    checkpoint_seconds: float = 60.0
    resume_from: str = ""
    cache: ImageCache | None = None
    device_share: float = 1.0
    is_full: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.device_share <= 1.0:
            raise TaskError(f"device_share: {self.device_share!r}: must be above 0, at most 1")
        if self.is_full and self.split is not Split.VAL:
            raise TaskError(f"split: {self.split.value!r}: a full training is measured on val")

    @property
    def trained_part(self) -> str:
        """The part of the data set that is learned from."""
        return "whole" if self.is_full else "train"

    @property
    def image_form(self) -> ImageForm:
        """How the images that it learns from were kept."""
        return ImageForm.RAW if self.cache is None else self.cache.form


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file that an attempt kept as an artifact.

    Args:
        key: of the artifact.
    """

    name: str
    key: str
    media_type: str
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a short training measured.

    Args:
        average_precision: COCO AP (IoU 0.50:0.95) in [0, 1]; 0 where nothing was detected.
        metrics: the other COCO numbers: ap50, ap75, ap_small, ap_medium, ap_large, ar_1, ar_10, ar_100 in
            [0, 1], or -1 where the split has no such object (COCO's own convention).
        class_average_precision: AP by category name.
        losses: (step, mean total loss since the point before), at most 100 points.
        stopped_at_step: the step at which the training was stopped early, where AP was measured; None for a whole one.
        num_images: images that AP was measured on.
        train_seconds, eval_seconds, setup_seconds: wall time of the optimizer steps, of the evaluation,
            of everything before the first step.
        parameters, multiply_adds: of the network that was trained, head included.
        peak_memory_bytes: of the device, or of the process on a CPU.
        device: what it ran on, e.g. ``cpu (bf16)``.
        provenance: versions and hashes that the numbers depend on.
        files: what the attempt kept; filled in by its worker, from `TrainingSession.keep_file`.
    """

    average_precision: float
    num_images: int
    train_seconds: float
    eval_seconds: float
    setup_seconds: float
    parameters: int
    multiply_adds: int
    peak_memory_bytes: int
    device: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    class_average_precision: Mapping[str, float] = field(default_factory=dict)
    losses: tuple[tuple[int, float], ...] = ()
    stopped_at_step: int | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    files: tuple[KeptFile, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 <= self.average_precision <= 1.0:
            raise ValueError(f"average_precision {self.average_precision}: must be in [0, 1]")

    def to_document(self) -> dict[str, Any]:
        """The evaluation as plain data, ready for JSON."""
        losses, files = [list(point) for point in self.losses], [asdict(file) for file in self.files]
        return {**asdict(self), "losses": losses, "files": files}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Evaluation":
        """The evaluation that `to_document` wrote."""
        fields = dict(document)
        fields["losses"] = tuple((int(step), float(loss)) for step, loss in fields.get("losses", ()))
        fields["files"] = tuple(KeptFile(**file) for file in fields.get("files", ()))
        return cls(**fields)
