"""Where a training runs."""

import importlib.util

import pytest
import torch

from trainer.device import ComputeDevice, choose_device
from trainer.task import TaskError

CPU = ComputeDevice(torch.device("cpu"), uses_bf16=False)


def test_choose_device() -> None:
    assert choose_device("cpu", "fp32") == CPU
    assert choose_device("cpu", "bf16").uses_bf16
    assert choose_device("cpu", "fp32").describe() == "cpu (fp32)"
    assert CPU.peak_memory_bytes() > 10**7
    with pytest.raises(TaskError, match="device: 'tpu'"):
        choose_device("tpu", "auto")


def test_auto_is_a_tpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PJRT_DEVICE", "CPU")
    assert choose_device("auto", "fp32").device.type in ("cpu", "cuda")
    monkeypatch.setenv("PJRT_DEVICE", "TPU")
    with pytest.raises(TaskError, match="device: 'xla'"):  # torch_xla is not in this environment
        choose_device("auto", "fp32")
    assert choose_device("cpu", "fp32") == CPU


def test_a_device_that_is_not_there_is_refused_in_one_line() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(TaskError, match="this machine has no CUDA device"):
            choose_device("cuda", "auto")
    if importlib.util.find_spec("torch_xla") is None:
        with pytest.raises(TaskError, match="device: 'xla': torch_xla cannot be loaded here") as refused:
            choose_device("xla", "auto")
        assert "\n" not in str(refused.value)
