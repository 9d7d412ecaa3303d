"""Services as JSON: figures, status, neighbours, and the schema that describes them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from jsonschema import Draft202012Validator

from pipeline.api import Label, Meter, MetricSnapshot, Settings
from pipeline.extensions.admin import Admin, AdminConfig
from pipeline.extensions.service_view import quantile
from pipeline.http_server import Request, Response
from pipeline.telemetry import ComponentTelemetry
from pipeline.testing import FakeClock, Harness, span_batch
from processors.anomaly import names as anomaly
from processors.service_graph import ServiceGraph
from processors.slo import names as slo
from processors.span_metrics import SpanMetrics

OPENAPI = yaml.safe_load((Path(__file__).parents[3] / "docs/api/openapi.yaml").read_text())
PATHS = {
    "/api/v1/services": "ServiceList",
    "/api/v1/services/cart": "ServiceAnswer",
    "/api/v1/series": "SeriesTables",
}
CALL = [
    {"service": "shop", "kind": "client", "trace_id": b"t" * 16, "span_id": b"c" * 8},
    {"service": "cart", "kind": "server", "trace_id": b"t" * 16, "span_id": b"s" * 8, "parent_span_id": b"c" * 8},
]


class Weir:
    """The host, and its components."""

    def __init__(self, *components: Any, **config: Any) -> None:
        self.clock = FakeClock()
        self.components = list(components)
        self.gauges = Meter("gauges", self.clock)
        self.asked = 0
        telemetry = ComponentTelemetry("extension", "admin", self.clock)
        settings = Settings("admin", self.clock, Meter("admin", self.clock), telemetry)
        self.admin = Admin(AdminConfig.model_validate(config), settings)
        self.admin._host = cast(Any, self)

    def status(self) -> Any:
        return {}

    def snapshots(self) -> Sequence[MetricSnapshot]:
        self.asked += 1
        return [*(one.collect() for one in self.components), self.gauges.collect(self.clock.unix_nano())]

    def gauge(self, name: str, value: float, **labels: str) -> None:
        gauge = self.gauges.instruments.get(name) or self.gauges.gauge(name, labels=[Label(key, ()) for key in labels])
        gauge.set(tuple(labels.values()), value)  # type: ignore[attr-defined]

    def ask(self, path: str = "/api/v1/services/cart", method: str = "GET") -> Response:
        return self.admin.answer(Request(method, path, "", {}, b"", "127.0.0.1:1"))

    def service(self, name: str = "cart") -> Any:
        response = self.ask(f"/api/v1/services/{name}")
        assert response.status == 200
        return json.loads(response.body)


@pytest.fixture(params=["otelcol", "tempo", "both"])
def naming(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def problems(answer: Response, schema: str) -> list[str]:
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": OPENAPI["components"]})
    return [error.message for error in validator.iter_errors(json.loads(answer.body))]


def test_rate_and_errors_are_of_the_time_between_two_requests(naming: str) -> None:
    metrics = Harness(SpanMetrics, naming=naming)
    weir = Weir(metrics)
    metrics.traces(span_batch(8, service="cart"))
    first = weir.service()
    assert (first["rate"], first["window_seconds"], first["error_ratio"]) == (None, None, 0.0)
    metrics.traces(span_batch(15, service="cart"))
    metrics.traces(span_batch(5, service="cart", status="error"))
    weir.clock.advance(10)
    second = weir.service()
    assert (second["rate"], second["window_seconds"], second["error_ratio"]) == (2.0, 10.0, 0.25)
    assert [first["status"], second["status"]] == ["healthy", "degraded"]


def test_the_window_is_the_last_minute_when_somebody_asks_often() -> None:
    metrics = Harness(SpanMetrics)
    weir = Weir(metrics)
    metrics.traces(span_batch(1, service="cart"))
    for _ in range(40):
        weir.service()
        weir.clock.advance(5)
        metrics.traces(span_batch(10, service="cart"))
    shown = weir.service()
    assert 60 <= shown["window_seconds"] < 70
    assert shown["rate"] == pytest.approx(2.0)


def test_a_service_without_traffic_is_unknown() -> None:
    metrics = Harness(SpanMetrics)
    weir = Weir(metrics)
    metrics.traces(span_batch(1, service="cart"))
    assert weir.service()["status"] == "healthy"
    weir.clock.advance(60)
    shown = weir.service()
    assert (shown["status"], shown["rate"], shown["error_ratio"]) == ("unknown", 0.0, None)
    assert shown["latency_seconds"] is None


def test_latencies_are_interpolated_in_buckets_of_server_and_consumer_spans(naming: str) -> None:
    histogram = {"explicit": {"buckets": ["10ms", "20ms"]}} if naming != "tempo" else {}
    config = {"histogram": histogram} if histogram else {"histogram_buckets": [0.01, 0.02]}
    metrics = Harness(SpanMetrics, naming=naming, **config)
    metrics.traces(span_batch(2, service="cart", duration_ms=15))
    metrics.traces(span_batch(2, service="cart", kind="consumer", duration_ms=15))
    metrics.traces(span_batch(9, service="cart", kind="client", duration_ms=5))
    assert Weir(metrics).service()["latency_seconds"] == pytest.approx({"p50": 0.015, "p95": 0.0195, "p99": 0.0199})


def test_latencies_come_from_exponential_histograms_too() -> None:
    metrics = Harness(SpanMetrics, histogram={"exponential": {"max_size": 160}})
    metrics.traces(span_batch(4, service="cart", duration_ms=15))
    assert Weir(metrics).service()["latency_seconds"]["p95"] == pytest.approx(0.015, rel=0.01)


def test_a_quantile_above_the_last_bound_is_that_bound() -> None:
    assert quantile(0.99, {(0.0, 1.0): 1.0, (2.0, float("inf")): 9.0}) == 2.0


def test_neighbours_come_from_the_service_graph(naming: str) -> None:
    metrics, graph = Harness(SpanMetrics, naming=naming), Harness(ServiceGraph, naming=naming)
    for harness in (metrics, graph):
        harness.traces(span_batch(spans=CALL))
    weir = Weir(metrics, graph)
    assert (weir.service("cart")["upstream"], weir.service("cart")["downstream"]) == (["shop"], [])
    assert (weir.service("shop")["upstream"], weir.service("shop")["downstream"]) == ([], ["cart"])


def test_two_components_that_count_the_same_spans_are_not_added_up() -> None:
    twins = [Harness(SpanMetrics), Harness(SpanMetrics)]
    weir = Weir(*twins)
    for twin in twins:
        twin.traces(span_batch(1, service="cart"))
    weir.service()
    for twin in twins:
        twin.traces(span_batch(20, service="cart"))
    weir.clock.advance(10)
    assert weir.service()["rate"] == 2.0


def test_slos_and_incidents_are_shown_and_degrade() -> None:
    weir = Weir()
    weir.gauge(slo.SLO_BUDGET_REMAINING, 0.5, slo="fast", service_name="cart")
    weir.gauge(slo.SLO_BUDGET_REMAINING, -0.25, slo="up", service_name="cart")
    weir.gauge(anomaly.INCIDENT_ACTIVE, 0.0, incident="1", root_service="cart", severity="warning")
    shown = weir.service()
    assert shown["slo_budget_remaining"] == -0.25
    assert shown["status"] == "unknown"
    weir.gauge(anomaly.INCIDENT_ACTIVE, 0.0, incident="2", root_service="cart", severity="warning")
    weir.gauge(anomaly.INCIDENT_ACTIVE, 1.0, incident="2", root_service="cart", severity="critical")
    weir.clock.advance(1)
    shown = weir.service()
    assert shown["status"] == "degraded"
    expected = {"id": "2", "severity": "critical", "active": True, "since": "2026-01-01T00:00:00Z"}
    assert shown["last_incident"] == expected


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        (slo.SLO_BURNING, {"slo": "up", "service_name": "cart", "severity": "page"}),
        (anomaly.ANOMALY_ACTIVE, {"service_name": "cart", "span_name": "GET /", "signal": "rate"}),
    ],
)
def test_an_alarm_degrades_a_healthy_service(name: str, labels: dict[str, str]) -> None:
    metrics = Harness(SpanMetrics)
    metrics.traces(span_batch(1, service="cart"))
    weir = Weir(metrics)
    weir.gauge(name, 0.0, **labels)
    assert weir.service()["status"] == "healthy"
    weir.gauge(name, 1.0, **labels)
    weir.clock.advance(1)
    assert weir.service()["status"] == "degraded"


def test_the_metrics_are_read_once_a_second_at_most() -> None:
    weir = Weir()
    weir.ask()
    weir.clock.advance(0.9)
    weir.ask()
    assert weir.asked == 1
    weir.clock.advance(0.1)
    weir.ask()
    assert weir.asked == 2


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/api/v1/services", "HEAD", 200),
        ("/api/v1/services/", "GET", 200),
        ("/api/v1/services", "POST", 405),
        ("/api/v1/services/nobody", "GET", 404),
        ("/api/v1/services/a/b", "GET", 404),
        ("/", "GET", 404),
    ],
)
def test_what_is_not_there_is_refused_in_json(path: str, method: str, status: int) -> None:
    answer = Weir().ask(path, method)
    assert (answer.status, answer.content_type) == (status, "application/json")
    assert status == 200 or problems(answer, "Error") == []


def test_names_are_percent_encoded() -> None:
    metrics = Harness(SpanMetrics)
    metrics.traces(span_batch(1, service="ä/b c"))
    assert Weir(metrics).service("%C3%A4%2Fb%20c")["name"] == "ä/b c"


@pytest.mark.parametrize("path", PATHS)
def test_answers_are_as_the_schema_says(path: str) -> None:
    metrics, graph = Harness(SpanMetrics), Harness(ServiceGraph)
    weir = Weir(metrics, graph)
    for harness in (metrics, graph):
        harness.traces(span_batch(spans=CALL))
    assert problems(weir.ask(path), PATHS[path]) == []
    weir.gauge(slo.SLO_BUDGET_REMAINING, 0.5, slo="fast", service_name="cart")
    weir.gauge(anomaly.INCIDENT_ACTIVE, 1.0, incident="1", root_service="cart", severity="warning")
    weir.clock.advance(30)
    assert problems(weir.ask(path), PATHS[path]) == []


def test_the_schema_refuses_what_it_does_not_know() -> None:
    answer = Response(200, json.dumps({"window_seconds": None, "services": [{"name": "cart", "more": 1}]}).encode())
    assert problems(answer, "ServiceList")
    assert [path for path in OPENAPI["paths"] if "services" in path] == ["/api/v1/services", "/api/v1/services/{name}"]
