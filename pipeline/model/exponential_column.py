"""Exponential histograms that keep what was received last, or that deltas are added up in.

Each has its own scale and range, so they are kept one by one. Two are added at the lower scale, or at one lower still
where the buckets would be too many; where their zero thresholds differ, the wider one counts, and the buckets that it
covers become zeros (OpenTelemetry data model, "ExponentialHistogram").
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from pipeline.model.metrics import PointField
from pipeline.model.snapshot import Exemplars, ExponentialValues
from pipeline.model.value_columns import (
    COUNT_MASK,
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
)

Counts = npt.NDArray[np.uint64]

MAX_BUCKETS = 320
"""Buckets of one sign that are kept of what is passed on, twice what SDKs send."""
MIN_SCALE = -11
"""Here one bucket holds every double above 1, another one those up to 1."""
_SIDES = ("positive", "negative")


class ExponentialColumn(DeltaColumn):
    """See the module.

    Args:
        max_buckets: Of one sign; the scale is lowered for it.
        extremes: Keep ``min`` and ``max`` too.
    """

    def __init__(self, max_buckets: int = MAX_BUCKETS, *, extremes: bool = False) -> None:
        self._rows: list[_Exponential] = []
        self._max_buckets = max_buckets
        self._extremes = ("min", "max") if extremes else ()

    def resize(self, rows: int) -> None:
        """Make room."""
        self._rows += [_EMPTY] * (rows - len(self._rows))

    def store(self, rows: Indices, columns: Columns, points: Indices, add: Bools) -> None:
        """Take points over."""
        thresholds = columns["zero_threshold"]
        sound = np.isfinite(thresholds) & (thresholds > 0)
        numbers = [columns[name] for name in ("scale", "sum", "zero_count")]
        numbers += [np.where(sound, thresholds, 0.0), *(columns[name] for name in self._extremes)]
        numbers = [column.tolist() for column in numbers]
        sides = [(columns[f"{side}.offset"].tolist(), columns[f"{side}.bucket_counts"]) for side in _SIDES]
        for row, i, is_added in zip(rows.tolist(), points.tolist(), add.tolist(), strict=True):
            buckets = [_Buckets(offsets[i], counts[i]).trimmed() for offsets, counts in sides]
            new = _Exponential(buckets[0], buckets[1], *(column[i] for column in numbers))
            self._rows[row] = _sum([self._rows[row], new] if is_added else [new], self._max_buckets)

    def move(self, source: int, target: int) -> None:
        """A row takes another's place."""
        self._rows[target] = self._rows[source]

    def values(self, rows: Indices, exemplars: Exemplars | None) -> ExponentialValues:
        """Copies."""
        taken = [self._rows[row] for row in rows.tolist()]
        return ExponentialValues(
            np.array([one.scale for one in taken], np.int32),
            np.array([one.zero_count for one in taken], np.float64),
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

    def fields(self, rows: Indices, columns: Columns, points: Indices) -> tuple[list[PointField], bytes]:  # noqa: ARG002
        """All fields but attributes, times, exemplars and flags."""
        taken = [self._rows[row] for row in rows.tolist()]
        scales = np.array([one.scale for one in taken], np.int64)
        zeros = np.array([one.zero_count & COUNT_MASK for one in taken], np.uint64)
        thresholds = np.array([one.zero_threshold for one in taken])
        blob, counts, sides = bytearray(), zeros.copy(), []
        for number, side in zip((8, 9), _SIDES, strict=True):
            ranges = np.zeros(len(taken), np.uint64)
            for i, one in enumerate(taken):
                buckets: _Buckets = getattr(one, side)
                if len(buckets.counts):
                    counts[i] += buckets.counts.sum()
                    message = buckets.encoded()
                    ranges[i] = len(blob) << 32 | len(message)
                    blob += message
            sides.append(PointField(bytes_tag(number), ranges, ranges != 0))
        fields = [
            count_field(4, counts),
            known_field(5, np.array([one.total for one in taken])),
            PointField(6 << 3, (scales << 1 ^ scales >> 63).view(np.uint64) & np.uint64(0xFFFF_FFFF), scales != 0),
            count_field(7, zeros),
            *sides,
        ]
        if self._extremes:
            fields.append(known_field(12, np.array([one.minimum for one in taken])))
            fields.append(known_field(13, np.array([one.maximum for one in taken])))
        fields.append(PointField(fixed64_tag(14), thresholds.view(np.uint64), thresholds != 0))
        return fields, bytes(blob)

    def state(self, count: int) -> dict[str, Array]:
        """Numbers one per row, buckets one after the other."""
        rows = self._rows[:count]
        arrays: dict[str, Array] = {
            "scale": np.array([one.scale for one in rows], np.int64),
            "zero_count": np.array([one.zero_count & COUNT_MASK for one in rows], np.uint64),
            "reals": np.array([[one.total, one.zero_threshold, one.minimum, one.maximum] for one in rows], np.float64),
        }
        for side in _SIDES:
            buckets = [getattr(one, side) for one in rows]
            arrays[f"{side}.offset"] = np.array([one.offset for one in buckets], np.int64)
            arrays[f"{side}.lengths"] = np.array([len(one.counts) for one in buckets], np.int64)
            arrays[f"{side}.counts"] = np.concatenate([np.zeros(0, np.uint64), *(one.counts for one in buckets)])
        return arrays

    def load(self, state: Mapping[str, Array], count: int) -> None:
        """Make the histograms again."""
        sides = []
        for side in _SIDES:
            lengths, counts = state[f"{side}.lengths"], state[f"{side}.counts"]
            if lengths.sum() != len(counts) or (lengths < 0).any() or counts.dtype != np.uint64:
                raise ValueError(f"{side} buckets do not fit")
            parts = np.split(counts, np.cumsum(lengths)[:-1])
            offsets = state[f"{side}.offset"].tolist()
            sides.append([_Buckets(offset, part) for offset, part in zip(offsets, parts, strict=True)])
        scales, zeros = state["scale"].tolist(), state["zero_count"].tolist()
        reals = state["reals"].tolist()
        rows = zip(*sides, scales, zeros, reals, strict=True)
        loaded = [
            _Exponential(positive, negative, scale, total, zero_count, threshold, low, high)
            for positive, negative, scale, zero_count, (total, threshold, low, high) in rows
        ]
        if len(loaded) != count:
            raise ValueError(f"{len(loaded)} exponential histograms of {count}")
        self._rows[:count] = loaded


class _Buckets:
    """Buckets of one sign; where there are any, the first and the last are not empty."""

    __slots__ = ("counts", "offset")

    def __init__(self, offset: int, counts: Counts) -> None:
        self.offset = offset
        self.counts = counts

    @property
    def end(self) -> int:
        """Index behind the last one."""
        return self.offset + len(self.counts)

    def trimmed(self) -> _Buckets:
        """Without empty buckets at the ends."""
        if not len(self.counts) or (self.counts[0] and self.counts[-1]):
            return self
        used = np.flatnonzero(self.counts)
        if not len(used):
            return _NONE
        return _Buckets(self.offset + int(used[0]), self.counts[used[0] : used[-1] + 1])

    def lowered(self, scale: int, steps: int) -> _Buckets:
        """The same at ``scale``, which is lower by ``steps``: 2 ** steps buckets become one."""
        if not len(self.counts) or (not steps and scale > MIN_SCALE):
            return self
        index = (np.arange(len(self.counts)) + self.offset) >> steps
        if scale <= MIN_SCALE:  # no double is in the buckets beyond, whatever a point says
            index = np.clip(index, -1, 0)
        first = np.append(0, np.flatnonzero(np.diff(index)) + 1)
        return _Buckets(int(index[0]), np.add.reduceat(self.counts, first))

    def plus(self, other: _Buckets) -> _Buckets:
        """Both together, at the same scale."""
        if not len(other.counts) or not len(self.counts):
            return self if len(self.counts) else other
        begin = min(self.offset, other.offset)
        counts = np.zeros(max(self.end, other.end) - begin, np.uint64)
        for one in (self, other):
            counts[one.offset - begin : one.end - begin] += one.counts
        return _Buckets(begin, counts)

    def encoded(self) -> bytes:
        """As the message ``Buckets``."""
        return pb.ExponentialHistogramDataPoint.Buckets(
            offset=self.offset, bucket_counts=self.counts.tolist()
        ).SerializeToString()

    def above(self, last: int) -> tuple[int, _Buckets]:
        """How many are in the buckets up to index ``last``, and the buckets above."""
        cut = min(max(0, last + 1 - self.offset), len(self.counts))
        if not cut:
            return 0, self
        return int(self.counts[:cut].sum()), _Buckets(self.offset + cut, self.counts[cut:]).trimmed()

    def has(self, index: int) -> bool:
        """Something is in this bucket."""
        return self.offset <= index < self.end and bool(self.counts[index - self.offset])


class _Exponential:
    """One exponential histogram. What is not sent is NaN."""

    __slots__ = ("maximum", "minimum", "negative", "positive", "scale", "total", "zero_count", "zero_threshold")

    def __init__(
        self,
        positive: _Buckets,
        negative: _Buckets,
        scale: int,
        total: float,
        zero_count: int,
        zero_threshold: float,
        minimum: float = math.nan,
        maximum: float = math.nan,
    ) -> None:
        self.positive = positive
        self.negative = negative
        self.scale = scale
        self.total = total
        self.zero_count = zero_count
        self.zero_threshold = zero_threshold
        self.minimum = minimum
        self.maximum = maximum

    def at(self, scale: int) -> _Exponential:
        """The same at a scale that is not above its own."""
        positive, negative = (side.lowered(scale, self.scale - scale) for side in (self.positive, self.negative))
        return _Exponential(
            positive, negative, scale, self.total, self.zero_count, self.zero_threshold, self.minimum, self.maximum
        )

    def plus(self, other: _Exponential) -> _Exponential:
        """Both together, at the same scale."""
        both = _Exponential(
            self.positive.plus(other.positive),
            self.negative.plus(other.negative),
            self.scale,
            self.total + other.total,
            self.zero_count + other.zero_count,
            max(self.zero_threshold, other.zero_threshold),
            # NaN wins, which is what "unknown" asks for; Python's min would keep whatever comes first
            float(np.minimum(self.minimum, other.minimum)),
            float(np.maximum(self.maximum, other.maximum)),
        )
        return both if self.zero_threshold == other.zero_threshold else both.widened()

    def widened(self) -> _Exponential:
        """What the zero threshold covers is counted as zero. A bucket that it cuts in two is covered whole."""
        last = _index(self.zero_threshold, self.scale)
        if self.positive.has(last) or self.negative.has(last):
            self.zero_threshold = max(self.zero_threshold, _upper_bound(last, self.scale))
        covered, self.positive = self.positive.above(last)
        covered_below, self.negative = self.negative.above(last)
        self.zero_count += covered + covered_below
        return self


_NONE = _Buckets(0, np.zeros(0, np.uint64))
_EMPTY = _Exponential(_NONE, _NONE, 0, 0.0, 0, 0.0)


def _sum(parts: Sequence[_Exponential], max_buckets: int) -> _Exponential:
    """One histogram, or two added: at the highest scale that all have and at which the buckets are not too many."""
    scale = min(part.scale for part in parts)
    while scale > MIN_SCALE and any(_width(parts, side, scale) > max_buckets for side in _SIDES):
        scale -= 1
    lowered = [part.at(scale) for part in parts]
    return lowered[0] if len(lowered) == 1 else lowered[0].plus(lowered[1])


def _width(parts: Sequence[_Exponential], side: str, scale: int) -> int:
    """Buckets that the parts together span on a side at a scale."""
    ranges = []
    for part in parts:
        buckets: _Buckets = getattr(part, side)
        if len(buckets.counts):
            steps = part.scale - scale
            ranges.append((buckets.offset >> steps, (buckets.end - 1) >> steps))
    return max(last for _, last in ranges) - min(first for first, _ in ranges) + 1 if ranges else 0


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


def _padded(rows: Sequence[Counts]) -> Floats:
    width = max(map(len, rows), default=0)
    padded = np.zeros((len(rows), width))
    for row, counts in zip(padded, rows, strict=True):
        row[: len(counts)] = counts
    return padded
