"""What is said of the controller from inside, to people."""

from typing import Any

from nas_controller.insight.buckets import limits
from nas_controller.insight.policy import COUNTS, Policy, PolicyBucket

COLLAPSED_ENTROPY = 0.25
"""Of its start. Below that REINFORCE, as it is set by default, comes at the end of its horizon, with nine proposals of
ten still new: so it is no collapse by itself. Picks among blocks of one level keep some entropy whatever is learned."""
COLLAPSED_DUPLICATES = 0.5
"""From here on most proposals teach nothing that was not told before."""
LAST_BUCKETS = 3
MIN_LAST_ASKED = 15
"""Of fewer proposals, half are duplicates now and then."""


def controller_fields(policy: Policy) -> dict[str, Any]:
    """Buckets, diagnostics and warnings: fields of `api.inside_schemas.ControllerInsight`."""
    return {
        "buckets": [_bucket_fields(policy, place) for place in range(len(policy.buckets))],
        "diagnostics": [
            {"told": point.told, "at": point.at, "values": dict(point.values)} for point in policy.diagnostics.points
        ],
        "warnings": _warnings(policy),
    }


def _bucket_fields(policy: Policy, place: int) -> dict[str, Any]:
    bucket = policy.buckets[place]
    first, last = limits(place, policy.width, policy.num_trials)
    return {
        "first_trial": first,
        "last_trial": last,
        **{name: getattr(bucket, name) for name in COUNTS},
        "arms": dict(bucket.arms),
        "staleness_mean": bucket.staleness.mean,
        "staleness_max": bucket.staleness_max if bucket.staleness.count else None,
        "entropy": {kind: sums.mean for kind, sums in bucket.entropy.items()},
        "entropy_standard_error": {kind: sums.standard_error for kind, sums in bucket.entropy.items()},
    }


def _warnings(policy: Policy) -> list[dict[str, str]]:
    asked = [bucket for bucket in policy.buckets if bucket.asked]
    if len(asked) <= LAST_BUCKETS:
        return []
    last = PolicyBucket()
    for bucket in asked[-LAST_BUCKETS:]:
        last = last.plus(bucket)
    start, now = policy.mean_entropy(asked[0]), policy.mean_entropy(last)
    if not start or now is None or last.asked < MIN_LAST_ASKED:
        return []
    if now >= COLLAPSED_ENTROPY * start or last.duplicates <= COLLAPSED_DUPLICATES * last.asked:
        return []
    message = (
        f"The policy has collapsed: {last.duplicates} of its last {last.asked} proposals were proposed before, and the "
        f"entropy of its decisions is {now / start:.0%} of what it was at first."
    )
    return [{"code": "collapse", "message": message}]
