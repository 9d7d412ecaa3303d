"""The span decoder against the official parser: the same columns or the one documented error, whatever the bytes."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from pipeline.codec.otlp_encode import varint
from pipeline.codec.otlp_traces import Limits, TracesProjection
from pipeline.errors import MalformedPayload, PayloadTooLarge
from pipeline.model.attribute_text import plain_value, value_text
from pipeline.model.columns import SPAN_KINDS, STATUS_CODES
from pipeline.model.spans import SpanBatch
from pipeline.testing_spans import export_request
from tests.oracles import lazy

RESOURCE_KEYS = ["service.name", "service.version"]
SPAN_KEYS = ["http.route", "http.request.method", "n", "flag", "ratio", "list", "map", "raw", "k" * 70]
COLUMNS = [
    "name", "kind", "status_code", "status_message", "trace_id", "span_id", "parent_span_id", "trace_state", "flags",
    "start_time_unix_nano", "end_time_unix_nano", "duration_nano", "scope.name", "scope.version", "resource",
    *(f"resource.{key}" for key in RESOURCE_KEYS), *(f"span.{key}" for key in SPAN_KEYS),
]  # fmt: skip
PROJECTION = TracesProjection(COLUMNS)
ORACLE = lazy.LazyParser("traces", RESOURCE_KEYS, SPAN_KEYS)


def real_request(spans: int = 6) -> bytes:
    """A small request with every type of attribute, an error and events."""
    kinds = ["server", "client", "internal", "producer", "consumer", "unspecified"]
    rows = [
        {
            "service": f"service-{number % 2}",
            "resource": {"service.version": "1.2.3"},
            "scope": f"scope-{number % 3}",
            "name": f"GET /{number}/é",
            "kind": kinds[number % 6],
            "status": ["unset", "error", "ok"][number % 3],
            "trace_state": "ot=th:8",
            "attributes": {
                "http.route": "/a/{id}",
                "n": number - 3,
                "flag": number % 2 == 0,
                "ratio": number / 3,
                "list": [1, "two", None, [b"x"]],
                "map": {"a": {"b": 1}},
                "raw": b"\x00\xff",
                "unread": "x" * 150,
                "k" * 70: "long key",
            },
        }
        for number in range(spans)
    ]
    return export_request(rows).SerializeToString()


def assert_same_as_oracle(payload: bytes) -> str:
    """Decode both ways and compare. Returns what happened, for counting."""
    expected = ORACLE.decode(payload)
    try:
        spans, rejected = PROJECTION.decode(payload)
    except MalformedPayload as error:
        reason = str(error)
    else:
        return assert_same_rows(spans, rejected, expected)
    # Groups and deep nesting are refused here and read by the official parser; nothing else may differ.
    assert expected is None or "invalid tag" in reason or "nested" in reason
    return "refused"


def assert_same_rows(spans: SpanBatch, rejected: dict[str, int], expected: list[lazy.Row] | None) -> str:
    if expected is None:
        # The inside of arrays and key-value lists is decoded when asked for, and damage there is not noticed before.
        return "not looked into"
    good = [row for row in expected if not row.defects()]
    assert sum(rejected.values()) == len(expected) - len(good)
    assert_columns(spans, good)
    return "decoded"


def assert_columns(spans: SpanBatch, rows: list[lazy.Row]) -> None:
    assert len(spans) == len(rows)
    assert spans["trace_id"].tobytes() == b"".join(row.item.trace_id for row in rows)
    assert spans["span_id"].tobytes() == b"".join(row.item.span_id for row in rows)
    assert spans["parent_span_id"].tobytes() == b"".join(row.item.parent_span_id or bytes(8) for row in rows)
    for name in ("name", "trace_state"):
        assert spans[name].tolist() == [getattr(row.item, name) for row in rows]
    assert spans["status_message"].tolist() == [row.item.status.message for row in rows]
    assert spans["scope.name"].tolist() == [row.scope.name for row in rows]
    assert spans["kind"].tolist() == [enum_name(SPAN_KINDS, row.item.kind) for row in rows]
    assert spans["status_code"].tolist() == [enum_name(STATUS_CODES, row.item.status.code) for row in rows]
    assert spans["flags"].tolist() == [row.item.flags for row in rows]
    starts = [row.item.start_time_unix_nano for row in rows]
    ends = [row.item.end_time_unix_nano for row in rows]
    assert spans["start_time_unix_nano"].tolist() == starts
    assert spans["end_time_unix_nano"].tolist() == ends
    assert spans["duration_nano"].view(np.uint64).tolist() == [max(0, b - a) for a, b in zip(starts, ends, strict=True)]
    for column in (name for name in COLUMNS if name.startswith(("resource.", "span."))):
        assert spans[column].tolist() == [text_of(row.attributes.get(column)) for row in rows], column


def enum_name(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else names[0]


def text_of(value: AnyValue | None) -> str | None:
    return None if value is None else value_text(plain_value(value))


def test_real_requests_decode_to_the_official_parsers_values() -> None:
    assert assert_same_as_oracle(real_request()) == "decoded"


def test_every_prefix_decodes_alike_or_is_refused() -> None:
    payload = real_request(3)
    outcomes = Counter(assert_same_as_oracle(payload[:cut]) for cut in range(len(payload) + 1))
    assert outcomes["refused"] > len(payload) * 0.9


def test_single_byte_changes_decode_alike_or_are_refused() -> None:
    payload = real_request(2)
    generator = random.Random(7)
    outcomes: Counter[str] = Counter()
    for place in range(len(payload)):
        for value in {0, 0x7F, 0x80, 0xFF, payload[place] ^ 1, generator.randrange(256), generator.randrange(256)}:
            outcomes[assert_same_as_oracle(payload[:place] + bytes([value]) + payload[place + 1 :])] += 1
    assert min(outcomes["decoded"], outcomes["refused"]) > 1_000
    assert outcomes["not looked into"] < 0.1 * outcomes.total()


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_spliced_and_random_bytes_decode_alike_or_are_refused(data: st.DataObject) -> None:
    payload = bytearray(real_request(2))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(payload)))
        cut = data.draw(st.integers(0, 12))
        payload[place : place + cut] = data.draw(st.binary(max_size=12))
    assert_same_as_oracle(bytes(payload))


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_random_bytes_decode_alike_or_are_refused(payload: bytes) -> None:
    assert_same_as_oracle(payload)


@pytest.mark.parametrize(
    ("what", "payload"),
    [
        ("field number 0", b"\x02\x00"),
        ("wire type 6", b"\x0e"),
        ("wire type 7", b"\x0f"),
        ("unterminated group", b"\x0b"),
        ("over-long length of 11 bytes", b"\x0a" + b"\x80" * 10 + b"\x01"),
        ("length -1", b"\x0a" + b"\xff" * 9 + b"\x01"),
        ("length 2^31-1", b"\x0a\xff\xff\xff\xff\x07" + b"x" * 10),
        ("length 2^63", b"\x0a" + b"\x80" * 9 + b"\x01" + b"x" * 10),
        ("64 bytes of ff", b"\xff" * 64),
    ],
)
def test_broken_wire_format_is_refused(what: str, payload: bytes) -> None:
    with pytest.raises(MalformedPayload):
        PROJECTION.decode(payload)


def test_unknown_fields_are_ignored_at_every_level() -> None:
    request = ExportTraceServiceRequest.FromString(real_request(2))
    unknown = b"\xa8\x0f\x01" + b"\xb2\x0f\x03abc" + b"\xb9\x0f" + bytes(8) + b"\xbd\x0f" + bytes(4)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for message in (request.resource_spans[0].scope_spans[0], span, span.status, span.attributes[0]):
        message.MergeFromString(unknown)
    request.resource_spans[0].MergeFromString(unknown)
    assert assert_same_as_oracle(request.SerializeToString() + unknown) == "decoded"


def test_repeated_singular_messages_merge() -> None:
    one = ExportTraceServiceRequest.FromString(real_request(1)).resource_spans[0]
    other = ExportTraceServiceRequest.FromString(real_request(1)).resource_spans[0]
    other.resource.attributes[0].key = "service.other"
    body = one.SerializeToString() + b"\x0a" + bytes([other.resource.ByteSize()]) + other.resource.SerializeToString()
    payload = b"\x0a" + varint(len(body)) + body
    assert assert_same_as_oracle(payload) == "decoded"
    spans, _ = PROJECTION.decode(payload)
    merged = ExportTraceServiceRequest.FromString(payload).resource_spans[0].resource
    assert spans.resource(0) == merged


def test_a_resource_after_its_spans_still_labels_them() -> None:
    resource_spans = ExportTraceServiceRequest.FromString(real_request(1)).resource_spans[0]
    resource = resource_spans.resource.SerializeToString()
    resource_spans.ClearField("resource")
    body = resource_spans.SerializeToString() + b"\x0a" + varint(len(resource)) + resource
    spans, _ = PROJECTION.decode(b"\x0a" + varint(len(body)) + body)
    assert spans["resource.service.name"].tolist() == ["service-0"]


@pytest.mark.parametrize(
    ("levels", "accepted"), [(1, True), (16, True), (31, True), (32, False), (1_000, False), (20_000, False)]
)
@pytest.mark.parametrize("key", ["list", "unread"])
def test_nesting_is_limited_also_in_attributes_that_nobody_reads(levels: int, accepted: bool, key: str) -> None:
    value = b"\x10\x01"
    for _ in range(levels):
        element = b"\x0a" + varint(len(value)) + value
        value = b"\x2a" + varint(len(element)) + element
    pair = b"\x0a" + bytes([len(key)]) + key.encode() + b"\x12" + varint(len(value)) + value
    span = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8 + b"\x4a" + varint(len(pair)) + pair
    payload = _nested(span)
    if accepted:
        assert len(PROJECTION.decode(payload)[0]) == 1
    else:
        with pytest.raises(MalformedPayload, match="nested"):
            PROJECTION.decode(payload)


@pytest.mark.parametrize(
    ("what", "payload"),
    [
        ("spans", lambda n: _element(b"\x0a", _element(b"\x12", b"\x12\x00" * n))),
        ("attributes", lambda n: _nested(b"\x4a\x00" * n)),
        ("events", lambda n: _nested(b"\x5a\x00" * n)),
        ("links", lambda n: _nested(b"\x6a\x00" * n)),
        ("resources", lambda n: b"\x0a\x00" * n),
    ],
)
def test_counts_are_limited_before_anything_is_allocated_for_them(what: str, payload: object) -> None:
    projection = TracesProjection(COLUMNS, Limits(max_items=1_000, max_children=1_000))
    projection.decode(payload(1_000))  # type: ignore[operator]
    with pytest.raises(PayloadTooLarge, match="too many"):
        projection.decode(payload(1_001))  # type: ignore[operator]


def test_invalid_ids_are_split_off_and_counted_once() -> None:
    rows = [{"number": n} for n in range(6)]
    request = export_request(rows)
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[0].trace_id = b""
    spans[1].trace_id = bytes(16)
    spans[2].span_id = b"short"
    spans[3].parent_span_id = b"seven77"
    spans[4].trace_id = b"x" * 17
    spans[4].span_id = b""
    batch, rejected = PROJECTION.decode(request.SerializeToString())
    assert rejected == {"invalid_trace_id": 3, "invalid_span_id": 1, "invalid_parent_span_id": 1}
    assert batch["span_id"].tobytes() == spans[5].span_id
    assert ExportTraceServiceRequest.FromString(batch.to_otlp()).resource_spans[0].scope_spans[0].spans[:] == [spans[5]]


def test_invalid_utf8_is_refused_where_it_is_read_and_passed_on_where_not() -> None:
    for key, refused in (("http.route", True), ("unread", False)):
        pair = b"\x0a" + bytes([len(key)]) + key.encode() + b"\x12\x04\x0a\x02\xc3\x28"
        span = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8 + b"\x4a" + varint(len(pair)) + pair
        if refused:
            with pytest.raises(MalformedPayload, match="UTF-8"):
                PROJECTION.decode(_nested(span))
        else:
            assert PROJECTION.decode(_nested(span))[0].to_otlp() == _nested(span)


def _nested(span: bytes) -> bytes:
    """A request of one span."""
    return _element(b"\x0a", _element(b"\x12", _element(b"\x12", span)))


def _element(tag: bytes, body: bytes) -> bytes:
    return tag + varint(len(body)) + body
