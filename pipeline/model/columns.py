"""The columns of each signal: what a processor can read, and under which name.

A column name is a field of the protocol (``name``, ``kind``, ``trace_id``, ``severity_number``, ``count`` …), something
derived from one (``duration_nano``), or an attribute in its scope with the key untouched: ``resource.service.name``,
``span.http.route``, ``log.exception.type``, ``point.http.route``. What belongs to a metric and not to its data points
begins with ``metric.``: ``metric.name``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

SPAN_KINDS = (
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
)
STATUS_CODES = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")

METRIC_TYPES = (
    "METRIC_DATA_TYPE_NONE",
    "METRIC_DATA_TYPE_GAUGE",
    "METRIC_DATA_TYPE_SUM",
    "METRIC_DATA_TYPE_HISTOGRAM",
    "METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM",
    "METRIC_DATA_TYPE_SUMMARY",
)
"""Names and numbers as in OTTL; the protocol has a oneof there."""
TEMPORALITIES = (
    "AGGREGATION_TEMPORALITY_UNSPECIFIED",
    "AGGREGATION_TEMPORALITY_DELTA",
    "AGGREGATION_TEMPORALITY_CUMULATIVE",
)
SEVERITIES = (
    "SEVERITY_NUMBER_UNSPECIFIED",
    *(
        f"SEVERITY_NUMBER_{name}{number}"
        for name in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
        for number in ("", 2, 3, 4)
    ),
)

ENUM_NAMES: dict[str, tuple[str, ...]] = {
    "kind": SPAN_KINDS,
    "status_code": STATUS_CODES,
    "metric.type": METRIC_TYPES,
    "aggregation_temporality": TEMPORALITIES,
    "severity_number": SEVERITIES,
}
"""Names by number; a number beyond the table reads as the first name (proto3 enums are open). The codes of such a
column are the numbers: ``logs["severity_number"].codes >= 17``."""


class ColumnInfo(NamedTuple):
    """One line of the table of columns."""

    dtype: str
    meaning: str


SPAN_COLUMNS: dict[str, ColumnInfo] = {
    "name": ColumnInfo("Column of str", "Span.name"),
    "kind": ColumnInfo("Column of str", "Span.kind as SPAN_KIND_…"),
    "status_code": ColumnInfo("Column of str", "Span.status.code as STATUS_CODE_…"),
    "status_message": ColumnInfo("Column of str", "Span.status.message"),
    "trace_id": ColumnInfo("uint8[n, 16]", "Span.trace_id"),
    "span_id": ColumnInfo("uint8[n, 8]", "Span.span_id"),
    "parent_span_id": ColumnInfo("uint8[n, 8]", "Span.parent_span_id, zeros for a root"),
    "trace_state": ColumnInfo("Column of str", "Span.trace_state, W3C tracestate"),
    "flags": ColumnInfo("uint64[n]", "Span.flags"),
    "start_time_unix_nano": ColumnInfo("uint64[n], ns", "Span.start_time_unix_nano"),
    "end_time_unix_nano": ColumnInfo("uint64[n], ns", "Span.end_time_unix_nano"),
    "duration_nano": ColumnInfo("int64[n], ns", "end minus start; 0 where end precedes start"),
    "span_bytes": ColumnInfo("uint64[n], By", "size of the encoded Span message"),
    "dropped_attributes_count": ColumnInfo("uint64[n]", "Span.dropped_attributes_count"),
    "dropped_events_count": ColumnInfo("uint64[n]", "Span.dropped_events_count"),
    "dropped_links_count": ColumnInfo("uint64[n]", "Span.dropped_links_count"),
    "events": ColumnInfo("list of Span.Event lists", "decoded on demand with the official classes: slow"),
    "links": ColumnInfo("list of Span.Link lists", "decoded on demand with the official classes: slow"),
    "event.span": ColumnInfo("int64[k]", "index in the batch of the span of each of its k events; not descending"),
    "event.name": ColumnInfo("Column of str, k cells", "Span.Event.name"),
    "event.time_unix_nano": ColumnInfo("uint64[k], ns", "Span.Event.time_unix_nano"),
    "event.dropped_attributes_count": ColumnInfo("uint64[k]", "Span.Event.dropped_attributes_count"),
}
"""Columns of spans besides those of ``ENVELOPE_COLUMNS`` and attributes."""

LOG_COLUMNS: dict[str, ColumnInfo] = {
    "time_unix_nano": ColumnInfo("uint64[n], ns", "LogRecord.time_unix_nano, 0 where unknown"),
    "observed_time_unix_nano": ColumnInfo("uint64[n], ns", "LogRecord.observed_time_unix_nano"),
    "severity_number": ColumnInfo("Column of str", "LogRecord.severity_number as SEVERITY_NUMBER_…"),
    "severity_text": ColumnInfo("Column of str", "LogRecord.severity_text"),
    "event_name": ColumnInfo("Column of str", "LogRecord.event_name"),
    "body": ColumnInfo("Column of str", "LogRecord.body, like an attribute: any type, absent where there is none"),
    "dropped_attributes_count": ColumnInfo("uint64[n]", "LogRecord.dropped_attributes_count"),
    "flags": ColumnInfo("uint64[n]", "LogRecord.flags"),
    "trace_id": ColumnInfo("uint8[n, 16]", "LogRecord.trace_id, zeros where absent or invalid"),
    "span_id": ColumnInfo("uint8[n, 8]", "LogRecord.span_id, likewise"),
    "log_bytes": ColumnInfo("uint64[n], By", "size of the encoded LogRecord message"),
}
"""Columns of log records."""

POINT_COLUMNS: dict[str, ColumnInfo] = {
    "metric.name": ColumnInfo("Column of str", "Metric.name of the metric that the point belongs to"),
    "metric.description": ColumnInfo("Column of str", "Metric.description"),
    "metric.unit": ColumnInfo("Column of str", "Metric.unit"),
    "metric.type": ColumnInfo("Column of str", "which member of Metric.data is there, as METRIC_DATA_TYPE_…"),
    "aggregation_temporality": ColumnInfo("Column of str", "of sums and histograms, as AGGREGATION_TEMPORALITY_…"),
    "is_monotonic": ColumnInfo("bool[n]", "Sum.is_monotonic; False elsewhere"),
    "start_time_unix_nano": ColumnInfo("uint64[n], ns", "start_time_unix_nano, 0 where unknown"),
    "time_unix_nano": ColumnInfo("uint64[n], ns", "time_unix_nano"),
    "flags": ColumnInfo("uint64[n]", "flags; bit 0: no recorded value"),
    "value": ColumnInfo("float64[n]", "as_double or as_int of gauges and sums; NaN elsewhere"),
    "as_int": ColumnInfo("int64[n]", "as_int of gauges and sums, exactly; 0 elsewhere"),
    "is_int": ColumnInfo("bool[n]", "the value of a gauge or sum is as_int"),
    "count": ColumnInfo("uint64[n]", "count of histograms and summaries; 0 elsewhere"),
    "sum": ColumnInfo("float64[n]", "sum of histograms (NaN where absent) and summaries; NaN elsewhere"),
    "min": ColumnInfo("float64[n]", "min of histograms; NaN where absent"),
    "max": ColumnInfo("float64[n]", "max of histograms; NaN where absent"),
    "explicit_bounds": ColumnInfo("Lists of float64", "HistogramDataPoint.explicit_bounds"),
    "bucket_counts": ColumnInfo("Lists of uint64", "HistogramDataPoint.bucket_counts"),
    "scale": ColumnInfo("int64[n]", "ExponentialHistogramDataPoint.scale"),
    "zero_count": ColumnInfo("uint64[n]", "ExponentialHistogramDataPoint.zero_count"),
    "zero_threshold": ColumnInfo("float64[n]", "ExponentialHistogramDataPoint.zero_threshold"),
    "positive.offset": ColumnInfo("int64[n]", "ExponentialHistogramDataPoint.positive.offset"),
    "positive.bucket_counts": ColumnInfo("Lists of uint64", "ExponentialHistogramDataPoint.positive.bucket_counts"),
    "negative.offset": ColumnInfo("int64[n]", "ExponentialHistogramDataPoint.negative.offset"),
    "negative.bucket_counts": ColumnInfo("Lists of uint64", "ExponentialHistogramDataPoint.negative.bucket_counts"),
    "quantile_values": ColumnInfo("Quantiles", "SummaryDataPoint.quantile_values"),
    "exemplars": ColumnInfo("PointExemplars", "exemplars of points of all types"),
    "attributes": ColumnInfo("Column of bytes", "all attributes of the point as encoded, an identity"),
    "point_bytes": ColumnInfo("uint64[n], By", "size of the encoded data point message"),
}
"""Columns of data points."""

ENVELOPE_COLUMNS: dict[str, ColumnInfo] = {
    "resource": ColumnInfo("Column of bytes", "the encoded Resource message, an identity"),
    "scope": ColumnInfo("Column of bytes", "the encoded InstrumentationScope message, an identity"),
    "scope.name": ColumnInfo("Column of str", "InstrumentationScope.name"),
    "scope.version": ColumnInfo("Column of str", "InstrumentationScope.version"),
    "scope.schema_url": ColumnInfo("Column of str", "schema_url of ScopeSpans, ScopeMetrics, ScopeLogs"),
}
"""Columns that all signals have."""

DERIVED: dict[str, tuple[str, ...]] = {
    "duration_nano": ("start_time_unix_nano", "end_time_unix_nano"),
    "span_bytes": (),
    "log_bytes": (),
    "point_bytes": (),
    "events": (),
    "links": (),
    "event.span": ("event.time_unix_nano",),
    "as_int": ("value",),
    "is_int": ("value",),
    "quantile_values": ("quantile.quantile", "quantile.value"),
    "exemplars": ("exemplar.value", "exemplar.time_unix_nano", "exemplar.trace_id", "exemplar.span_id"),
}
"""Columns that are computed, and the wire columns they need."""


class SignalColumns(NamedTuple):
    """What one signal has.

    Attributes:
        columns: Besides those of ``ENVELOPE_COLUMNS``.
        prefixes: Of attributes; that of the items' own comes last.
    """

    columns: dict[str, ColumnInfo]
    prefixes: tuple[str, ...]


SIGNAL_COLUMNS = {
    "traces": SignalColumns(SPAN_COLUMNS, ("resource.", "scope.attributes.", "event.attributes.", "span.")),
    "metrics": SignalColumns(POINT_COLUMNS, ("resource.", "scope.attributes.", "metric.metadata.", "point.")),
    "logs": SignalColumns(LOG_COLUMNS, ("resource.", "scope.attributes.", "log.")),
}

ATTRIBUTE_PREFIXES = (
    "resource.",
    "scope.attributes.",
    "metric.metadata.",
    "event.attributes.",
    "span.",
    "log.",
    "point.",
)


def is_column(name: str, signal: str = "") -> bool:
    """Whether a processor may ask for ``name``: of a signal, or of any.

    >>> is_column("span.http.route", "traces"), is_column("span.http.route", "logs"), is_column("body")
    (True, False, True)
    """
    if name in ENVELOPE_COLUMNS:
        return True
    return any(
        name in known.columns or any(name.startswith(prefix) and len(name) > len(prefix) for prefix in known.prefixes)
        for one, known in SIGNAL_COLUMNS.items()
        if signal in ("", one)
    )


def no_column(name: str, signals: Sequence[str] = tuple(SIGNAL_COLUMNS)) -> str:
    """What to write instead of a name that is no column of these signals.

    >>> no_column("durration_nano", ["traces"])
    'there is no such column; did you mean "duration_nano"?'
    >>> no_column("service.name", ["traces"])
    'there is no such column; an attribute has its scope in front, as "span.service.name" or "resource.service.name"'
    """
    known = [column for signal in signals for column in SIGNAL_COLUMNS[signal].columns] + [*ENVELOPE_COLUMNS]
    near = get_close_matches(name, known, 1, 0.7)
    if near and ("." not in name or near[0].partition(".")[0] == name.partition(".")[0]):
        return f'there is no such column; did you mean "{near[0]}"?'
    other = next((prefix for prefix in ATTRIBUTE_PREFIXES if name.startswith(prefix)), None)
    if other is not None:
        return f'there is no such column; attributes in "{other}" are of another signal than {" and ".join(signals)}'
    own = SIGNAL_COLUMNS[signals[0]].prefixes[-1]
    return f'there is no such column; an attribute has its scope in front, as "{own}{name}" or "resource.{name}"'


def of_signal(names: Iterable[str], signal: str) -> frozenset[str]:
    """Those of some columns that a signal has: what a component that takes several signals reads of this one."""
    return frozenset(name for name in names if is_column(name, signal))
