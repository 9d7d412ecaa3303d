"""Buckets added up and written natively and not, against dictionaries and the official classes.

Must never regress: whatever the rows beside it hold, a row gets what is added to it and nothing else.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint

from pipeline.model import exponential_sum
from tests.kernels import uncompiled

KERNELS = pytest.mark.parametrize("kernel", [exponential_sum, uncompiled("pipeline.model.exponential_sum")])
COUNTS = st.sampled_from([0, 0, 1, 7, 2**63, 2**64 - 1])
BUCKETS = st.tuples(st.integers(-40, 40), st.lists(COUNTS, max_size=12))
WIDTH = 128


def trimmed(kernel: Any, given_buckets: list[tuple[int, list[int]]]) -> tuple[Any, ...]:
    """Counts one after the other, begins, ends and offsets, without empty buckets at the ends."""
    ends = np.cumsum([len(counts) for _, counts in given_buckets])
    begins = ends - [len(counts) for _, counts in given_buckets]
    values = np.array([count for _, counts in given_buckets for count in counts] or [0], np.uint64)
    offsets = np.array([offset for offset, _ in given_buckets]) - begins
    kernel.trim(values, begins, ends)
    return values, begins, ends, offsets + begins


def merged(parts: list[tuple[tuple[int, list[int]], int]], scale: int) -> Counter[int]:
    """Buckets with what was in those that are part of them, modulo 2^64."""
    out: Counter[int] = Counter()
    for (offset, counts), steps in parts:
        for i, count in enumerate(counts):
            if count:
                index = (offset + i) // 2**steps
                out[max(-1, min(0, index)) if scale == -11 else index] += count
    return Counter({index: count % 2**64 for index, count in out.items() if count % 2**64})


@KERNELS
@given(
    st.lists(st.tuples(BUCKETS, BUCKETS, st.integers(0, 3), st.integers(0, 3), st.sampled_from([-11, 2])), min_size=1)
)
@settings(max_examples=80, deadline=None)
def test_each_row_gets_what_is_added_to_it(kernel: Any, cases: list[Any]) -> None:
    n = len(cases)
    counts = np.full((n, WIDTH), 99, np.uint64)
    lengths, offsets = np.zeros(n, np.int64), np.zeros(n, np.int64)
    rows = np.arange(n)[::-1].copy()
    zeros, scales = np.zeros(n, np.int64), np.full(n, 2)
    own = trimmed(kernel, [case[0] for case in cases])
    kernel.add(counts.reshape(-1), WIDTH, (offsets, lengths), rows, (zeros, scales), (*own, zeros))
    new = trimmed(kernel, [case[1] for case in cases])
    steps = np.array([case[2] for case in cases]), np.array([case[3] for case in cases])
    scales = np.array([case[4] for case in cases])
    kernel.add(counts.reshape(-1), WIDTH, (offsets, lengths), rows, (steps[0], scales), (*new, steps[1]))

    ranges, totals = np.empty(n, np.uint64), np.empty(n, np.uint64)
    out = np.empty(10 * int(lengths.sum()) + n * kernel.ROOM_FOR_HEADER, np.uint8)
    kernel.write(out, counts.reshape(-1), WIDTH, (offsets, lengths), rows, ranges, totals)
    for row, case, place, total in zip(rows, cases, ranges.tolist(), totals.tolist(), strict=True):
        expected = merged([(case[0], case[2]), (case[1], case[3])], case[4])
        buckets = counts[row, : lengths[row]].tolist()
        assert Counter({offsets[row] + i: count for i, count in enumerate(buckets) if count}) == expected
        assert total == sum(expected.values()) % 2**64
        message = ExponentialHistogramDataPoint.Buckets(offset=offsets[row], bucket_counts=buckets)
        body = out[place >> 32 : (place >> 32) + (place & 0xFFFF_FFFF)].tobytes()
        assert body == (message.SerializeToString() if buckets else b"")
