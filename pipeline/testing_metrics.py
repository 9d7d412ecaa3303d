"""Builders of data points for tests: set only the fields that the test is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from pipeline.codec.otlp_metrics import MetricsProjection
from pipeline.model.any_value import key_values
from pipeline.model.metrics import MetricBatch
from pipeline.testing_envelopes import (
    START_UNIX_NANO,
    Envelopes,
    attribute_columns,
    own_fields,
    refuse_unknown,
    rows_of,
)

METRIC_COLUMNS = (
    "metric.name",
    "metric.unit",
    "metric.type",
    "aggregation_temporality",
    "is_monotonic",
    "start_time_unix_nano",
    "time_unix_nano",
    "value",
    "count",
    "sum",
    "resource.service.name",
)
FIELDS = (
    "name",
    "kind",
    "unit",
    "description",
    "temporality",
    "monotonic",
    "attributes",
    "value",
    "count",
    "sum",
    "bounds",
    "counts",
    "scale",
    "zero_count",
    "zero_threshold",
    "offset",
    "quantiles",
    "exemplars",
    "flags",
    "start_unix_nano",
    "time_unix_nano",
)
"""What can be said of a data point and its metric."""
_TEMPORAL = ("sum", "histogram", "exponential_histogram")


def metrics_request(points: Iterable[Mapping[str, Any]]) -> ExportMetricsServiceRequest:
    """A request of data points; each may also have ``service``, ``resource`` and ``scope``.

    ``name``, ``kind`` (a member of ``Metric.data``), ``unit``, ``description``, ``temporality`` ("cumulative") and
    ``monotonic`` are those of its metric, which points with equal ones share. All other fields are those of the
    point: ``value`` of gauges and sums, ``count``, ``sum``, ``bounds``, ``counts`` of histograms, ``scale``,
    ``zero_count``, ``zero_threshold``, ``offset``, ``counts`` of exponential ones, ``quantiles`` (a mapping) of
    summaries.
    """
    request = ExportMetricsServiceRequest()
    envelopes = Envelopes(request, "metrics")
    known: dict[str, Metric] = {}
    for fields in points:
        refuse_unknown(fields, FIELDS, "data point")
        scope = envelopes.scope(fields)
        kind = fields.get("kind", "gauge")
        identity = repr([id(scope), kind, *(fields.get(name) for name in ("name", "unit", "temporality", "monotonic"))])
        metric = known.get(identity)
        if metric is None:
            metric = known[identity] = _metric(scope.metrics.add(), kind, fields)
        _point(getattr(metric, kind).data_points.add(), kind, own_fields(fields))
    return request


def metric_batch(
    n: int = 1, *, columns: Sequence[str] = (), points: Iterable[Mapping[str, Any]] | None = None, **fields: Any
) -> MetricBatch:
    """A decoded batch of ``n`` equal points (``metric_batch(kind="sum", value=3)``) or of ``points``, one mapping
    each; see ``metrics_request``.

    ``columns`` are readable besides ``METRIC_COLUMNS`` and all attributes that the points have.
    """
    rows = rows_of(n, points, fields)
    projection = MetricsProjection({*METRIC_COLUMNS, *columns, *attribute_columns(rows, "point.")})
    decoded, rejected = projection.decode(metrics_request(rows).SerializeToString())
    if rejected:
        raise ValueError(f"invalid test points: {rejected}")
    return decoded


def _metric(metric: Metric, kind: str, fields: Mapping[str, Any]) -> Metric:
    metric.name = fields.get("name", "requests")
    metric.unit = fields.get("unit", "")
    metric.description = fields.get("description", "")
    data = getattr(metric, kind)
    data.SetInParent()
    if kind in _TEMPORAL:
        word = fields.get("temporality", "cumulative").upper()
        data.aggregation_temporality = AggregationTemporality.Value(f"AGGREGATION_TEMPORALITY_{word}")
    if kind == "sum":
        data.is_monotonic = fields.get("monotonic", True)
    return metric


def _point(point: Any, kind: str, fields: Mapping[str, Any]) -> None:
    point.start_time_unix_nano = fields.get("start_unix_nano", START_UNIX_NANO)
    point.time_unix_nano = fields.get("time_unix_nano", START_UNIX_NANO + 10_000_000_000)
    point.flags = fields.get("flags", 0)
    point.attributes.extend(key_values(fields.get("attributes", {})))
    if kind != "summary":
        point.exemplars.extend(fields.get("exemplars", ()))
    if kind in ("gauge", "sum"):
        value = fields.get("value", 1.0)
        if value is not None:
            setattr(point, "as_int" if isinstance(value, int) else "as_double", value)
        return
    counts = fields.get("counts", (1,))
    if "sum" in fields:
        point.sum = fields["sum"]
    point.count = fields.get("count", sum(counts) + fields.get("zero_count", 0))
    if kind == "histogram":
        point.explicit_bounds.extend(fields.get("bounds", range(1, len(counts))))
        point.bucket_counts.extend(counts)
    elif kind == "exponential_histogram":
        point.scale, point.zero_count = fields.get("scale", 0), fields.get("zero_count", 0)
        point.zero_threshold = fields.get("zero_threshold", 0.0)
        point.positive.offset = fields.get("offset", 0)
        point.positive.bucket_counts.extend(counts)
    else:
        for quantile, value in fields.get("quantiles", {0.5: 1.0}).items():
            point.quantile_values.add(quantile=quantile, value=value)
