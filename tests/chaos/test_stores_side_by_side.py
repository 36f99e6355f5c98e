"""The stores side by side, in thousands of runs instead of a few."""

import pytest
from hypothesis import HealthCheck, settings

from tests.nas_controller.test_store_side_by_side import SideBySide


class ForLong(SideBySide):
    """The same rules."""


ForLong.TestCase.settings = settings(
    max_examples=2000, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestForLong = pytest.mark.chaos(ForLong.TestCase)
