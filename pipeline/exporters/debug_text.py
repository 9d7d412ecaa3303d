"""Telemetry as text for people, in the manner of the Collector's debug exporter.

Every line is ours; control characters of the data are escaped, so that a value cannot look like a line of the log.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pipeline.model.attribute_text import plain_value, value_text
from pipeline.model.snapshot import Exemplars, Metric, MetricKind, MetricSnapshot, Point, Temporality

_KINDS = {
    MetricKind.SUM: "Sum",
    MetricKind.GAUGE: "Gauge",
    MetricKind.HISTOGRAM: "Histogram",
    MetricKind.EXPONENTIAL_HISTOGRAM: "ExponentialHistogram",
}
_TYPE_NAMES: dict[type, str] = {
    str: "Str",
    bool: "Bool",
    int: "Int",
    float: "Double",
    bytes: "Bytes",
    list: "Slice",
    dict: "Map",
    type(None): "Empty",
}


def spans_in_short(request: ExportTraceServiceRequest) -> Iterator[str]:
    """One line per span: name, ids, attributes."""
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                attributes = _pairs(_plain(span.attributes))
                yield " ".join([printable(span.name), span.trace_id.hex(), span.span_id.hex(), *attributes])


def metrics_in_short(batch: MetricSnapshot) -> Iterator[str]:
    """One line per data point: name, labels, value."""
    for point in batch.points():
        yield f"{printable(point.name)}{{{','.join(_pairs(point.labels))}}} {_value_in_short(point.value)}"


def spans_in_detail(request: ExportTraceServiceRequest) -> Iterator[str]:
    """Everything about each span."""
    for i, resource_spans in enumerate(request.resource_spans):
        yield f"ResourceSpans #{i}"
        yield f"Resource SchemaURL: {printable(resource_spans.schema_url)}"
        yield from _attributes("Resource attributes", _plain(resource_spans.resource.attributes))
        for j, scope_spans in enumerate(resource_spans.scope_spans):
            scope = scope_spans.scope
            yield f"ScopeSpans #{j}"
            yield f"ScopeSpans SchemaURL: {printable(scope_spans.schema_url)}"
            yield f"InstrumentationScope {printable(scope.name)} {printable(scope.version)}"
            yield from _attributes("InstrumentationScope attributes", _plain(scope.attributes))
            for k, span in enumerate(scope_spans.spans):
                yield f"Span #{k}"
                yield from _span(span)


def metrics_in_detail(batch: MetricSnapshot) -> Iterator[str]:
    """Everything about each data point, under its resource."""
    points = iter(batch.points())
    yield f"InstrumentationScope {printable(batch.scope.name)} {printable(batch.scope.version)}"
    yield from _attributes("InstrumentationScope attributes", batch.scope.attributes)
    for i, metric in enumerate(batch.metrics):
        yield f"Metric #{i}"
        yield "Descriptor:"
        yield f"     -> Name: {printable(metric.name)}"
        yield f"     -> Description: {printable(metric.description)}"
        yield f"     -> Unit: {printable(metric.unit)}"
        yield f"     -> DataType: {_KINDS[metric.kind]}"
        if metric.kind is MetricKind.SUM:
            yield f"     -> IsMonotonic: {str(metric.monotonic).lower()}"
        if metric.kind is not MetricKind.GAUGE:
            yield f"     -> AggregationTemporality: {Temporality(metric.temporality).name.title()}"
        for number in range(len(metric.series)):
            yield from _point(metric, number, next(points), batch.time_unix_nano)


def printable(text: str) -> str:
    """The text in one line, without characters that act on a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _span(span: Span) -> Iterator[str]:
    yield _field("Trace ID", span.trace_id.hex())
    yield _field("Parent ID", span.parent_span_id.hex())
    yield _field("ID", span.span_id.hex())
    yield _field("Name", printable(span.name))
    yield _field("Kind", _enum(Span.SpanKind, span.kind, "SPAN_KIND_"))
    yield _field("Start time", _time(span.start_time_unix_nano))
    yield _field("End time", _time(span.end_time_unix_nano))
    yield _field("Status code", _enum(Status.StatusCode, span.status.code, "STATUS_CODE_"))
    yield _field("Status message", printable(span.status.message))
    if span.trace_state:
        yield _field("TraceState", printable(span.trace_state))
    for name in ("dropped_attributes_count", "dropped_events_count", "dropped_links_count"):
        if getattr(span, name):
            yield _field(name, str(getattr(span, name)))
    yield from _attributes("Attributes", _plain(span.attributes))
    for i, event in enumerate(span.events):
        yield from ["Events:"] if i == 0 else []
        yield f"SpanEvent #{i}"
        yield f"     -> Name: {printable(event.name)}"
        yield f"     -> Timestamp: {_time(event.time_unix_nano)}"
        yield from _attributes("     -> Attributes", _plain(event.attributes))
    for i, link in enumerate(span.links):
        yield from ["Links:"] if i == 0 else []
        yield f"SpanLink #{i}"
        yield f"     -> Trace ID: {link.trace_id.hex()}"
        yield f"     -> ID: {link.span_id.hex()}"
        yield from _attributes("     -> Attributes", _plain(link.attributes))


def _point(metric: Metric, number: int, point: Point, time_unix_nano: int) -> Iterator[str]:
    name = "NumberDataPoints" if not isinstance(point.value, dict) else f"{_KINDS[metric.kind]}DataPoints"
    yield f"{name} #{number}"
    yield from _attributes("Resource attributes", point.resource)
    yield from _attributes("Data point attributes", point.labels)
    yield f"StartTimestamp: {_time(int(metric.series.start_unix_nano[number]))}"
    yield f"Timestamp: {_time(time_unix_nano)}"
    if not isinstance(point.value, dict):
        yield f"Value: {point.value:f}"
    else:
        for key, value in point.value.items():
            yield f"{key.replace('_', ' ').capitalize()}: {value}"
    yield from _exemplars(metric.values.exemplars, number)


def _exemplars(exemplars: Exemplars | None, point: int) -> Iterator[str]:
    if exemplars is None:
        return
    for i, k in enumerate((exemplars.point == point).nonzero()[0].tolist()):
        yield from ["Exemplars:"] if i == 0 else []
        yield f"Exemplar #{i}"
        yield f"     -> Trace ID: {exemplars.trace_id[k].tobytes().hex()}"
        yield f"     -> Span ID: {exemplars.span_id[k].tobytes().hex()}"
        yield f"     -> Timestamp: {_time(int(exemplars.time_unix_nano[k]))}"
        yield f"     -> Value: {exemplars.value[k]:f}"


def _value_in_short(value: float | dict[str, Any]) -> str:
    if not isinstance(value, dict):
        return value_text(value)
    parts = [f"count={value_text(value['count'])}", f"sum={value_text(value['sum'])}"]
    if "bounds" in value:
        bounds = [*(f"le{value_text(bound)}=" for bound in value["bounds"]), ""]
        parts += [f"{bound}{value_text(count)}" for bound, count in zip(bounds, value["counts"], strict=True)]
    else:
        parts += [f"{key}={value_text(value[key])}" for key in ("scale", "zero_count", "offset")]
        parts += [value_text(count) for count in value["counts"]]
    return " ".join(parts)


def _plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: plain_value(pair.value) for pair in attributes}


def _pairs(attributes: Mapping[str, Any]) -> list[str]:
    return [f"{printable(key)}={printable(value_text(value))}" for key, value in attributes.items()]


def _attributes(title: str, attributes: Mapping[str, Any]) -> Iterator[str]:
    if attributes:
        yield f"{title}:"
    for key, value in attributes.items():
        yield f"     -> {printable(key)}: {_TYPE_NAMES[type(value)]}({printable(value_text(value))})"


def _field(name: str, value: str) -> str:
    return f"    {name:<15}: {value}".rstrip()


def _enum(kind: Any, number: int, prefix: str) -> str:
    """``SPAN_KIND_SERVER`` as ``Server``; numbers that we do not know as they are."""
    names = {value: name for name, value in kind.items()}
    return names[number].removeprefix(prefix).title() if number in names else str(number)


def _time(unix_nano: int) -> str:
    """As Go prints a UTC time."""
    seconds, nanos = divmod(unix_nano, 1_000_000_000)
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (OverflowError, ValueError):
        return f"{unix_nano} ns"
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"
