"""The values of series that keep what was received last: one class per type of metric.

A *column* here holds the values of m series of one metric. ``store`` takes points over, ``values`` hands them out in
the form that meters use, so that whoever renders snapshots of meters renders these too; ``fields`` as fields of data
points. Delta points are added to what is there (OpenTelemetry data model, "Sums: Delta-to-Cumulative").
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.model.metrics import PointField
from pipeline.model.snapshot import Exemplars, HistogramValues, NumberValues, SummaryValues, Values

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


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
    def store(self, rows: Indices, columns: Columns, points: Indices, add: Bools) -> None:
        """Take points over: in place of what is there, or added to it. No row comes twice."""

    @abstractmethod
    def move(self, source: int, target: int) -> None:
        """A row takes the place of one that is gone."""

    @abstractmethod
    def values(self, rows: Indices, exemplars: Exemplars | None) -> Values:
        """Copies of the values of these rows."""


class DeltaColumn(ValueColumn):
    """Values of a type that has a delta form."""

    @abstractmethod
    def fields(self, rows: Indices, columns: Columns, points: Indices) -> tuple[list[PointField], bytes]:
        """The values of rows as fields of the points that were stored there, by ascending number, and the blob that
        ranges among them point into.
        """

    @abstractmethod
    def state(self, count: int) -> dict[str, Array]:
        """The values of the first ``count`` rows as plain arrays."""

    @abstractmethod
    def load(self, state: Mapping[str, Array], count: int) -> None:
        """Take over what ``state`` gave.

        Raises:
            ValueError, KeyError: It is of another type or length.
        """


class ArrayColumn(DeltaColumn):
    """Values that stand in arrays with one entry per row."""

    def __init__(self, **arrays: Array) -> None:
        self._arrays = arrays

    def resize(self, rows: int) -> None:
        """Make room."""
        for name, array in self._arrays.items():
            self._arrays[name] = longer(array, rows)

    def move(self, source: int, target: int) -> None:
        """A row takes another's place."""
        for array in self._arrays.values():
            array[target] = array[source]

    def state(self, count: int) -> dict[str, Array]:
        """Copies of the arrays."""
        return {name: array[:count].copy() for name, array in self._arrays.items()}

    def load(self, state: Mapping[str, Array], count: int) -> None:
        """Fill the arrays, which have room."""
        for name, array in self._arrays.items():
            saved = state[name]
            if saved.dtype != array.dtype or saved.shape != (count, *array.shape[1:]):
                raise ValueError(f"column {name} has another type")
            array[:count] = saved


class NumberColumn(ArrayColumn):
    """Gauges and sums. Integers stay integers as long as all that is added up are, and the result fits."""

    def __init__(self) -> None:
        super().__init__(whole=np.zeros(0, np.int64), real=np.zeros(0), is_whole=np.zeros(0, bool))

    def store(self, rows: Indices, columns: Columns, points: Indices, add: Bools) -> None:
        """Take points over."""
        before, added = self._arrays["whole"][rows], columns["as_int"][points]
        was_whole = self._arrays["is_whole"][rows]
        whole = np.where(add, before, 0) + added
        overflows = add & (((before ^ whole) & (added ^ whole)) < 0)
        self._arrays["real"][rows] = columns["value"][points] + np.where(add, self._real(rows), 0.0)
        self._arrays["whole"][rows] = whole
        self._arrays["is_whole"][rows] = columns["is_int"][points] & (was_whole | ~add) & ~overflows

    def values(self, rows: Indices, exemplars: Exemplars | None) -> NumberValues:
        """Copies."""
        return NumberValues(self._real(rows), exemplars)

    def fields(self, rows: Indices, columns: Columns, points: Indices) -> tuple[list[PointField], bytes]:  # noqa: ARG002
        """``as_int`` or ``as_double``."""
        whole, real, is_whole = (self._arrays[name][rows] for name in ("whole", "real", "is_whole"))
        return [
            PointField(fixed64_tag(4), real.view(np.uint64), ~is_whole),
            PointField(fixed64_tag(6), whole.view(np.uint64), is_whole),
        ], b""

    def _real(self, rows: Indices) -> Floats:
        whole = self._arrays["whole"][rows].astype(np.float64)
        return np.where(self._arrays["is_whole"][rows], whole, self._arrays["real"][rows])


class HistogramColumn(ArrayColumn):
    """Explicit histograms of equal bounds. What is not sent is NaN.

    Args:
        bounds: Upper bounds.
        extremes: Keep ``min`` and ``max`` too.
    """

    def __init__(self, bounds: Sequence[float], *, extremes: bool = False) -> None:
        self.bounds = tuple(bounds)
        self._extremes = {"min": np.minimum, "max": np.maximum} if extremes else {}
        counts = np.zeros((0, len(self.bounds) + 1), np.uint64)
        super().__init__(counts=counts, sum=np.zeros(0), **{name: np.zeros(0) for name in self._extremes})

    def store(self, rows: Indices, columns: Columns, points: Indices, add: Bools) -> None:
        """Take points over. A sum or an extreme that one of them has not is unknown from then on."""
        arrays = self._arrays
        counts = self._counts(columns, points)
        arrays["counts"][rows] = counts + np.where(add[:, None], arrays["counts"][rows], np.uint64(0))
        arrays["sum"][rows] = columns["sum"][points] + np.where(add, arrays["sum"][rows], 0.0)
        for name, choose in self._extremes.items():
            extreme = columns[name][points]
            arrays[name][rows] = choose(extreme, np.where(add, arrays[name][rows], extreme))

    def values(self, rows: Indices, exemplars: Exemplars | None) -> HistogramValues:
        """Copies."""
        counts = self._arrays["counts"][rows].astype(np.float64)
        return HistogramValues(self.bounds, counts, self._arrays["sum"][rows], exemplars)

    def fields(self, rows: Indices, columns: Columns, points: Indices) -> tuple[list[PointField], bytes]:
        """Count, buckets where the point has some, sum and extremes where they are known."""
        counts = self._arrays["counts"][rows]
        size = 8 * counts.shape[1]
        lists = columns["bucket_counts"].offsets
        buckets = np.arange(len(rows), dtype=np.uint64) * np.uint64(size) << np.uint64(32) | np.uint64(size)
        fields = [
            count_field(4, counts.sum(axis=1, dtype=np.uint64)),
            known_field(5, self._arrays["sum"][rows]),
            PointField(bytes_tag(6), buckets, lists[points] < lists[points + 1]),
        ]
        numbers = zip((11, 12), self._extremes, strict=False)
        fields += [known_field(number, self._arrays[name][rows]) for number, name in numbers]
        return fields, counts.astype("<u8", copy=False).tobytes()

    def _counts(self, columns: Columns, points: Indices) -> Array:
        """uint64[points, bounds + 1]. A histogram without bounds may come without buckets, but has a count."""
        if not self.bounds:
            return columns["count"][points].reshape(-1, 1)  # type: ignore[no-any-return]
        lists = columns["bucket_counts"]
        counts: Array = lists.values[lists.offsets[points][:, None] + np.arange(len(self.bounds) + 1)]
        return counts


class SummaryColumn(ValueColumn):
    """Summaries of equal quantiles. They have no delta form."""

    def __init__(self, quantiles: Sequence[float]) -> None:
        self.quantiles = tuple(quantiles)
        self._quantiles: Floats = np.zeros((0, len(self.quantiles)))
        self._counts: Floats = np.zeros(0)
        self._sums: Floats = np.zeros(0)

    def resize(self, rows: int) -> None:
        """Make room."""
        self._quantiles = longer(self._quantiles, rows)
        self._counts = longer(self._counts, rows)
        self._sums = longer(self._sums, rows)

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


def fixed64_tag(number: int) -> int:
    """Of a field of eight bytes."""
    return number << 3 | 1


def bytes_tag(number: int) -> int:
    """Of a message, bytes, or packed numbers."""
    return number << 3 | 2


def count_field(number: int, counts: npt.NDArray[np.uint64]) -> PointField:
    """A fixed64, which is left out where it is 0."""
    return PointField(fixed64_tag(number), counts, counts != 0)


def known_field(number: int, values: Floats) -> PointField:
    """An optional double; NaN: unknown."""
    return PointField(fixed64_tag(number), values.view(np.uint64), ~np.isnan(values))


def longer(column: Array, rows: int) -> Array:
    """The array with room for ``rows``."""
    if rows <= len(column):
        return column
    longer = np.zeros((rows, *column.shape[1:]), column.dtype)
    longer[: len(column)] = column
    return longer
