"""MetricSnapshot: what a meter held at one moment, as columns. (Data points of a request are a MetricBatch.)

A snapshot owns its arrays: they are copies, or storage that is never written again, so it may be rendered in any thread
without a lock. Rows of a metric are series; their labels stay in the bytes of a key until somebody asks for them::

    key:  u32 resource | per label: u16 length, bytes | …          little-endian; length 0xFFFF: the label is absent
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.model.resources import Resource

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]

OVERFLOW_LABEL = "otel.metric.overflow"
"""Last label of every series: "true" on the series that takes what a limit keeps out, else absent (OTel metrics SDK
specification).
"""

ABSENT_LENGTH = 0xFFFF
KEY_HEADER = 4
NO_RESOURCE = 0xFFFF_FFFF


class MetricKind(IntEnum):
    """What the values of a metric are."""

    SUM = 1
    GAUGE = 2
    HISTOGRAM = 3
    EXPONENTIAL_HISTOGRAM = 4
    SUMMARY = 5
    """Only from applications: no meter makes them."""


class Temporality(IntEnum):
    """Numbers of ``AggregationTemporality`` in ``metrics.proto``."""

    UNSPECIFIED = 0
    DELTA = 1
    CUMULATIVE = 2


@dataclass(frozen=True)
class Scope:
    """The instrumentation scope: the component that measured."""

    name: str
    version: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    schema_url: str = ""


@dataclass(frozen=True, eq=False)
class SeriesView:
    """The m series of a metric.

    Attributes:
        labels: Attribute keys, in the order of the key bytes. The last is ``OVERFLOW_LABEL``.
        arena: uint8, holds the keys.
        offsets: uint64[m], start of each key in ``arena``.
        lengths: uint32[m], bytes of each key.
        resource: int32[m], index into ``MetricSnapshot.resources``; -1 none.
        start_unix_nano: int64[m], when the series began (delta: when the interval began).
        created_seq: int64[m], unique per series and growing in the order of creation: new series are those above the
            last seen. Negative for series restored from a checkpoint, which are not new.
    """

    labels: tuple[str, ...]
    arena: Bytes
    offsets: UInt64s
    lengths: UInt32s
    resource: Int32s
    start_unix_nano: Int64s
    created_seq: Int64s

    def __len__(self) -> int:
        return len(self.offsets)

    def key(self, i: int) -> bytes:
        """The key of series i."""
        start = int(self.offsets[i])
        return self.arena[start : start + int(self.lengths[i])].tobytes()

    def attributes(self, i: int) -> dict[str, str]:
        """The labels that series i has. Slow: for tests, debug output and exporters that meet a series for the first
        time.
        """
        return {name: text for name, text in zip(self.labels, key_values(self.key(i)), strict=True) if text is not None}

    def take(self, which: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> SeriesView:
        """Some of the series."""
        return SeriesView(
            self.labels,
            self.arena,
            self.offsets[which],
            self.lengths[which],
            self.resource[which],
            self.start_unix_nano[which],
            self.created_seq[which],
        )


def key_values(key: bytes) -> list[str | None]:
    """Label values in a key."""
    values: list[str | None] = []
    at = KEY_HEADER
    while at < len(key):
        length = int.from_bytes(key[at : at + 2], "little")
        at += 2
        if length == ABSENT_LENGTH:
            values.append(None)
            continue
        values.append(key[at : at + length].decode(errors="replace"))
        at += length
    return values


@dataclass(frozen=True, eq=False)
class Exemplars:
    """k sample measurements.

    Attributes:
        point: int32[k], index of the series in its metric; not descending.
        bucket: int32[k], bucket of an explicit histogram; -1 elsewhere.
        value: float64[k].
        time_unix_nano: int64[k], when Weir took the sample.
        trace_id: uint8[k, 16].
        span_id: uint8[k, 8].
    """

    point: Int32s
    bucket: Int32s
    value: Floats
    time_unix_nano: Int64s
    trace_id: Bytes
    span_id: Bytes

    def __len__(self) -> int:
        return len(self.point)


@dataclass(frozen=True, eq=False)
class NumberValues:
    """Values of a sum or gauge, float64[m]."""

    values: Floats
    exemplars: Exemplars | None = None

    def plain(self, i: int) -> float:
        """The value of series i."""
        return float(self.values[i])


@dataclass(frozen=True, eq=False)
class HistogramValues:
    """Explicit histograms.

    Attributes:
        bounds: Upper bounds (inclusive), ascending, without infinity; b of them.
        counts: float64[m, b + 1], per bucket, not cumulated; the last is everything above the last bound.
        sums: float64[m]; NaN where the sender did not say.
    """

    bounds: tuple[float, ...]
    counts: Floats
    sums: Floats
    exemplars: Exemplars | None = None

    def plain(self, i: int) -> dict[str, Any]:
        """Histogram i as Python objects."""
        counts = self.counts[i].tolist()
        return {"count": sum(counts), "sum": float(self.sums[i]), "bounds": list(self.bounds), "counts": counts}


@dataclass(frozen=True, eq=False)
class ExponentialValues:
    """Base-2 exponential histograms; bucket j of series i is (base ** (offset + j), base ** (offset + j + 1)], base = 2
    ** 2 ** -scale.

    Attributes:
        scale: int32[m].
        zero_count: float64[m], values that were exactly zero.
        offset: int32[m], index of the first bucket.
        counts: float64[m, w], positive buckets; zeros behind the last one used.
        sums: float64[m]; NaN where the sender did not say.
        minimum, maximum: float64[m]; NaN where unknown (delta).
        negative_offset, negative_counts: As ``offset`` and ``counts``, for values below zero; None where there can be
            none, as in a meter.
        zero_threshold: float64[m], largest value that counts as zero; likewise.
    """

    scale: Int32s
    zero_count: Floats
    offset: Int32s
    counts: Floats
    sums: Floats
    minimum: Floats
    maximum: Floats
    exemplars: Exemplars | None = None
    negative_offset: Int32s | None = None
    negative_counts: Floats | None = None
    zero_threshold: Floats | None = None

    def plain(self, i: int) -> dict[str, Any]:
        """Histogram i as Python objects; buckets without the trailing zeros."""
        counts = np.trim_zeros(self.counts[i], "b").tolist()
        zero_count = float(self.zero_count[i])
        return {
            "count": zero_count + sum(counts),
            "sum": float(self.sums[i]),
            "scale": int(self.scale[i]),
            "zero_count": zero_count,
            "offset": int(self.offset[i]),
            "counts": counts,
            "min": float(self.minimum[i]),
            "max": float(self.maximum[i]),
        }


@dataclass(frozen=True, eq=False)
class SummaryValues:
    """Summaries.

    Attributes:
        quantiles: q of them.
        values: float64[m, q], the values there.
        counts: float64[m].
        sums: float64[m].
    """

    quantiles: tuple[float, ...]
    values: Floats
    counts: Floats
    sums: Floats
    exemplars: Exemplars | None = None

    def plain(self, i: int) -> dict[str, Any]:
        """Summary i as Python objects."""
        quantiles = dict(zip(self.quantiles, self.values[i].tolist(), strict=True))
        return {"count": float(self.counts[i]), "sum": float(self.sums[i]), "quantiles": quantiles}


Values = NumberValues | HistogramValues | ExponentialValues | SummaryValues


@dataclass(frozen=True, eq=False)
class Metric:
    """One metric and all its series."""

    name: str
    description: str
    unit: str
    kind: MetricKind
    monotonic: bool
    temporality: Temporality
    series: SeriesView
    values: Values


class Point(NamedTuple):
    """One series of one metric as Python objects; ``value`` is a float, or the dict of ``HistogramValues.plain``."""

    name: str
    labels: dict[str, str]
    resource: dict[str, Any]
    value: Any


@dataclass(frozen=True, eq=False)
class MetricSnapshot:
    """Metrics of one component at one time.

    Attributes:
        source: Whose complete state this is: a series of the last snapshot of the same source that is not in this one
            has ended. Empty where the snapshot is not complete.
    """

    resources: tuple[Resource, ...]
    scope: Scope
    metrics: tuple[Metric, ...]
    time_unix_nano: int
    source: str = ""

    def __len__(self) -> int:
        """Data points."""
        return sum(len(metric.series) for metric in self.metrics)

    def points(self) -> Iterator[Point]:
        """Every data point, slowly: for tests and debug output."""
        for metric in self.metrics:
            series = metric.series
            for i, index in enumerate(series.resource.tolist()):
                resource = self.resources[index].attributes if index >= 0 else {}
                yield Point(metric.name, series.attributes(i), resource, metric.values.plain(i))
