"""What a training is estimated to need, and what there is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from search_space.plan import resolve
from tests.trainer.architectures import ARCHITECTURES
from trainer.device import choose_device
from trainer.memory import (
    CUDA_CONTEXT_BYTES,
    available_bytes,
    control_group_rooms,
    is_out_of_memory,
    keep_to_share,
    kept_elements,
    machine_rooms,
    naming_out_of_memory,
    require_memory,
    room_in_share,
    share_bytes,
    training_bytes,
)
from trainer.model.retinanet import build_retinanet
from trainer.task import ProxyTask, TrainingOutOfMemory

CPU = choose_device("cpu", "fp32")
TASK = ProxyTask(
    image_size=96,
    width_scale=0.5,
    endpoint_channels=32,
    head_channels=32,
    head_convs=2,
    steps=1,
    batch_size=2,
    learning_rate=1e-3,
)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_is_kept_is_what_torch_keeps(name: str) -> None:
    plan = resolve(ARCHITECTURES[name], TASK.network(3))
    model = build_retinanet(plan, torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    parameters = {parameter.data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in parameters:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    images_BCHW = torch.rand(2, 3, 96, 96).contiguous(memory_format=torch.channels_last)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model(images_BCHW)
    num_bytes = sum(kept.values()) + sum(output.nbytes for output in outputs)
    assert kept_elements(plan) * 4 * 2 == pytest.approx(num_bytes, rel=0.15)


def test_more_images_boxes_and_precision_need_more() -> None:
    plan = resolve(ARCHITECTURES["spinenet-49"], TASK.network(3))
    usual = training_bytes(plan, TASK, 20, uses_bf16=True)
    document = {**TASK.to_document(), "batch_size": 64}
    larger = ProxyTask.from_document(document)
    assert training_bytes(plan, larger, 20, uses_bf16=True) > usual
    assert training_bytes(plan, larger, 2000, uses_bf16=True) > training_bytes(plan, larger, 20, uses_bf16=True)
    assert training_bytes(plan, TASK, 20, uses_bf16=False) > usual
    plain = ProxyTask.from_document({**TASK.to_document(), "optimizer": "sgd"})
    assert training_bytes(plan, plain, 20, uses_bf16=True) < usual


def test_only_what_surely_does_not_fit_is_refused() -> None:
    there = available_bytes(CPU)
    assert there is not None
    assert 2**20 < there < 2**50
    require_memory(there // 2, CPU)
    require_memory(there, CPU)
    with pytest.raises(TrainingOutOfMemory, match=r"estimated to need 9,007,199,254,740,992 bytes, there were [\d,]+$"):
        require_memory(2**53, CPU)


def test_who_shares_a_device_leaves_its_neighbours_theirs() -> None:
    gib = 2**30
    assert share_bytes(80 * gib, 1.0) == 80 * gib
    for number in (2, 3, 8):
        share = share_bytes(80 * gib, 1 / number)
        assert number * (share + CUDA_CONTEXT_BYTES) <= 80 * gib
        assert share > 80 * gib / number - 2 * CUDA_CONTEXT_BYTES
    assert share_bytes(CUDA_CONTEXT_BYTES, 0.5) == 0  # not even what the driver takes


@pytest.mark.parametrize(
    ("limit", "free", "reserved", "allocated", "room"),
    [
        (100, 900, 0, 0, 100),  # of a device that is nearly empty, no more than the share
        (100, 900, 60, 60, 40),
        (100, 900, 60, 25, 75),  # what torch holds but does not use is there too
        (100, 30, 60, 25, 65),  # others took more than their shares: 30 free, and 35 held
        (100, 0, 100, 100, 0),
        (40, 900, 60, 25, 35),  # the share became smaller than what is held
    ],
)
def test_room_is_what_the_share_and_the_device_have_left(
    limit: int, free: int, reserved: int, allocated: int, room: int
) -> None:
    assert room_in_share(limit, free, reserved, allocated) == room


def test_a_share_is_of_an_accelerator() -> None:
    quarter = choose_device("cpu", "fp32", 0.25)
    assert quarter.share == 0.25
    keep_to_share(quarter)
    whole, shared = available_bytes(CPU), available_bytes(quarter)
    assert whole is not None
    assert shared is not None
    assert shared > whole / 2


def test_every_kind_of_running_out_is_named() -> None:
    with pytest.raises(TrainingOutOfMemory, match="estimated to need 1,000 bytes"), naming_out_of_memory(1000, CPU):
        torch.empty(2**55, dtype=torch.uint8)
    with pytest.raises(TrainingOutOfMemory, match="estimated to need 1,000 bytes"), naming_out_of_memory(1000, CPU):
        np.empty(2**55, dtype=np.uint8)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    with pytest.raises(RuntimeError, match="shape"), naming_out_of_memory(1000, CPU):
        torch.zeros(2) + torch.zeros(3).reshape(2)


def group(directory: Path, **files: str) -> None:
    directory.mkdir(parents=True)
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)


def test_rooms_of_control_groups_of_version_2(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/pod/box\n")
    group(
        tmp_path / "fs" / "pod" / "box", memory__max="max\n", memory__current="300\n", memory__stat="inactive_file 0\n"
    )
    for name, text in (("max", "1000"), ("current", "700"), ("stat", "anon 500\ninactive_file 100\nfile 9")):
        (tmp_path / "fs" / "pod" / f"memory.{name}").write_text(text)
    # The pod may have 1000, uses 700, of which 100 can be dropped; the box has no limit of its own.
    assert control_group_rooms(tmp_path / "cgroup", tmp_path / "fs") == [400]


def test_rooms_of_control_groups_of_version_1(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("5:cpu,cpuacct:/a\n4:memory:/a\n0::/\n")
    group(
        tmp_path / "fs" / "memory" / "a",
        memory__limit_in_bytes="5000\n",
        memory__usage_in_bytes="1500\n",
        memory__stat="inactive_file 7\ntotal_inactive_file 50\n",
    )
    assert control_group_rooms(tmp_path / "cgroup", tmp_path / "fs") == [3550]
    assert control_group_rooms(tmp_path / "none", tmp_path / "fs") == []


def test_room_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  100 kB\nMemAvailable:   40 kB\n")
    assert machine_rooms(tmp_path / "meminfo") == [40 * 1024]
    assert machine_rooms(tmp_path / "none") == []
