"""What the last bit of a computed number depends on, besides the program."""

import platform
from importlib.metadata import version
from pathlib import Path

CPU_FILE = Path("/proc/cpuinfo")


def versions_here(cpu_file: Path = CPU_FILE) -> dict[str, str]:
    """Versions of this process' software, and the type of its CPU.

    Args:
        cpu_file: where Linux describes it; elsewhere there is none.
    """
    import torch

    return {
        "spinesearch": version("spinesearch"),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "scipy": version("scipy"),
        "optuna": version("optuna"),
        "cmaes": version("cmaes"),
        "torch": torch.__version__,
        "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "cpu": _cpu_name(cpu_file),
    }


def _cpu_name(cpu_file: Path) -> str:
    """The model's name as its maker gives it; what Python knows where there is no such file."""
    if cpu_file.exists():
        for line in cpu_file.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"
