"""`bench profile`: the parts of a trial are those of a trial, and operators are sorted into kinds."""

import io
import json
from dataclasses import asdict

import pytest
from rich.console import Console

from search_space.reference import reference
from spinesearch.bench.profile import Measured, operator_kind, operator_kinds, run_profile
from spinesearch.bench.profile_phases import measure
from spinesearch.bench.profile_table import print_profile
from spinesearch.bench.proxy import quick_task
from trainer.data.generated import generate
from trainer.task import PRESETS, DataSource, EvaluationRequest

TASK = quick_task(PRESETS["cpu-tiny"])
STEP_PARTS = ["put batch together", "forward pass", "targets and loss", "backward pass, of the loss too", "optimizer"]


@pytest.fixture(scope="module")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return generate(tmp_path_factory.mktemp("drawn") / "data", num_train=20, num_val=5, image_size=64)


@pytest.fixture(scope="module")
def measured(drawn_data: DataSource) -> Measured:
    return measure(EvaluationRequest(spec=reference("spinenet-49"), task=TASK, data=drawn_data, seed=0, device="cpu"))


def test_the_parts_come_in_the_order_of_a_trial(measured: Measured) -> None:
    names = [phase.name for phase in measured.phases]
    assert names == ["read images", "build network", *STEP_PARTS, "batch norm statistics", "detections", "COCO scores"]
    assert [phase.name for phase in measured.phases if phase.is_step] == STEP_PARTS
    assert all(phase.seconds > 0 for phase in measured.phases)


def test_a_step_has_the_operators_of_the_network(measured: Measured) -> None:
    calls = {kind.name: kind.calls for kind in measured.operators}
    assert calls["convolution"] > 300  # 159 forward and as many backward, by one name or more each
    assert calls["batch norm"] > 250
    assert sum(kind.share for kind in measured.operators) == pytest.approx(1.0)
    shares = [kind.share for kind in measured.operators]
    assert shares == sorted(shares, reverse=True)


def test_calls_are_those_of_one_step_and_shares_those_of_all_time() -> None:
    rows = [("aten::conv2d", 20, 300.0), ("ConvolutionBackward0", 20, 500.0), ("aten::add", 10, 200.0)]
    convolution, other = operator_kinds(rows, num_steps=10)
    assert (convolution.name, convolution.calls, convolution.share) == ("convolution", 4.0, 0.8)  # (20 + 20) / 10
    assert (other.name, other.calls, other.share) == ("other", 1.0, 0.2)


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("aten::convolution_backward", "convolution"),
        ("NativeBatchNormBackward0", "batch norm"),
        ("aten::native_batch_norm", "batch norm"),
        ("aten::max_pool2d_with_indices", "pooling"),
        ("aten::threshold_backward", "activation"),
        ("aten::_fused_adamw_", "optimizer"),
        ("aten::empty", "memory"),
    ],
)
def test_an_operator_is_of_one_kind(operator: str, kind: str) -> None:
    assert operator_kind(operator) == kind


@pytest.mark.slow
def test_a_report_prints_and_is_plain_data(drawn_data: DataSource) -> None:
    report = run_profile(name="spinenet-49", spec=reference("spinenet-49"), task=TASK, data=drawn_data, device="cpu")
    # 2 steps of 2 images, three passes, two operations a multiply-add, at the peak that was measured
    assert report.arithmetic_seconds < report.bare_seconds < report.trial_seconds
    assert json.loads(json.dumps(asdict(report)))["steps"] == TASK.steps
    output = io.StringIO()
    print_profile(report, Console(file=output, width=120))
    assert "targets and loss" in output.getvalue()
    assert "times the bare network" in output.getvalue()
