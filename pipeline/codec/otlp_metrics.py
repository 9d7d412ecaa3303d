"""Bytes of an ``ExportMetricsServiceRequest`` → MetricBatch.

::

    Metric ─┬─ gauge ─────────────────┐  the points of all types are rows of one table; their metric, above them, knows
            ├─ sum ───────────────────┤  which member of the oneof they came in
            ├─ histogram ─────────────┼─▶ points ─┬─ exemplars
            ├─ exponential_histogram ─┤           └─ quantiles
            └─ summary ───────────────┘

Points that cannot be what they claim to be are rejected one by one (``codec/point_checks.py``).

Source: opentelemetry-proto v1, ``metrics.proto``. Column names are those of ``model/columns.py``.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, HistogramDataPoint

from pipeline.codec import point_checks, point_fields
from pipeline.codec.otlp_encode import encode
from pipeline.codec.projection import (
    DEFAULT_LIMITS,
    Limits,
    Messages,
    attributes,
    boolean,
    choice,
    double,
    enum,
    fixed64,
    identifier,
    message,
    packed,
    plain_double,
    rows,
    sfixed64,
    string,
    varint32,
    zigzag32,
)
from pipeline.codec.signal_projection import SignalProjection, envelope
from pipeline.model.metrics import (
    EXPONENTIAL_HISTOGRAM,
    GAUGE,
    HISTOGRAM,
    SUM,
    SUMMARY,
    MetricBatch,
    PointFields,
)
from pipeline.model.records import HEADER, RANGE, Level, PointDefect, Records
from pipeline.model.snapshot import Temporality

MEMBERS = {
    GAUGE: (5, "gauge"),
    SUM: (7, "sum"),
    HISTOGRAM: (9, "histogram"),
    EXPONENTIAL_HISTOGRAM: (10, "exponential_histogram"),
    SUMMARY: (11, "summary"),
}
"""Type → field number and name in ``Metric.data``."""

UNDECIDED = 128
"""Bit of ``point_checks`` besides those of ``PointDefect``."""

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_LENGTH = 0xFFFF_FFFF
_ROOM_FOR_FIELD = 11
"""Bytes of a tag and of the longest number or length."""

_TIMES = {2: fixed64("start_time_unix_nano"), 3: fixed64("time_unix_nano")}
_EXEMPLARS = rows(Level.EXEMPLAR, "Exemplar", optional=True)


_CHECKED = (Level.ITEM, Level.POINT, Level.QUANTILE)
_TEMPORALITY = {2: enum("aggregation_temporality")}

MESSAGES: Messages = {
    **envelope("ExportMetricsServiceRequest", "ResourceMetrics", "ScopeMetrics", "Metric"),
    "Metric": {
        1: string("metric.name"),
        2: string("metric.description"),
        3: string("metric.unit"),
        5: choice("metric.type", GAUGE, "Gauge"),
        7: choice("metric.type", SUM, "Sum"),
        9: choice("metric.type", HISTOGRAM, "Histogram"),
        10: choice("metric.type", EXPONENTIAL_HISTOGRAM, "ExponentialHistogram"),
        11: choice("metric.type", SUMMARY, "Summary"),
        12: attributes("metric.metadata."),
    },
    "Gauge": {1: rows(Level.POINT, "NumberDataPoint")},
    "Sum": {1: rows(Level.POINT, "NumberDataPoint"), **_TEMPORALITY, 3: boolean("is_monotonic")},
    "Histogram": {1: rows(Level.POINT, "HistogramDataPoint"), **_TEMPORALITY},
    "ExponentialHistogram": {1: rows(Level.POINT, "ExponentialHistogramDataPoint"), **_TEMPORALITY},
    "Summary": {1: rows(Level.POINT, "SummaryDataPoint")},
    "NumberDataPoint": {
        **_TIMES,
        4: double("value"),
        5: _EXEMPLARS,
        6: sfixed64("value"),
        7: attributes("point.", whole="attributes"),
        8: varint32("flags"),
    },
    "HistogramDataPoint": {
        **_TIMES,
        4: fixed64("count"),
        5: double("sum"),
        6: packed("bucket_counts", 8),
        7: packed("explicit_bounds", 8),
        8: _EXEMPLARS,
        9: attributes("point.", whole="attributes"),
        10: varint32("flags"),
        11: double("min"),
        12: double("max"),
    },
    "ExponentialHistogramDataPoint": {
        1: attributes("point.", whole="attributes"),
        **_TIMES,
        4: fixed64("count"),
        5: double("sum"),
        6: zigzag32("scale"),
        7: fixed64("zero_count"),
        8: message("positive"),
        9: message("negative"),
        10: varint32("flags"),
        11: _EXEMPLARS,
        12: double("min"),
        13: double("max"),
        14: plain_double("zero_threshold"),
    },
    "positive": {1: zigzag32("positive.offset"), 2: packed("positive.bucket_counts", 1)},
    "negative": {1: zigzag32("negative.offset"), 2: packed("negative.bucket_counts", 1)},
    "SummaryDataPoint": {
        **_TIMES,
        4: fixed64("count"),
        5: double("sum"),
        6: rows(Level.QUANTILE, "ValueAtQuantile", optional=True),
        7: attributes("point.", whole="attributes"),
        8: varint32("flags"),
    },
    "Exemplar": {
        2: fixed64("exemplar.time_unix_nano"),
        3: double("exemplar.value"),
        4: identifier("exemplar.span_id", 8),
        5: identifier("exemplar.trace_id", 16),
        6: sfixed64("exemplar.value"),
    },
    "ValueAtQuantile": {1: plain_double("quantile.quantile"), 2: plain_double("quantile.value")},
}


class MetricsProjection(SignalProjection[MetricBatch]):
    """Decoder of data points."""

    messages = MESSAGES
    batch = MetricBatch
    defects = PointDefect
    needed = point_checks.COLUMNS

    def __init__(self, columns: Iterable[str], limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(columns, limits)
        self._places = np.array([self._fields[column].word for column in point_checks.COLUMNS], np.int32)

    def check(self, records: Records) -> int:
        """Reject points that cannot be what they claim to be."""
        first, width, count = records.first, records.width, records.count
        shape = array("q", [number for level in _CHECKED for number in (first[level], width[level], count[level])])
        bad = point_checks.check(records.payload, records.words, shape, self._places)
        return self._decide(records) if bad else 0

    def as_cumulative(self, batch: MetricBatch, changes: Sequence[PointFields]) -> MetricBatch:
        """See ``MetricBatch.as_cumulative``."""
        changed = MetricBatch(_with_fields(batch.written, changes), self, batch.item_rows)
        field = self._fields["aggregation_temporality"]
        cumulative = changed.records.column(field.level, field.word) == int(Temporality.DELTA)
        return self.decode(encode(changed, self._edits, cumulative.astype(np.uint8)))[0]

    def _decide(self, records: Records) -> int:
        """Look at the points whose numbers came in several parts, which no encoder writes; the points with defects."""
        header = records.column(Level.POINT, HEADER)
        points = MetricBatch(records, self)
        for row in np.flatnonzero(header & np.uint64(UNDECIDED)).tolist():
            point = points.message(row)
            header[row] ^= np.uint64(UNDECIDED)
            if isinstance(point, HistogramDataPoint):
                defect = 0 if _histogram_ok(point) else PointDefect.BAD_HISTOGRAM
            else:
                defect = 0 if _exponential_ok(point) else PointDefect.BAD_EXPONENTIAL_HISTOGRAM
            header[row] |= np.uint64(defect)
        return int(((header & np.uint64(0xFF)) != 0).sum())


def _with_fields(records: Records, changes: Sequence[PointFields]) -> Records:
    """Records in which some points have other values; their bodies stand behind the payload."""
    words, pieces = records.words.copy(), [records.payload]
    payload, at = np.frombuffer(records.payload, np.uint8), len(records.payload)
    first, width = records.first[Level.POINT], records.width[Level.POINT]
    for change in changes:
        places = first + change.rows * width
        ranges = words[places + RANGE]
        tags = np.array([field.tag for field in change.fields], np.int32)
        values = np.concatenate([field.values for field in change.fields])
        present = np.concatenate([field.present for field in change.fields]).view(np.uint8)
        room = (
            int((ranges & np.uint64(_LENGTH)).sum())
            + len(change.blob)
            + len(ranges) * (_ROOM_FOR_FIELD * len(tags) + point_fields.ROOM_FOR_HEADER)
        )
        out = np.empty(room, np.uint8)
        begins, sizes = np.empty(len(ranges), np.int64), np.empty(len(ranges), np.int64)
        blob = np.frombuffer(change.blob or b"\0", np.uint8)
        size = point_fields.rewrite(out, payload, ranges, tags, values, present, blob, begins, sizes)
        pieces.append(out[:size].tobytes())
        words[places + RANGE] = (at + begins) << 32 | sizes
        words[places + HEADER] = (begins - np.append(0, (begins + sizes)[:-1])) << 8
        at += size
    return records.replaced(words, b"".join(pieces), records.edits)


def _histogram_ok(point: HistogramDataPoint) -> bool:
    bounds, counts = point.explicit_bounds, point.bucket_counts
    if not counts:
        return not bounds
    ascending = all(one < other for one, other in pairwise(bounds)) and not any(map(math.isnan, bounds))
    return ascending and len(counts) == len(bounds) + 1 and sum(counts) & _MASK == point.count


def _exponential_ok(point: ExponentialHistogramDataPoint) -> bool:
    low, high = point_checks.SCALES
    total = point.zero_count
    for buckets in (point.positive, point.negative):
        number = len(buckets.bucket_counts)
        if number > point_checks.BUCKETS or (number and buckets.offset + number > 1 << 31):
            return False
        total += sum(buckets.bucket_counts)
    return low <= point.scale <= high and total & _MASK == point.count
