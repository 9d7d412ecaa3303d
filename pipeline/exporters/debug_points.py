"""Data points as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, NumberDataPoint

from pipeline.exporters import debug_format as fmt
from pipeline.model.attribute_text import value_text

_KINDS = {
    "gauge": "Gauge",
    "sum": "Sum",
    "histogram": "Histogram",
    "exponential_histogram": "ExponentialHistogram",
    "summary": "Summary",
}


def metric_in_short(metric: Metric) -> Iterator[str]:
    """One line per data point: name, labels, value."""
    for point in _data(metric).data_points:
        labels = ",".join(fmt.pairs(fmt.plain(point.attributes)))
        yield f"{fmt.printable(metric.name)}{{{labels}}} {_value_in_short(point)}"


def metric_in_detail(metric: Metric) -> Iterator[str]:
    """Everything about a metric and its points."""
    kind = metric.WhichOneof("data") or ""
    data = _data(metric)
    yield "Descriptor:"
    yield f"     -> Name: {fmt.printable(metric.name)}"
    yield f"     -> Description: {fmt.printable(metric.description)}"
    yield f"     -> Unit: {fmt.printable(metric.unit)}"
    yield f"     -> DataType: {_KINDS.get(kind, 'Empty')}"
    if kind == "sum":
        yield f"     -> IsMonotonic: {str(data.is_monotonic).lower()}"
    if hasattr(data, "aggregation_temporality"):
        temporality = fmt.enum(AggregationTemporality, data.aggregation_temporality, "AGGREGATION_TEMPORALITY_")
        yield f"     -> AggregationTemporality: {temporality}"
    name = "NumberDataPoints" if kind in ("gauge", "sum") else f"{_KINDS.get(kind, '')}DataPoints"
    for i, point in enumerate(data.data_points):
        yield f"{name} #{i}"
        yield from _point(point)


def _data(metric: Metric) -> Any:
    return getattr(metric, metric.WhichOneof("data") or "gauge")


def _point(point: Any) -> Iterator[str]:
    yield from fmt.attribute_lines("Data point attributes", fmt.plain(point.attributes))
    yield f"StartTimestamp: {fmt.time(point.start_time_unix_nano)}"
    yield f"Timestamp: {fmt.time(point.time_unix_nano)}"
    if point.flags:
        yield f"Flags: {point.flags}"
    if isinstance(point, NumberDataPoint):
        yield f"Value: {point.as_int}" if point.WhichOneof("value") == "as_int" else f"Value: {point.as_double:f}"
    else:
        yield from _values(point)
    for i, exemplar in enumerate(getattr(point, "exemplars", ())):
        yield from ["Exemplars:"] if i == 0 else []
        yield f"Exemplar #{i}"
        yield f"     -> Trace ID: {exemplar.trace_id.hex()}"
        yield f"     -> Span ID: {exemplar.span_id.hex()}"
        yield f"     -> Timestamp: {fmt.time(exemplar.time_unix_nano)}"
        yield f"     -> Value: {value_text(getattr(exemplar, exemplar.WhichOneof('value') or 'as_double'))}"
        yield from fmt.attribute_lines("     -> FilteredAttributes", fmt.plain(exemplar.filtered_attributes))


def _values(point: Any) -> Iterator[str]:
    yield f"Count: {point.count}"
    yield f"Sum: {point.sum:f}"
    for name in ("min", "max"):
        if name in point.DESCRIPTOR.fields_by_name and point.HasField(name):
            yield f"{name.title()}: {getattr(point, name):f}"
    if hasattr(point, "bucket_counts"):
        bounds = [*(f"<= {value_text(bound)}" for bound in point.explicit_bounds), "above"]
        for bound, count in zip(bounds, point.bucket_counts, strict=False):
            yield f"Bucket {bound}: {count}"
    elif hasattr(point, "quantile_values"):
        for quantile in point.quantile_values:
            yield f"Quantile {value_text(quantile.quantile)}: {value_text(quantile.value)}"
    else:
        yield f"Scale: {point.scale}"
        yield f"Zero count: {point.zero_count}"
        for name in ("positive", "negative"):
            side = getattr(point, name)
            yield f"{name.title()} buckets from {side.offset}: {list(side.bucket_counts)}"


def _value_in_short(point: Any) -> str:
    if isinstance(point, NumberDataPoint):
        return value_text(getattr(point, point.WhichOneof("value") or "as_double"))
    parts = [f"count={value_text(point.count)}", f"sum={value_text(point.sum)}"]
    if hasattr(point, "bucket_counts"):
        bounds = [*(f"le{value_text(bound)}=" for bound in point.explicit_bounds), ""]
        parts += [f"{bound}{count}" for bound, count in zip(bounds, point.bucket_counts, strict=False)]
    elif hasattr(point, "quantile_values"):
        parts += [f"q{value_text(one.quantile)}={value_text(one.value)}" for one in point.quantile_values]
    else:
        parts += [f"{key}={getattr(point, key)}" for key in ("scale", "zero_count")]
        parts += [f"offset={point.positive.offset}", *map(str, point.positive.bucket_counts)]
        if point.negative.bucket_counts:
            parts += ["negative", f"offset={point.negative.offset}", *map(str, point.negative.bucket_counts)]
    return " ".join(parts)
