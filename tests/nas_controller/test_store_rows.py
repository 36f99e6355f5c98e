from dataclasses import asdict

import pytest

from nas_controller.records import Failure, FailureKind, FailureReason
from nas_controller.store.rows import failure_of, failure_value


@pytest.mark.parametrize("reason", FailureReason)
def test_a_failure_is_the_same_after_a_round_trip(reason: FailureReason) -> None:
    failure = Failure(reason=reason, message="m", traceback="t")
    document = failure_value(failure)
    assert document == {**asdict(failure), "kind": failure.kind.value}
    assert failure_of(document) == failure


@pytest.mark.parametrize("kind", FailureKind)
def test_a_failure_that_was_stored_without_a_reason_keeps_its_kind(kind: FailureKind) -> None:
    failure = failure_of({"kind": kind.value, "message": "m", "traceback": "t"})
    assert failure is not None
    assert (failure.kind, failure.message, failure.traceback) == (kind, "m", "t")


def test_no_failure_is_none() -> None:
    assert failure_value(None) is None
    assert failure_of(None) is None
