"""What this API process counts of itself; `store_metrics` adds what all searches did."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from api import metric_names as names

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OTHER = "other"
"""A method or a route that is none of ours: whoever asks must not make series."""


class ApiMetrics:
    """The metrics of one API process, in a registry of their own. Safe for threads."""

    def __init__(self) -> None:
        # They double the series, and say what `process_start_time_seconds` says.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = _counter(names.HTTP_REQUESTS, self.registry)
        self._seconds = _histogram(names.HTTP_SECONDS, self.registry)
        self._transactions = _histogram(names.STORE_SECONDS, self.registry)
        clients = names.SSE_CLIENTS
        self.sse_clients = Gauge(clients.name, clients.text, registry=self.registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered with this status after so many seconds; `route` is a template, or OTHER."""
        method = method if method in METHODS else OTHER
        self._requests.labels(method=method, route=route, status=str(status)).inc()
        self._seconds.labels(method=method, route=route).observe(seconds)

    def observe_transaction(self, access: str, seconds: float) -> None:
        """A transaction of the store ended; see `store.engine.ObserveTransaction`."""
        self._transactions.labels(access=access).observe(seconds)

    def text(self) -> bytes:
        """Everything in the registry, in Prometheus' text format."""
        return generate_latest(self.registry)


def _counter(metric: names.Metric, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.text, metric.labels, registry=registry)


def _histogram(metric: names.Metric, registry: CollectorRegistry) -> Histogram:
    return Histogram(metric.name, metric.text, metric.labels, buckets=metric.buckets, registry=registry)
