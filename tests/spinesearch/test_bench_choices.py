"""`bench choices`: every variant trains, leaves out what it says, and is held against the step as it is."""

import io
import json
from dataclasses import asdict, fields

import pytest
from rich.console import Console

from search_space.reference import reference
from spinesearch.bench.choices import (
    AS_IT_IS,
    VARIANTS,
    ChoicesReport,
    Timing,
    Variant,
    print_choices,
    variant_reports,
)
from spinesearch.bench.choices_step import measure
from spinesearch.bench.proxy import quick_task
from trainer.data.generated import generate
from trainer.task import PRESETS, DataSource, EvaluationRequest


@pytest.fixture(scope="module")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return generate(tmp_path_factory.mktemp("drawn") / "data", num_train=10, num_val=2, image_size=64)


@pytest.mark.parametrize("variant", [VARIANTS[0], VARIANTS[2], VARIANTS[-1]], ids=lambda variant: variant.name)
def test_a_variant_trains(drawn_data: DataSource, variant: Variant) -> None:
    task = quick_task(PRESETS["cpu-tiny"])
    request = EvaluationRequest(spec=reference("spinenet-49"), task=task, data=drawn_data, seed=0, device="cpu")
    timing = measure(request, variant)
    assert timing.first_seconds > 0
    assert timing.step_seconds > 0


def test_every_choice_is_left_out_by_some_variant() -> None:
    as_it_is = VARIANTS[0]
    assert as_it_is.name == AS_IT_IS
    choices = {field.name for field in fields(Variant)} - {"name", "compiles"}
    assert all(getattr(as_it_is, choice) for choice in choices)
    assert {choice for choice in choices for variant in VARIANTS if not getattr(variant, choice)} == choices


def test_a_ratio_is_of_medians() -> None:
    timings = {
        AS_IT_IS: [Timing(1.0, 0.1), Timing(1.0, 0.1), Timing(1.0, 0.9)],
        "float32": [Timing(2.0, 0.2), Timing(4.0, 0.2), Timing(3.0, 0.2)],
    }
    as_it_is, float32 = variant_reports(timings)
    assert as_it_is.ratio == 1.0
    assert (float32.ratio, float32.first_seconds) == (2.0, 3.0)  # 0.2 by 0.1


def test_a_report_prints_and_is_plain_data() -> None:
    variants = variant_reports({AS_IT_IS: [Timing(1.0, 0.1)], "float32": [Timing(2.0, 0.15)]})
    task = PRESETS["cpu-tiny"].to_document()
    report = ChoicesReport(architecture="spinenet-49", threads=1, rounds=1, task=task, variants=variants)
    output = io.StringIO()
    print_choices(report, Console(file=output, width=120))
    assert "float32" in output.getvalue()
    assert "1.50" in output.getvalue()
    assert json.loads(json.dumps(asdict(report)))["rounds"] == 1
