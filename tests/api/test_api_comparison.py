import pytest
import scipy.stats

from api.comparison import best_reference, compare
from nas_controller.records import NetworkCost, Trial, TrialDraft, TrialState
from tests.api.searches import START

COST = NetworkCost(backbone_parameters=1, backbone_multiply_adds=1, detector_parameters=1, detector_multiply_adds=1)


def measured(name: str, mean: float | None, error: float | None, count: int) -> Trial:
    draft = TrialDraft(
        number=1,
        arm="reference",
        name=name,
        spec={},
        fingerprint=name,
        target_cost=COST,
        proxy_cost=COST,
        num_dead_blocks=0,
    )
    return Trial(
        search_id="s",
        draft=draft,
        state=TrialState.COMPLETED,
        created_at=START,
        val_average_precision=mean,
        val_standard_error=error,
        val_count=count,
    )


@pytest.mark.parametrize(
    ("errors", "counts"), [((0.01, 0.01), (3, 3)), ((0.02, 0.005), (4, 8)), ((0.01, 0.01), (6, 6))]
)
def test_the_interval_is_welchs(errors: tuple[float, float], counts: tuple[int, int]) -> None:
    found = compare(measured("a", 0.30, errors[0], counts[0]), measured("b", 0.20, errors[1], counts[1]))
    assert found is not None
    variances = [error**2 for error in errors]
    weights = [variance**2 / (count - 1) for variance, count in zip(variances, counts, strict=True)]
    degrees = sum(variances) ** 2 / sum(weights)
    exact = scipy.stats.t.ppf(0.975, int(degrees + 1e-9)) * sum(variances) ** 0.5
    assert found.half_width == pytest.approx(exact, rel=1e-3)
    assert found.value == pytest.approx(0.1)
    assert found.is_significant == (exact < 0.1)


def test_one_seed_is_compared_with_nothing() -> None:
    assert compare(measured("a", 0.3, None, 1), measured("b", 0.2, 0.01, 3)) is None
    assert compare(measured("a", 0.3, 0.01, 3), None) is None
    assert compare(measured("a", None, None, 0), measured("b", 0.2, 0.01, 3)) is None


def test_equal_runs_leave_no_doubt() -> None:
    found = compare(measured("a", 0.3, 0.0, 3), measured("b", 0.2, 0.0, 3))
    assert found is not None
    assert (found.half_width, found.is_significant) == (0.0, True)


def test_the_best_reference_has_the_highest_mean_over_two_seeds_or_more() -> None:
    references = [measured("a", 0.20, 0.01, 3), measured("b", 0.25, 0.01, 3), measured("c", 0.9, None, 1)]
    best = best_reference(references)
    assert best is not None
    assert best.draft.name == "b"
    assert best_reference(references[2:]) is None
