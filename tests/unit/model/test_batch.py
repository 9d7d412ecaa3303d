"""What all batches share, where SpanBatch does not show it; and bodies that came in several parts."""

from __future__ import annotations

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.codec.otlp_encode import element
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.model.lists import read_lists
from pipeline.testing_spans import export_request


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
