"""Builders of spans for tests: set only the fields that the test is about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pipeline.codec.otlp_traces import TracesProjection
from pipeline.model.any_value import key_values
from pipeline.model.spans import SpanBatch
from pipeline.testing_envelopes import (
    START_UNIX_NANO,
    Envelopes,
    attribute_columns,
    own_fields,
    refuse_unknown,
    rows_of,
)

BASIC_COLUMNS = (
    "name",
    "kind",
    "status_code",
    "trace_id",
    "span_id",
    "parent_span_id",
    "start_time_unix_nano",
    "end_time_unix_nano",
    "duration_nano",
    "resource.service.name",
)

FIELDS = (
    "name",
    "kind",
    "status",
    "status_message",
    "trace_id",
    "span_id",
    "parent_span_id",
    "trace_state",
    "start_unix_nano",
    "end_unix_nano",
    "duration_ms",
    "duration_nano",
    "attributes",
    "events",
    "links",
)
"""What can be said of a span."""


def span_message(number: int = 0, **fields: Any) -> Span:
    """A Span of ``FIELDS``. ``kind`` and ``status`` are lower-case words; ids follow from ``number`` unless given;
    times from ``duration_ms``.
    """
    refuse_unknown(fields, FIELDS, "span")
    start = fields.get("start_unix_nano", START_UNIX_NANO)
    duration = fields.get("duration_nano", round(fields.get("duration_ms", 10) * 1_000_000))
    digest = hashlib.sha256(f"{number}".encode()).digest()
    return Span(
        trace_id=fields.get("trace_id", digest[:16]),
        span_id=fields.get("span_id", digest[16:24]),
        parent_span_id=fields.get("parent_span_id", b""),
        trace_state=fields.get("trace_state", ""),
        name=fields.get("name", "GET /"),
        kind=Span.SpanKind.Value(f"SPAN_KIND_{fields.get('kind', 'server').upper()}"),
        start_time_unix_nano=start,
        end_time_unix_nano=fields.get("end_unix_nano", start + duration),
        attributes=key_values(fields.get("attributes", {})),
        events=fields.get("events", ()),
        links=fields.get("links", ()),
        status=Status(
            code=Status.StatusCode.Value(f"STATUS_CODE_{fields.get('status', 'unset').upper()}"),
            message=fields.get("status_message", ""),
        ),
    )


def export_request(spans: Iterable[Mapping[str, Any]]) -> ExportTraceServiceRequest:
    """A request of spans as ``span_message`` takes them; each may also have ``service``, ``resource`` (attributes) and
    ``scope``.

    Spans with the same resource share a ResourceSpans, in order of appearance. ``service=None`` leaves ``service.name``
    out.
    """
    request = ExportTraceServiceRequest()
    envelopes = Envelopes(request, "spans")
    for number, fields in enumerate(spans):
        envelopes.scope(fields).spans.append(span_message(fields.get("number", number), **own_fields(fields)))
    return request


def span_batch(
    n: int = 1,
    *,
    columns: Sequence[str] = (),
    spans: Iterable[Mapping[str, Any]] | None = None,
    **fields: Any,
) -> SpanBatch:
    """A decoded batch of ``n`` equal spans (``span_batch(3, service="cart", duration_ms=20)``) or of ``spans``, one
    mapping each.

    ``columns`` are readable besides ``BASIC_COLUMNS`` and all attributes that the spans have.
    """
    rows = rows_of(n, spans, fields)
    wanted = {*BASIC_COLUMNS, *columns, *attribute_columns(rows, "span.")}
    decoded, rejected = TracesProjection(wanted).decode(export_request(rows).SerializeToString())
    if rejected:
        raise ValueError(f"invalid test spans: {rejected}")
    return decoded
