"""Exponential histograms that keep what was received last, or that deltas are added up in.

Each has its own scale and range. Two are added at the lower scale, or at one lower still where the buckets would be too
many; where their zero thresholds differ, the wider one counts, and the buckets that it covers become zeros
(OpenTelemetry data model, "ExponentialHistogram").
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.model import exponential_sum
from pipeline.model.metrics import PointField
from pipeline.model.snapshot import Exemplars, ExponentialValues
from pipeline.model.value_columns import (
    Array,
    Bools,
    Columns,
    DeltaColumn,
    Floats,
    Indices,
    bytes_tag,
    count_field,
    fixed64_tag,
    known_field,
    longer,
)

Counts = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]

MAX_BUCKETS = 320
"""Buckets of one sign that are kept of what is passed on, twice what SDKs send."""
MIN_SCALE, MAX_SCALE = -11, 20
"""At the lowest scale one bucket holds every double above 1, another one those up to 1."""
_LARGEST_INDEX = 1 << 31
_FAR = 1 << 40
"""Beyond all indices."""


class _New(NamedTuple):
    """Buckets of one sign of k points: a range of ``counts`` each, the first and the last of which are not 0."""

    counts: Counts
    begins: Int64s
    ends: Int64s
    offsets: Int64s

    @property
    def last(self) -> Int64s:
        """Index of the last bucket."""
        last: Int64s = self.offsets + self.ends - self.begins - 1
        return last


class _Side:
    """Buckets of one sign, by row; where there are any, the first and the last are not empty."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.offsets: Int64s = np.zeros(0, np.int64)
        self.lengths: Int64s = np.zeros(0, np.int64)
        self.counts: Counts = np.zeros((0, 1), np.uint64)

    def resize(self, rows: int) -> None:
        """Make room."""
        self.offsets, self.lengths, self.counts = (
            longer(one, rows) for one in (self.offsets, self.lengths, self.counts)
        )

    def move(self, source: int, target: int) -> None:
        """A row takes another's place."""
        for column in (self.offsets, self.lengths, self.counts):
            column[target] = column[source]

    def widen(self, width: int) -> None:
        """Make room in the rows."""
        if width > self.counts.shape[1]:
            wider = np.zeros((len(self.counts), 1 << (width - 1).bit_length()), np.uint64)
            wider[:, : self.counts.shape[1]] = self.counts
            self.counts = wider

    def new(self, columns: Columns, points: Indices) -> _New:
        """What points bring."""
        lists = columns[f"{self.name}.bucket_counts"]
        counts = np.ascontiguousarray(lists.values if len(lists.values) else np.zeros(1, np.uint64))
        begins, ends = lists.offsets[points], lists.offsets[points + 1]
        offsets = columns[f"{self.name}.offset"][points] - begins
        exponential_sum.trim(counts, begins, ends)
        return _New(counts, begins, ends, offsets + begins)

    def span(self, rows: Indices, new: _New, own_steps: Int64s, new_steps: Int64s) -> Int64s:
        """Buckets between the lowest and the highest of rows and what is added to them, at lower scales."""
        offsets, lengths = self.offsets[rows], self.lengths[rows]
        has_own, has_new = lengths > 0, new.ends > new.begins
        low = np.minimum(
            np.where(has_own, offsets >> own_steps, _FAR), np.where(has_new, new.offsets >> new_steps, _FAR)
        )
        high = np.maximum(
            np.where(has_own, (offsets + lengths - 1) >> own_steps, -_FAR),
            np.where(has_new, new.last >> new_steps, -_FAR),
        )
        spans: Int64s = np.maximum(high - low + 1, 0)
        return spans

    def add(self, rows: Indices, new: _New, steps: tuple[Int64s, Int64s], scales: Int64s, width: int) -> None:
        """Add what points bring at these scales, where no row will have more than ``width`` buckets."""
        self.widen(width)
        exponential_sum.add(
            self.counts.reshape(-1),
            self.counts.shape[1],
            (self.offsets, self.lengths),
            rows,
            (steps[0], scales),
            (*new, steps[1]),
        )

    def has(self, row: int, index: int) -> bool:
        """Something is in this bucket."""
        place = index - int(self.offsets[row])
        return 0 <= place < self.lengths[row] and bool(self.counts[row, place])

    def take(self, row: int, last: int) -> int:
        """Take away the buckets up to index ``last``; how many were in them."""
        offset, length = int(self.offsets[row]), int(self.lengths[row])
        cut = min(max(0, last + 1 - offset), length)
        taken = int(self.counts[row, :cut].sum())
        left = np.trim_zeros(self.counts[row, cut:length].copy(), "f")
        self.counts[row, : len(left)] = left
        self.lengths[row] = len(left)
        self.offsets[row] = offset + length - len(left) if len(left) else 0
        return taken

    def written(self, rows: Indices) -> tuple[bytes, Counts, Counts]:
        """The buckets of rows as messages, where they stand, and the sums of their counts."""
        ranges, totals = np.empty(len(rows), np.uint64), np.empty(len(rows), np.uint64)
        room = 10 * int(self.lengths[rows].sum()) + len(rows) * exponential_sum.ROOM_FOR_HEADER
        out = np.empty(room, np.uint8)
        size = exponential_sum.write(
            out,
            self.counts.reshape(-1),
            self.counts.shape[1],
            (self.offsets, self.lengths),
            rows,
            ranges,
            totals,
        )
        return out[:size].tobytes(), ranges, totals

    def padded(self, rows: Indices) -> Floats:
        """float64[k, width]: the counts of rows."""
        lengths = self.lengths[rows]
        width = int(lengths.max(initial=0))
        is_used = np.arange(width) < lengths[:, None]
        return np.where(is_used, self.counts[rows, :width], np.uint64(0)).astype(np.float64)

    def state(self, count: int) -> dict[str, Array]:
        """Counts one row after the other."""
        lengths = self.lengths[:count]
        is_used = np.arange(self.counts.shape[1]) < lengths[:, None]
        return {
            f"{self.name}.offset": self.offsets[:count].copy(),
            f"{self.name}.lengths": lengths.copy(),
            f"{self.name}.counts": self.counts[:count][is_used],
        }

    def load(self, state: Mapping[str, Array], count: int, max_buckets: int) -> None:
        """Take over what ``state`` gave."""
        offsets, lengths, counts = (state[f"{self.name}.{name}"] for name in ("offset", "lengths", "counts"))
        if lengths.sum() != len(counts) or counts.dtype != np.uint64 or not len(offsets) == len(lengths) == count:
            raise ValueError(f"{self.name} buckets do not fit")
        if (lengths < 0).any() or (lengths > max_buckets).any() or (np.abs(offsets) > _LARGEST_INDEX).any():
            raise ValueError(f"{self.name} buckets out of range")
        self.widen(int(lengths.max(initial=1)))
        self.offsets[:count], self.lengths[:count] = offsets, lengths
        is_used = np.arange(self.counts.shape[1]) < lengths[:, None]
        self.counts[:count][is_used] = counts


class ExponentialColumn(DeltaColumn):
    """See the module. What is not sent is NaN.

    Args:
        max_buckets: Of one sign; the scale is lowered for it. At least 2.
        extremes: Keep ``min`` and ``max`` too.
    """

    def __init__(self, max_buckets: int = MAX_BUCKETS, *, extremes: bool = False) -> None:
        self._max_buckets = max_buckets
        self._extremes = {"min": (2, np.minimum), "max": (3, np.maximum)} if extremes else {}
        self._sides = (_Side("positive"), _Side("negative"))
        self._scales: Int64s = np.zeros(0, np.int64)
        self._zeros: Counts = np.zeros(0, np.uint64)
        self._reals: Floats = np.zeros((0, 4))
        """Sum, zero threshold, minimum, maximum."""

    def resize(self, rows: int) -> None:
        """Make room."""
        for side in self._sides:
            side.resize(rows)
        self._scales, self._zeros, self._reals = (longer(one, rows) for one in (self._scales, self._zeros, self._reals))

    def store(self, rows: Indices, columns: Columns, points: Indices, add: Bools) -> None:
        """Take points over."""
        scales = self._add_buckets(rows, columns, points, add)
        self._scales[rows] = scales
        self._zeros[rows] = columns["zero_count"][points] + np.where(add, self._zeros[rows], np.uint64(0))
        before, reals = self._reals[rows], np.full((len(rows), 4), np.nan)
        reals[:, 0] = columns["sum"][points] + np.where(add, before[:, 0], 0.0)
        thresholds = columns["zero_threshold"][points]
        thresholds = np.where(np.isfinite(thresholds) & (thresholds > 0), thresholds, 0.0)
        reals[:, 1] = np.where(add, np.maximum(before[:, 1], thresholds), thresholds)
        for name, (place, choose) in self._extremes.items():
            extreme = columns[name][points]
            reals[:, place] = choose(extreme, np.where(add, before[:, place], extreme))
        self._reals[rows] = reals
        for row in rows[add & (before[:, 1] != thresholds)].tolist():
            self._widen_zero(row)

    def move(self, source: int, target: int) -> None:
        """A row takes another's place."""
        for side in self._sides:
            side.move(source, target)
        for column in (self._scales, self._zeros, self._reals):
            column[target] = column[source]

    def values(self, rows: Indices, exemplars: Exemplars | None) -> ExponentialValues:
        """Copies."""
        positive, negative = self._sides
        unknown = np.full(len(rows), np.nan)
        return ExponentialValues(
            self._scales[rows].astype(np.int32),
            self._zeros[rows].astype(np.float64),
            positive.offsets[rows].astype(np.int32),
            positive.padded(rows),
            self._reals[rows, 0],
            unknown,
            unknown.copy(),
            exemplars,
            negative.offsets[rows].astype(np.int32),
            negative.padded(rows),
            self._reals[rows, 1],
        )

    def fields(self, rows: Indices, columns: Columns, points: Indices) -> tuple[list[PointField], bytes]:  # noqa: ARG002
        """All fields but attributes, times, exemplars and flags."""
        scales, zeros, reals = self._scales[rows], self._zeros[rows], self._reals[rows]
        blob, counts, buckets = b"", zeros, []
        for number, side in zip((8, 9), self._sides, strict=True):
            messages, ranges, totals = side.written(rows)
            buckets.append(PointField(bytes_tag(number), ranges + np.uint64(len(blob) << 32), ranges != 0))
            blob, counts = blob + messages, counts + totals
        zigzag = (scales << 1 ^ scales >> 63).view(np.uint64)
        thresholds = reals[:, 1].copy()
        fields = [
            count_field(4, counts),
            known_field(5, reals[:, 0].copy()),
            PointField(6 << 3, zigzag, scales != 0),
            count_field(7, zeros),
            *buckets,
        ]
        numbers = zip((12, 13), self._extremes.values(), strict=False)
        fields += [known_field(number, reals[:, place].copy()) for number, (place, _) in numbers]
        fields.append(PointField(fixed64_tag(14), thresholds.view(np.uint64), thresholds != 0))
        return fields, blob

    def state(self, count: int) -> dict[str, Array]:
        """Numbers one per row, buckets one after the other."""
        arrays: dict[str, Array] = {
            "scale": self._scales[:count].copy(),
            "zero_count": self._zeros[:count].copy(),
            "reals": self._reals[:count].copy(),
        }
        for side in self._sides:
            arrays |= side.state(count)
        return arrays

    def load(self, state: Mapping[str, Array], count: int) -> None:
        """Make the histograms again."""
        scales, zeros, reals = (state[name] for name in ("scale", "zero_count", "reals"))
        if not len(scales) == len(zeros) == count or zeros.dtype != np.uint64 or reals.shape != (count, 4):
            raise ValueError(f"no {count} exponential histograms")
        if ((scales < MIN_SCALE) | (scales > MAX_SCALE)).any():
            raise ValueError("a scale out of range")
        for side in self._sides:
            side.load(state, count, self._max_buckets)
        self._scales[:count], self._zeros[:count], self._reals[:count] = scales, zeros, reals

    def _add_buckets(self, rows: Indices, columns: Columns, points: Indices, add: Bools) -> Int64s:
        """Add the buckets of points to those of rows, or put them there; the scales that the rows have then: the
        highest that all have and at which the buckets are not too many.
        """
        given: Int64s = columns["scale"][points]
        own = np.where(add, self._scales[rows], given)
        scales: Int64s = np.minimum(own, given)
        parts = []
        for side in self._sides:
            side.lengths[rows[~add]] = 0
            parts.append((side, side.new(columns, points)))
        while True:
            steps = own - scales, given - scales
            spans = [side.span(rows, new, *steps) for side, new in parts]
            is_wide = (np.maximum(*spans) > self._max_buckets) & (scales > MIN_SCALE)
            if not is_wide.any():
                break
            scales = scales - is_wide
        for (side, new), span in zip(parts, spans, strict=True):
            width = int(span.max(initial=1))
            side.add(rows, new, steps, scales, min(width, self._max_buckets))
        return scales

    def _widen_zero(self, row: int) -> None:
        """What the zero threshold covers is counted as zero. A bucket that it cuts in two is covered whole."""
        scale, threshold = int(self._scales[row]), float(self._reals[row, 1])
        last = _index(threshold, scale)
        if any(side.has(row, last) for side in self._sides):
            self._reals[row, 1] = max(threshold, _upper_bound(last, scale))
        for side in self._sides:
            self._zeros[row] += np.uint64(side.take(row, last))


def _index(value: float, scale: int) -> int:
    """The bucket of a value above 0: ``base ** index < value <= base ** (index + 1)``.

    >>> _index(2.0, 0), _index(2.5, 0), _index(4.0, -1), _index(2.0, 1)
    (0, 1, 0, 1)
    """
    mantissa, exponent = math.frexp(value)
    if mantissa == 0.5:  # a power of two, which is a bound
        power = exponent - 1
        return (power << scale if scale >= 0 else -(-power >> -scale)) - 1
    return math.floor(math.log2(value) * 2.0**scale) if scale > 0 else (exponent - 1) >> -scale


def _upper_bound(index: int, scale: int) -> float:
    """Of a bucket."""
    power = (index + 1) * 2.0**-scale
    return 2.0**power if power < sys.float_info.max_exp else sys.float_info.max
