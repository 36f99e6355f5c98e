"""Dashboard and alerts ask for metrics, labels and values that the API gives."""

import json
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
import pytest
import yaml

from api.metric_names import OF_THE_STORE, OF_THIS_PROCESS, Metric
from nas_controller.records import AttemptState, FailureReason, JobKind, SearchState, TrialState
from nas_controller.tallies import ProcessRole
from tests.deploy.compose import ROOT, read_services

PROMETHEUS, GRAFANA = ROOT / "deploy" / "prometheus", ROOT / "deploy" / "grafana"
SUFFIXES = {"gauge": ("",), "counter": ("",), "histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
OF_A_TARGET = {"job", "instance"}
VALUES: dict[tuple[str, str], set[str]] = {
    ("nas_searches", "state"): set(SearchState),
    ("nas_trials_total", "state"): set(TrialState),
    ("nas_trials_total", "reason"): {"", *FailureReason},
    ("nas_attempts_total", "state"): set(AttemptState),
    ("nas_queue_depth", "kind"): set(JobKind),
    ("nas_processes", "role"): set(ProcessRole),
    ("nas_leases", "state"): {"held", "missing"},
    ("up", "job"): {"spinesearch"},
}


def series(metric: Metric) -> Iterator[tuple[str, set[str]]]:
    """Names of a family's series, with their labels."""
    for suffix in SUFFIXES[metric.kind]:
        yield metric.name + suffix, {*metric.labels, *(["le"] if suffix == "_bucket" else [])}


KNOWN = {"up": set[str](), **{name: labels for m in (*OF_THE_STORE, *OF_THIS_PROCESS) for name, labels in series(m)}}


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "spinesearch.json").read_text(encoding="utf-8"))
    return document


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


PANELS = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
QUERIES = {f"{panel['title']} {target['refId']}": target["expr"] for panel in PANELS for target in panel["targets"]}
QUERIES |= {rule["alert"]: rule["expr"] for rule in rules()}


def parts(query: str) -> list[Any]:
    """Every expression inside of a query, itself included."""
    found: list[Any] = []
    promql.walk(promql.parse(query), lambda part: found.append(part))
    return found


def selectors(query: str) -> list[Any]:
    return [part for part in parts(query) if isinstance(part, promql.VectorSelector)]


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_asks_for_series_and_labels_that_there_are(query: str) -> None:
    asked = selectors(query)
    assert asked
    for selector in asked:
        assert selector.name in KNOWN
        for matcher in selector.matchers.matchers:
            assert matcher.name in KNOWN[selector.name] | OF_A_TARGET
            if matcher.op is not promql.MatchOp.Re or ".." not in matcher.value:
                assert set(matcher.value.split("|")) <= VALUES[selector.name, matcher.name]
    grouped = {label for part in parts(query) for label in grouping(part)}
    assert grouped <= OF_A_TARGET.union(*(KNOWN[selector.name] for selector in asked))


def grouping(part: Any) -> list[str]:
    modifier = part.modifier if isinstance(part, promql.AggregateExpr) else None
    return list(modifier.labels) if modifier is not None else []


def test_a_wrong_name_would_be_found() -> None:
    (selector,) = selectors('sum by (state) (rate(nas_trial_total{state="ended"}[5m]))')
    assert selector.name not in KNOWN


def test_every_metric_is_shown_or_watched() -> None:
    asked = {selector.name for query in QUERIES.values() for selector in selectors(query)}
    families = {m.name: {name for name, _ in series(m)} for m in (*OF_THE_STORE, *OF_THIS_PROCESS)}
    unused = {name for name, names in families.items() if not names & asked}
    assert unused == {"nas_trials_created_total", "nas_ledger_entries_total"}  # For those who ask themselves.


def test_counters_are_read_as_rates() -> None:
    """A counter's value says when its process was started."""
    for query in QUERIES.values():
        ranges = [str(part.vector_selector.name) for part in parts(query) if isinstance(part, promql.MatrixSelector)]
        plain = [str(selector.name) for selector in selectors(query)]
        assert all(name.endswith(("_total", "_bucket", "_sum", "_count")) for name in ranges)
        assert not [
            name for name in plain if name.endswith(("_total", "_bucket", "_sum", "_count")) and name not in ranges
        ]


def test_panels_lie_side_by_side_and_have_one_source() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    (source,) = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"


def test_dashboards_are_where_grafana_looks_for_them() -> None:
    (provider,) = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "spinesearch.yml").read_text())["providers"]
    volumes = read_services()["grafana"].volumes
    assert volumes[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert volumes["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"


def test_prometheus_asks_the_api_by_a_name_that_it_answers_to() -> None:
    document = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = document["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    services = read_services()
    name, port = target.split(":")
    assert name in services["api"].environment["SPINESEARCH_ALLOWED_HOSTS"].split(",")
    assert services["api"].command[-1] == port
    assert job["metrics_path"] == "/metrics"
    secret = job["authorization"]["credentials_file"].removeprefix("/run/secrets/")
    assert secret in services["prometheus"].secrets
    assert services["api"].environment["SPINESEARCH_TOKEN_FILE"] == f"/run/secrets/{secret}"
    assert all((PROMETHEUS / name).exists() for name in document["rule_files"])
    assert services["prometheus"].volumes["/etc/prometheus"] == "./deploy/prometheus"


def test_alerts_say_how_bad_it_is_and_what_to_do() -> None:
    for rule in rules():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
