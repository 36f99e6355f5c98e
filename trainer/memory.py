"""What a training needs and what there is, in bytes, so that one that cannot fit is refused before it starts.

The estimate counts the tensors that torch keeps between forward and backward, from the plan alone. Elements are those
of one image unless said otherwise. Legend: A anchors, K classes, M boxes of an image, B images of a batch.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from search_space.cost import cost
from search_space.heads import BOX_NUMBERS, RetinaNetHead
from search_space.operations import area
from search_space.plan import EdgeKind, NetworkPlan, PlannedBlock, PlannedEdge, PlannedEndpoint, feature_size
from search_space.spec import BlockType, Fusion, Neck, StemKind
from trainer.device import ComputeDevice, return_freed_memory, xla_memory
from trainer.loop import STATISTICS_BATCH_SIZE
from trainer.task import ProxyTask, TrainingOutOfMemory

FLOAT_BYTES = 4
IMAGE_COPIES = 6  # of a batch as float32, while it is mirrored, scaled and normalised
LOSS_COPIES = 9  # of all logits as float32: targets (as int64 first), probabilities, powers, weights, losses, gradients
MATCHING_COPIES = 6  # of the overlaps of all boxes with all anchors, as float32
WORKSPACE_COPIES = 4  # of the largest feature: its gradients, and copies in a convolution's own layout
LOGIT_COPIES = 3  # without a loss: as convolved, by anchor, in one piece
OVERHEAD_BYTES = 48 * 2**20  # buffers of the libraries, gaps between blocks of memory
LARGEST_OVERESTIMATE = 1.6
CUDA_CONTEXT_BYTES = 768 * 2**20
"""What a process takes of a device beside torch's own allocator: context, kernels, libraries and the recorded step.
Measured on an H100 with torch 2.11: 641 MiB, and 717 to 729 MiB once a step was recorded."""

_OUT_OF_MEMORY = re.compile(r"can't allocate memory|out of memory|_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED")


def require_memory(needed_bytes: int, on: ComputeDevice) -> None:
    """Refuses a training that surely does not fit: that does not even if it needs 1.6 times less than estimated.

    Raises:
        TrainingOutOfMemory: it names the estimated and the available bytes.
    """
    available = available_bytes(on)
    if available is not None and needed_bytes > LARGEST_OVERESTIMATE * available:
        raise TrainingOutOfMemory(f"the training does not fit: {_both(needed_bytes, available)}")


@contextmanager
def naming_out_of_memory(needed_bytes: int, on: ComputeDevice) -> Iterator[None]:
    """Makes every way in which Python and torch say that memory ran out a TrainingOutOfMemory.

    Raises:
        TrainingOutOfMemory: it names the estimated bytes, and those available when the memory had run out.
    """
    available = available_bytes(on)
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        numbers = _both(needed_bytes, available)
        raise TrainingOutOfMemory(f"memory ran out: {numbers} at its start") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the device or of the process; torch has a class for it on CUDA only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None


def _both(needed: int, available: int | None) -> str:
    there = "an unknown number" if available is None else f"{available:,}"
    return f"it was estimated to need {needed:,} bytes, there were {there}"


def available_bytes(on: ComputeDevice) -> int | None:
    """Memory that this process can still get: of its share of the device, or of machine and control group on a CPU.

    None where it cannot be told.
    """
    if on.device.type == "cuda":
        free, total = torch.cuda.mem_get_info(on.device)
        reserved, allocated = torch.cuda.memory_reserved(on.device), torch.cuda.memory_allocated(on.device)
        return room_in_share(share_bytes(total, on.share), free, reserved, allocated)
    tpu_memory = xla_memory(on.device) if on.is_compiled else None
    if tpu_memory is not None:
        return tpu_memory["bytes_limit"] - tpu_memory["bytes_used"]
    return_freed_memory()
    rooms = [*control_group_rooms(), *machine_rooms()]
    return min(rooms) if rooms else None


def keep_to_share(on: ComputeDevice) -> None:
    """From now on torch takes no more of a CUDA device for this process than its share; other devices: nothing."""
    if on.device.type == "cuda":
        total = torch.cuda.mem_get_info(on.device)[1]
        torch.cuda.set_per_process_memory_fraction(share_bytes(total, on.share) / total, on.device)


def share_bytes(total: int, share: float) -> int:
    """What torch may take of a device with `total` bytes, so that all who share it fit; all of it where nobody does."""
    return total if share == 1.0 else max(int(total * share) - CUDA_CONTEXT_BYTES, 0)


def room_in_share(limit: int, free: int, reserved: int, allocated: int) -> int:
    """Bytes that a process can still get of a device.

    Args:
        limit: of what torch may reserve for the process.
        free: bytes of the device that no process holds.
        reserved, allocated: what torch holds for the process, and the part of it that is in use.
    """
    return max(min(limit - reserved, free), 0) + reserved - allocated


def machine_rooms(meminfo: Path = Path("/proc/meminfo")) -> list[int]:
    """The kernel's own estimate of what can be had without swapping; none where there is no such file."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text()) if meminfo.exists() else None
    return [int(found[1]) * 1024] if found else []


def control_group_rooms(
    membership: Path = Path("/proc/self/cgroup"), mounted_at: Path = Path("/sys/fs/cgroup")
) -> list[int]:
    """Limit less use of each control group that holds this process and has a limit, version 1 or 2.

    Cached file pages that were not used lately do not count as use: the kernel drops them first.
    """
    rooms = []
    for line in membership.read_text().splitlines() if membership.exists() else []:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, limit, used, idle = mounted_at, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            root, limit, used = mounted_at / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            idle = "total_inactive_file"
        else:
            continue
        group = root / path.lstrip("/")
        for directory in (group, *group.parents):
            if directory.is_relative_to(root) and (directory / used).exists():
                rooms += _room(directory / limit, directory / used, directory / "memory.stat", idle)
    return rooms


def _room(limit: Path, used: Path, statistics: Path, idle: str) -> list[int]:
    try:
        text = limit.read_text().strip()
        found = re.search(rf"^{idle} (\d+)$", statistics.read_text(), re.MULTILINE)
        return [] if text == "max" else [int(text) - int(used.read_text()) + int(found[1] if found else 0)]
    except OSError:
        return []


def training_bytes(plan: NetworkPlan, task: ProxyTask, max_boxes: int, *, uses_bf16: bool) -> int:
    """Estimated memory of a training beyond what the process and the images take: of a step, or where it takes more, of
    the larger batches that batch norm is re-estimated on.

    Estimated by measured bytes on a CPU, for seven architectures, two precisions, 96 to 384 pixels, batches of 4 to 64:
    0.73 to 1.51 (growth of the process at its peak, after a first training had loaded the libraries). The features that
    a step keeps, which are most of it where batches are large: 0.85 to 1.27. On CUDA torch reserved 0.73 to 1.32 of the
    estimate in seven trainings of 96 to 512 pixels and batches of 4 to 64 (H100): the recorded step keeps its memory
    while AP is measured on the way.

    Args:
        max_boxes: boxes of an image, padding included.
    """
    element = 2 if uses_bf16 else FLOAT_BYTES
    num_anchors, image = num_anchors_of(plan), 3 * area(plan.target.height_and_width)
    logits, largest = num_anchors * plan.num_classes, largest_feature(plan)
    step = 2 * image * FLOAT_BYTES + (kept_elements(plan) + WORKSPACE_COPIES * largest) * element
    loss = LOSS_COPIES * (logits + num_anchors * BOX_NUMBERS)
    step += max(loss, MATCHING_COPIES * num_anchors * max_boxes) * FLOAT_BYTES
    features = sum(area(block.size) * block.out_channels for block in plan.blocks)
    forward = image * FLOAT_BYTES * IMAGE_COPIES
    forward += (features + WORKSPACE_COPIES * largest + LOGIT_COPIES * logits) * element
    copies_of_weights = 4 if task.optimizer == "adamw" else 3  # weights, gradients, moments; half as much again in bf16
    weights = cost(plan).parameters * (copies_of_weights * FLOAT_BYTES + (2 if uses_bf16 else 0))
    return OVERHEAD_BYTES + weights + max(task.batch_size * step, STATISTICS_BATCH_SIZE * forward)


def num_anchors_of(plan: NetworkPlan) -> int:
    """Anchors of all levels; 0 for a plan whose head has none."""
    per_place = plan.head.anchors_per_location if isinstance(plan.head, RetinaNetHead) else 0
    return per_place * sum(area(endpoint.size) for endpoint in plan.endpoints)


def largest_feature(plan: NetworkPlan) -> int:
    """Elements of the largest feature that an operation gives."""
    inside = [layer.mid_channels * area(layer.in_size) for block in plan.blocks for layer in block.layers]
    outputs = [block.out_channels * area(block.size) for block in plan.blocks]
    return max(plan.stem_channels * area(plan.stem_size), *inside, *outputs)


def kept_elements(plan: NetworkPlan) -> int:
    """Elements of all features that the network keeps for its backward pass.

    Batch norm keeps its input, and what follows keeps its output: two for each normalised convolution that is
    activated, three where the activation does not overwrite; one where its output is only added to another.
    """
    activated = 2 if plan.activation == "relu" else 3
    total = activated * plan.stem_channels * area(plan.stem_size)
    if plan.spec.stem.kind is StemKind.CONV7_POOL:
        total += _pooled(plan.stem_channels * area(plan.size(2)))
    for block in plan.blocks:
        total += _block_inputs(block, activated) + _block_layers(block, activated)
    for endpoint in plan.endpoints:
        total += _endpoint(endpoint, plan.spec.neck, activated)
        if isinstance(plan.head, RetinaNetHead):
            total += 2 * _subnet(plan.head, endpoint, activated)
    if isinstance(plan.head, RetinaNetHead):
        total += 2 * num_anchors_of(plan) * (plan.num_classes + BOX_NUMBERS)  # by level, and in one piece
    return total


def _pooled(elements: int) -> int:
    """Max-pooling gives values and, of 8 bytes each, the places that they are from."""
    return 5 * elements


def _block_inputs(block: PlannedBlock, activated: int) -> int:
    if not block.edges:
        return 0
    output = area(block.size) * block.in_channels
    fusion = len(block.edges) if block.fusion is Fusion.WEIGHTED else 0
    return sum(_edge(edge, activated) for edge in block.edges) + (activated - 1 + fusion) * output


def _edge(edge: PlannedEdge, activated: int) -> int:
    """Resampling as `PlannedEdge` says, then a 1x1 convolution whose normalised output is only added."""
    if edge.kind is EdgeKind.RAW:
        return 0
    mid, down, total = edge.mid_channels, edge.levels_down, edge.out_channels * area(edge.out_size)
    if down < 0:
        total += mid * area(edge.out_size)
    sizes = [mid * area(feature_size(edge.in_size, level)) for level in range(1, down + 1)]
    if edge.kind is EdgeKind.CONV:
        total += activated * mid * area(edge.in_size)
        return total + activated * sum(sizes[:1]) + _pooled(sum(sizes[1:]))
    return total + activated * sum(sizes)


def _block_layers(block: PlannedBlock, activated: int) -> int:
    total = 0
    for layer in block.layers:
        inside, output = layer.mid_channels * area(layer.size), layer.out_channels * area(layer.size)
        entered = layer.mid_channels * area(layer.in_size)
        if block.block_type is BlockType.MBCONV:
            expand = activated * entered if layer.mid_channels != layer.in_channels else 0
            squeeze = inside if layer.squeeze_channels else 0
            total += expand + activated * inside + squeeze + 2 * output
            continue
        shortcut = 0 if layer.in_channels == layer.out_channels and layer.stride == 1 else output
        before = entered if block.block_type is BlockType.BOTTLENECK else 0
        total += activated * (before + inside) + activated * output + shortcut
    return total


def _endpoint(endpoint: PlannedEndpoint, neck: Neck, activated: int) -> int:
    """A normalised 1x1 convolution; of an FPN the lateral, its sum with the one above, the output and its norm."""
    elements = endpoint.out_channels * area(endpoint.size)
    return elements * (activated if neck is Neck.ENDPOINTS else 4)


def _subnet(head: RetinaNetHead, endpoint: PlannedEndpoint, activated: int) -> int:
    depthwise = 1 if head.separable else 0
    return head.num_convs * (activated + depthwise) * head.channels * area(endpoint.size)
