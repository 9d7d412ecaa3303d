"""Telemetry as text for people, in the manner of the Collector's debug exporter.

Every line is ours; control characters of the data are escaped, so that a value cannot look like a line of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pipeline.exporters import debug_format as fmt
from pipeline.exporters.debug_points import metric_in_detail, metric_in_short
from pipeline.model.attribute_text import plain_value, value_text


@dataclass(frozen=True)
class Layout:
    """How the requests of one signal are built, and how their items are shown.

    Attributes:
        resources, scopes, items: Names of the repeated fields.
        name: What the innermost elements are called.
    """

    resources: str
    scopes: str
    items: str
    name: str
    in_short: Callable[[Any], Iterator[str]]
    in_detail: Callable[[Any], Iterator[str]]


def in_short(request: Any) -> Iterator[str]:
    """One line per span, data point or log record of an export request."""
    layout = _layout(request)
    for resource in getattr(request, layout.resources):
        for scope in getattr(resource, layout.scopes):
            for item in getattr(scope, layout.items):
                yield from layout.in_short(item)


def in_detail(request: Any) -> Iterator[str]:
    """Everything in an export request."""
    layout = _layout(request)
    for i, resource in enumerate(getattr(request, layout.resources)):
        yield f"{type(resource).__name__} #{i}"
        yield f"Resource SchemaURL: {fmt.printable(resource.schema_url)}"
        yield from fmt.attribute_lines("Resource attributes", fmt.plain(resource.resource.attributes))
        for j, scoped in enumerate(getattr(resource, layout.scopes)):
            scope = scoped.scope
            yield f"{type(scoped).__name__} #{j}"
            yield f"{type(scoped).__name__} SchemaURL: {fmt.printable(scoped.schema_url)}"
            yield f"InstrumentationScope {fmt.printable(scope.name)} {fmt.printable(scope.version)}"
            yield from fmt.attribute_lines("InstrumentationScope attributes", fmt.plain(scope.attributes))
            for k, item in enumerate(getattr(scoped, layout.items)):
                yield f"{layout.name} #{k}"
                yield from layout.in_detail(item)


def _span_in_short(span: Span) -> Iterator[str]:
    attributes = fmt.pairs(fmt.plain(span.attributes))
    yield " ".join([fmt.printable(span.name), span.trace_id.hex(), span.span_id.hex(), *attributes])


def _span(span: Span) -> Iterator[str]:
    yield fmt.field("Trace ID", span.trace_id.hex())
    yield fmt.field("Parent ID", span.parent_span_id.hex())
    yield fmt.field("ID", span.span_id.hex())
    yield fmt.field("Name", fmt.printable(span.name))
    yield fmt.field("Kind", fmt.enum(Span.SpanKind, span.kind, "SPAN_KIND_"))
    yield fmt.field("Start time", fmt.time(span.start_time_unix_nano))
    yield fmt.field("End time", fmt.time(span.end_time_unix_nano))
    yield fmt.field("Status code", fmt.enum(Status.StatusCode, span.status.code, "STATUS_CODE_"))
    yield fmt.field("Status message", fmt.printable(span.status.message))
    if span.trace_state:
        yield fmt.field("TraceState", fmt.printable(span.trace_state))
    for name in ("dropped_attributes_count", "dropped_events_count", "dropped_links_count"):
        if getattr(span, name):
            yield fmt.field(name, str(getattr(span, name)))
    yield from fmt.attribute_lines("Attributes", fmt.plain(span.attributes))
    for i, event in enumerate(span.events):
        yield from ["Events:"] if i == 0 else []
        yield f"SpanEvent #{i}"
        yield f"     -> Name: {fmt.printable(event.name)}"
        yield f"     -> Timestamp: {fmt.time(event.time_unix_nano)}"
        yield from fmt.attribute_lines("     -> Attributes", fmt.plain(event.attributes))
    for i, link in enumerate(span.links):
        yield from ["Links:"] if i == 0 else []
        yield f"SpanLink #{i}"
        yield f"     -> Trace ID: {link.trace_id.hex()}"
        yield f"     -> ID: {link.span_id.hex()}"
        yield from fmt.attribute_lines("     -> Attributes", fmt.plain(link.attributes))


def _log_in_short(record: LogRecord) -> Iterator[str]:
    body = fmt.printable(value_text(plain_value(record.body)))
    yield " ".join([body, *fmt.pairs(fmt.plain(record.attributes))])


def _log(record: LogRecord) -> Iterator[str]:
    yield f"ObservedTimestamp: {fmt.time(record.observed_time_unix_nano)}"
    yield f"Timestamp: {fmt.time(record.time_unix_nano)}"
    yield f"SeverityText: {fmt.printable(record.severity_text)}"
    yield f"SeverityNumber: {record.severity_number}"
    if record.event_name:
        yield f"EventName: {fmt.printable(record.event_name)}"
    yield f"Body: {fmt.typed(plain_value(record.body))}"
    yield from fmt.attribute_lines("Attributes", fmt.plain(record.attributes))
    yield f"Trace ID: {record.trace_id.hex()}"
    yield f"Span ID: {record.span_id.hex()}"
    yield f"Flags: {record.flags}"


LAYOUTS = (
    Layout("resource_spans", "scope_spans", "spans", "Span", _span_in_short, _span),
    Layout("resource_metrics", "scope_metrics", "metrics", "Metric", metric_in_short, metric_in_detail),
    Layout("resource_logs", "scope_logs", "log_records", "LogRecord", _log_in_short, _log),
)


def _layout(request: Any) -> Layout:
    return next(layout for layout in LAYOUTS if layout.resources in request.DESCRIPTOR.fields_by_name)
