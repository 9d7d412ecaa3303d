"""Families → ``io.prometheus.client.MetricFamily`` messages, each behind its length: the format that carries native
histograms.

Labels come from the kernel as bytes; the rest is written by hand, because a message object per series costs ten
times as much and no package with the generated classes is wanted. Field numbers: prometheus/client_model
``metrics.proto``.

An exponential histogram becomes a native one: schema is the scale (above 8 the buckets are merged down to it, below -4
there is no schema and the series is left out), bucket i of OpenTelemetry is bucket i + 1 of Prometheus, and spans leave
out empty buckets. Counts that are not whole, which weighted spans can give, take the fields for floats.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.codec.prometheus_families import Family, Part, Report
from pipeline.codec.prometheus_labels import utf8, varint
from pipeline.codec.prometheus_names import MetricType
from pipeline.codec.prometheus_page import NEVER
from pipeline.model.snapshot import Exemplars, ExponentialValues, HistogramValues, NumberValues, SummaryValues

PIECE_BYTES = 256 * 1024
ZERO_THRESHOLD = 1e-128
"""Width of the zero bucket where OpenTelemetry gives none (specification, "Exponential histograms")."""
LARGEST_SCHEMA = 8
SMALLEST_SCHEMA = -4

_TYPES = {MetricType.COUNTER: 0, MetricType.GAUGE: 1, MetricType.SUMMARY: 2, MetricType.HISTOGRAM: 4}
_VARINT, _FIXED64, _LENGTH = 0, 1, 2

Value = Callable[[int, bool], bytes | None]
"""Encodes row i of a metric, at zero where the flag says so: the value field of its Metric message."""


def write_families(
    families: Sequence[Family], report: Report, zero_after: int = NEVER, with_timestamps: bool = False
) -> Iterator[bytes]:
    """One length-delimited message per family; arguments as of ``write_page``."""
    for family in families:
        pieces = [_field(1, utf8(family.name))]
        if family.help_text:
            pieces.append(_field(2, utf8(family.help_text)))
        pieces.append(_uint(3, _TYPES[family.kind]))
        for part in family.parts:
            threshold = NEVER if family.kind is MetricType.GAUGE else zero_after
            pieces += _metrics(family, part, threshold, with_timestamps, report)
        if family.unit:
            pieces.append(_field(5, utf8(family.unit)))
        message = b"".join(pieces)
        yield varint(len(message)) + message


def _metrics(family: Family, part: Part, zero_after: int, with_timestamps: bool, report: Report) -> Iterator[bytes]:
    """The Metric messages of a part, as fields of the family."""
    encode = _encoder(family, part)
    timestamp = _uint(6, part.time_unix_nano // 1_000_000) if with_timestamps else b""
    is_new = (part.view.start_unix_nano > zero_after).tolist()
    buffer: npt.NDArray[np.uint8] = np.empty(max(PIECE_BYTES, part.series.room()), dtype=np.uint8)
    left_out = 0
    row = 0
    while row < len(part.view):
        first = row
        row, ends = part.series.label_sets(buffer, first, len(part.view))
        labels = buffer.tobytes()
        for i, (begin, end) in enumerate(pairwise([0, *ends.tolist()]), start=first):
            value = encode(i, is_new[i])
            if value is None:
                left_out += 1
            else:
                yield _field(4, labels[begin:end] + value + timestamp)
    if left_out:
        report("scale", family.name, left_out)


def _encoder(family: Family, part: Part) -> Value:
    values = part.values
    starts = part.view.start_unix_nano.tolist()
    exemplars = _by_point(values.exemplars)
    if isinstance(values, NumberValues):
        doubles = values.values.astype("<f8").tobytes()
        if family.kind is MetricType.GAUGE:
            return lambda i, _zero: b"\x12\x09\x09" + doubles[8 * i : 8 * i + 8]
        return lambda i, zero: _counter(
            bytes(8) if zero else doubles[8 * i : 8 * i + 8], starts[i], () if zero else exemplars.get(i, ())
        )
    if isinstance(values, HistogramValues):
        bounds = [_double(2, bound) for bound in (*values.bounds, math.inf)]
        return lambda i, zero: _histogram(values, bounds, i, zero, starts[i], exemplars.get(i, ()))
    if isinstance(values, SummaryValues):
        return lambda i, _zero: _summary(values, i, starts[i])
    return lambda i, zero: _native_histogram(values, i, zero, starts[i], exemplars.get(i, ()))


def _counter(double: bytes, start: int, exemplars: Sequence[tuple[int, bytes]]) -> bytes:
    exemplar = b"".join(_field(2, encoded) for _, encoded in exemplars[:1])
    return _field(3, b"\x09" + double + exemplar + _timestamp(3, start))


def _histogram(
    values: HistogramValues,
    bounds: list[bytes],
    i: int,
    zero: bool,
    start: int,
    exemplars: Sequence[tuple[int, bytes]],
) -> bytes:
    counts: list[float] = [0.0] * len(bounds) if zero else np.cumsum(values.counts[i]).tolist()
    by_bucket = {} if zero else dict(reversed(exemplars))
    fields = [_count(1, 4, counts[-1]), _double(2, 0.0 if zero else float(values.sums[i]))]
    for bucket, count in enumerate(counts):
        message = _count(1, 4, count) + bounds[bucket]
        if bucket in by_bucket:
            message += _field(3, by_bucket[bucket])
        fields.append(b"\x1a" + varint(len(message)) + message)
    fields.append(_timestamp(15, start))
    return _field(7, b"".join(fields))


def _summary(values: SummaryValues, i: int, start: int) -> bytes:
    pairs = zip(values.quantiles, values.values[i].tolist(), strict=True)
    fields = [_uint(1, int(values.counts[i])), _double(2, float(values.sums[i]))]
    fields += [_field(3, _double(1, quantile) + _double(2, value)) for quantile, value in pairs]
    return _field(4, b"".join([*fields, _timestamp(4, start)]))


def _native_histogram(
    values: ExponentialValues, i: int, zero: bool, start: int, exemplars: Sequence[tuple[int, bytes]]
) -> bytes | None:
    scale = int(values.scale[i])
    if scale < SMALLEST_SCHEMA:
        return None
    schema = min(scale, LARGEST_SCHEMA)
    positive = _buckets(values.counts[i], int(values.offset[i]), scale - schema, zero)
    negative = Buckets([], [])
    if values.negative_counts is not None and values.negative_offset is not None:
        negative = _buckets(values.negative_counts[i], int(values.negative_offset[i]), scale - schema, zero)
    zero_count = 0.0 if zero else float(values.zero_count[i])
    is_whole = all(count.is_integer() for count in (*positive.counts, *negative.counts, zero_count))
    total = zero_count + sum(positive.counts) + sum(negative.counts)
    threshold = 0.0 if values.zero_threshold is None else float(values.zero_threshold[i])
    fields = [
        _uint(1, int(total)) if is_whole else _double(4, total),
        _double(2, 0.0 if zero else float(values.sums[i])),
        _uint(5, _zigzag(schema)),
        _double(6, threshold or ZERO_THRESHOLD),
        _uint(7, int(zero_count)) if is_whole else _double(8, zero_count),
    ]
    for first, side in ((9, negative), (12, positive)):
        fields += _spans(first, side.numbers, is_needed=first == 12)
        if is_whole:
            fields += [_uint(first + 1, _zigzag(int(new - old))) for old, new in pairwise([0.0, *side.counts])]
        else:
            fields += [_double(first + 2, count) for count in side.counts]
    fields.append(_timestamp(15, start))
    fields += [_field(16, encoded) for _, encoded in exemplars if not zero]
    return _field(7, b"".join(fields))


class Buckets(NamedTuple):
    """The buckets of one sign that are not empty: Prometheus's numbers of them, and their counts."""

    numbers: list[int]
    counts: list[float]


def _buckets(counts: npt.NDArray[np.float64], offset: int, steps: int, zero: bool) -> Buckets:
    """``steps``: by how much the scale is lowered."""
    used = np.flatnonzero(counts) if not zero else np.zeros(0, dtype=np.intp)
    index, place = np.unique(((used + offset) >> steps) + 1, return_inverse=True)
    return Buckets(index.tolist(), np.bincount(place, weights=counts[used], minlength=len(index)).tolist())


def _spans(number: int, index: list[int], is_needed: bool) -> Iterator[bytes]:
    """BucketSpans over ascending bucket numbers, as field ``number``; one of length 0 where there are none and one is
    needed to say that the histogram is native.
    """
    if not index:
        if is_needed:
            yield _field(number, _uint(1, 0) + _uint(2, 0))
        return
    breaks = [0, *(at for at, (left, right) in enumerate(pairwise(index), start=1) if right > left + 1), len(index)]
    end = 0
    for begin, stop in pairwise(breaks):
        yield _field(number, _uint(1, _zigzag(index[begin] - end)) + _uint(2, stop - begin))
        end = index[stop - 1] + 1


def _by_point(exemplars: Exemplars | None) -> dict[int, list[tuple[int, bytes]]]:
    """Row → its exemplars: bucket, and the encoded Exemplar message."""
    found: dict[int, list[tuple[int, bytes]]] = {}
    if exemplars is None:
        return found
    for i, point in enumerate(exemplars.point.tolist()):
        ids = (("trace_id", exemplars.trace_id[i]), ("span_id", exemplars.span_id[i]))
        labels = b"".join(
            _field(1, _field(1, name.encode()) + _field(2, value.tobytes().hex().encode()))
            for name, value in ids
            if value.any()
        )
        encoded = labels + _double(2, float(exemplars.value[i])) + _timestamp(3, int(exemplars.time_unix_nano[i]))
        found.setdefault(point, []).append((int(exemplars.bucket[i]), encoded))
    return found


def _timestamp(number: int, unix_nano: int) -> bytes:
    """``google.protobuf.Timestamp``; nothing where the time is unknown."""
    if unix_nano <= 0:
        return b""
    seconds, nanos = divmod(unix_nano, 1_000_000_000)
    return _field(number, _seconds(seconds) + b"\x10" + varint(nanos))


@lru_cache(maxsize=1024)
def _seconds(value: int) -> bytes:
    """First field of a timestamp; series begin in few different seconds."""
    return _uint(1, value)


def _count(whole: int, fractional: int, value: float) -> bytes:
    return _uint(whole, int(value)) if value.is_integer() else _double(fractional, value)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _uint(number: int, value: int) -> bytes:
    return varint(number << 3 | _VARINT) + varint(value)


def _double(number: int, value: float) -> bytes:
    return varint(number << 3 | _FIXED64) + struct.pack("<d", value)


def _field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | _LENGTH) + varint(len(value)) + value
