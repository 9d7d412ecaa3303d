"""A stock SDK that sends differences → deltatocumulative → OTLP exporter and metrics page, over real sockets.

Must never regress: what arrives behind the processor is what the same SDK would have sent as cumulative metrics.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client.parser import text_string_to_metric_families

from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.service.clock import SystemClock
from pipeline.service.engine import Engine
from pipeline.service.registry import Registry
from pipeline.testing import MetricSink
from tests.waiting import eventually

SERVICE = "service: {telemetry: {metrics: {level: none}}, pipelines: {metrics: %s}}\n"
RECEIVER = 'receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}}\n'


@contextmanager
def weir(config: str) -> Iterator[Engine]:
    document = load_document(["env:CONFIG"], environ={"CONFIG": RECEIVER + config})
    engine = Engine(check(document, Registry({"exporters": {"sink": MetricSink}})), SystemClock())
    engine.start()
    try:
        yield engine
    finally:
        engine.stop(20)


def address(engine: Engine) -> str:
    receiver: Any = engine.graph.receivers["otlp"]
    return "http://{}:{}".format(*receiver.addresses["http"])


class Application:
    """An application that measures the same for several readers of its metrics."""

    def __init__(self, *exporters: OTLPMetricExporter) -> None:
        view = View(instrument_name="sizes", aggregation=ExponentialBucketHistogramAggregation(max_size=20))
        readers = [PeriodicExportingMetricReader(exporter, 3_600_000) for exporter in exporters]
        resource = Resource({"service.name": "cart", "service.instance.id": "i-1"})
        self.provider = MeterProvider(readers, resource, views=[view], shutdown_on_exit=False)
        meter = self.provider.get_meter("app", "1.2")
        self.requests = meter.create_counter("requests", unit="{request}")
        self.bytes = meter.create_counter("sent", unit="By")
        self.queue = meter.create_up_down_counter("queue")
        self.latency = meter.create_histogram("latency", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1.0])
        self.sizes = meter.create_histogram("sizes", unit="By")

    def work(self, round_: int) -> None:
        self.requests.add(3, {"route": "/a", "code": 200})
        if round_ % 2:
            self.requests.add(1, {"route": "/b"})
        self.bytes.add(0.5 + round_)
        self.queue.add(2 if round_ % 2 else -3)
        self.latency.record(0.05 * 4**round_)
        for number in range(10):
            self.sizes.record(10.0 ** (number % (round_ + 1)) + number)
        self.provider.force_flush()


def exporter(engine: Engine, temporality: AggregationTemporality) -> OTLPMetricExporter:
    preferred: dict[type, AggregationTemporality] = dict.fromkeys((Counter, UpDownCounter, Histogram), temporality)
    return OTLPMetricExporter(endpoint=f"{address(engine)}/v1/metrics", preferred_temporality=preferred)


def last_points(engine: Engine) -> dict[tuple[str, str], Any]:
    """The newest point of each series in the sink, without times. Exporters send several requests at once, so that
    the newest point need not be the one that came last.
    """
    sink: Any = engine.graph.exporters["sink"]
    found: dict[tuple[str, str], tuple[int, Any]] = {}
    for batch in sink.batches:
        request = ExportMetricsServiceRequest.FromString(batch.to_otlp())
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    data = getattr(metric, metric.WhichOneof("data") or "")
                    assert data.aggregation_temporality == 2
                    for point in data.data_points:
                        labels = sorted(f"{pair.key}={pair.value}" for pair in point.attributes)
                        key = f"{resource.resource}{scope.scope}{metric.name}{metric.unit}", str(labels)
                        found[key] = max(found.get(key, (-1, None)), (point.time_unix_nano, point), key=itemgetter(0))
    for _, point in found.values():
        for name in ("time_unix_nano", "start_time_unix_nano", "exemplars"):
            point.ClearField(name)
    return {key: point for key, (_, point) in found.items()}


def page(engine: Engine) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    exporter: Any = engine.graph.exporters["prometheus"]
    with urllib.request.urlopen("http://{}:{}/metrics".format(*exporter.address), timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def test_differences_arrive_as_what_the_sdk_would_have_sent_cumulative() -> None:
    sink = "exporters: {sink: }\n" + SERVICE % "{receivers: [otlp], exporters: [sink]}"
    with weir(sink) as backend, weir(sink) as expected:
        config = f"""
processors: {{deltatocumulative: {{max_stale: 10m}}}}
exporters: {{otlphttp: {{endpoint: "{address(backend)}"}}, prometheus: {{endpoint: "127.0.0.1:0"}}}}
"""
        pipeline = "{receivers: [otlp], processors: [deltatocumulative], exporters: [otlphttp, prometheus]}"
        with weir(config + SERVICE % pipeline) as middle:
            application = Application(
                exporter(middle, AggregationTemporality.DELTA), exporter(expected, AggregationTemporality.CUMULATIVE)
            )
            for round_ in range(5):
                application.work(round_)
            application.provider.shutdown()
            shown = page(middle)
            assert middle.metrics.value("otelcol_deltatocumulative_streams_tracked") == 6
        points = last_points(expected)
        assert len(points) == 6
        # The SDK changes the scale of its own histogram as values come, so the two may differ in scale alone.
        eventually(lambda: _same(last_points(backend), points))
    labels = frozenset({("job", "cart"), ("instance", "i-1")})
    values = {
        name: value
        for (name, found), value in shown.items()
        if labels <= found and not {"route", "le"} & {key for key, _ in found}
    }
    assert (values["sent_bytes_total"], values["queue"], values["latency_seconds_count"]) == (12.5, -5.0, 5.0)
    assert sum(value for (name, _), value in shown.items() if name == "requests_total") == 17


def _same(found: dict[tuple[str, str], Any], expected: dict[tuple[str, str], Any]) -> None:
    assert found.keys() == expected.keys()
    for key, point in expected.items():
        other = found[key]
        if hasattr(point, "scale"):
            low = min(point.scale, other.scale)
            assert _at_scale(other, low) == _at_scale(point, low)
            assert (other.count, other.sum, other.min, other.max) == (point.count, point.sum, point.min, point.max)
        else:
            assert other == point


def _at_scale(point: Any, scale: int) -> dict[int, int]:
    buckets: dict[int, int] = {}
    for i, count in enumerate(point.positive.bucket_counts):
        if count:
            index = (point.positive.offset + i) >> (point.scale - scale)
            buckets[index] = buckets.get(index, 0) + count
    return buckets
