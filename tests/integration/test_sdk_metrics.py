"""Every instrument of the stock Python SDK, both temporalities, gRPC and HTTP: what the SDK encoded arrives at an
exporter as it was, and the page says what was measured, no more and no less.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from pipeline.testing import metrics_request
from tests.integration.sdk_target import SdkTarget
from tests.oracles.otlp_requests import items_of
from tests.oracles.prometheus_proto import positive_buckets, read_delimited

CONFIG = """
exporters: {metrics: , prometheus: {endpoint: "127.0.0.1:0", enable_open_metrics: true}}
service:
  pipelines: {metrics: {receivers: [otlp], exporters: [prometheus, metrics]}}
  telemetry: {metrics: {level: none}}
"""
RESOURCE = Resource({"service.name": "cart", "service.namespace": "shop", "service.instance.id": "i-1", "zone": "b"})
DELTA, CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
COLLECTIONS = 3
SECONDS = (0.0625, 0.5, 2.0)
TEXT = "application/openmetrics-text;version=1.0.0"
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

Labels = frozenset[tuple[str, str]]


@pytest.fixture
def weir() -> Iterator[SdkTarget]:
    with SdkTarget(CONFIG) as target:
        yield target


def exporter_to(weir: SdkTarget, transport: str, temporality: AggregationTemporality) -> Any:
    kinds = (Counter, Histogram, ObservableCounter, UpDownCounter, ObservableUpDownCounter)
    # UpDownCounters stay cumulative, as all SDKs keep them whatever is preferred.
    preferred = {kind: CUMULATIVE if "UpDown" in kind.__name__ else temporality for kind in kinds}
    if transport == "grpc":
        return GrpcExporter(endpoint=weir.grpc, insecure=True, preferred_temporality=preferred)
    compression = Compression.Gzip if transport == "http gzip" else Compression.NoCompression
    return HttpExporter(endpoint=f"{weir.http}/v1/metrics", preferred_temporality=preferred, compression=compression)


def measure(exporter: Any) -> tuple[list[ExportMetricsServiceRequest], str]:
    """Use every instrument, three times; what the SDK encoded, and the trace that the last values belong to."""
    sent: list[ExportMetricsServiceRequest] = []
    export = exporter.export

    def recording(data: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(encode_metrics(data))
        return export(data, *arguments, **options)

    exporter.export = recording
    reader = PeriodicExportingMetricReader(exporter, 3_600_000)
    view = View(instrument_name="sizes", aggregation=ExponentialBucketHistogramAggregation(max_size=8))
    provider = MeterProvider([reader], RESOURCE, views=[view], shutdown_on_exit=False)
    meter = provider.get_meter("app", "1.2", attributes={"tier": "web"})
    ticks = {"n": 0}

    def observe(factor: float) -> Any:
        def callback(_: CallbackOptions) -> list[Observation]:
            return [Observation(factor * ticks["n"], {"pool": "a"}), Observation(factor, {"pool": "b"})]

        return callback

    meter.create_observable_counter("gc.collections", [observe(2)])
    meter.create_observable_up_down_counter("connections", [observe(-3)])
    meter.create_observable_gauge("temperature", [observe(0.5)], unit="Cel")
    requests = meter.create_counter("requests", unit="{request}", description='with "quotes"\nand lines')
    bytes_sent = meter.create_counter("sent", unit="By")
    queue = meter.create_up_down_counter("queue.length")
    fill = meter.create_gauge("fill", unit="1")
    latency = meter.create_histogram("latency", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1.0])
    sizes = meter.create_histogram("sizes", unit="By")
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    for number in range(1, COLLECTIONS + 1):
        ticks["n"] = number
        with tracer_provider.get_tracer("t").start_as_current_span("one") as span:
            trace_id = f"{span.get_span_context().trace_id:032x}"
            requests.add(number, {"route": "/a", "ok": True, "codes": [1, 2]})
            requests.add(1, {"route": "/b"})
            bytes_sent.add(0.5 * number)
            queue.add(-2, {"route": 'quo"te\\'})
            fill.set(number / 4)
            for seconds in SECONDS:
                latency.record(seconds)
            for size in sizes_of(number):
                sizes.record(size)
        provider.force_flush()
    provider.shutdown()
    tracer_provider.shutdown()
    return sent, trace_id


def truth() -> dict[tuple[str, Labels], float]:
    """What was measured, by hand."""
    target = {"job": "shop/cart", "instance": "i-1"}
    found: dict[tuple[str, Labels], float] = {}

    def add(name: str, value: float, **labels: str) -> None:
        found[name, frozenset((target | labels).items())] = value

    add("requests_total", 6, route="/a", ok="true", codes="[1,2]")
    add("requests_total", 3, route="/b")
    add("sent_bytes_total", 3.0)
    add("queue_length", -6, route='quo"te\\')
    add("fill_ratio", 0.75)
    add("gc_collections_total", 6, pool="a")
    add("gc_collections_total", 2, pool="b")
    add("connections", -9, pool="a")
    add("connections", -3, pool="b")
    add("temperature_celsius", 1.5, pool="a")
    add("temperature_celsius", 0.5, pool="b")
    for le, count in (("0.1", 3), ("1.0", 6), ("+Inf", 9)):
        add("latency_seconds_bucket", count, le=le)
    add("latency_seconds_count", 9)
    add("latency_seconds_sum", COLLECTIONS * sum(SECONDS))
    add("target_info", 1, zone="b")
    return found


def sizes_of(number: int) -> tuple[int, ...]:
    """What one collection records: the range grows, so the scale changes between collections."""
    return (1, 100, 100_000 * number)


def without_scope(sample: Sample) -> Labels:
    return frozenset(pair for pair in sample.labels.items() if not pair[0].startswith("otel_scope_"))


def native_buckets(schema: int) -> dict[int, int]:
    """Bucket number → count of all that was recorded, from the definition: the upper bound is 2^(number / 2^schema)."""
    sizes = [size for number in range(1, COLLECTIONS + 1) for size in sizes_of(number)]
    return dict(Tally(math.ceil(math.log2(size) * 2**schema) for size in sizes))


@pytest.mark.parametrize("temporality", [CUMULATIVE, DELTA], ids=["cumulative", "delta"])
@pytest.mark.parametrize("transport", ["grpc", "http", "http gzip"])
def test_what_the_sdk_measured_is_what_everybody_gets(
    weir: SdkTarget, transport: str, temporality: AggregationTemporality
) -> None:
    sent, trace_id = measure(exporter_to(weir, transport, temporality))
    assert weir.received("metrics") == sent
    assert len(sent) >= COLLECTIONS
    points = sum(len(items_of("metrics", one)) for one in sent)
    accepted = "otelcol_receiver_accepted_metric_points"
    assert weir.own(accepted, receiver="otlp", transport=transport.split()[0]) == points
    families = text_string_to_metric_families(weir.page(TEXT).decode())
    samples = [sample for family in families for sample in family.samples]
    plain = [sample for sample in samples if not sample.name.endswith("_created")]
    assert {(sample.name, without_scope(sample)): sample.value for sample in plain} == truth()
    assert len(plain) == len(truth())
    scopes = {(sample.labels.get("otel_scope_name"), sample.labels.get("otel_scope_tier")) for sample in samples}
    assert scopes == {("app", "web"), (None, None)}
    exemplars = {sample.labels.get("le", sample.name): sample.exemplar for sample in samples if sample.exemplar}
    assert {one.labels["trace_id"] for one in exemplars.values()} == {trace_id}
    assert exemplars.keys() == {"requests_total", "sent_bytes_total", "0.1", "1.0", "+Inf"}
    assert [exemplars[le].value for le in ("0.1", "1.0", "+Inf")] == list(SECONDS)

    (family,) = [one for one in read_delimited(weir.page(PROTOBUF)) if one.name == "sizes_bytes"]
    shown = family.metric[0].histogram
    assert (shown.sample_count, shown.sample_sum) == (9, 3 * 101 + 600_000)
    assert {bucket: count for bucket, count in positive_buckets(shown).items() if count} == native_buckets(shown.schema)


def test_bad_points_are_refused_one_by_one(weir: SdkTarget) -> None:
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
    (kept,) = weir.received("metrics")
    assert [metric.name for metric in kept.resource_metrics[0].scope_metrics[0].metrics] == ["n"]
