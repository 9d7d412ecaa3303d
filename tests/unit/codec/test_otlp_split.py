"""Cutting requests: nothing lost, nothing changed, no part too large; and OTLP JSON there and back."""

from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.codec.otlp_encode import element
from pipeline.codec.otlp_json import translate
from pipeline.codec.otlp_json_encode import encode_json
from pipeline.codec.otlp_split import split
from pipeline.errors import MalformedPayload
from pipeline.testing import export_request

UNKNOWN = b"\xfa\x3e\x03abc"  # field 1007


def traces(shape: list[list[int]]) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    number = 0
    for resource, scopes in enumerate(shape):
        resource_spans = request.resource_spans.add(schema_url=f"https://r/{resource}")
        resource_spans.resource.attributes.add(key="service.name").value.string_value = f"s{resource}"
        for scope, spans in enumerate(scopes):
            scope_spans = resource_spans.scope_spans.add(schema_url=f"https://s/{scope}")
            scope_spans.scope.name = f"scope{scope}"
            for _ in range(spans):
                number += 1
                scope_spans.spans.add(name=f"span {number}", span_id=number.to_bytes(8, "big"))
    return request


def flat(request: Any) -> list[tuple[Any, ...]]:
    return [
        (r.resource.SerializeToString(), r.schema_url, s.scope.name, s.schema_url, span.SerializeToString())
        for r in request.resource_spans
        for s in r.scope_spans
        for span in s.spans
    ]


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=4), st.integers(1, 7))
def test_the_parts_are_the_whole(shape: list[list[int]], max_items: int) -> None:
    whole = traces(shape)
    parts = split(whole.SerializeToString(), max_items, "traces")
    decoded = [ExportTraceServiceRequest.FromString(part) for part, _ in parts]
    assert [span for part in decoded for span in flat(part)] == flat(whole)
    assert [len(flat(part)) for part in decoded] == [items for _, items in parts]
    assert all(0 < items <= max_items for _, items in parts)


def test_unknown_fields_stay_with_what_they_belong_to() -> None:
    whole = traces([[2]])
    resource_spans = whole.resource_spans[0]
    resource_spans.scope_spans[0].spans[1].MergeFromString(UNKNOWN)
    resource_spans.MergeFromString(UNKNOWN)
    whole.MergeFromString(UNKNOWN)
    first, second = (part for part, _ in split(whole.SerializeToString(), 1, "traces"))
    assert first.count(UNKNOWN) == 2
    assert second.count(UNKNOWN) == 3


def test_metrics_are_cut_between_their_points() -> None:
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    kinds = [("gauge", 2), ("sum", 7), ("histogram", 0), ("exponential_histogram", 1), ("summary", 4)]
    for kind, points in kinds:
        metric = scope.metrics.add(name=kind, description="d")
        data = getattr(metric, kind)
        data.SetInParent()
        if kind == "sum":
            data.is_monotonic, data.aggregation_temporality = True, 1
            data.MergeFromString(UNKNOWN)
        for number in range(points):
            data.data_points.add(time_unix_nano=number + 1)
    parts = split(request.SerializeToString(), 3, "metrics")
    assert [items for _, items in parts] == [3, 3, 3, 3, 2]
    merged: dict[str, Any] = {}
    for part, items in parts:
        (envelope,) = ExportMetricsServiceRequest.FromString(part).resource_metrics
        found = envelope.scope_metrics[0].metrics
        assert sum(len(getattr(m, m.name).data_points) for m in found) == items
        for metric in found:
            if metric.name not in merged:
                merged[metric.name] = metric
            else:
                getattr(merged[metric.name], metric.name).data_points.extend(getattr(metric, metric.name).data_points)
    assert list(merged.values()) == list(scope.metrics)


def test_a_metric_whose_data_came_in_several_parts_is_not_cut() -> None:
    point = b"\x0a\x02\x18\x01"  # an unknown field in place of a time
    data = element(b"\x2a", point * 2) + element(b"\x2a", point)
    payload = element(b"\x0a", element(b"\x12", element(b"\x12", data) + element(b"\x12", data)))
    parts = split(payload, 1, "metrics")
    assert [items for _, items in parts] == [3, 3]
    assert b"".join(part for part, _ in parts).count(point) == 6


def test_log_records_are_cut_alike() -> None:
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for number in range(5):
        records.add(severity_text=str(number))
    assert [items for _, items in split(request.SerializeToString(), 2, "logs")] == [2, 2, 1]


@pytest.mark.parametrize("payload", [b"\x0a\x05", b"\x0a", b"\x0b", b"\xff" * 11])
def test_what_is_no_message_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedPayload):
        split(payload, 1, "traces")


def test_json_there_and_back_is_the_same_message() -> None:
    request = export_request([{"name": "a", "kind": "server", "attributes": {"x": 1, "y": b"\x00\x01", "z": "ü"}}] * 2)
    body = encode_json(request.SerializeToString(), ExportTraceServiceRequest)
    assert b"\n" not in body
    assert same(translate(body, ExportTraceServiceRequest).payload, request)


def same(payload: bytes, message: Message) -> bool:
    return type(message).FromString(payload) == message
