"""What reaches Prometheus: the names and labels that dashboards made for the Collector, Jaeger and Tempo query."""

from __future__ import annotations

from pipeline.testing import Harness, span_batch
from processors.span_metrics import SpanMetrics
from tests.unit.codec.pages import render, samples

RESOURCE = {"service.namespace": "shop", "service.instance.id": "i-1", "k8s.pod.name": "p", "job": "mine"}


def exposed(run: Harness[SpanMetrics], labels_of: str) -> tuple[set[str], dict[str, str]]:
    """Sample names, and the labels of the one sample of this name that is not 0."""
    reported: list[tuple[str, str, int]] = []
    found = samples(render(run.collect(), reported=reported))
    assert reported == []
    (labels,) = (dict(labels) for name, labels, value in found if name == labels_of and value)
    return {name for name, _, _ in found}, labels


def test_the_collectors_names() -> None:
    run = Harness(SpanMetrics, dimensions=["http.route"], events={"enabled": True, "dimensions": ["x"]})
    run.traces(span_batch(attributes={"http.route": "/a"}, resource=RESOURCE))
    names, labels = exposed(run, "traces_span_metrics_calls_total")
    duration = "traces_span_metrics_duration_milliseconds"
    metrics = {"traces_span_metrics_calls_total", *(f"{duration}_{part}" for part in ("bucket", "sum", "count"))}
    assert names == metrics | {"target_info"}
    assert labels == {
        "service_name": "cart",
        "span_name": "GET /",
        "span_kind": "SPAN_KIND_SERVER",
        "status_code": "STATUS_CODE_UNSET",
        "http_route": "/a",
        "job": "shop/cart",
        "instance": "i-1",
    }


def test_the_collectors_names_in_seconds() -> None:
    run = Harness(SpanMetrics, histogram={"unit": "s"})
    run.traces(span_batch())
    names, _ = exposed(run, "traces_span_metrics_duration_seconds_count")
    assert "traces_span_metrics_duration_seconds_bucket" in names


def test_tempos_names() -> None:
    run = Harness(SpanMetrics, naming="tempo", dimensions=["http.route", "service"], enable_target_info=True)
    run.traces(span_batch(attributes={"http.route": "/a"}, resource=RESOURCE))
    names, labels = exposed(run, "traces_spanmetrics_calls_total")
    latency = {f"traces_spanmetrics_latency_{part}" for part in ("bucket", "sum", "count")}
    assert names == latency | {"traces_spanmetrics_calls_total", "traces_spanmetrics_size_total", "traces_target_info"}
    assert labels == {
        "service": "cart",
        "span_name": "GET /",
        "span_kind": "SPAN_KIND_SERVER",
        "status_code": "STATUS_CODE_UNSET",
        "http_route": "/a",
        "job": "shop/cart",
        "instance": "i-1",
    }
    _, info = exposed(run, "traces_target_info")
    # Tempo writes __job; escaping joins underscores (otlptranslator), unless the strategy is NoTranslation.
    assert info == {"k8s_pod_name": "p", "_job": "mine", "job": "shop/cart", "instance": "i-1"}


def test_both_share_a_page() -> None:
    run = Harness(SpanMetrics, naming="both")
    run.traces(span_batch(n=5))
    found = samples(render(run.collect()))
    totals = {name: sum(value for other, _, value in found if other == name) for name, _, _ in found}
    assert totals["traces_span_metrics_calls_total"] == totals["traces_spanmetrics_calls_total"] == 5
