"""An oracle for the decoders, on the official parser and equally lazy.

The official message classes look into every byte; Weir looks into what is read. To compare the two on damaged input,
the official descriptors are copied with the unread fields taken out (the official parser then skips them by their
length, as Weir does), and with attributes as ``bytes``, of which only those with a wanted key are parsed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

FieldProto = descriptor_pb2.FieldDescriptorProto
ATTRIBUTES = "attributes"

_POINT = ("attributes", "start_time_unix_nano", "time_unix_nano", "flags")
_HISTOGRAM = (*_POINT, "count", "sum", "min", "max", "exemplars")
_SHARED = {"Resource": ("attributes",), "InstrumentationScope": ("name", "version")}


@dataclass(frozen=True)
class Spec:
    """One signal.

    Attributes:
        request: The official class.
        resources, scopes, items: Names of the repeated fields down to the items.
        kept: Per message the fields that are read.
        prefix: Of the columns of the items' attributes.
    """

    request: Any
    resources: str
    scopes: str
    items: str
    kept: dict[str, tuple[str, ...]]
    prefix: str


SPECS = {
    "traces": Spec(
        ExportTraceServiceRequest,
        "resource_spans",
        "scope_spans",
        "spans",
        _SHARED
        | {
            "ExportTraceServiceRequest": ("resource_spans",),
            "ResourceSpans": ("resource", "scope_spans"),
            "ScopeSpans": ("scope", "spans"),
            "Span": (
                *("trace_id", "span_id", "trace_state", "parent_span_id", "name", "kind", "start_time_unix_nano"),
                *("end_time_unix_nano", "attributes", "status", "flags"),
            ),
            "Status": ("message", "code"),
        },
        "span.",
    ),
    "logs": Spec(
        ExportLogsServiceRequest,
        "resource_logs",
        "scope_logs",
        "log_records",
        _SHARED
        | {
            "ExportLogsServiceRequest": ("resource_logs",),
            "ResourceLogs": ("resource", "scope_logs"),
            "ScopeLogs": ("scope", "log_records"),
            "LogRecord": (
                *("time_unix_nano", "observed_time_unix_nano", "severity_number", "severity_text", "body"),
                *("attributes", "dropped_attributes_count", "flags", "trace_id", "span_id", "event_name"),
            ),
        },
        "log.",
    ),
    "metrics": Spec(
        ExportMetricsServiceRequest,
        "resource_metrics",
        "scope_metrics",
        "metrics",
        _SHARED
        | {
            "ExportMetricsServiceRequest": ("resource_metrics",),
            "ResourceMetrics": ("resource", "scope_metrics"),
            "ScopeMetrics": ("scope", "metrics"),
            "Metric": (
                *("name", "description", "unit"),
                *("gauge", "sum", "histogram", "exponential_histogram", "summary"),
            ),
            "Gauge": ("data_points",),
            "Sum": ("data_points", "aggregation_temporality", "is_monotonic"),
            "Histogram": ("data_points", "aggregation_temporality"),
            "ExponentialHistogram": ("data_points", "aggregation_temporality"),
            "Summary": ("data_points",),
            "NumberDataPoint": (*_POINT, "as_double", "as_int", "exemplars"),
            "HistogramDataPoint": (*_HISTOGRAM, "bucket_counts", "explicit_bounds"),
            "ExponentialHistogramDataPoint": (
                *_HISTOGRAM,
                *("scale", "zero_count", "positive", "negative", "zero_threshold"),
            ),
            "Buckets": ("offset", "bucket_counts"),
            "SummaryDataPoint": (*_POINT, "count", "sum", "quantile_values"),
            "ValueAtQuantile": ("quantile", "value"),
            "Exemplar": ("time_unix_nano", "as_double", "as_int", "span_id", "trace_id"),
        },
        "point.",
    ),
}


@dataclass
class Row:
    """What one item should decode to. ``attributes``: wanted column → AnyValue; ``metric``: of a data point."""

    item: Any
    scope: Any
    attributes: dict[str, AnyValue] = field(default_factory=dict)
    metric: Any = None

    def defects(self) -> set[str]:
        """Why the item is rejected."""
        if self.metric is not None:
            return set(_point_defects(self.metric, self.item))
        return set(_span_defects(self.item)) if hasattr(self.item, "parent_span_id") else set()


class LazyParser:
    """The official parser without the fields that nobody reads.

    Args:
        signal: Whose requests.
        resource_keys, item_keys: Attributes that are read.
    """

    def __init__(self, signal: str, resource_keys: Sequence[str], item_keys: Sequence[str]) -> None:
        self._spec = SPECS[signal]
        self._request, self._pair = _classes(signal, self._spec)
        self._resource_keys = resource_keys
        self._item_keys = item_keys

    def decode(self, payload: bytes) -> list[Row] | None:
        """The rows of a request, or None where the official parser refuses what would be read."""
        try:
            return list(self._rows(self._request.FromString(payload)))
        except DecodeError:
            return None

    def _rows(self, request: Any) -> Iterator[Row]:
        spec = self._spec
        for resources in getattr(request, spec.resources):
            shared = self._attributes("resource.", resources.resource.attributes, self._resource_keys)
            for scopes in getattr(resources, spec.scopes):
                for item, metric in _items(getattr(scopes, spec.items)):
                    own = self._attributes(spec.prefix, item.attributes, self._item_keys)
                    yield Row(item, scopes.scope, shared | own, metric)

    def _attributes(self, prefix: str, encoded: Sequence[bytes], wanted: Sequence[str]) -> dict[str, AnyValue]:
        out: dict[str, AnyValue] = {}
        keys = {key.encode(): prefix + key for key in wanted}
        for pair in map(self._pair.FromString, encoded):
            column = keys.get(pair.key)
            if column is not None and column not in out:
                out[column] = AnyValue.FromString(b"".join(pair.value))
        return out


def _items(elements: Any) -> Iterator[tuple[Any, Any]]:
    """Spans and log records as they are; of metrics their points."""
    for element in elements:
        if element.DESCRIPTOR.name != "Metric":
            yield element, None
            continue
        kind = element.WhichOneof("data")
        for point in getattr(element, kind).data_points if kind else ():
            yield point, element


def _classes(signal: str, spec: Spec) -> tuple[Any, Any]:
    """Class of requests and of key-value pairs, with the kept fields alone."""
    package = f"weir.oracle.{signal}"
    file = descriptor_pb2.FileDescriptorProto(name=f"weir_oracle_{signal}.proto", package=package, syntax="proto3")
    file.dependency.append("opentelemetry/proto/common/v1/common.proto")
    done: set[str] = set()
    pending = [spec.request.DESCRIPTOR]
    while pending:
        descriptor = pending.pop()
        if descriptor.name in done:
            continue
        done.add(descriptor.name)
        copied = descriptor_pb2.DescriptorProto()
        descriptor.CopyToProto(copied)
        message = file.message_type.add(name=descriptor.name)
        message.oneof_decl.extend(copied.oneof_decl)
        for one in copied.field:
            if one.name in spec.kept[descriptor.name]:
                kept = message.field.add()
                kept.CopyFrom(one)
                below = descriptor.fields_by_name[one.name].message_type
                _adapt(kept, below, package)
                if kept.type == FieldProto.TYPE_MESSAGE and below.name != "AnyValue":
                    pending.append(below)
        used = sorted({one.oneof_index for one in message.field if one.HasField("oneof_index")})
        declarations = [copied.oneof_decl[index] for index in used]
        del message.oneof_decl[:]
        message.oneof_decl.extend(declarations)
        for one in message.field:
            if one.HasField("oneof_index"):
                one.oneof_index = used.index(one.oneof_index)
    pair = file.message_type.add(name="Pair")
    pair.field.add(name="key", number=1, type=FieldProto.TYPE_BYTES, label=FieldProto.LABEL_OPTIONAL)
    pair.field.add(name="value", number=2, type=FieldProto.TYPE_BYTES, label=FieldProto.LABEL_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    common = descriptor_pb2.FileDescriptorProto()
    AnyValue.DESCRIPTOR.file.CopyToProto(common)
    pool.Add(common)
    pool.Add(file)
    names = (spec.request.DESCRIPTOR.name, "Pair")
    request, pairs = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in names
    )
    return request, pairs


def _adapt(one: Any, below: Any, package: str) -> None:
    """Attributes become bytes, enumerations numbers; messages are those of the copy."""
    one.ClearField("json_name")
    if one.type == FieldProto.TYPE_ENUM:
        one.type = FieldProto.TYPE_INT32
        one.ClearField("type_name")
    elif one.name == ATTRIBUTES:
        one.type = FieldProto.TYPE_BYTES
        one.ClearField("type_name")
    elif one.type == FieldProto.TYPE_MESSAGE and below.name != "AnyValue":
        one.type_name = f".{package}.{below.name}"


def _span_defects(span: Any) -> Iterator[str]:
    if len(span.trace_id) != 16 or not any(span.trace_id):
        yield "invalid_trace_id"
    if len(span.span_id) != 8 or not any(span.span_id):
        yield "invalid_span_id"
    if len(span.parent_span_id) not in (0, 8):
        yield "invalid_parent_span_id"


def _point_defects(metric: Any, point: Any) -> Iterator[str]:
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    if not metric.name:
        yield "no_metric_name"
    if kind not in ("gauge", "summary") and data.aggregation_temporality not in (1, 2):
        yield "no_temporality"
    if kind == "summary" and not all(0 <= one.quantile <= 1 for one in point.quantile_values):
        yield "bad_summary"
    if point.flags & 1:
        return
    if kind in ("gauge", "sum"):
        value = point.WhichOneof("value")
        if value is None:
            yield "no_value"
        elif kind == "sum" and data.is_monotonic and getattr(point, value) < 0:
            yield "negative_sum"
    elif kind == "histogram" and not _is_histogram(point):
        yield "bad_histogram"
    elif kind == "exponential_histogram" and not _is_exponential(point):
        yield "bad_exponential_histogram"


def _is_histogram(point: Any) -> bool:
    bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
    if not counts:
        return not bounds
    if any(map(math.isnan, bounds)) or any(one >= other for one, other in pairwise(bounds)):
        return False
    return len(counts) == len(bounds) + 1 and sum(counts) % 2**64 == point.count


def _is_exponential(point: Any) -> bool:
    sides = (point.positive, point.negative)
    if any(len(side.bucket_counts) > 16384 for side in sides) or not -11 <= point.scale <= 20:
        return False
    if any(side.bucket_counts and side.offset + len(side.bucket_counts) > 2**31 for side in sides):
        return False
    return sum(sum(side.bucket_counts) for side in sides) % 2**64 == (point.count - point.zero_count) % 2**64
