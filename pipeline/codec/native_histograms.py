"""Exponential histograms of OpenTelemetry as native histograms of Prometheus, whatever they are then encoded as.

Schema is the scale (above 8 the buckets are merged down to it, below -4 there is no schema), bucket i of OpenTelemetry
is bucket i + 1 of Prometheus, and spans leave out empty buckets.

Source: specification, "Prometheus and OpenMetrics compatibility", "Exponential histograms".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.model.snapshot import ExponentialValues, HistogramValues

ZERO_THRESHOLD = 1e-128
"""Width of the zero bucket where OpenTelemetry gives none."""
LARGEST_SCHEMA = 8
SMALLEST_SCHEMA = -4


class Buckets(NamedTuple):
    """The buckets of one sign that are not empty: Prometheus's numbers of them, and their counts."""

    numbers: list[int]
    counts: list[float]

    def deltas(self) -> list[int]:
        """Whole counts as the formats write them: each less the one before."""
        return [int(new - old) for old, new in pairwise([0.0, *self.counts])]

    def spans(self) -> Iterator[tuple[int, int]]:
        """Neighbouring buckets: how many are skipped before them (of the first: its number), and how many there are."""
        numbers = self.numbers
        if not numbers:
            return
        cuts = (at for at, (left, right) in enumerate(pairwise(numbers), start=1) if right > left + 1)
        end = 0
        for begin, stop in pairwise([0, *cuts, len(numbers)]):
            yield numbers[begin] - end, stop - begin
            end = numbers[stop - 1] + 1


NO_BUCKETS = Buckets([], [])


class NativeHistogram(NamedTuple):
    """One native histogram."""

    schema: int
    zero_threshold: float
    zero_count: float
    sum: float
    negative: Buckets
    positive: Buckets

    @property
    def total(self) -> float:
        """Everything that was recorded."""
        return self.zero_count + sum(self.negative.counts) + sum(self.positive.counts)

    @property
    def is_whole(self) -> bool:
        """Whether all counts are integers. Weighted spans can give others, which take the fields for floats."""
        return all(count.is_integer() for count in (*self.negative.counts, *self.positive.counts, self.zero_count))

    def at_zero(self) -> NativeHistogram:
        """Before anything was recorded."""
        return self._replace(zero_count=0.0, sum=0.0, negative=NO_BUCKETS, positive=NO_BUCKETS)


def known_sum(values: HistogramValues | ExponentialValues, i: int) -> float:
    """The sum of row i; 0 where it is unknown, as in the Collector: these forms of a histogram always have one."""
    total = float(values.sums[i])
    return 0.0 if math.isnan(total) else total


def native_histogram(values: ExponentialValues, i: int) -> NativeHistogram:
    """Row i, whose scale must not be below ``SMALLEST_SCHEMA``."""
    scale = int(values.scale[i])
    schema = min(scale, LARGEST_SCHEMA)
    negative = NO_BUCKETS
    if values.negative_counts is not None and values.negative_offset is not None:
        negative = _buckets(values.negative_counts[i], int(values.negative_offset[i]), scale - schema)
    threshold = 0.0 if values.zero_threshold is None else float(values.zero_threshold[i])
    return NativeHistogram(
        schema,
        threshold or ZERO_THRESHOLD,
        float(values.zero_count[i]),
        known_sum(values, i),
        negative,
        _buckets(values.counts[i], int(values.offset[i]), scale - schema),
    )


def _buckets(counts: npt.NDArray[np.float64], offset: int, steps: int) -> Buckets:
    """``steps``: by how much the scale is lowered."""
    used = np.flatnonzero(counts)
    index, place = np.unique(((used + offset) >> steps) + 1, return_inverse=True)
    sums: Sequence[float] = np.bincount(place, weights=counts[used], minlength=len(index)).tolist()
    return Buckets(index.tolist(), list(sums))
