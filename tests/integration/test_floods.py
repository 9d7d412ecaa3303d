"""Floods, through the receiver of a Weir in a process of its own: catalogue A2 37 – 39 and law L5.

Must never regress: limits hold, totals stay exact, memory is bounded, and who sends little is not affected by who
sends much.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.testing import export_request
from tests.integration.floods import DIGITS, requests
from tests.integration.weir_process import free_ports, get, running
from tests.waiting import eventually

MILLION = 1_000_000
LIMIT = 500
MAX_ITEMS = 1_000
# Of memory, after the first requests of a flood. The series table and the edge store are far below.
GROWTH_BYTES = 48 << 20
CONFIG = f"""
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:${{env:HTTP}}"}}}}}}
connectors:
  span_metrics:
    histogram: {{unit: s}}
    dimensions: [{{name: http.route}}]
    resource_metrics_cache_size: {LIMIT}
    aggregation_cardinality_limit: {LIMIT}
  service_graph:
    store: {{ttl: 1s, max_items: {MAX_ITEMS}}}
    store_expiration_loop: 200ms
exporters:
  prometheus: {{endpoint: "127.0.0.1:${{env:METRICS}}"}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics, service_graph]}}
    metrics: {{receivers: [span_metrics, service_graph], exporters: [prometheus]}}
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: "${{env:OWN}}"}}}}}}}}]}}
"""
CALLS, COUNT = "traces_span_metrics_calls_total", "traces_span_metrics_duration_seconds_count"


class Weir:
    """What a test asks of it."""

    def __init__(self, ports: dict[str, int]) -> None:
        self._ports = ports
        self._connection = http.client.HTTPConnection("127.0.0.1", ports["HTTP"], timeout=30)

    def send(self, body: bytes) -> None:
        self._connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
        answer = self._connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")

    def flood(self, bodies: Iterator[bytes]) -> None:
        """Send; memory does not grow any more once the first tenth has come."""
        bodies_left = list(bodies)
        tenth = len(bodies_left) // 10
        for body in bodies_left[:tenth]:
            self.send(body)
        before = self.memory()
        for body in bodies_left[tenth:]:
            self.send(body)
        assert self.memory() - before < GROWTH_BYTES

    def samples(self, page: str, name: str) -> list[tuple[dict[str, str], float]]:
        _, text = get(f"http://127.0.0.1:{self._ports[page]}/metrics")
        families = text_string_to_metric_families(text)
        return [(one.labels, one.value) for family in families for one in family.samples if one.name == name]

    def own(self, name: str, **labels: str) -> float:
        return sum(value for found, value in self.samples("OWN", name) if labels.items() <= found.items())

    def memory(self) -> float:
        return self.own("otelcol_process_memory_rss_bytes")

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def weir(tmp_path: Path) -> Iterator[Weir]:
    config = tmp_path / "weir.yaml"
    config.write_text(CONFIG)
    ports = dict(zip(("HTTP", "METRICS", "OWN"), free_ports(3), strict=True))
    with running("run", "--config", str(config), env={name: str(port) for name, port in ports.items()}):
        weir = Weir(ports)
        yield weir
        weir.close()


def calm(name: str) -> bytes:
    return export_request([{"service": "calm", "name": name}]).SerializeToString()


def assert_calm_is_counted(weir: Weir) -> None:
    """A service that was there before the flood and has a new operation after it."""
    found = {labels["span_name"]: n for labels, n in weir.samples("METRICS", CALLS) if labels.get("job") == "calm"}
    assert found == {"before": 1, "after": 1}


@pytest.mark.parametrize(
    ("what", "fields"),
    [("span names", {"name": f"GET /{DIGITS}"}), ("a dimension", {"attributes": {"http.route": f"/{DIGITS}"}})],
)
def test_row_37_a_million_values_end_in_one_series_with_exact_totals(
    what: str, fields: dict[str, Any], weir: Weir
) -> None:
    weir.send(calm("before"))
    weir.flood(requests(MILLION, kind="internal", **fields))
    weir.send(calm("after"))
    for metric in (CALLS, COUNT):
        loud = [(labels, n) for labels, n in weir.samples("METRICS", metric) if labels.get("job") == "loud"]
        assert sum(n for _, n in loud) == MILLION
        assert len(loud) == LIMIT + 1
        assert [n for labels, n in loud if labels.get("otel_metric_overflow")] == [MILLION - LIMIT]
    assert_calm_is_counted(weir)


def test_row_37_services_without_end_stay_within_the_limit_with_exact_totals(weir: Weir) -> None:
    weir.send(calm("before"))
    number = 100_000
    weir.flood(requests(number, a_request=2_000, service=f"service {DIGITS}", kind="internal"))
    weir.send(calm("after"))
    samples = [(labels, n) for labels, n in weir.samples("METRICS", CALLS) if labels.get("job") != "calm"]
    assert sum(n for _, n in samples) == number
    assert len(samples) <= LIMIT + 1
    assert_calm_is_counted(weir)


def test_row_38_a_million_one_sided_edges_stay_within_the_store_and_none_is_lost_from_the_books(weir: Weir) -> None:
    weir.flood(requests(MILLION, kind="client"))
    assert weir.own("otelcol_connector_servicegraph_pending_spans") <= MAX_ITEMS
    eventually(partial(assert_each_is_in_the_books, weir))


def assert_each_is_in_the_books(weir: Weir) -> None:
    """When none waits any more, each has become an edge to a virtual node or was evicted."""
    assert weir.own("otelcol_connector_servicegraph_pending_spans") == 0
    evicted = weir.own("otelcol_connector_servicegraph_dropped_spans_total", reason="evicted")
    edges = weir.samples("METRICS", "traces_service_graph_request_total")
    assert 0 < evicted < MILLION
    assert evicted + sum(n for _, n in edges) == MILLION


def test_row_39_a_trace_of_a_million_spans_leaves_room_for_others(weir: Weir) -> None:
    weir.flood(requests(MILLION, kind="client", trace_id=b"one large trace."))
    assert weir.own("otelcol_connector_servicegraph_pending_spans") <= MAX_ITEMS / 2
    assert sum(n for _, n in weir.samples("METRICS", CALLS)) == MILLION
