"""Instruments: columns over the rows of a series table, and how they are read out.

An instrument names its columns (dtype, cells per row, value of an unused row) and the base class does what is the same
for all: growth, clearing of freed rows, the baseline of deltas, checkpoints. Storage is always cumulative.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.model import accumulate
from pipeline.model.batch import Batch
from pipeline.model.exemplars import INTERVAL_NS, ExemplarPool, SpanIds
from pipeline.model.key_store import enlarged
from pipeline.model.labels import Groups
from pipeline.model.series import Rows, SeriesTable, Target
from pipeline.model.snapshot import (
    Exemplars,
    ExponentialValues,
    HistogramValues,
    Metric,
    MetricKind,
    NumberValues,
    SeriesView,
    Temporality,
    Values,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]
Amounts = float | npt.NDArray[Any]

_ONE = np.ones(1)
_FLOAT64 = np.dtype(np.float64)
_EXEMPLARS = "exemplars."
_COARSEST = -11
"""At this scale all floats lie in two buckets, the fewest that ``max_size`` allows."""
_EXPONENTIAL_EXEMPLARS = 8
"""Exemplars of one exponential histogram: one per last three bits of the value's exponent."""


class ColumnSpec(NamedTuple):
    """A column: its type, cells per row (0: one, and the array has one dimension), and what an unused row holds."""

    dtype: Any
    width: int = 0
    fill: float = 0


@dataclass(frozen=True)
class Readout:
    """What is being collected: live rows (ascending), their series, and for deltas the time of the last ones."""

    rows: Rows
    series: SeriesView
    delta: bool
    since_unix_nano: int


class Instrument:
    """See the module.

    Attributes:
        refused: Measurements that were no such thing (NaN, infinite, negative where that has no meaning).
    """

    kind: ClassVar[MetricKind]
    monotonic: ClassVar[bool] = False
    has_deltas: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        unit: str,
        description: str,
        table: SeriesTable,
        specs: dict[str, ColumnSpec],
        exemplars_per_row: int,
    ) -> None:
        self.name = name
        self.unit = unit
        self.description = description
        self.table = table
        self.refused = 0
        self.specs = specs
        self.columns: dict[str, Array] = {name: _unused(spec, 0) for name, spec in specs.items()}
        self._flat: dict[str, Array] = {}
        self._last: dict[str, Array] | None = None
        self._pool = ExemplarPool(exemplars_per_row) if exemplars_per_row else None
        self._subset: tuple[SeriesView, Bools, SeriesView] | None = None
        table.attach(self)

    @property
    def nbytes(self) -> int:
        """Memory of the columns, baselines and exemplars."""
        arrays = [*self.columns.values(), *(self._last or {}).values()]
        return sum(array.nbytes for array in arrays) + (self._pool.nbytes if self._pool else 0)

    def resize(self, capacity: int) -> None:
        """Make room for this many rows."""
        self.columns = self._resized(self.columns, capacity)
        self._flat = {name: column.reshape(-1) for name, column in self.columns.items()}
        if self._last is not None:
            self._last = self._resized(self._last, capacity)
        if self._pool is not None:
            self._pool.resize(capacity)

    def clear(self, rows: Rows) -> None:
        """Empty rows that were freed."""
        for columns in (self.columns, self._last or {}):
            for name, column in columns.items():
                column[rows] = self.specs[name].fill
        if self._pool is not None:
            self._pool.clear(rows)

    def metric(self, readout: Readout) -> Metric | None:
        """The instrument as a metric, or None where it has no point."""
        delta = readout.delta and self.has_deltas
        now = {name: column[readout.rows] for name, column in self.columns.items()}
        before = None
        if delta:
            before = self._baseline(readout.rows)
        keep, values = self._values(now, before)
        if not keep.any():
            return None
        rows, series = readout.rows, readout.series
        if not keep.all():
            rows, series = rows[keep], self._series_of(readout.series, keep)
        if delta:
            series = replace(series, start_unix_nano=np.maximum(series.start_unix_nano, readout.since_unix_nano))
        exemplars = self._exemplars(rows, readout.since_unix_nano if delta else 0)
        if exemplars is not None:
            values = replace(values, exemplars=exemplars)
        temporality = Temporality.DELTA if delta else Temporality.CUMULATIVE
        return Metric(self.name, self.description, self.unit, self.kind, self.monotonic, temporality, series, values)

    def state(self, rows: Rows, epoch: int) -> dict[str, Array]:
        """All that is held about these rows."""
        arrays = {f"now.{name}": column[rows] for name, column in self.columns.items()}
        if self._last is not None:
            arrays |= {f"last.{name}": column[rows] for name, column in self._last.items()}
        if self._pool is not None:
            arrays |= {f"{_EXEMPLARS}{name}": array for name, array in self._pool.state(rows, epoch).items()}
        return arrays

    def check_state(self, state: dict[str, Array], rows: int) -> None:
        """Raise ValueError where ``restore`` would not understand the arrays."""
        for prefix in ("now", "last"):
            for name, spec in self.specs.items():
                array = state.get(f"{prefix}.{name}")
                if array is None and prefix == "last":
                    continue
                expected = (rows, spec.width) if spec.width else (rows,)
                if array is None or array.shape != expected or array.dtype != spec.dtype:
                    raise ValueError(f"{self.name}: column {prefix}.{name} has another shape or type")
        exemplars = _part(state, _EXEMPLARS)
        if self._pool is not None and exemplars:
            self._pool.check_state(exemplars, rows)

    def restore(self, state: dict[str, Array], rows: Rows, epoch: int) -> None:
        """Take up what ``state`` gave; ``rows`` are the rows' new numbers."""
        for name in self.specs:
            self.columns[name][rows] = state[f"now.{name}"]
        if all(f"last.{name}" in state for name in self.specs):
            self._last = {name: _unused(spec, self.table.capacity) for name, spec in self.specs.items()}
            for name in self.specs:
                self._last[name][rows] = state[f"last.{name}"]
        exemplars = _part(state, _EXEMPLARS)
        if self._pool is not None and exemplars:
            self._pool.restore(exemplars, rows, epoch)

    @abstractmethod
    def _values(self, now: dict[str, Array], before: dict[str, Array] | None) -> tuple[Bools, Values]:
        """Which of the rows have a point, and the points."""

    def _baseline(self, rows: Rows) -> dict[str, Array]:
        """What the last delta collect saw of the rows; from now on, what they hold now."""
        if self._last is None:
            self._last = {name: _unused(spec, self.table.capacity) for name, spec in self.specs.items()}
        before = {name: column[rows] for name, column in self._last.items()}
        for name, column in self._last.items():
            column[rows] = self.columns[name][rows]
        return before

    def _series_of(self, series: SeriesView, keep: Bools) -> SeriesView:
        """Part of the series; the same object as before where nothing changed."""
        known = self._subset
        if known is not None and known[0] is series and np.array_equal(known[1], keep):
            return known[2]
        part = series.take(keep)
        self._subset = (series, keep, part)
        return part

    def _exemplars(self, rows: Rows, since_unix_nano: int) -> Exemplars | None:
        if self._pool is None:
            return None
        return self._pool.collect(rows, self.kind == MetricKind.HISTOGRAM, since_unix_nano)

    def _offer(self, target: Target, given: Batch | SpanIds | None, rows: Rows, buckets: Rows, values: Floats) -> None:
        """Consider the measurements as exemplars, where the spans they were made of are known."""
        spans = given
        if spans is None:
            spans = target.spans if isinstance(target, Groups) else target if isinstance(target, Batch) else None
        if self._pool is None or spans is None:
            return
        known = len(spans.words) if isinstance(spans, SpanIds) else len(spans)
        if known != len(rows):
            raise ValueError(f"{self.name}: {len(rows)} measurements of {known} spans")
        clock = self.table.clock
        self._pool.offer(spans, rows, buckets, values, clock.unix_nano(), clock.monotonic_nano())

    def _floats(self, values: Amounts, n: int) -> Floats:
        """float64[n] or float64[1]."""
        if (
            isinstance(values, np.ndarray)
            and values.dtype == _FLOAT64
            and values.ndim == 1
            and values.flags.c_contiguous
        ):
            array = values
        else:
            array = np.ascontiguousarray(values, np.float64).reshape(-1)
        if len(array) not in (1, n):
            raise ValueError(f"{self.name}: {len(array)} values for {n} rows")
        return array

    def _resized(self, columns: dict[str, Array], capacity: int) -> dict[str, Array]:
        return {name: enlarged(column, capacity, self.specs[name].fill) for name, column in columns.items()}


class Counter(Instrument):
    """A sum that only grows. Rows that exist at zero are exported at zero."""

    kind = MetricKind.SUM
    monotonic = True

    def __init__(self, name: str, unit: str, description: str, table: SeriesTable, exemplars: bool = False) -> None:
        super().__init__(name, unit, description, table, {"values": ColumnSpec(np.float64)}, int(exemplars))

    def add(self, target: Target, amounts: Amounts = 1.0, exemplars_from: Batch | SpanIds | None = None) -> None:
        """Add ``amounts`` (one, or one per row of ``target``) to rows (``SeriesTable.resolve``).

        Amounts that are not finite, and negative ones of a Counter, are counted in ``refused``. Exemplars are taken
        from the spans of ``target``, or from ``exemplars_from`` where that is row numbers.
        """
        rows = self.table.resolve(target)
        values = _ONE if isinstance(amounts, float) and amounts == 1.0 else self._floats(amounts, len(rows))
        self.refused += accumulate.add(self._flat["values"], rows, values, self.monotonic)
        if self._pool is not None:
            self._offer(target, exemplars_from, rows, np.zeros(len(rows), np.int32), values)

    def _values(self, now: dict[str, Array], before: dict[str, Array] | None) -> tuple[Bools, Values]:
        values = now["values"]
        if before is None:
            return np.ones(len(values), bool), NumberValues(values)
        values = values - before["values"]
        keep = values != 0
        return keep, NumberValues(values[keep])


class UpDownCounter(Counter):
    """A sum that may also fall. Always cumulative, as in the SDKs' delta preference."""

    monotonic = False
    has_deltas = False


class Gauge(Instrument):
    """The latest value. Rows never set are not exported."""

    kind = MetricKind.GAUGE
    has_deltas = False

    def __init__(self, name: str, unit: str, description: str, table: SeriesTable) -> None:
        super().__init__(name, unit, description, table, {"values": ColumnSpec(np.float64, 0, math.nan)}, 0)

    def set(self, target: Target, values: Amounts) -> None:
        """Set rows (``SeriesTable.resolve``) to ``values``: one, or one per row. NaN is refused."""
        rows = self.table.resolve(target)
        self.refused += accumulate.put(self._flat["values"], rows, self._floats(values, len(rows)))

    def _values(self, now: dict[str, Array], _before: dict[str, Array] | None) -> tuple[Bools, Values]:
        keep = ~np.isnan(now["values"])
        return keep, NumberValues(now["values"][keep])


class Histogram(Instrument):
    """Counts per bucket with fixed bounds, and an exact sum. Rows without a value are not exported.

    Args:
        bounds: Inclusive upper bounds, finite, ascending.
        resolution: The sum is kept in multiples of this. Values are rounded to it for the sum, not for the bucket.
    """

    kind = MetricKind.HISTOGRAM

    def __init__(
        self,
        name: str,
        unit: str,
        description: str,
        table: SeriesTable,
        bounds: Sequence[float],
        resolution: float = 1e-9,
        exemplars: bool = False,
    ) -> None:
        self.bounds = tuple(float(bound) for bound in bounds)
        if not all(map(math.isfinite, self.bounds)) or any(a >= b for a, b in itertools.pairwise(self.bounds)):
            raise ValueError(f"{name}: bounds must be finite and ascending: {self.bounds}")
        self.per_unit = _per_unit(resolution)
        self._bounds = np.array(self.bounds or (0.0,))
        width = len(self.bounds) + 1
        specs = {"counts": ColumnSpec(np.float64, width), "sums": ColumnSpec(np.uint64, 2)}
        super().__init__(name, unit, description, table, specs, width if exemplars else 0)

    def record(
        self,
        target: Target,
        values: Amounts,
        weights: Amounts | None = None,
        exemplars_from: Batch | SpanIds | None = None,
    ) -> None:
        """Observe ``values`` (one per row of ``target``, see ``SeriesTable.resolve``), each ``weights`` times.

        Refused and counted are values that are negative, not finite or above 2**95 times the resolution, and weights
        that are not positive and finite. A weight that is a whole number enters the sum exactly, any other is rounded
        per value.
        """
        rows = self.table.resolve(target)
        measured = self._floats(values, len(rows))
        if len(measured) != len(rows):
            measured = np.full(len(rows), measured[0])
        weight = _ONE if weights is None else self._floats(weights, len(rows))
        buckets = np.empty(len(rows), np.int32)
        self._observe(rows, measured, weight, buckets)
        if self._pool is not None:
            self._offer(target, exemplars_from, rows, buckets, measured)

    def _observe(self, rows: Rows, values: Floats, weights: Floats, buckets: Rows) -> None:
        flat = self._flat
        self.refused += accumulate.observe(
            flat["counts"],
            flat["sums"],
            self._bounds,
            len(self.bounds),
            self.per_unit,
            rows,
            values,
            weights,
            buckets,
        )

    def _values(self, now: dict[str, Array], before: dict[str, Array] | None) -> tuple[Bools, Values]:
        counts, sums = now["counts"], now["sums"]
        if before is not None:
            counts, sums = counts - before["counts"], subtract_sums(sums, before["sums"])
        keep: Bools = np.any(counts, axis=1)
        if not keep.all():
            counts, sums = counts[keep], sums[keep]
        return keep, HistogramValues(self.bounds, counts, float_sums(sums, self.per_unit))


class ExponentialHistogram(Histogram):
    """Base-2 exponential histogram whose scale follows the values (OpenTelemetry SDK specification), with an exact
    sum.
    """

    kind = MetricKind.EXPONENTIAL_HISTOGRAM

    def __init__(
        self,
        name: str,
        unit: str,
        description: str,
        table: SeriesTable,
        max_size: int = 160,
        resolution: float = 1e-9,
        exemplars: bool = False,
    ) -> None:
        if max_size < 2:
            raise ValueError(f"{name}: max_size must be at least 2")
        self.bounds = ()
        self.max_size = max_size
        self.per_unit = _per_unit(resolution)
        self._spare = np.empty(max_size)
        specs = {
            "counts": ColumnSpec(np.float64, max_size),
            "zeros": ColumnSpec(np.float64),
            "scales": ColumnSpec(np.int32, 0, accumulate.MAX_SCALE),
            "lows": ColumnSpec(np.int64),
            "highs": ColumnSpec(np.int64, 0, -1),
            "sums": ColumnSpec(np.uint64, 2),
            "least": ColumnSpec(np.float64, 0, math.inf),
            "most": ColumnSpec(np.float64, 0, -math.inf),
        }
        Instrument.__init__(self, name, unit, description, table, specs, _EXPONENTIAL_EXEMPLARS if exemplars else 0)

    def check_state(self, state: dict[str, Array], rows: int) -> None:
        """Raise ValueError where ``restore`` would not understand the arrays, or the native loop could leave its
        ring.
        """
        super().check_state(state, rows)
        for prefix in ("now", "last"):
            if f"{prefix}.lows" not in state:
                continue
            lows, highs, scales = (state[f"{prefix}.{name}"] for name in ("lows", "highs", "scales"))
            fits = (lows >= -(2**31)) & (highs < 2**31) & (highs - lows < self.max_size) & (highs >= lows - 1)
            if not (fits & (scales >= _COARSEST) & (scales <= accumulate.MAX_SCALE)).all():
                raise ValueError(f"{self.name}: buckets out of range")

    def _observe(self, rows: Rows, values: Floats, weights: Floats, buckets: Rows) -> None:
        flat = self._flat
        self.refused += accumulate.observe_exponential(
            flat["counts"],
            self.max_size,
            flat["zeros"],
            flat["scales"],
            flat["lows"],
            flat["highs"],
            flat["sums"],
            flat["least"],
            flat["most"],
            self.per_unit,
            rows,
            values,
            weights,
            buckets,
            self._spare,
        )

    def _values(self, now: dict[str, Array], before: dict[str, Array] | None) -> tuple[Bools, Values]:
        counts = self._unrolled(now)
        zeros, sums, least, most = now["zeros"], now["sums"], now["least"], now["most"]
        if before is not None:
            counts -= self._rebucketed(before, now, counts.shape[1])
            zeros, sums = zeros - before["zeros"], subtract_sums(sums, before["sums"])
            least = most = np.full(len(zeros), np.nan)
        keep = counts.any(axis=1) | (zeros != 0)
        scales = np.where(now["highs"] < now["lows"], 0, now["scales"])  # zeros alone have no scale; the SDKs say 0
        return keep, ExponentialValues(
            scales[keep].astype(np.int32),
            zeros[keep],
            now["lows"][keep].astype(np.int32),
            counts[keep],
            float_sums(sums[keep], self.per_unit),
            least[keep],
            most[keep],
        )

    def _unrolled(self, columns: dict[str, Array]) -> Floats:
        """The rings as float64[m, w], first bucket first; w is the widest in use."""
        lows, highs = columns["lows"], columns["highs"]
        width = max(int((highs - lows).max(initial=0)) + 1, 1)
        buckets = lows[:, None] + np.arange(width)
        counts = np.take_along_axis(columns["counts"], buckets % self.max_size, axis=1)
        counts[buckets > highs[:, None]] = 0
        return counts

    def _rebucketed(self, old: dict[str, Array], now: dict[str, Array], width: int) -> Floats:
        """Older counts at the present scale, aligned with ``_unrolled(now)``."""
        counts = self._unrolled(old)
        points, columns = np.nonzero(counts)
        index = old["lows"][points] + columns
        index >>= (old["scales"] - now["scales"])[points]
        result = np.zeros((len(counts), width))
        np.add.at(result, (points, index - now["lows"][points]), counts[points, columns])
        return result


def subtract_sums(now: Array, before: Array) -> Array:
    """Difference of 128-bit integers, uint64[m, 2] high and low."""
    result = now - before
    result[:, 0] -= now[:, 1] < before[:, 1]
    return result


def float_sums(sums: Array, per_unit: float) -> Floats:
    """128-bit multiples of the resolution as float64: a function of the exact sum alone."""
    result: Floats = (sums[:, 0].astype(np.float64) * 2.0**64 + sums[:, 1].astype(np.float64)) / per_unit
    return result


def _part(state: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def _per_unit(resolution: float) -> float:
    if not (math.isfinite(resolution) and resolution > 0):
        raise ValueError(f"resolution must be positive: {resolution}")
    return float(round(1 / resolution)) if resolution <= 1 else 1 / resolution


def _unused(spec: ColumnSpec, rows: int) -> Array:
    return np.full((rows, spec.width) if spec.width else rows, spec.fill, spec.dtype)


def epoch_of(monotonic_nano: int) -> int:
    """Number of the exemplar interval."""
    return monotonic_nano // INTERVAL_NS
