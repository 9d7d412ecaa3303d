"""Metrics of applications, remote-written into a real Prometheus beside the RED metrics of the same service.

Must never regress: PromQL answers what was measured; a series that ends vanishes at once; RED metrics and the
application's own meet in joins on job and instance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from pipeline.receivers.signals import SIGNALS
from pipeline.service.clock import SystemClock
from pipeline.testing import metrics_request
from tests.e2e.prometheus import VERSIONS, Prometheus
from tests.integration.sdk_measure import RESOURCE, measure
from tests.integration.sdk_target import SdkTarget
from tests.oracles.sdk_instruments import COLLECTIONS, Labels, native_buckets, truth
from tests.programs import Program
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

CONFIG = """
connectors: {{span_metrics: {{metrics_flush_interval: 1s, zero_error_series: false}}}}
exporters:
  prometheusremotewrite: {{endpoint: "{url}", protobuf_message: {message}, send_metadata: true}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics]}}
    metrics: {{receivers: [otlp, span_metrics], exporters: [prometheusremotewrite]}}
  telemetry: {{metrics: {{level: none}}}}
"""
V1, V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
CALLS = "traces_span_metrics_calls_total"
SPANS = 7


def send_spans(weir: SdkTarget) -> None:
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=weir.grpc, insecure=True)))
    for _ in range(SPANS):
        provider.get_tracer("app").start_span("GET /").end()
    provider.shutdown()


def bare(found: dict[Labels, float]) -> dict[tuple[str, Labels], float]:
    """By name, without labels of the scope."""
    return {
        (
            dict(labels)["__name__"],
            frozenset(pair for pair in labels if pair[0] != "__name__" and not pair[0].startswith("otel_scope")),
        ): value
        for labels, value in found.items()
    }


@pytest.mark.parametrize("message", [V1, V2])
@pytest.mark.parametrize("program", VERSIONS)
def test_promql_answers_what_was_measured_and_joins_it_with_red_metrics(
    tmp_path: Path, program: Program, message: str
) -> None:
    with Prometheus(tmp_path / "p", {}, "native-histograms", program=program, receives=True) as prometheus:
        with SdkTarget(CONFIG.format(url=prometheus.write_url, message=message)) as weir:
            measure(OTLPMetricExporter(endpoint=weir.grpc, insecure=True))
            send_spans(weir)
            eventually(lambda: asserted(len(prometheus.values(CALLS)) == 1))
        expected = {
            (name, frozenset((label, "1" if (label, text) == ("le", "1.0") else text) for label, text in labels)): value
            for (name, labels), value in truth("shop/cart").items()
        }
        assert bare(prometheus.values('{job="shop/cart",__name__!~"traces_.*|sizes_bytes.*"}')) == expected
        assert_native(prometheus)
        assert_joins(prometheus)


def assert_native(prometheus: Prometheus) -> None:
    ((_, found),) = prometheus.histograms("sizes_bytes").items()
    assert (found["count"], found["sum"]) == ("9", str(3 * 101 + 600_000))
    counts = sorted((float(upper), float(count)) for _, _, upper, count in found["buckets"])
    by_schema = [
        sorted((2.0 ** (bucket / 2**schema), float(count)) for bucket, count in native_buckets(schema).items())
        for schema in range(-4, 9)
    ]
    assert any(
        [count for _, count in one] == [count for _, count in counts]
        and [bound for bound, _ in one] == pytest.approx([bound for bound, _ in counts])
        for one in by_schema
    )


def assert_joins(prometheus: Prometheus) -> None:
    """One target_info for both, so that `group_left` finds one partner."""
    assert len(prometheus.values("target_info")) == 1
    for metric, total in ((f"{CALLS}", SPANS), ("requests_total", COLLECTIONS)):
        joined = prometheus.values(
            f"sum by (zone, job, instance) ({metric}{{route!='/a'}} * on (job, instance) group_left (zone) target_info)"
        )
        assert joined == {frozenset({("zone", "b"), ("job", "shop/cart"), ("instance", "i-1")}): total}
    share = f"sum by (job) (requests_total) / on (job) sum by (job) ({CALLS})"
    assert list(prometheus.values(share).values()) == [9 / SPANS]


@pytest.mark.parametrize("program", VERSIONS)
def test_a_series_that_ends_vanishes_at_once(tmp_path: Path, program: Program) -> None:
    with Prometheus(tmp_path / "p", {}, "native-histograms", program=program, receives=True) as prometheus:
        with SdkTarget(CONFIG.format(url=prometheus.write_url, message=V1)) as weir:
            now = SystemClock().unix_nano()
            points: list[dict[str, Any]] = [
                {"name": "g", "attributes": {"n": 1}},
                {"name": "g", "attributes": {"n": 2}},
                {"name": "h", "kind": "histogram", "bounds": [1.0], "counts": [2, 3], "sum": 4.0},
                {"name": "s", "kind": "summary", "quantiles": {0.5: 1.0}, "count": 2, "sum": 3.0},
                {"name": "e", "kind": "exponential_histogram", "counts": [1, 2], "sum": 3.0},
            ]
            ended = [{**point, "flags": 1, "value": None, "count": 0} for point in points[1:]]
            with grpc.insecure_channel(weir.grpc) as channel:
                for second, rows in ((-3, points), (-2, ended)):
                    timed = [{**row, "time_unix_nano": now + second * 10**9} for row in rows]
                    call = channel.unary_unary(SIGNALS["metrics"].method)
                    call(metrics_request(timed).SerializeToString(), timeout=30, wait_for_ready=True)
        before = f"{(now - 25 * 10**8) / 1e9:.3f}"
        everything = 'count({__name__=~"[ghse](_.*)?"})'
        assert list(prometheus.values(everything, before).values()) == [2 + 4 + 3 + 1]
        assert list(prometheus.values(everything).values()) == [1]
        assert [dict(labels)["n"] for labels in prometheus.values("g")] == ["1"]


def asserted(claim: bool) -> None:
    assert claim
