"""Exponential histograms added up: the cases of the Collector's deltatocumulative processor, and hostile buckets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, ExponentialHistogramDataPoint

from pipeline.codec.otlp_metrics import MetricsProjection
from pipeline.model.exponential_column import ExponentialColumn
from pipeline.model.metrics import PointFields

COLUMNS = (
    *("scale", "sum", "min", "max", "zero_count", "zero_threshold"),
    *(f"{side}.{name}" for side in ("positive", "negative") for name in ("offset", "bucket_counts")),
)


def point(buckets: dict[int, int], scale: int = 0, zero_threshold: float = 0.0, zeros: int = 0, **more: Any) -> Any:
    """A data point with the same buckets on both sides."""
    made = ExponentialHistogramDataPoint(scale=scale, zero_threshold=zero_threshold, zero_count=zeros, **more)
    for side in (made.positive, made.negative):
        side.offset = min(buckets, default=0)
        side.bucket_counts.extend(buckets.get(i, 0) for i in range(side.offset, max(buckets, default=-1) + 1))
    made.count = 2 * sum(buckets.values()) + zeros
    return made


def added(*points: Any, max_buckets: int = 160) -> Any:
    """What the points make together."""
    column = ExponentialColumn(max_buckets, extremes=True)
    column.resize(1)
    for number, one in enumerate(points):
        column.store(np.array([0]), _decoded(one), np.array([0]), np.array([number > 0]))
    batch = _decoded(points[-1])
    fields, blob = column.fields(np.array([0]), batch, np.array([0]))
    (out,) = batch.as_cumulative([PointFields(np.array([0]), tuple(fields), blob)]).iter()
    return out


def _decoded(one: Any) -> Any:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    metric.exponential_histogram.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    metric.exponential_histogram.data_points.append(one)
    batch, rejected = MetricsProjection(COLUMNS).decode(request.SerializeToString())
    assert rejected == {}
    return batch


def buckets(one: Any) -> dict[int, int]:
    """Of the positive side, which is as the negative one."""
    assert one.positive == one.negative
    return {one.positive.offset + i: count for i, count in enumerate(one.positive.bucket_counts) if count}


@pytest.mark.parametrize(
    ("one", "other", "scale", "together"),
    [
        ({}, {-3: 1, 4: 8}, 0, {-3: 1, 4: 8}),
        ({2: 1, 3: 1, 4: 1}, {-1: 1, 0: 1, 1: 1, 2: 1, 3: 1}, 0, {-1: 1, 0: 1, 1: 1, 2: 2, 3: 2, 4: 1}),
        ({-2: 1, -1: 2}, {-5: 1, -4: 2, -3: 3}, 0, {-5: 1, -4: 2, -3: 3, -2: 1, -1: 2}),
        (dict.fromkeys(range(8), 1), dict.fromkeys(range(6, 14), 2), -1, dict(enumerate([2, 2, 2, 6, 4, 4, 4]))),
        (
            dict.fromkeys(range(-6, 2), 1),
            dict.fromkeys(range(6, 14), 2),
            -2,
            {-2: 2, -1: 4, 0: 2, 1: 4, 2: 8, 3: 4},
        ),
        ({-2: 0, 0: 1, 1: 5, 2: 5, 3: 1, 5: 0}, {0: 0, 1: 2, 2: 2, 3: 3, 4: 3, 5: 2, 6: 2, 7: 0}, 0,
         {0: 1, 1: 7, 2: 7, 3: 4, 4: 3, 5: 2, 6: 2}),
        ({-4: 0, -2: 1, -1: 10, 0: 10, 1: 1, 3: 0}, {4: 0, 6: 2, 7: 10, 8: 10, 9: 2, 11: 0}, -1,
         {-1: 11, 0: 11, 3: 12, 4: 12}),
    ],
)  # fmt: skip
def test_buckets_are_added_at_the_highest_scale_that_holds_them(
    one: dict[int, int], other: dict[int, int], scale: int, together: dict[int, int]
) -> None:
    for points in ((point(one), point(other)), (point(other), point(one))):
        out = added(*points, max_buckets=8)
        assert (out.scale, buckets(out)) == (scale, together)
        assert out.count == 2 * sum(together.values())


def test_different_scales_meet_at_the_lower_one() -> None:
    out = added(point({0: 1, 1: 2, 2: 3, 3: 4, 4: 5}, scale=2, zeros=1), point({}, scale=1))
    assert (out.scale, buckets(out), out.zero_count) == (1, {0: 3, 1: 7, 2: 5}, 1)


@pytest.mark.parametrize(
    ("thresholds", "expected", "left", "zeros"),
    [
        ((0.0, 2.0), 2.0, {1: 2, 2: 2}, 4 + 2 * 1),  # 2 is a bound: the buckets up to it are zeros
        ((0.0, 3.0), 4.0, {2: 2}, 4 + 2 * (1 + 2)),  # 3 is inside bucket 1, which goes too
        ((1.0, 2.0), 2.0, {1: 2, 2: 2}, 4 + 2 * 1),
        ((2.0, 2.0), 2.0, {0: 1, 1: 2, 2: 2}, 4),
    ],
)
def test_the_wider_zero_threshold_covers_buckets(
    thresholds: tuple[float, float], expected: float, left: dict[int, int], zeros: int
) -> None:
    points = (
        point({0: 1, 1: 1, 2: 1}, zero_threshold=thresholds[0], zeros=2),
        point({1: 1, 2: 1}, zero_threshold=thresholds[1], zeros=2),
    )
    for given in (points, points[::-1]):
        out = added(*given)
        assert (out.zero_threshold, buckets(out), out.zero_count) == (expected, left, zeros)
        assert out.count == 2 * 5 + 4


def test_what_one_of_them_does_not_know_is_unknown() -> None:
    known = point({0: 1}, sum=3.0, min=-2.0, max=4.0)
    assert [(out.sum, out.min, out.max) for out in [added(known, point({0: 1}, sum=1.0, min=-3.0, max=2.0))]] == [
        (4.0, -3.0, 4.0)
    ]
    for points in ((known, point({0: 1})), (point({0: 1}), known)):
        assert not any(added(*points).HasField(name) for name in ("sum", "min", "max"))


@pytest.mark.parametrize("scale", [20, 0, -10, -11])
def test_buckets_that_no_double_is_in_take_no_memory(scale: int) -> None:
    far = 2**31 - 10
    out = added(point({far: 1}, scale=scale), point({-far: 2}, scale=scale), point({0: 4}, scale=scale))
    assert len(out.positive.bucket_counts) <= 160
    assert sum(out.positive.bucket_counts) == 7
    assert -11 <= out.scale <= scale


@pytest.mark.parametrize("scale", [-3, 0, 5])
@pytest.mark.parametrize("threshold", [float("inf"), float("nan"), -1.0])
def test_zero_thresholds_that_cannot_be_count_as_none(threshold: float, scale: int) -> None:
    out = added(point({0: 1, 5: 2}, scale), point({0: 1}, scale, zero_threshold=threshold))
    assert (buckets(out), out.zero_count, out.zero_threshold, out.count) == ({0: 2, 5: 2}, 0, 0.0, 8)


@pytest.mark.parametrize("threshold", [5e-324, 1.7e308])
def test_the_smallest_and_the_largest_zero_thresholds_add_up(threshold: float) -> None:
    out = added(point({0: 1, 5: 2}, 3), point({0: 1}, 3, zero_threshold=threshold))
    assert 2 * sum(out.positive.bucket_counts) + out.zero_count == out.count == 8
    assert out.zero_threshold >= threshold
