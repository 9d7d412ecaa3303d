"""OTLP JSON becomes the same protobuf that the sender would have sent; every malformed form is refused as a whole."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.codec.otlp_json import HEX_IDS, INVALID_ID, Translation, translate
from pipeline.errors import MalformedPayload
from pipeline.testing import span_message

TRACE_ID = "5b8efff798038103d269b633813fc60c"
Document = dict[str, Any]


def otlp_json(message: Any) -> bytes:
    """A message in OTLP's JSON, by the official mapping and the three differences from it."""

    def with_hex_ids(value: Any) -> Any:
        if isinstance(value, list):
            return [with_hex_ids(element) for element in value]
        if not isinstance(value, dict):
            return value
        hexed = {"traceId", "spanId", "parentSpanId"}
        return {
            key: base64.b64decode(inner).hex() if key in hexed else with_hex_ids(inner) for key, inner in value.items()
        }

    return json.dumps(with_hex_ids(json_format.MessageToDict(message, use_integers_for_enums=True))).encode()


def span(**fields: Any) -> bytes:
    """A body with one span made of JSON fields."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}).encode()


def first_span(body: bytes) -> Span:
    request = ExportTraceServiceRequest.FromString(translate(body, ExportTraceServiceRequest).payload)
    return request.resource_spans[0].scope_spans[0].spans[0]


def refusal(body: bytes) -> str:
    with pytest.raises(MalformedPayload) as caught:
        translate(body, ExportTraceServiceRequest)
    return str(caught.value)


def test_a_request_is_the_same_in_both_encodings() -> None:
    attributes = {
        "string": "größe 😀",
        "empty": "",
        "int": -(1 << 63),
        "double": 1.5,
        "bool": False,
        "bytes": b"\0\xff",
        "list": [1, "a", None, [True]],
        "map": {"a": {"b": 2.5}},
        "nothing": None,
    }
    spans = [span_message(n, attributes=attributes, events=[Span.Event(name="e", time_unix_nano=1)]) for n in range(3)]
    spans[0].links.add(trace_id=b"t" * 16, span_id=b"s" * 8, flags=0xFFFFFFFF)
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(spans)
    translation = translate(otlp_json(request), ExportTraceServiceRequest)
    assert ExportTraceServiceRequest.FromString(translation.payload) == request
    assert translation.original_names == ()


def test_metrics_and_logs_need_no_code_of_their_own() -> None:
    metrics = ExportMetricsServiceRequest()
    metric: Metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    point = metric.exponential_histogram.data_points.add(scale=-3, count=7, sum=-1.5)
    point.positive.offset = -200
    point.positive.bucket_counts.extend([0, 1, 1 << 40])
    point.exemplars.add(trace_id=b"t" * 16, as_int=-5)
    metrics.resource_metrics[0].scope_metrics[0].metrics.add(name="h").histogram.data_points.add(
        bucket_counts=[1, 2], explicit_bounds=[0.5, 1e300], sum=2.5, min=0.0, max=2.0
    )
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add(trace_id=b"t" * 16, severity_number=9)
    for request in (metrics, logs):
        payload = translate(otlp_json(request), type(request)).payload
        assert type(request).FromString(payload) == request


IDS = {
    "lower": (TRACE_ID, bytes.fromhex(TRACE_ID)),
    "upper": (TRACE_ID.upper(), bytes.fromhex(TRACE_ID)),
    "mixed": (TRACE_ID[:9].upper() + TRACE_ID[9:], bytes.fromhex(TRACE_ID)),
    "empty": ("", b""),
    "30 digits": (TRACE_ID[:30], bytes.fromhex(TRACE_ID)[:15]),
    "31 digits": (TRACE_ID[:31], INVALID_ID),
    "33 digits": (TRACE_ID + "0", INVALID_ID),
    "not hex": ("x" * 32, INVALID_ID),
    "base64": ("W47/95gDgQPSabYzgT/GDA==", INVALID_ID),
    "spaces": (TRACE_ID[:16] + " " + TRACE_ID[16:], INVALID_ID),
}


@pytest.mark.parametrize("name", IDS)
def test_ids_are_hex_and_a_wrong_one_has_a_wrong_length(name: str) -> None:
    text, expected = IDS[name]
    assert first_span(span(traceId=text)).trace_id == expected
    assert first_span(span(parentSpanId=text)).parent_span_id == expected


INTEGERS = {
    '"123"': 123,
    "123": 123,
    "1.5e18": 1_500_000_000_000_000_000,
    "2.0": 2,
    '"18446744073709551615"': (1 << 64) - 1,
    "18446744073709551615": (1 << 64) - 1,
    '"0"': 0,
}


@pytest.mark.parametrize("text", INTEGERS)
def test_64_bit_integers_are_strings_or_numbers(text: str) -> None:
    body = span(startTimeUnixNano=0).replace(b'"startTimeUnixNano": 0', f'"startTimeUnixNano": {text}'.encode())
    assert first_span(body).start_time_unix_nano == INTEGERS[text]


@pytest.mark.parametrize(
    "text",
    [
        '"1e3"',
        "18446744073709551616",
        "-1",
        '"-1"',
        "1.5",
        '""',
        '" 1"',
        '"1_0"',
        '"٣"',
        "true",
        "{}",
        "1e400",
        "9" * 5000,
        f'"{"9" * 5000}"',
    ],
)
def test_other_forms_of_an_integer_are_refused(text: str) -> None:
    body = span(startTimeUnixNano=0).replace(b'"startTimeUnixNano": 0', f'"startTimeUnixNano": {text}'.encode())
    assert refusal(body)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1.0), (1.5, 1.5), ("1.5", 1.5), ("-1e3", -1000.0), ("NaN", math.nan), ("-Infinity", -math.inf)],
)
def test_doubles_are_numbers_or_their_names(value: Any, expected: float) -> None:
    found = (
        first_span(span(attributes=[{"key": "k", "value": {"doubleValue": value}}])).attributes[0].value.double_value
    )
    assert found == expected or (math.isnan(found) and math.isnan(expected))


@pytest.mark.parametrize("value", ["inf", "nan", "0x1", "1e400", "", "1_0", True, 10**400])
def test_other_forms_of_a_double_are_refused(value: Any) -> None:
    assert refusal(span(attributes=[{"key": "k", "value": {"doubleValue": value}}]))


@pytest.mark.parametrize("text", ["AP8=", "AP8", "AP-_", "AP+/"])
def test_bytes_are_base64_of_either_alphabet(text: str) -> None:
    value = first_span(span(attributes=[{"value": {"bytesValue": text}}])).attributes[0].value
    assert value.bytes_value == base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def test_unknown_keys_are_ignored_at_every_level() -> None:
    plain = span(name="a", attributes=[{"key": "k", "value": {"stringValue": "v"}}])
    for place in ("resourceSpans", "scopeSpans", "spans", "attributes", "key"):
        extended = plain.replace(f'"{place}"'.encode(), f'"x-{place}": {"[" * 500}{"]" * 500}, "{place}"'.encode(), 1)
        assert extended != plain
        assert first_span(extended) == first_span(plain)


def test_original_field_names_are_not_read_but_reported() -> None:
    body = span(trace_id="x", trace_state=1).replace(b"{", b'{"resource_spans": [1], ', 1)
    assert first_span(body) == Span()
    assert translate(body, ExportTraceServiceRequest).original_names == ("resource_spans", "trace_id", "trace_state")


def test_null_is_an_absent_field() -> None:
    body = b'{"resourceSpans": [{"resource": null, "scopeSpans": [{"spans": [{"name": null, "events": null}]}]}]}'
    assert first_span(body) == Span()
    assert translate(b'{"resourceSpans": null}', ExportTraceServiceRequest) == Translation(b"", ())


MALFORMED = {
    "empty": b"",
    "a list": b"[]",
    "a string": b'""',
    "a number": b"1",
    "null": b"null",
    "cut off": b"nul",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "not UTF-8": b'{"a": "\xff"}',
    "trailing garbage": b"{} x",
    "a key twice": b'{"resourceSpans": [], "resourceSpans": []}',
    "an unknown key twice": b'{"a": 1, "a": 2}',
    "a lone surrogate": b'{"resourceSpans": [{"schemaUrl": "\\ud800"}]}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "null in a list": b'{"resourceSpans": [null]}',
    "an object for a list": b'{"resourceSpans": {}}',
    "a list for an object": b'{"resourceSpans": [[]]}',
    "a number for a string": span(name=1),
    "a string for a bool": span(attributes=[{"value": {"boolValue": "true"}}]),
    "a number for an id": span(traceId=1),
    "two values at once": span(attributes=[{"value": {"boolValue": True, "intValue": 1}}]),
    "an enumeration by name": span(kind="SPAN_KIND_SERVER"),
    "an enumeration as a string": span(status={"code": "2"}),
    "damaged base64": span(attributes=[{"value": {"bytesValue": "a"}}]),
    "100 000 lists": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100 000 open lists": b'{"a": ' + b"[" * 100_000,
    "100 000 objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_bodies_are_refused_as_a_whole(name: str) -> None:
    message = refusal(MALFORMED[name])
    assert len(message) < 200, "a refusal does not repeat the payload"


def nested(depth: int) -> bytes:
    value: Document = {"intValue": 1}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}
    return span(attributes=[{"key": "k", "value": value}])


def test_nesting_is_bounded() -> None:
    assert first_span(nested(16)).attributes[0].value.array_value.values
    assert "nested" in refusal(nested(40))


def test_a_hundred_thousand_keys_are_read() -> None:
    body = json.dumps({f"k{n}": n for n in range(100_000)}).encode()
    assert translate(body, ExportTraceServiceRequest).payload == b""


def test_all_hex_ids_are_fields_of_the_schema() -> None:
    assert {field.name for field in Span.DESCRIPTOR.fields} >= HEX_IDS
