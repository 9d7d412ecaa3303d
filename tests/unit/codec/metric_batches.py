"""Builders of MetricSnapshot for tests: rows as dicts, only what a test cares about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.model.resources import Resource, make_resource
from pipeline.model.snapshot import (
    Exemplars,
    ExponentialValues,
    HistogramValues,
    Metric,
    MetricKind,
    MetricSnapshot,
    NumberValues,
    Scope,
    SeriesView,
    SummaryValues,
    Temporality,
)

NOW = 1_700_000_000_000_000_000
START = 1_600_000_000_500_000_000

Labels = Mapping[str, str | bytes | None]


def resource(number: int = 0, **attributes: Any) -> Resource:
    """``resource(service__name="cart")``: double underscores stand for dots."""
    return make_resource(number, {key.replace("__", "."): value for key, value in attributes.items()})


def key(values: Sequence[str | bytes | None], resource_id: int = 0) -> bytes:
    """The key bytes of label values."""
    encoded = resource_id.to_bytes(4, "little")
    for value in values:
        if value is None:
            encoded += b"\xff\xff"
        else:
            raw = value.encode() if isinstance(value, str) else value
            encoded += len(raw).to_bytes(2, "little") + raw
    return encoded


def view(
    rows: Sequence[Labels],
    resources: Sequence[int] | None = None,
    created_seq: Sequence[int] | None = None,
    start: Sequence[int] | None = None,
) -> SeriesView:
    """Series with these labels; the columns are all label keys in the order of their first appearance."""
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    keys = [key([row.get(name) for name in names]) for row in rows]
    count = len(rows)
    return SeriesView(
        names,
        np.frombuffer(b"??" + b"".join(keys), dtype=np.uint8),
        np.cumsum([2, *map(len, keys)], dtype=np.uint64)[:-1],
        np.array([len(k) for k in keys], dtype=np.uint32),
        np.array(resources if resources is not None else [-1] * count, dtype=np.int32),
        np.array(start if start is not None else [START] * count, dtype=np.int64),
        np.array(created_seq if created_seq is not None else range(1, count + 1), dtype=np.int64),
    )


def exemplars(*samples: tuple[int, int, float, int, str, str]) -> Exemplars:
    """Each: point, bucket, value, time, trace id and span id in hex."""
    return Exemplars(
        np.array([s[0] for s in samples], dtype=np.int32),
        np.array([s[1] for s in samples], dtype=np.int32),
        np.array([s[2] for s in samples], dtype=np.float64),
        np.array([s[3] for s in samples], dtype=np.int64),
        np.array([list(bytes.fromhex(s[4])) for s in samples], dtype=np.uint8).reshape(-1, 16),
        np.array([list(bytes.fromhex(s[5])) for s in samples], dtype=np.uint8).reshape(-1, 8),
    )


def number(
    name: str,
    rows: Sequence[tuple[Labels, float]],
    *,
    kind: MetricKind = MetricKind.SUM,
    monotonic: bool = True,
    unit: str = "",
    description: str = "",
    temporality: Temporality = Temporality.CUMULATIVE,
    samples: Exemplars | None = None,
    **series: Any,
) -> Metric:
    """A counter, or what ``kind`` and ``monotonic`` say."""
    values = NumberValues(np.array([value for _, value in rows], dtype=np.float64), samples)
    labels = view([row for row, _ in rows], **series)
    return Metric(name, description, unit, kind, monotonic and kind is MetricKind.SUM, temporality, labels, values)


def gauge(name: str, rows: Sequence[tuple[Labels, float]], **options: Any) -> Metric:
    """A gauge."""
    return number(name, rows, kind=MetricKind.GAUGE, **options)


def histogram(
    name: str,
    rows: Sequence[tuple[Labels, Sequence[float], float]],
    bounds: Sequence[float] = (0.5, 10.0),
    *,
    unit: str = "",
    description: str = "",
    samples: Exemplars | None = None,
    **series: Any,
) -> Metric:
    """A histogram; each row: labels, counts per bucket, sum."""
    values = HistogramValues(
        tuple(bounds),
        np.array([counts for _, counts, _ in rows], dtype=np.float64),
        np.array([total for _, _, total in rows], dtype=np.float64),
        samples,
    )
    labels = view([row for row, _, _ in rows], **series)
    kind, cumulative = MetricKind.HISTOGRAM, Temporality.CUMULATIVE
    return Metric(name, description, unit, kind, True, cumulative, labels, values)


def summary(
    name: str,
    rows: Sequence[tuple[Labels, Sequence[float], float, float]],
    quantiles: Sequence[float] = (0.5, 0.99),
    **series: Any,
) -> Metric:
    """A summary; each row: labels, values at the quantiles, count, sum."""
    at_quantiles, counts, sums = (np.array([row[i] for row in rows], dtype=np.float64) for i in (1, 2, 3))
    values = SummaryValues(tuple(quantiles), at_quantiles, counts, sums)
    labels = view([row[0] for row in rows], **series)
    return Metric(name, "", "", MetricKind.SUMMARY, True, Temporality.CUMULATIVE, labels, values)


def exponential(
    name: str,
    rows: Sequence[tuple[Labels, int, float, int, Sequence[float], float]],
    *,
    unit: str = "",
    samples: Exemplars | None = None,
    **series: Any,
) -> Metric:
    """An exponential histogram; each row: labels, scale, zero count, offset, counts, sum."""
    width = max(len(row[4]) for row in rows)
    values = ExponentialValues(
        np.array([row[1] for row in rows], dtype=np.int32),
        np.array([row[2] for row in rows], dtype=np.float64),
        np.array([row[3] for row in rows], dtype=np.int32),
        np.array([[*row[4], *[0.0] * (width - len(row[4]))] for row in rows], dtype=np.float64),
        np.array([row[5] for row in rows], dtype=np.float64),
        np.zeros(len(rows)),
        np.zeros(len(rows)),
        samples,
    )
    labels = view([row[0] for row in rows], **series)
    kind, cumulative = MetricKind.EXPONENTIAL_HISTOGRAM, Temporality.CUMULATIVE
    return Metric(name, "", unit, kind, True, cumulative, labels, values)


def batch(*metrics: Metric, resources: Sequence[Resource] = (), scope: Scope | None = None) -> MetricSnapshot:
    """A batch of one component."""
    return MetricSnapshot(tuple(resources), scope or Scope("test"), metrics, NOW)
