"""Fields of data points replaced in their bytes, against the official classes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric

from pipeline.codec import point_fields
from pipeline.model.value_columns import bytes_tag, count_field, fixed64_tag, known_field
from tests.kernels import uncompiled

KERNELS = pytest.mark.parametrize("kernel", [point_fields, uncompiled("pipeline.codec.point_fields")])
WORDS = st.integers(0, 2**64 - 1)
DOUBLES = st.floats(allow_nan=False)


@st.composite
def histograms(draw: st.DrawFn) -> HistogramDataPoint:
    """Points with and without each field."""
    point = HistogramDataPoint(
        start_time_unix_nano=draw(WORDS),
        time_unix_nano=draw(WORDS),
        count=draw(WORDS),
        bucket_counts=draw(st.lists(WORDS, max_size=40)),
        explicit_bounds=draw(st.lists(DOUBLES, max_size=3)),
        flags=draw(st.integers(0, 2)),
    )
    for name in ("sum", "min", "max"):
        if draw(st.booleans()):
            setattr(point, name, draw(DOUBLES))
    for _ in range(draw(st.integers(0, 2))):
        point.attributes.add(key=draw(st.text(max_size=3))).value.string_value = draw(st.text(max_size=200))
        point.exemplars.add(as_double=draw(DOUBLES), trace_id=draw(st.binary(max_size=16)))
    return point


def rewritten(kernel: Any, bodies: list[bytes], fields: list[Any], blob: bytes) -> tuple[bytes, list[bytes]]:
    """All that is written, and the bodies in it."""
    payload = b"".join(bodies)
    lengths = np.array([len(body) for body in bodies], np.uint64)
    ranges = (np.cumsum(lengths) - lengths) << np.uint64(32) | lengths
    room = len(payload) + len(blob) + len(bodies) * (11 * len(fields) + kernel.ROOM_FOR_HEADER)
    out, begins, sizes = np.full(room + 16, 0xEE, np.uint8), np.zeros(len(bodies), int), np.zeros(len(bodies), int)
    size = kernel.rewrite(
        out,
        np.frombuffer(payload or b"\0", np.uint8),
        ranges,
        np.array([field.tag for field in fields], np.int32),
        np.concatenate([field.values for field in fields]),
        np.concatenate([field.present for field in fields]).view(np.uint8),
        np.frombuffer(blob or b"\0", np.uint8),
        begins,
        sizes,
    )
    assert (out[room:] == 0xEE).all()
    whole = out[:size].tobytes()
    return whole, [whole[begin : begin + length] for begin, length in zip(begins, sizes, strict=True)]


def replacements(new: list[HistogramDataPoint]) -> tuple[list[Any], bytes]:
    """Start, count, sum, buckets and minimum of other points."""
    counts = [np.array(point.bucket_counts, "<u8").tobytes() for point in new]
    ends = np.cumsum([len(one) for one in counts])
    ranges = np.array([(end - len(one)) << 32 | len(one) for end, one in zip(ends, counts, strict=True)], np.uint64)
    optional = [
        np.array([getattr(point, name) if point.HasField(name) else math.nan for point in new])
        for name in ("sum", "min")
    ]
    fields = [
        count_field(2, np.array([point.start_time_unix_nano for point in new], np.uint64)),
        count_field(4, np.array([point.count for point in new], np.uint64)),
        known_field(5, optional[0]),
        count_field(6, ranges)._replace(tag=bytes_tag(6), present=np.array([bool(one) for one in counts])),
        known_field(11, optional[1]),
    ]
    assert [field.tag for field in fields[:2]] == [fixed64_tag(2), fixed64_tag(4)]
    return fields, b"".join(counts)


def expected(old: HistogramDataPoint, new: HistogramDataPoint) -> HistogramDataPoint:
    out = HistogramDataPoint.FromString(old.SerializeToString())
    out.start_time_unix_nano, out.count, out.bucket_counts[:] = new.start_time_unix_nano, new.count, new.bucket_counts
    for name in ("sum", "min"):
        out.ClearField(name)
        if new.HasField(name):
            setattr(out, name, getattr(new, name))
    return out


@KERNELS
@given(st.lists(st.tuples(histograms(), histograms()), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_new_fields_stand_where_the_official_classes_write_them(
    kernel: Any, pairs: list[tuple[HistogramDataPoint, HistogramDataPoint]]
) -> None:
    fields, blob = replacements([new for _, new in pairs])
    whole, bodies = rewritten(kernel, [old.SerializeToString() for old, _ in pairs], fields, blob)
    assert bodies == [expected(old, new).SerializeToString() for old, new in pairs]
    metric = Metric()
    metric.histogram.MergeFromString(whole)
    assert list(metric.histogram.data_points) == [expected(old, new) for old, new in pairs]


@KERNELS
@given(histograms(), histograms(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_fields_in_any_order_that_come_twice_or_are_not_known(
    kernel: Any, old: HistogramDataPoint, new: HistogramDataPoint, random: Any
) -> None:
    single = [HistogramDataPoint(**{field.name: value}) for field, value in old.ListFields()]
    parts = [part.SerializeToString() for part in single]
    parts += [b"\x21" + bytes(8), b"\xa2\x06\x02hi", b"\xf9\xff\xff\xff\x0f" + b"x" * 8]
    random.shuffle(parts)
    fields, blob = replacements([new])
    _, (body,) = rewritten(kernel, [b"".join(parts)], fields, blob)
    merged = HistogramDataPoint.FromString(b"".join(parts))
    assert HistogramDataPoint.FromString(body) == expected(merged, new)
    assert body.count(b"\xa2\x06\x02hi") >= 1
