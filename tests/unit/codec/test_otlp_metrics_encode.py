"""Snapshots of meters as OTLP: what the official parser reads is what the snapshot says."""

from __future__ import annotations

import math
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from pipeline.codec import otlp_metrics_encode
from pipeline.codec.otlp_metrics import MetricsProjection
from pipeline.model.attribute_text import plain_value
from pipeline.model.snapshot import OVERFLOW_LABEL, MetricKind, MetricSnapshot, Scope, Temporality
from tests.kernels import MODES, uncompiled
from tests.unit.codec.metric_batches import (
    NOW,
    START,
    Labels,
    batch,
    exemplars,
    exponential,
    gauge,
    histogram,
    number,
    resource,
)


@pytest.fixture(params=MODES, autouse=True)
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "uncompiled":
        monkeypatch.setattr(otlp_metrics_encode, "point_writer", uncompiled("pipeline.codec.point_writer"))


def encoded(snapshot: MetricSnapshot) -> ExportMetricsServiceRequest:
    payload = otlp_metrics_encode.encode(snapshot)
    _, rejected = MetricsProjection([]).decode(payload)
    assert not rejected
    return ExportMetricsServiceRequest.FromString(payload)


def attributes(message: Any) -> dict[str, Any]:
    return {pair.key: plain_value(pair.value) for pair in message.attributes}


def test_a_counter_keeps_its_name_labels_times_and_values() -> None:
    rows: list[tuple[Labels, float]] = [({"a": "x" * 300, "b": None}, 1.5), ({"b": "é"}, 0.0), ({}, 2.0**53)]
    snapshot = batch(number("calls", rows, unit="{call}", description="Calls."), scope=Scope("s", "1", {"k": "v"}))
    (resource_metrics,) = encoded(snapshot).resource_metrics
    assert not resource_metrics.HasField("resource")
    (scope_metrics,) = resource_metrics.scope_metrics
    assert (scope_metrics.scope.name, scope_metrics.scope.version) == ("s", "1")
    assert attributes(scope_metrics.scope) == {"k": "v"}
    (metric,) = scope_metrics.metrics
    assert (metric.name, metric.unit, metric.description) == ("calls", "{call}", "Calls.")
    assert metric.sum.is_monotonic
    assert Temporality(metric.sum.aggregation_temporality) is Temporality.CUMULATIVE
    assert [attributes(point) for point in metric.sum.data_points] == [{"a": "x" * 300}, {"b": "é"}, {}]
    assert [point.as_double for point in metric.sum.data_points] == [1.5, 0.0, 2.0**53]
    assert {point.start_time_unix_nano for point in metric.sum.data_points} == {START}
    assert {point.time_unix_nano for point in metric.sum.data_points} == {NOW}


def test_points_stand_under_their_resource() -> None:
    resources = [resource(1, service__name="cart", n=3, list=["a", None]), resource(2, service__name="pay")]
    rows = [({"a": str(n)}, float(n)) for n in range(5)]
    snapshot = batch(
        number("calls", rows, resources=[1, 0, -1, 1, 0]), gauge("up", rows[:1], resources=[1]), resources=resources
    )
    found = {
        repr(attributes(rm.resource)): {
            metric.name: [
                point.as_double for point in (metric.sum if metric.name == "calls" else metric.gauge).data_points
            ]
            for metric in rm.scope_metrics[0].metrics
        }
        for rm in encoded(snapshot).resource_metrics
    }
    assert found == {
        "{}": {"calls": [2.0]},
        "{'service.name': 'cart', 'n': 3, 'list': ['a', None]}": {"calls": [1.0, 4.0]},
        "{'service.name': 'pay'}": {"calls": [0.0, 3.0], "up": [0.0]},
    }


def test_histograms_keep_bounds_buckets_sums_and_exemplars() -> None:
    samples = exemplars((0, 1, 0.7, 11, "ab" * 16, "cd" * 8), (1, 0, 0.1, 12, "01" * 16, "02" * 8))
    snapshot = batch(histogram("h", [({"a": "1"}, (1, 2, 0), 3.5), ({"a": "2"}, (4, 0, 5), 99.0)], samples=samples))
    (metric,) = encoded(snapshot).resource_metrics[0].scope_metrics[0].metrics
    first, second = metric.histogram.data_points
    assert Temporality(metric.histogram.aggregation_temporality) is Temporality.CUMULATIVE
    assert [list(point.bucket_counts) for point in (first, second)] == [[1, 2, 0], [4, 0, 5]]
    assert [list(point.explicit_bounds) for point in (first, second)] == [[0.5, 10.0]] * 2
    assert [(point.count, point.sum) for point in (first, second)] == [(3, 3.5), (9, 99.0)]
    assert not first.HasField("min")
    (exemplar,) = first.exemplars
    assert (exemplar.as_double, exemplar.time_unix_nano) == (0.7, 11)
    assert (exemplar.trace_id, exemplar.span_id) == (bytes.fromhex("ab" * 16), bytes.fromhex("cd" * 8))


def test_exponential_histograms_keep_scale_offset_and_buckets() -> None:
    rows: Any = [({"a": "1"}, 3, 2.0, -5, (1, 0, 300), 7.5), ({"a": "2"}, -2, 0.0, 4, (1,), 1.0)]
    (metric,) = encoded(batch(exponential("e", rows))).resource_metrics[0].scope_metrics[0].metrics
    first, second = metric.exponential_histogram.data_points
    assert (first.scale, first.zero_count, first.positive.offset) == (3, 2, -5)
    assert list(first.positive.bucket_counts) == [1, 0, 300]
    assert (first.count, first.sum) == (303, 7.5)
    assert (second.scale, second.positive.offset, list(second.positive.bucket_counts)) == (-2, 4, [1])


def test_the_overflow_series_says_so_as_the_specification_asks() -> None:
    rows: Any = [({"a": "1", OVERFLOW_LABEL: None}, 1.0), ({OVERFLOW_LABEL: "true"}, 2.0)]
    points = encoded(batch(number("n", rows))).resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
    assert [attributes(point) for point in points] == [{"a": "1"}, {OVERFLOW_LABEL: True}]


def test_gauges_of_any_value_and_empty_metrics() -> None:
    values = [math.nan, math.inf, -0.0]
    snapshot = batch(gauge("g", [({"a": str(v)}, v) for v in values]), number("none", []))
    (metric,) = encoded(snapshot).resource_metrics[0].scope_metrics[0].metrics
    assert list(map(repr, (point.as_double for point in metric.gauge.data_points))) == ["nan", "inf", "-0.0"]
    assert metric.WhichOneof("data") == "gauge"
    assert MetricKind.GAUGE in otlp_metrics_encode.FORMS
    assert otlp_metrics_encode.encode(batch()) == b""
