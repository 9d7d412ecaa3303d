"""The values of series that keep what was received last: one class per type of metric.

A *column* here holds the values of m series of one metric. ``store`` takes points over, ``values`` hands them out in
the form that meters use, so that whoever renders snapshots of meters renders these too. Delta points are added to what
is there (OpenTelemetry data model, "Sums: Delta-to-Cumulative").
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.model.snapshot import (
    Exemplars,
    ExponentialValues,
    HistogramValues,
    NumberValues,
    SummaryValues,
    Values,
)

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


MAX_BUCKETS = 320
"""Buckets of one sign that are kept of an exponential histogram, twice what SDKs send; the scale is lowered for it."""


class Columns(Protocol):
    """The columns of a batch."""

    def __getitem__(self, name: str) -> Any:
        """One of them."""


class ValueColumn(ABC):
    """Values of series by row; rows are dense."""

    @abstractmethod
    def resize(self, rows: int) -> None:
        """Make room."""

    @abstractmethod
    def store(self, rows: Indices, columns: Columns, points: Indices, add: npt.NDArray[np.bool_]) -> None:
        """Take points over: in place of what is there, or added to it. No row comes twice."""

    @abstractmethod
    def move(self, source: int, target: int) -> None:
        """A row takes the place of one that is gone."""

    @abstractmethod
    def values(self, rows: Indices, exemplars: Exemplars | None) -> Values:
        """Copies of the values of these rows."""


class NumberColumn(ValueColumn):
    """Gauges and sums."""

    def __init__(self) -> None:
        self._values: Floats = np.zeros(0)

    def resize(self, rows: int) -> None:
        """Make room."""
        self._values = _longer(self._values, rows)

    def store(self, rows: Indices, columns: Columns, points: Indices, add: npt.NDArray[np.bool_]) -> None:
        """Take points over."""
        self._values[rows] = columns["value"][points] + np.where(add, self._values[rows], 0.0)

    def move(self, source: int, target: int) -> None:
        """A row takes another's place."""
        self._values[target] = self._values[source]

    def values(self, rows: Indices, exemplars: Exemplars | None) -> NumberValues:
        """Copies."""
        return NumberValues(self._values[rows], exemplars)


class HistogramColumn(ValueColumn):
    """Explicit histograms of equal bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self._counts: Floats = np.zeros((0, len(self.bounds) + 1))
        self._sums: Floats = np.zeros(0)

    def resize(self, rows: int) -> None:
        """Make room."""
        self._counts = _longer(self._counts, rows)
        self._sums = _longer(self._sums, rows)

    def store(self, rows: Indices, columns: Columns, points: Indices, add: npt.NDArray[np.bool_]) -> None:
        """Take points over. Without buckets there is still a count; a sum that is not sent is unknown."""
        width = len(self.bounds) + 1
        lists = columns["bucket_counts"]
        if len(points) and len(lists[int(points[0])]) == width:
            places = lists.offsets[points][:, None] + np.arange(width)
            counts = lists.values[places].astype(np.float64)
        else:
            counts = columns["count"][points].astype(np.float64).reshape(-1, 1)
        self._counts[rows] = counts + np.where(add[:, None], self._counts[rows], 0.0)
        self._sums[rows] = columns["sum"][points] + np.where(add, self._sums[rows], 0.0)

    def move(self, source: int, target: int) -> None:
        """A row takes another's place."""
        self._counts[target] = self._counts[source]
        self._sums[target] = self._sums[source]

    def values(self, rows: Indices, exemplars: Exemplars | None) -> HistogramValues:
        """Copies."""
        return HistogramValues(self.bounds, self._counts[rows], self._sums[rows], exemplars)


class SummaryColumn(ValueColumn):
    """Summaries of equal quantiles. They have no delta form."""

    def __init__(self, quantiles: Sequence[float]) -> None:
        self.quantiles = tuple(quantiles)
        self._quantiles: Floats = np.zeros((0, len(self.quantiles)))
        self._counts: Floats = np.zeros(0)
        self._sums: Floats = np.zeros(0)

    def resize(self, rows: int) -> None:
        """Make room."""
        self._quantiles = _longer(self._quantiles, rows)
        self._counts = _longer(self._counts, rows)
        self._sums = _longer(self._sums, rows)

    def store(self, rows: Indices, columns: Columns, points: Indices, add: npt.NDArray[np.bool_]) -> None:  # noqa: ARG002
        """Take points over."""
        found = columns["quantile_values"]
        first = np.searchsorted(found.point, points)
        self._quantiles[rows] = found.value[first[:, None] + np.arange(len(self.quantiles))]
        self._counts[rows] = columns["count"][points]
        self._sums[rows] = columns["sum"][points]

    def move(self, source: int, target: int) -> None:
        """A row takes another's place."""
        for column in (self._quantiles, self._counts, self._sums):
            column[target] = column[source]

    def values(self, rows: Indices, exemplars: Exemplars | None) -> SummaryValues:
        """Copies."""
        return SummaryValues(self.quantiles, self._quantiles[rows], self._counts[rows], self._sums[rows], exemplars)


class ExponentialColumn(ValueColumn):
    """Exponential histograms: each has its own scale and range, so they are kept one by one."""

    def __init__(self) -> None:
        self._rows: list[_Exponential | None] = []

    def resize(self, rows: int) -> None:
        """Make room."""
        self._rows += [None] * (rows - len(self._rows))

    def store(self, rows: Indices, columns: Columns, points: Indices, add: npt.NDArray[np.bool_]) -> None:
        """Take points over."""
        points_of = _ExponentialColumns(columns)
        for row, point, is_added in zip(rows.tolist(), points.tolist(), add.tolist(), strict=True):
            old = self._rows[row]
            new = points_of.point(point)
            self._rows[row] = new.plus(old if old is not None and is_added else EMPTY)

    def move(self, source: int, target: int) -> None:
        """A row takes another's place."""
        self._rows[target] = self._rows[source]

    def values(self, rows: Indices, exemplars: Exemplars | None) -> ExponentialValues:
        """Copies."""
        taken = [one for row in rows.tolist() if (one := self._rows[row]) is not None]
        return ExponentialValues(
            np.array([one.scale for one in taken], np.int32),
            np.array([one.zero_count for one in taken]),
            np.array([one.positive.offset for one in taken], np.int32),
            _padded([one.positive.counts for one in taken]),
            np.array([one.total for one in taken]),
            np.full(len(taken), np.nan),
            np.full(len(taken), np.nan),
            exemplars,
            np.array([one.negative.offset for one in taken], np.int32),
            _padded([one.negative.counts for one in taken]),
            np.array([one.zero_threshold for one in taken]),
        )


class _Buckets:
    """Buckets of one sign."""

    __slots__ = ("counts", "offset")

    def __init__(self, offset: int, counts: Floats) -> None:
        self.offset = offset
        self.counts = counts

    def at_scale(self, steps: int) -> _Buckets:
        """The same at a scale lower by ``steps``: 2 ** steps buckets become one."""
        if not steps or not len(self.counts):
            return self
        index = (np.arange(len(self.counts)) + self.offset) >> steps
        counts: Floats = np.bincount(index - index[0], weights=self.counts).astype(np.float64)
        return _Buckets(int(index[0]), counts)

    def plus(self, other: _Buckets) -> _Buckets:
        """Both together, at the same scale."""
        if not len(other.counts) or not len(self.counts):
            return self if len(self.counts) else other
        begin = min(self.offset, other.offset)
        end = max(self.offset + len(self.counts), other.offset + len(other.counts))
        counts = np.zeros(end - begin)
        for one in (self, other):
            counts[one.offset - begin : one.offset - begin + len(one.counts)] += one.counts
        return _Buckets(begin, counts)


class _Exponential:
    """One exponential histogram."""

    __slots__ = ("negative", "positive", "scale", "total", "zero_count", "zero_threshold")

    def __init__(
        self,
        scale: int,
        total: float,
        zero_count: float,
        zero_threshold: float,
        positive: _Buckets,
        negative: _Buckets,
    ) -> None:
        self.scale = scale
        self.total = total
        self.zero_count = zero_count
        self.zero_threshold = zero_threshold
        self.positive = positive
        self.negative = negative

    def plus(self, other: _Exponential) -> _Exponential:
        """Both together, at the lower scale, or at one lower still where the buckets would be too many."""
        scale = min(self.scale, other.scale)
        while True:
            mine, theirs = self.scale - scale, other.scale - scale
            positive = (self.positive.at_scale(mine), other.positive.at_scale(theirs))
            negative = (self.negative.at_scale(mine), other.negative.at_scale(theirs))
            if max(_width(*positive), _width(*negative)) <= MAX_BUCKETS:
                break
            scale -= 1
        return _Exponential(
            scale,
            self.total + other.total,
            self.zero_count + other.zero_count,
            max(self.zero_threshold, other.zero_threshold),
            positive[0].plus(positive[1]),
            negative[0].plus(negative[1]),
        )


EMPTY = _Exponential(1 << 10, 0.0, 0.0, 0.0, _Buckets(0, np.zeros(0)), _Buckets(0, np.zeros(0)))
"""Adds nothing; at a scale above all others."""


def _width(one: _Buckets, other: _Buckets) -> int:
    """Buckets of both together."""
    if not len(one.counts) or not len(other.counts):
        return len(one.counts) + len(other.counts)
    end = max(one.offset + len(one.counts), other.offset + len(other.counts))
    return end - min(one.offset, other.offset)


class _ExponentialColumns:
    """The columns of a batch that exponential histograms are made of."""

    def __init__(self, columns: Columns) -> None:
        self._numbers = [columns[name].tolist() for name in ("scale", "sum", "zero_count", "zero_threshold")]
        self._sides = [
            (columns[f"{side}.offset"].tolist(), columns[f"{side}.bucket_counts"]) for side in ("positive", "negative")
        ]

    def point(self, i: int) -> _Exponential:
        """One of them."""
        scale, total, zero_count, zero_threshold = (column[i] for column in self._numbers)
        positive, negative = (_Buckets(offsets[i], counts[i].astype(np.float64)) for offsets, counts in self._sides)
        return _Exponential(scale, total, float(zero_count), zero_threshold, positive, negative)


def _longer(column: Floats, rows: int) -> Floats:
    if rows <= len(column):
        return column
    longer = np.zeros((rows, *column.shape[1:]))
    longer[: len(column)] = column
    return longer


def _padded(rows: list[Floats]) -> Floats:
    width = max(map(len, rows), default=0)
    padded = np.zeros((len(rows), width))
    for row, counts in zip(padded, rows, strict=True):
        row[: len(counts)] = counts
    return padded
