"""What all batches share, where SpanBatch does not show it; and bodies that came in several parts."""

from __future__ import annotations

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.api import Meter
from pipeline.codec.otlp_encode import element
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.model.batch import Batch
from pipeline.model.lists import read_lists
from pipeline.testing import FakeClock, export_request, log_batch, metric_batch


def test_a_resource_in_several_parts_is_read_merged() -> None:
    request = export_request([{"service": "cart"}])
    body = request.resource_spans[0].SerializeToString()
    more = export_request([{"service": "pay", "resource": {"b": 1}}]).resource_spans[0].resource.SerializeToString()
    payload = element(b"\x0a", body + element(b"\x0a", more))
    spans, _ = TracesProjection(["resource", "scope"]).decode(payload)
    merged = ExportTraceServiceRequest.FromString(payload).resource_spans[0].resource
    assert spans["resource"].tolist() == [merged.SerializeToString()]
    assert spans["scope"].tolist() == [request.resource_spans[0].scope_spans[0].scope.SerializeToString()]


def test_lists_are_read_from_ranges_of_the_payload() -> None:
    payload = b"..\x01\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01.." + np.array([1.5, -2.5]).tobytes()
    words = np.array([2 << 32 | 13, 0, 3 << 32 | 2], np.uint64)
    assert read_lists(payload, words, "positive.bucket_counts").tolist() == [[1, 128, (1 << 64) - 1], [], [128]]
    doubles = read_lists(payload, np.array([0, 17 << 32 | 16], np.uint64), "explicit_bounds")
    assert doubles.tolist() == [[], [1.5, -2.5]]
    assert doubles.lengths().tolist() == [0, 2]


def counted(batch: Batch, *labels: str, per_resource: bool = False) -> dict[tuple[str, ...], float]:
    meter = Meter("m", FakeClock())
    meter.counter("items", labels=labels, per_resource=per_resource).add(batch.group_by(*labels))
    return {
        (*(str(value) for value in point.resource.values()), *point.labels.values()): point.value
        for point in meter.collect(0).points()
    }


def test_instruments_take_log_records() -> None:
    logs = log_batch(logs=[{"severity": "error"}, {"service": "pay"}, {"severity": "error"}], attributes={"n": 1})
    assert counted(logs, "severity_number", "log.n") == {
        ("SEVERITY_NUMBER_ERROR", "1"): 2.0,
        ("SEVERITY_NUMBER_INFO", "1"): 1.0,
    }


def test_instruments_take_data_points_with_labels_of_every_level() -> None:
    points = metric_batch(
        points=[
            {"name": "a", "attributes": {"x": 1}},
            {"name": "a", "attributes": {"x": 2.5}},
            {"name": "b", "kind": "sum", "service": "pay", "attributes": {"x": 1}},
            {"name": "a", "attributes": {"x": 1}},
        ],
        columns=["resource"],
    )
    labels = ("metric.name", "metric.type", "point.x")
    expected = {
        ("a", "METRIC_DATA_TYPE_GAUGE", "1"): 2.0,
        ("a", "METRIC_DATA_TYPE_GAUGE", "2.5"): 1.0,
        ("b", "METRIC_DATA_TYPE_SUM", "1"): 1.0,
    }
    assert counted(points, *labels) == expected
    kept = points.where((points["metric.name"] == "b") | (np.arange(4) == 0))
    assert counted(kept, "metric.name", "resource.service.name") == {("a", "cart"): 1.0, ("b", "pay"): 1.0}
    assert counted(kept, "metric.name", per_resource=True) == {("cart", "a"): 1.0, ("pay", "b"): 1.0}
    assert points.group_by(*labels).ids.tolist() == [0, 1, 0, 2]
