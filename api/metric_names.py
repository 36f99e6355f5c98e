"""Every metric that `/metrics` gives, with its labels: dashboards and alerts rely on these names.

Those "of the store" are the same from every API process: take one, or the largest. Those "of this process" add up.
No label has a trial, a job or an attempt in it; `search` is only on metrics of searches that run.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One family. A counter's name ends in ``_total``; sizes are in base units.

    Args:
        kind: ``gauge``, ``counter``, ``histogram`` or ``summary`` (count and sum, no quantiles).
        buckets: upper bounds of a histogram's buckets, without the infinite one.
    """

    name: str
    kind: str
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_MINUTES = 60.0
_HOURS = 3600.0

# Of the store: what all searches are and did.

SEARCHES = Metric(name="nas_searches", kind="gauge", text="Searches by state.", labels=("state",))
TRIALS_CREATED = Metric(
    name="nas_trials_created_total", kind="counter", text="Trials proposed by algorithms; references are not counted."
)
TRIALS = Metric(
    name="nas_trials_total",
    kind="counter",
    text="Trials that ended, by final state; reason says why a failed one did, and is empty for the others.",
    labels=("state", "reason"),
)
TRIALS_CURRENT = Metric(
    name="nas_trials_current", kind="gauge", text="Trials that are queued or running.", labels=("state",)
)
TRIAL_DURATION = Metric(
    name="nas_trial_duration_seconds",
    kind="histogram",
    text="From the first start to the end of trials that were trained; lost attempts and waiting in between count.",
    buckets=(1.0, 5.0, 15.0, 30.0, 60.0, 2 * _MINUTES, 5 * _MINUTES, 15 * _MINUTES, _HOURS, 4 * _HOURS, 24 * _HOURS),
)
ATTEMPTS = Metric(
    name="nas_attempts_total",
    kind="counter",
    text="Runs of jobs on workers that ended, by state (completed, failed, lost, cancelled) and failure reason.",
    labels=("state", "reason"),
)
WORKER_SECONDS = Metric(
    name="nas_worker_seconds_total",
    kind="counter",
    text="Seconds that workers spent on runs that ended, by their state: what was lost or failed was spent in vain.",
    labels=("state",),
)
ATTEMPTS_CURRENT = Metric(name="nas_attempts_current", kind="gauge", text="Runs of jobs on workers that go on.")
QUEUE_DEPTH = Metric(
    name="nas_queue_depth",
    kind="gauge",
    text="Jobs that wait for a worker, of searches that are pending or running.",
    labels=("kind",),
)
QUEUE_OLDEST = Metric(
    name="nas_queue_oldest_seconds", kind="gauge", text="Age of the oldest job in the queue; 0 where it is empty."
)
LEASES = Metric(
    name="nas_leases",
    kind="gauge",
    text="Searches that are running or stopping, by whether a lease on them is held, or missing (none, or run out).",
    labels=("state",),
)
LEDGER_ENTRIES = Metric(
    name="nas_ledger_entries_total", kind="counter", text="Committed facts in the ledgers of all searches."
)
REWARD_BEST = Metric(
    name="nas_reward_best", kind="gauge", text="Best reward so far of each search that runs.", labels=("search",)
)
PROCESSES = Metric(
    name="nas_processes",
    kind="gauge",
    text="Processes whose last heartbeat is fresh, by role: daemon, search, and api, whose heart beats with /readyz.",
    labels=("role",),
)
SEARCH_CRASHES = Metric(
    name="nas_search_crashes_total",
    kind="counter",
    text="Processes of searches that died, since the daemons that live were started.",
)
CONTROLLER_SECONDS = Metric(
    name="nas_controller_seconds",
    kind="summary",
    text="Where the time of each search that runs goes: turn; in it ask, draft, tell, wait, snapshot, transaction.",
    labels=("search", "step"),
)
CONTROLLER_ENTROPY = Metric(
    name="nas_controller_entropy",
    kind="gauge",
    text="Entropy of the policy of each search that runs, as a share of the largest; of algorithms that have one.",
    labels=("search",),
)
STORE_UP = Metric(name="nas_store_up", kind="gauge", text="Whether the metrics of the store could be read just now.")

# Of this API process.

HTTP_REQUESTS = Metric(
    name="nas_http_requests_total",
    kind="counter",
    text="Answered requests by route template.",
    labels=("method", "route", "status"),
)
HTTP_SECONDS = Metric(
    name="nas_http_request_duration_seconds",
    kind="histogram",
    text="From a request to the begin of its answer; so an event stream counts until it is open.",
    labels=("method", "route"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
SSE_CLIENTS = Metric(name="nas_sse_clients", kind="gauge", text="Event streams that are open.")
STORE_SECONDS = Metric(
    name="nas_store_transaction_seconds",
    kind="histogram",
    text="Database transactions, waiting for the lock included.",
    labels=("access",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0),
)

OF_THE_STORE = (
    SEARCHES,
    TRIALS_CREATED,
    TRIALS,
    TRIALS_CURRENT,
    TRIAL_DURATION,
    ATTEMPTS,
    WORKER_SECONDS,
    ATTEMPTS_CURRENT,
    QUEUE_DEPTH,
    QUEUE_OLDEST,
    LEASES,
    LEDGER_ENTRIES,
    REWARD_BEST,
    PROCESSES,
    SEARCH_CRASHES,
    CONTROLLER_SECONDS,
    CONTROLLER_ENTROPY,
    STORE_UP,
)
OF_THIS_PROCESS = (HTTP_REQUESTS, HTTP_SECONDS, SSE_CLIENTS, STORE_SECONDS)
