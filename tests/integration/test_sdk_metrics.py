"""Every instrument of the stock Python SDK, both temporalities, gRPC and HTTP: what the SDK encoded arrives at an
exporter as it was, and the page says what was measured, no more and no less.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality

from pipeline.testing import metrics_request
from tests.integration.sdk_measure import measure
from tests.integration.sdk_target import SdkTarget
from tests.oracles.otlp_requests import items_of
from tests.oracles.sdk_instruments import COLLECTIONS, PROTOBUF, SECONDS, TEXT, assert_page, samples_of

CONFIG = """
exporters: {metrics: , prometheus: {endpoint: "127.0.0.1:0", enable_open_metrics: true}}
service:
  pipelines: {metrics: {receivers: [otlp], exporters: [prometheus, metrics]}}
  telemetry: {metrics: {level: none}}
"""
DELTA, CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE


@pytest.fixture
def weir() -> Iterator[SdkTarget]:
    with SdkTarget(CONFIG) as target:
        yield target


def exporter_to(weir: SdkTarget, transport: str, temporality: AggregationTemporality) -> Any:
    kinds = (Counter, Histogram, ObservableCounter, UpDownCounter, ObservableUpDownCounter)
    # UpDownCounters stay cumulative, as all SDKs keep them whatever is preferred.
    preferred: dict[type, AggregationTemporality] = {
        kind: CUMULATIVE if "UpDown" in kind.__name__ else temporality for kind in kinds
    }
    if transport == "grpc":
        return GrpcExporter(endpoint=weir.grpc, insecure=True, preferred_temporality=preferred)
    compression = Compression.Gzip if transport == "http gzip" else Compression.NoCompression
    return HttpExporter(endpoint=f"{weir.http}/v1/metrics", preferred_temporality=preferred, compression=compression)


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
    samples = samples_of(weir.page(TEXT))
    assert_page(samples, weir.page(PROTOBUF), job="shop/cart")
    scopes = {(sample.labels.get("otel_scope_name"), sample.labels.get("otel_scope_tier")) for sample in samples}
    assert scopes == {("app", "web"), (None, None)}
    exemplars = {sample.labels.get("le", sample.name): sample.exemplar for sample in samples if sample.exemplar}
    assert {one.labels["trace_id"] for one in exemplars.values()} == {trace_id}
    assert exemplars.keys() == {"requests_total", "sent_bytes_total", "0.1", "1.0", "+Inf"}
    assert [exemplars[le].value for le in ("0.1", "1.0", "+Inf")] == list(SECONDS)


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
