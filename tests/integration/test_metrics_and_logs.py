"""Metrics and logs of stock SDKs, over gRPC and HTTP, to the metrics page and to an exporter.

Must never regress: every data point and log record that was accepted arrives once, under its resource, as it was sent.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client.parser import text_string_to_metric_families

from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.service.clock import SystemClock
from pipeline.service.engine import Engine
from pipeline.service.registry import Registry
from pipeline.testing import LogSink, MetricSink, metrics_request

CONFIG = """
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}}
processors: {memory_limiter: {check_interval: 1s, limit_percentage: 90}}
exporters: {logs: , metrics: , prometheus: {endpoint: "127.0.0.1:0"}}
service:
  pipelines:
    metrics: {receivers: [otlp], processors: [memory_limiter], exporters: [prometheus, metrics]}
    logs: {receivers: [otlp], processors: [memory_limiter], exporters: [logs]}
  telemetry: {metrics: {level: none}}
"""
RESOURCE = Resource({"service.name": "cart", "service.namespace": "shop", "service.instance.id": "i-1", "zone": "b"})


class Weir:
    """An engine on loopback."""

    def __init__(self) -> None:
        document = load_document(["env:CONFIG"], environ={"CONFIG": CONFIG})
        checked = check(document, Registry({"exporters": {"logs": LogSink, "metrics": MetricSink}}))
        self.engine = Engine(checked, SystemClock())
        self.engine.start()
        receiver: Any = self.engine.graph.receivers["otlp"]
        self.grpc = "{}:{}".format(*receiver.addresses["grpc"])
        self.http = "http://{}:{}".format(*receiver.addresses["http"])

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        exporter: Any = self.engine.graph.exporters["prometheus"]
        url = "http://{}:{}/metrics".format(*exporter.address)
        with urllib.request.urlopen(url, timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return {
                (
                    sample.name,
                    frozenset(pair for pair in sample.labels.items() if "otel_scope" not in pair[0]),
                ): sample.value
                for family in families
                for sample in family.samples
            }


@pytest.fixture
def weir() -> Iterator[Weir]:
    running = Weir()
    yield running
    running.engine.stop(5.0)


def metric_exporter(weir: Weir, transport: str, temporality: AggregationTemporality) -> Any:
    preferred = {Counter: temporality, Histogram: temporality}
    if transport == "grpc":
        return GrpcMetricExporter(endpoint=weir.grpc, insecure=True, preferred_temporality=preferred)
    return HttpMetricExporter(endpoint=f"{weir.http}/v1/metrics", preferred_temporality=preferred)


@pytest.mark.parametrize("temporality", [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA])
@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_metrics_of_an_sdk_are_on_the_page(weir: Weir, transport: str, temporality: AggregationTemporality) -> None:
    reader = PeriodicExportingMetricReader(metric_exporter(weir, transport, temporality), 3_600_000)
    view = View(instrument_name="sizes", aggregation=ExponentialBucketHistogramAggregation())
    provider = MeterProvider([reader], RESOURCE, views=[view], shutdown_on_exit=False)
    meter = provider.get_meter("app", "1.2")
    requests = meter.create_counter("requests", unit="{request}")
    latency = meter.create_histogram("latency", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1.0])
    sizes = meter.create_histogram("sizes", unit="By")
    queue = meter.create_up_down_counter("queue.length")
    for n in (3, 4):
        requests.add(n, {"route": "/a"})
        requests.add(1, {"route": "/b"})
        latency.record(0.5)
        sizes.record(100)
        queue.add(-2)
        provider.force_flush()
    provider.shutdown()
    found = weir.samples()
    target = frozenset({("job", "shop/cart"), ("instance", "i-1")})
    assert found["requests_total", target | {("route", "/a")}] == 7
    assert found["requests_total", target | {("route", "/b")}] == 2
    assert found["latency_seconds_bucket", target | {("le", "0.1")}] == 0
    assert found["latency_seconds_bucket", target | {("le", "1")}] == 2
    assert found["latency_seconds_count", target] == 2
    assert found["latency_seconds_sum", target] == 1.0
    assert found["queue_length", target] == -4
    assert found["target_info", target | {("zone", "b")}] == 1
    sink: Any = weir.engine.graph.exporters["metrics"]
    sizes_sent = [point.value for point in sink.points() if point.name == "sizes"]
    is_delta = temporality is AggregationTemporality.DELTA
    assert [value["count"] for value in sizes_sent][:2] == ([1, 1] if is_delta else [1, 2])
    assert (
        weir.engine.metrics.value("otelcol_receiver_accepted_metric_points", receiver="otlp", transport=transport) > 0
    )


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_log_records_of_an_sdk_arrive_as_they_were_sent(weir: Weir, transport: str) -> None:
    if transport == "grpc":
        exporter: Any = GrpcLogExporter(endpoint=weir.grpc, insecure=True)
    else:
        exporter = HttpLogExporter(endpoint=f"{weir.http}/v1/logs")
    provider = LoggerProvider(RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = provider.get_logger("app")
    logger.emit(
        body={"event": "paid", "items": [1, "two"]}, severity_number=SeverityNumber.WARN2, attributes={"order": 7}
    )
    logger.emit(body="plain", severity_text="INFO", timestamp=5)
    provider.shutdown()
    sink: Any = weir.engine.graph.exporters["logs"]
    records = [record for batch in sink.batches for record in batch.iter()]
    assert [record.severity_number for record in records] == [14, 0]
    assert records[0].body.kvlist_value.values[1].value.array_value.values[1].string_value == "two"
    assert [(pair.key, pair.value.int_value) for pair in records[0].attributes] == [("order", 7)]
    assert (records[1].body.string_value, records[1].severity_text, records[1].time_unix_nano) == ("plain", "INFO", 5)
    request = ExportLogsServiceRequest.FromString(sink.batches[0].to_otlp())
    names = [pair.value.string_value for pair in request.resource_logs[0].resource.attributes]
    assert "shop" in names


def test_bad_points_are_refused_one_by_one(weir: Weir) -> None:
    good = {"kind": "sum", "name": "n", "value": 2.0}
    request = metrics_request(
        [
            good,
            {"kind": "gauge", "name": "g", "value": None},
            {"kind": "sum", "name": "n", "value": -1.0, "attributes": {"bad": 1}},
            {"kind": "histogram", "name": "h", "bounds": [2.0, 1.0], "counts": [1, 1, 1]},
            {"kind": "histogram", "name": "u", "temporality": "unspecified"},
        ]
    )
    with grpc.insecure_channel(weir.grpc) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")
        answer = ExportMetricsServiceResponse.FromString(call(request.SerializeToString(), timeout=30))
    assert answer.partial_success.rejected_data_points == 4
    for reason in ("no_value", "negative_sum", "bad_histogram", "no_temporality"):
        assert f"1 {reason}" in answer.partial_success.error_message
    sink: Any = weir.engine.graph.exporters["metrics"]
    assert [point.name for point in sink.points()] == ["n"]
