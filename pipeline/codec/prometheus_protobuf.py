"""Families → ``io.prometheus.client.MetricFamily`` messages, each behind its length: the format that carries native
histograms.

Labels come from the kernel as bytes; the rest is written by hand, because a message object per series costs ten
times as much and no package with the generated classes is wanted. Field numbers: prometheus/client_model
``metrics.proto``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipeline.codec.native_histograms import SMALLEST_SCHEMA, known_sum, native_histogram
from pipeline.codec.prometheus_families import Family, Part, Report
from pipeline.codec.prometheus_labels import utf8, varint
from pipeline.codec.prometheus_names import MetricType
from pipeline.codec.prometheus_page import NEVER
from pipeline.model.snapshot import Exemplars, ExponentialValues, HistogramValues, NumberValues, SummaryValues

PIECE_BYTES = 256 * 1024
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
    fields = [_count(1, 4, counts[-1]), _double(2, 0.0 if zero else known_sum(values, i))]
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
    if values.scale[i] < SMALLEST_SCHEMA:
        return None
    one = native_histogram(values, i)
    if zero:
        one = one.at_zero()
    is_whole = one.is_whole
    fields = [
        _uint(1, int(one.total)) if is_whole else _double(4, one.total),
        _double(2, one.sum),
        _uint(5, _zigzag(one.schema)),
        _double(6, one.zero_threshold),
        _uint(7, int(one.zero_count)) if is_whole else _double(8, one.zero_count),
    ]
    for first, side in ((9, one.negative), (12, one.positive)):
        spans = list(side.spans())
        if first == 12 and not spans:
            spans = [(0, 0)]  # says that the histogram is native
        fields += [_field(first, _uint(1, _zigzag(offset)) + _uint(2, length)) for offset, length in spans]
        if is_whole:
            fields += [_uint(first + 1, _zigzag(delta)) for delta in side.deltas()]
        else:
            fields += [_double(first + 2, count) for count in side.counts]
    fields.append(_timestamp(15, start))
    fields += [_field(16, encoded) for _, encoded in exemplars if not zero]
    return _field(7, b"".join(fields))


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
