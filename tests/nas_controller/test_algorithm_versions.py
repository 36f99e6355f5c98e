"""Which versions are recorded."""

from pathlib import Path

import numpy as np
import torch

from nas_controller.algorithms.versions import versions_here


def test_versions_are_of_this_process() -> None:
    versions = versions_here()
    assert (versions["numpy"], versions["torch"]) == (np.__version__, torch.__version__)
    assert all(isinstance(text, str) and text for text in versions.values())


def test_the_cpu_is_the_one_that_linux_names(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Example 9000: 2.5 GHz\n\nprocessor\t: 1\nmodel name\t: Other\n")
    assert versions_here(file)["cpu"] == "Example 9000: 2.5 GHz"
    assert versions_here(tmp_path / "none")["cpu"]
