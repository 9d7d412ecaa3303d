"""Remote write into a real Prometheus: what PromQL answers is what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.api import MetricSnapshot, Settings
from pipeline.exporters.prometheusremotewrite import RemoteWriteConfig, RemoteWriteExporter
from pipeline.model.meter import Meter
from pipeline.service.clock import SystemClock
from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from pipeline.testing import export_request
from tests.e2e.prometheus import VERSIONS, Prometheus
from tests.integration.destinations import grpc_destination, ids
from tests.integration.weir_process import WeirProcess, free_ports
from tests.programs import PROMETHEUS3, Program
from tests.unit.codec.metric_batches import batch, exponential, gauge, histogram, number, resource
from tests.unit.codec.pages import render, samples
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

SECOND = 1_000_000_000


@contextmanager
def exporter(url: str, **config: Any) -> Iterator[tuple[RemoteWriteExporter, OwnMetrics]]:
    own = OwnMetrics()
    clock = SystemClock()
    telemetry = ComponentTelemetry("exporter", "prometheusremotewrite", clock, own)
    settings = Settings("prometheusremotewrite", clock, Meter("test", clock), telemetry)
    checked = RemoteWriteConfig.model_validate({"endpoint": url, "disable_scope_info": True, **config})
    running = RemoteWriteExporter(checked, settings)
    running.start(lambda: ())
    try:
        yield running, own
    finally:
        running.shutdown()


def snapshot(unix_nano: int, count: int, value: float = 0.0) -> MetricSnapshot:
    """Counters, gauges and histograms of ``count`` series each."""
    rows = range(count)
    owners = [i % 2 for i in rows]
    whole = batch(
        number("calls", [({"span.name": f"op {i}", "Zone": 'q"\\'}, i + value) for i in rows], resources=owners),
        gauge("depth", [({"id": str(i)}, -1.5 * i) for i in rows], resources=owners),
        histogram("duration", [({"id": str(i)}, [1.0, 2.0, i], 0.25 * i) for i in rows], resources=owners),
        resources=[resource(1, service__name="cart", version="1"), resource(2, service__name="ädmin")],
    )
    return replace(whole, time_unix_nano=unix_nano, source="traces/span_metrics")


def truth(whole: MetricSnapshot) -> dict[frozenset[tuple[str, str]], float]:
    return {labels | {("__name__", name)}: value for name, labels, value in samples(render(whole))}


@pytest.mark.parametrize("program", VERSIONS)
@pytest.mark.parametrize("message", ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"])
def test_promql_answers_the_ground_truth_also_after_a_fallback(tmp_path: Path, program: Program, message: str) -> None:
    """Prometheus 2.x knows no 2.0, so 2.0 is what the fallback is tried with."""
    whole = snapshot(SystemClock().unix_nano(), 50)
    with (
        Prometheus(tmp_path / "p", {}, program=program, receives=True) as prometheus,
        exporter(prometheus.write_url, protobuf_message=message, send_metadata=True) as (running, own),
    ):
        running.export_snapshot(whole)
        running.drain(30)
        assert own.value("otelcol_exporter_send_failed_metric_points") == 0
        assert own.value("otelcol_exporter_sent_metric_points") == len(truth(whole))
        assert prometheus.values('{__name__!=""}') == truth(whole)


@pytest.mark.parametrize("program", VERSIONS)
def test_samples_stay_in_order_and_ended_series_vanish(tmp_path: Path, program: Program) -> None:
    """Without an out-of-order window, many flushes in a row, small requests, five shards."""
    now = SystemClock().unix_nano()
    with (
        Prometheus(tmp_path / "p", {}, program=program, receives=True) as prometheus,
        exporter(prometheus.write_url, max_batch_size_bytes=5_000) as (running, own),
    ):
        for step in range(20):
            running.export_snapshot(snapshot(now + (step - 25) * SECOND, 40, float(step)))
        running.export_snapshot(snapshot(now - 4 * SECOND, 10, 20.0))
        running.drain(30)
        assert own.value("otelcol_exporter_send_failed_metric_points") == 0
        ranges = prometheus.ranges('calls_total{job="cart"}[10m]')
        assert {len(found) for found in ranges.values()} == {20, 21}
        for labels, found in ranges.items():
            first = int(dict(labels)["span_name"].removeprefix("op "))
            assert [sample.value for sample in found] == [first + step for step in range(len(found))]
        assert len(prometheus.values("calls_total")) == 10
        assert "out of order" not in prometheus.log.lower()


@PROMETHEUS3.needed
def test_version_two_brings_types(tmp_path: Path) -> None:
    """Over 1.0 they would be a request of their own, which Prometheus shows to nobody."""
    with (
        Prometheus(tmp_path / "p", {}, "type-and-unit-labels", program=PROMETHEUS3, receives=True) as prometheus,
        exporter(prometheus.write_url, protobuf_message="io.prometheus.write.v2.Request") as (running, _),
    ):
        running.export_snapshot(snapshot(SystemClock().unix_nano(), 3))
        running.drain(30)
        found = {(dict(labels)["__name__"], dict(labels)["__type__"]) for labels in prometheus.values('{job="cart"}')}
    assert found == {
        ("calls_total", "counter"),
        ("depth", "gauge"),
        ("target_info", "gauge"),
        *((f"duration_{suffix}", "histogram") for suffix in ("bucket", "sum", "count")),
    }


@pytest.mark.parametrize("program", VERSIONS)
def test_native_histograms(tmp_path: Path, program: Program) -> None:
    whole = batch(exponential("e", [({"a": "b"}, 3, 2.0, -1, [1.0, 0.0, 4.0], 7.5)]))
    with (
        Prometheus(tmp_path / "p", {}, "native-histograms", program=program, receives=True) as prometheus,
        exporter(prometheus.write_url) as (running, _),
    ):
        running.export_snapshot(replace(whole, time_unix_nano=SystemClock().unix_nano()))
        running.drain(30)
        (found,) = prometheus.histograms("e").values()
        assert (found["count"], found["sum"]) == ("7", "7.5")


@pytest.mark.parametrize("program", VERSIONS)
def test_a_whole_weir_drains_into_prometheus_and_an_otlp_destination(tmp_path: Path, program: Program) -> None:
    """SIGTERM right after the last answer: the last flush and all spans arrive."""
    (port,) = free_ports(1)
    with (
        Prometheus(tmp_path / "p", {}, program=program, receives=True) as prometheus,
        grpc_destination() as (address, ledger),
    ):
        configuration = tmp_path / "weir.yaml"
        configuration.write_text(
            f"""
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
connectors: {{span_metrics: {{metrics_flush_interval: 1h}}}}
exporters:
  otlp: {{endpoint: "{address}", tls: {{insecure: true}}, sending_queue: {{batch: {{flush_timeout: 1h}}}}}}
  otlphttp: {{endpoint: "http://127.0.0.1:{port}", headers: {{x-secret: hidden}}}}
  prometheusremotewrite: {{endpoint: "{prometheus.write_url}"}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics, otlp]}}
    metrics: {{receivers: [span_metrics], exporters: [prometheusremotewrite]}}
"""
        )
        weir = WeirProcess("run", "--config", str(configuration))
        try:
            weir.wait_for_line("everything is ready")
            with exporter_to(port) as sender:
                for number_ in range(10):
                    sender(
                        export_request(
                            [{"service": "cart", "number": 10 * number_ + i} for i in range(7)]
                        ).SerializeToString()
                    )
            weir.signal(15)
            assert weir.wait() == 0
        finally:
            weir.kill()
        assert sum(ledger.acknowledged.values()) == 70
        assert len(ledger.requests) == 1
        assert len(ids(ledger.requests[0]["payload"])) == 70
        assert eventually(lambda: prometheus.scalar("sum(traces_span_metrics_calls_total)")) == 70


@contextmanager
def exporter_to(port: int) -> Iterator[Any]:
    """A function that posts a request to the traces path."""
    import urllib.request

    def send(body: bytes) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/traces", body, {"content-type": "application/x-protobuf"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200

    yield send
