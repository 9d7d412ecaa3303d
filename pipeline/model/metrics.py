"""MetricBatch: the data points of one request as columns, and the bytes they came from (``model/batch.py``).

Points of all types of metrics stand in one table; the columns of their metric are spread over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Protocol, Self
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from pipeline.model.attribute_text import plain_value, value_text
from pipeline.model.batch import Batch, BatchProjection
from pipeline.model.column import Bools, Floats, Int32s, Int64s
from pipeline.model.records import PARENT, Field, Kind, Level, Records, ValueType, Words
from pipeline.model.snapshot import Point

GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM, SUMMARY = range(1, 6)
"""Types of metrics: codes of column ``metric.type``."""

POINT_MESSAGES: dict[int, Any] = {
    GAUGE: pb.NumberDataPoint,
    SUM: pb.NumberDataPoint,
    HISTOGRAM: pb.HistogramDataPoint,
    EXPONENTIAL_HISTOGRAM: pb.ExponentialHistogramDataPoint,
    SUMMARY: pb.SummaryDataPoint,
}

NO_RECORDED_VALUE = 1
"""Bit of column ``flags`` (``DataPointFlags``): the point says that there is no value."""
_UNREADABLE = b"\xff"
"""No message of any type."""


class PointExemplars(NamedTuple):
    """k exemplars of the points of a batch.

    Attributes:
        point: int64[k], index of the point in the batch; not descending.
        value: float64[k], NaN where absent.
        time_unix_nano: uint64[k].
        trace_id: uint8[k, 16], zeros where absent or invalid.
        span_id: uint8[k, 8], likewise.
    """

    point: Int64s
    value: Floats
    time_unix_nano: Words
    trace_id: npt.NDArray[np.uint8]
    span_id: npt.NDArray[np.uint8]


class Quantiles(NamedTuple):
    """k values at quantiles of the summaries of a batch.

    Attributes:
        point: int64[k], index of the point in the batch; not descending.
        quantile: float64[k].
        value: float64[k].
    """

    point: Int64s
    quantile: Floats
    value: Floats


def _integers(points: MetricBatch) -> Int64s:
    field = points._field("value")
    words = points.words(field._replace(word=field.word + 1))
    return np.where(points.words(field) == ValueType.INT, words, np.uint64(0)).view(np.int64)


def _is_integer(points: MetricBatch) -> npt.NDArray[np.bool_]:
    is_integer: npt.NDArray[np.bool_] = points.words(points._field("value")) == ValueType.INT
    return is_integer


def _sums(points: MetricBatch) -> Floats:
    """A summary has no optional sum: absent is 0 there."""
    sums = points._numbers(points._field("sum"))
    return np.where((points.types == SUMMARY) & np.isnan(sums), 0.0, sums)


def _exemplars(points: MetricBatch) -> PointExemplars:
    point, rows = points.children(Level.EXEMPLAR)
    value, time, trace_id, span_id = (
        points._field(f"exemplar.{name}") for name in ("value", "time_unix_nano", "trace_id", "span_id")
    )

    def words(field: Field, more: int = 0) -> Words:
        return points.records.column(field.level, field.word + more)[rows]

    kinds, bits = words(value), words(value, 1)
    numbers = np.where(kinds == ValueType.INT, bits.view(np.int64).astype(np.float64), bits.view(np.float64))
    ids = np.stack((words(trace_id), words(trace_id, 1)), 1)
    return PointExemplars(
        point,
        np.where(kinds == ValueType.ABSENT, np.nan, numbers),
        words(time),
        ids.view(np.uint8).reshape(-1, 16),
        words(span_id).view(np.uint8).reshape(-1, 8),
    )


def _quantiles(points: MetricBatch) -> Quantiles:
    point, rows = points.children(Level.QUANTILE)
    fields = (points._field("quantile.quantile"), points._field("quantile.value"))
    quantile, value = (points.records.column(field.level, field.word)[rows].view(np.float64) for field in fields)
    return Quantiles(point, quantile, value)


def _plain(point: Any) -> Any:
    """A value as ``Values.plain`` of snapshots gives it."""
    if isinstance(point, pb.NumberDataPoint):
        return float(getattr(point, point.WhichOneof("value") or "as_double"))
    value: dict[str, Any] = {"count": float(point.count), "sum": point.sum}
    if isinstance(point, pb.HistogramDataPoint):
        return value | {"bounds": list(point.explicit_bounds), "counts": list(map(float, point.bucket_counts))}
    if isinstance(point, pb.SummaryDataPoint):
        return value | {"quantiles": {one.quantile: one.value for one in point.quantile_values}}
    counts = list(map(float, point.positive.bucket_counts))
    return value | {"scale": point.scale, "offset": point.positive.offset, "counts": counts}


class FlatProjection:
    """A projection for ``MetricBatch.flat``: the fields of metrics stand behind those of their points."""

    _made: ClassVar[WeakKeyDictionary[Any, FlatProjection]] = WeakKeyDictionary()

    def __init__(self, projection: Any, width: int) -> None:
        self.columns = projection.columns
        self.readable = projection.readable
        self.joined = projection.joined
        self._field = projection.field
        self._width = width

    @classmethod
    def of(cls, projection: Any, width: int) -> FlatProjection:
        """The same object for the same projection, so that plans made for it are found again."""
        made = cls._made.get(projection)
        if made is None:
            made = cls._made[projection] = cls(projection, width)
        return made

    def field(self, column: str) -> Field | None:
        """Where a column stands."""
        field: Field | None = self._field(column)
        if field is None or field.level < Level.ITEM:
            return field
        if field.level > Level.POINT:
            return None
        kind = Kind.ENUM if field.kind == Kind.CHOICE else field.kind
        return Field(Level.ITEM, field.word + (self._width if field.level == Level.ITEM else 0), kind)

    def is_editable(self, column: str) -> bool:  # noqa: ARG002 - as every projection
        """A copy is for looking at."""
        return False


class PointField(NamedTuple):
    """A field of k data points.

    Attributes:
        tag: As encoded; its wire type says what the values are.
        values: uint64[k], eight bytes as a word, numbers of varints, or ranges in a blob.
        present: bool[k], False: the point has no such field.
    """

    tag: int
    values: Words
    present: Bools


class PointFields(NamedTuple):
    """Other values for k data points.

    Attributes:
        rows: int64[k], in the table of points.
        fields: By ascending number. Whatever the points have of these fields is replaced.
        blob: What ranges among the values point into.
    """

    rows: Int64s
    fields: tuple[PointField, ...]
    blob: bytes


class MetricProjection(BatchProjection, Protocol):
    """What a batch of metrics needs of the decoder that made it."""

    def as_cumulative(self, batch: MetricBatch, changes: Sequence[PointFields]) -> MetricBatch:
        """See ``MetricBatch.as_cumulative``."""


class MetricBatch(Batch):
    """n data points of one request."""

    projection: MetricProjection

    signal = "metrics"
    items = "data points"
    item_level = Level.POINT
    prefix = "point."
    derived: ClassVar[dict[str, Any]] = {
        "as_int": _integers,
        "is_int": _is_integer,
        "sum": _sums,
        "exemplars": _exemplars,
        "quantile_values": _quantiles,
        "point_bytes": Batch.item_bytes,
    }

    @cached_property
    def metric_rows(self) -> Int32s:
        """int32[n]: row of each point's metric in the table of metrics."""
        return self._parents(Level.ITEM)

    def rows_at(self, level: Level) -> Int32s:
        """int32[n]: row of each point's ancestor in an enclosing table."""
        return self.metric_rows if level == Level.ITEM else super().rows_at(level)

    def flat(self) -> Self:
        """The same points with what their metrics hold beside them, as if both were one table. Cost: a copy of the
        rows.
        """
        if isinstance(self.projection, FlatProjection):
            return self
        records = self.written
        points, metrics = (
            records.words[records.first[level] :][: records.count[level] * records.width[level]].reshape(
                -1, records.width[level]
            )
            for level in (Level.POINT, Level.ITEM)
        )
        owners = metrics[points[:, PARENT].astype(np.int64)]
        joined = np.hstack((points, owners))
        joined[:, PARENT] = owners[:, PARENT]
        begin = records.first[Level.ITEM]
        words = np.concatenate((records.words[:begin], joined.reshape(-1)))
        n, own = len(joined), joined.shape[1]
        first, width = (*records.first[:3], begin), (*records.width[:2], own, own)
        flat = Records(records.payload, words, first, width, (*records.count[:2], n, n))
        projection: Any = FlatProjection.of(self.projection, records.width[Level.POINT])
        return type(self)(flat, projection, self.rows)

    @property
    def types(self) -> Words:
        """uint64[n]: the type of each point's metric, as a number."""
        return self.words(self._field("metric.type"))

    def as_cumulative(self, changes: Sequence[PointFields]) -> MetricBatch:
        """The batch with other values in some points, and no metric of delta temporality left.

        Args:
            changes: No row comes twice.
        Cost: one copy of the batch's bytes, and a second decoding.
        """
        return self.projection.as_cumulative(self, changes)

    def children(self, level: Level) -> tuple[Int64s, Int64s]:
        """The exemplars or quantiles of the points: the index of the point in the batch, and their rows."""
        owners = self.records.column(level, PARENT).astype(np.int64)
        place = np.full(self.records.count[Level.POINT], -1, np.int64)
        place[self.item_rows] = np.arange(len(self))
        point = place[owners]
        rows = np.flatnonzero(point >= 0)
        return point[rows], rows

    def points(self) -> Iterator[Point]:
        """Every data point as Python objects, slowly: for tests and debug output."""
        names = self._texts("metric.name")
        for number, (row, name) in enumerate(zip(self.item_rows.tolist(), names, strict=True)):
            message = self.message(row)
            labels = {pair.key: value_text(plain_value(pair.value)) for pair in message.attributes}
            resource = self.resource(int(self.resource_rows[number]))
            attributes = {pair.key: plain_value(pair.value) for pair in resource.attributes}
            yield Point(name, labels, attributes, _plain(message))

    def _texts(self, column: str) -> list[str]:
        """A column that need not have been declared, for ``points``."""
        words = self.words(self._field(column)).tolist()
        return [self.records.slice(word).decode(errors="replace") for word in words]

    def message(self, row: int) -> Any:
        """The data point in one row of the table of points as an official message; its class depends on the type."""
        return POINT_MESSAGES[self.type_of(row)].FromString(self.written.body(Level.POINT, row))

    def type_of(self, row: int) -> int:
        """The type of the metric of one row of the table of points."""
        metric = int(self.records.column(Level.POINT, PARENT)[row])
        return int(self.records.column(Level.ITEM, self._field("metric.type").word)[metric])

    def _merged(self, field: Field, row: int) -> bytes:
        if field.level != Level.POINT:
            return super()._merged(field, row)
        try:
            point = self.message(row)
        except DecodeError:
            return _UNREADABLE
        encoded: bytes = type(point)(attributes=point.attributes).SerializeToString()
        return encoded
