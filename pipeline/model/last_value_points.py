"""What ``LastValues`` reads of a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope

from pipeline.model.attribute_text import plain_value, value_text
from pipeline.model.exponential_column import ExponentialColumn
from pipeline.model.key_text import label_bytes
from pipeline.model.last_value_series import FamilyKey, LabelKey, key_bytes
from pipeline.model.metrics import EXPONENTIAL_HISTOGRAM, HISTOGRAM, POINT_MESSAGES, SUMMARY, MetricBatch
from pipeline.model.records import REPEATED
from pipeline.model.resources import Resource, bounded, identity, make_resource, parse_resource
from pipeline.model.snapshot import Scope
from pipeline.model.value_columns import HistogramColumn, NumberColumn, SummaryColumn, ValueColumn

Int64s = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]

READS = (
    *("resource", "scope", "scope.name", "scope.version", "scope.schema_url"),
    *("metric.name", "metric.description", "metric.unit", "metric.type", "aggregation_temporality", "is_monotonic"),
    *("start_time_unix_nano", "time_unix_nano", "flags", "attributes", "value", "as_int", "is_int"),
    *("count", "sum"),
    *("explicit_bounds", "bucket_counts", "scale", "zero_count", "zero_threshold", "quantile_values", "exemplars"),
    *("positive.offset", "positive.bucket_counts", "negative.offset", "negative.bucket_counts"),
)
"""Columns that a batch must have."""

MAX_LABELS = 128
MAX_LABEL_BYTES = 2_048
_DIGEST_ABOVE = 256
_LARGEST_TIME = (1 << 63) - 1


class CachedColumns:
    """The columns of a batch, each made once."""

    def __init__(self, metrics: MetricBatch) -> None:
        self._metrics = metrics
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        column = self._made.get(name)
        if column is None:
            column = self._made[name] = self._metrics[name]
        return column


class Points:
    """What identifies the points of a batch.

    Attributes:
        columns: The batch's.
        start, time: int64[n], nanoseconds.
        flags, temporality: Per point.
    """

    def __init__(self, metrics: MetricBatch) -> None:
        self.columns = CachedColumns(metrics)
        self._metrics = metrics
        self.start = times(metrics["start_time_unix_nano"])
        self.time = times(metrics["time_unix_nano"])
        self.flags: list[int] = metrics["flags"].tolist()
        self.temporality: list[int] = metrics["aggregation_temporality"].codes.tolist()
        self._types: list[int] = metrics["metric.type"].codes.tolist()
        self._is_monotonic: list[bool] = metrics["is_monotonic"].tolist()
        names = ("scope", "scope.schema_url", "metric.name", "metric.description", "metric.unit")
        self._columns = {name: metrics[name] for name in names}
        field = metrics.projection.field("attributes")
        assert field is not None  # noqa: S101 - one of READS
        self._payload = metrics.records.payload
        self._attributes: list[int] = metrics.words(field).tolist()
        self._shapes = self._shape_words()
        exemplars = metrics["exemplars"]
        self._exemplars = exemplars
        self._first_exemplar: list[int] = np.searchsorted(exemplars.point, np.arange(len(metrics) + 1)).tolist()

    def family(self, i: int) -> FamilyKey:
        """What point i is a point of."""
        scope = self._bytes("scope", i)
        if len(scope) > _DIGEST_ABOVE:
            scope = hashlib.blake2b(scope, digest_size=16).digest()
        url, name = self.text("scope.schema_url", i), self.text("metric.name", i)
        return FamilyKey(scope, url, name, self._types[i], self._is_monotonic[i])

    def scope(self, i: int) -> Scope | None:
        """The scope of point i, its attributes as texts; None where it is damaged."""
        try:
            message = InstrumentationScope.FromString(self._bytes("scope", i))
        except DecodeError:
            return None
        attributes = {pair.key: plain_value(pair.value) for pair in reversed(message.attributes)}
        url = self.text("scope.schema_url", i)
        texts = {key: value_text(value) for key, value in bounded(attributes, MAX_LABEL_BYTES).items()}
        return Scope(_short(message.name), _short(message.version), texts, _short(url))

    def text(self, column: str, i: int) -> str:
        """A text of the metric of point i."""
        found = self._columns[column]
        return str(found.values[found.codes[i]])

    def attributes(self, i: int) -> bytes:
        """The attributes of point i as encoded."""
        word = self._attributes[i]
        if word == REPEATED:
            whole = self.columns["attributes"]
            return bytes(whole.values[whole.codes[i]])
        return self._payload[word >> 32 : (word >> 32) + (word & 0xFFFF_FFFF)]

    def shape(self, i: int) -> bytes:
        """Bounds or quantiles of point i as encoded: points with others are not of the same series."""
        kind = self._types[i]
        if kind == HISTOGRAM:
            word = self._shapes[i]
            if word == REPEATED:
                return bytes(self.columns["explicit_bounds"][i].tobytes())
            return self._payload[word >> 32 : (word >> 32) + (word & 0xFFFF_FFFF)]
        return bytes(self._quantiles(i).tobytes()) if kind == SUMMARY else b""

    def label_key(self, i: int, resource: int) -> tuple[LabelKey | None, str]:
        """What the series of point i is found by, however its attributes are ordered; or None, and why it has no
        series: ``damaged`` (nobody looked into the attributes before) or ``label_limit``.
        """
        try:
            # these bytes are fields of the point, and nothing else in it has to be whole
            message = POINT_MESSAGES[self._types[i]].FromString(self.attributes(i))
        except DecodeError:
            return None, "damaged"
        texts: dict[str, bytes] = {}
        for pair in message.attributes:
            if pair.key not in texts:
                text = value_text(plain_value(pair.value)).encode(errors="replace")
                texts[pair.key] = label_bytes(text, MAX_LABEL_BYTES)
        labels = tuple(sorted(texts))
        if len(labels) > MAX_LABELS or max(map(len, labels), default=0) > MAX_LABEL_BYTES:
            return None, "label_limit"
        return (resource, labels, key_bytes([texts[label] for label in labels])), ""

    def column(self, i: int, kind: int) -> ValueColumn:
        """A place for values like that of point i."""
        if kind == HISTOGRAM:
            return HistogramColumn(self.columns["explicit_bounds"][i].tolist())
        if kind == SUMMARY:
            return SummaryColumn(self._quantiles(i).tolist())
        return ExponentialColumn() if kind == EXPONENTIAL_HISTOGRAM else NumberColumn()

    def with_exemplars(self, rows: Indices, places: Indices) -> Iterator[tuple[int, int]]:
        """Row and index of those points that have exemplars."""
        if len(self._exemplars.point):
            first = self._first_exemplar
            for row, place in zip(rows.tolist(), places.tolist(), strict=True):
                if first[place] < first[place + 1]:
                    yield row, place

    def exemplars_of(self, i: int) -> tuple[npt.NDArray[Any], ...]:
        """Values, times, trace ids and span ids."""
        taken = slice(self._first_exemplar[i], self._first_exemplar[i + 1])
        return tuple(column[taken] for column in self._exemplars[1:])

    def _bytes(self, column: str, i: int) -> bytes:
        found = self._columns[column]
        code = found.codes[i]
        return bytes(found.values[code]) if code >= 0 else b""

    def _shape_words(self) -> list[int]:
        field = self._metrics.projection.field("explicit_bounds")
        assert field is not None  # noqa: S101
        words: list[int] = self._metrics.words(field).tolist()
        return words

    def _quantiles(self, i: int) -> npt.NDArray[np.float64]:
        found = self.columns["quantile_values"]
        begin, end = np.searchsorted(found.point, (i, i + 1))
        quantiles: npt.NDArray[np.float64] = found.quantile[begin:end]
        return quantiles


class ResourceNumbers:
    """Numbers for resources, and the newest attributes of each.

    Args:
        by_instance: Job and instance make a resource; else all of its attributes.
    """

    def __init__(self, by_instance: bool) -> None:
        self._by_instance = by_instance
        self._numbers: dict[object, int] = {}
        self._by_body: dict[bytes, int] = {}
        self._resources: list[Resource | None] = []
        self._free: list[int] = []

    def numbers(self, metrics: MetricBatch) -> Int64s:
        """int64, per row of the batch's resource table."""
        rows = np.zeros(metrics.records.count[0], np.int64)
        for row in np.unique(metrics.resource_rows).tolist():
            rows[row] = self._number(metrics.resource_bytes(row))
        return rows

    def used(self, columns: Iterable[Int64s]) -> tuple[tuple[Resource, ...], Int64s]:
        """The resources that have series, and for each number its index among them, -1 for none. Others are
        forgotten.
        """
        places = np.full(max(1, len(self._resources)), -1, np.int64)
        for column in columns:
            places[column] = 0
        live = np.flatnonzero(places == 0)
        places[live] = np.arange(len(live))
        if len(live) < len(self._numbers):
            self._forget({number for number in self._numbers.values() if places[number] < 0})
        found = (self._resources[number] for number in live.tolist())
        return tuple(resource for resource in found if resource is not None), places

    def _number(self, body: bytes) -> int:
        short = body if len(body) <= _DIGEST_ABOVE else b"\xff" + hashlib.blake2b(body, digest_size=16).digest()
        known = self._by_body.get(short)
        if known is not None:
            return known
        attributes = parse_resource(body) or {}
        resource = make_resource(0, bounded(attributes, MAX_LABEL_BYTES))
        key = (resource.job, resource.instance) if self._by_instance else identity(attributes)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._free.pop() if self._free else len(self._resources)
            if number == len(self._resources):
                self._resources.append(None)
        else:
            self._by_body = {other: taken for other, taken in self._by_body.items() if taken != number}
        self._resources[number] = resource
        self._by_body[short] = number
        return number

    def _forget(self, gone: set[int]) -> None:
        self._numbers = {key: number for key, number in self._numbers.items() if number not in gone}
        self._by_body = {body: number for body, number in self._by_body.items() if number not in gone}
        for number in gone:
            self._resources[number] = None
        self._free.extend(gone)


def times(column: npt.NDArray[np.uint64]) -> Int64s:
    """int64[n]: nanoseconds since 1970, or the largest number where they do not fit."""
    return np.minimum(column, np.uint64(_LARGEST_TIME)).astype(np.int64)


def _short(text: str) -> str:
    return label_bytes(text.encode(errors="replace"), MAX_LABEL_BYTES).decode(errors="replace")
