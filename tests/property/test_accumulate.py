"""The loops of instruments: against exact fractions, against the official SDK, compiled against uncompiled."""

from __future__ import annotations

import math
from bisect import bisect_left
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View

from pipeline.model import accumulate
from pipeline.model.meter import Meter
from pipeline.testing import FakeClock
from tests.kernels import MODES, uncompiled, use

KERNELS = (accumulate, uncompiled("pipeline.model.accumulate"))
ROWS = 3
PER_UNIT = 1e9
SUM_LIMIT = Fraction(2**95)

VALUE = st.one_of(
    st.floats(0, 1e12),
    st.sampled_from(
        [0.0, -0.0, 0.1, 0.5, 1.0, 2.0, 9.3e9, 1.9e10, 4e19, 1e300, -1.0, math.inf, -math.inf, math.nan, 5e-324]
    ),
    st.integers(0, 10**19).map(lambda n: n / 1e9),
)
WEIGHT = st.one_of(
    st.just(1.0),
    st.integers(1, 2**56).map(float),
    st.floats(0.01, 1e6),
    st.sampled_from([0.0, -2.0, math.nan, math.inf, 2.0**53, 2.0**53 + 2]),
)
MEASUREMENTS = st.lists(st.tuples(st.integers(-1, ROWS - 1), VALUE, WEIGHT), max_size=25)
BOUNDS = st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 1e6]), unique=True, max_size=6).map(sorted)


def columns(measurements: list[tuple[int, float, float]]) -> tuple[Any, Any, Any]:
    rows, values, weights = zip(*measurements, strict=True) if measurements else ((), (), ())
    return np.array(rows, np.int32), np.array(values, np.float64), np.array(weights, np.float64)


def observe(kernel: Any, bounds: list[float], measurements: list[tuple[int, float, float]]) -> tuple[Any, ...]:
    counts, sums = np.zeros((ROWS, len(bounds) + 1)), np.zeros((ROWS, 2), np.uint64)
    rows, values, weights = columns(measurements)
    buckets = np.full(len(rows), -9, np.int32)
    refused = kernel.observe(
        counts.reshape(-1),
        sums.reshape(-1),
        np.array(bounds or [0.0]),
        len(bounds),
        PER_UNIT,
        rows,
        values,
        weights,
        buckets,
    )
    return counts.tolist(), sums.tolist(), buckets.tolist(), refused


@given(bounds=BOUNDS, measurements=MEASUREMENTS)
@settings(max_examples=400, deadline=None)
def test_histograms_equal_exact_arithmetic(bounds: list[float], measurements: list[tuple[int, float, float]]) -> None:
    exact = [0] * ROWS
    counts = [[0.0] * (len(bounds) + 1) for _ in range(ROWS)]
    refused = 0
    for row, value, weight in measurements:
        if row < 0:
            continue
        possible = math.isfinite(value) and value >= 0 and math.isfinite(weight) and weight > 0
        units = value * PER_UNIT
        if not possible or units >= SUM_LIMIT or units * weight >= SUM_LIMIT:
            refused += 1
            continue
        counts[row][bisect_left(bounds, value)] += weight
        whole = weight == int(weight) and weight <= 2**53
        exact[row] += round(units) * int(weight) if whole else round(round(units) * weight)
    for kernel in KERNELS:
        found, sums, _, not_taken = observe(kernel, bounds, measurements)
        assert found == counts
        assert [(high << 64) + low for high, low in sums] == exact
        assert not_taken == refused


@given(bounds=BOUNDS, measurements=MEASUREMENTS, data=st.data())
@settings(max_examples=100, deadline=None)
def test_sums_have_no_order(
    bounds: list[float], measurements: list[tuple[int, float, float]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(measurements))
    for kernel in KERNELS:
        assert observe(kernel, bounds, measurements)[1] == observe(kernel, bounds, shuffled)[1]


@given(measurements=MEASUREMENTS, monotonic=st.booleans())
@settings(max_examples=100, deadline=None)
def test_counters_and_gauges_equal_plain_loops(measurements: list[tuple[int, float, float]], monotonic: bool) -> None:
    rows, amounts, _ = columns(measurements)
    sums, latest = [0.0] * ROWS, [-5.0] * ROWS
    refused = [0, 0]
    for row, amount, _ in measurements:
        if row < 0:
            continue
        if math.isfinite(amount) and (amount >= 0 or not monotonic):
            sums[row] += amount
        else:
            refused[0] += 1
        if math.isnan(amount):
            refused[1] += 1
        else:
            latest[row] = amount
    for kernel in KERNELS:
        added, put = np.zeros(ROWS), np.full(ROWS, -5.0)
        assert [kernel.add(added, rows, amounts, monotonic), kernel.put(put, rows, amounts)] == refused
        assert (added.tolist(), put.tolist()) == (sums, latest)


# -- exponential histograms ----------------------------------------------------------------------------------

POSITIVE = st.one_of(
    st.floats(1e-9, 1e9),
    st.floats(1e-300, 1e19),
    st.sampled_from([0.0, 1.0, 2.0, 4.0, 0.5, 0.25, 1024.0, math.nextafter(1.0, 2), math.nextafter(2.0, 1), 5e-324]),
)


def exponential(mode: str, values: list[float], size: int, weights: list[float] | None = None) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        use(mode, patch)
        meter = Meter("test", FakeClock())
        histogram = meter.exponential_histogram("e", max_size=size)
        histogram.table.row_of(())
        rows = np.zeros(len(values), np.int32)
        histogram.record(rows, np.array(values), None if weights is None else np.array(weights))
    point: dict[str, Any] = next(meter.collect(0).points()).value
    return point


def of_sdk(values: list[float], size: int) -> dict[str, Any]:
    reader = InMemoryMetricReader()
    view = View(instrument_name="e", aggregation=ExponentialBucketHistogramAggregation(max_size=size))
    provider = MeterProvider([reader], views=[view], shutdown_on_exit=False)
    histogram = provider.get_meter("m").create_histogram("e")
    for value in values:
        histogram.record(value)
    data = reader.get_metrics_data()
    assert data is not None
    (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert isinstance(point, ExponentialHistogramDataPoint)
    return {
        "count": point.count,
        "scale": point.scale,
        "zero_count": point.zero_count,
        "offset": point.positive.offset,
        "counts": list(point.positive.bucket_counts),
        "min": point.min,
        "max": point.max,
    }


def trimmed(point: dict[str, Any]) -> dict[str, Any]:
    """Without the sum, and without leading and trailing empty buckets."""
    filled = [i for i, count in enumerate(point["counts"]) if count]
    first, last = (filled[0], filled[-1] + 1) if filled else (0, 0)
    kept = {key: value for key, value in point.items() if key not in ("sum", "offset", "counts")}
    return kept | {"first": point["offset"] + first if filled else None, "buckets": point["counts"][first:last]}


@given(
    values=st.lists(st.floats(1e-6, 1e5) | st.just(0.0), min_size=1, max_size=60), size=st.sampled_from([4, 20, 160])
)
@settings(max_examples=100, deadline=None)
def test_exponential_histograms_equal_those_of_the_sdk(values: list[float], size: int) -> None:
    assert trimmed(exponential("compiled", values, size)) == trimmed(of_sdk(values, size))


@given(values=st.lists(POSITIVE, min_size=1, max_size=40), size=st.sampled_from([2, 3, 20, 160]), data=st.data())
@settings(max_examples=200, deadline=None)
def test_exponential_histograms_have_no_order_and_both_kernels_agree(
    values: list[float], size: int, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(values))
    expected = exponential("compiled", values, size)
    assert exponential("compiled", shuffled, size) == expected
    assert exponential("uncompiled", values, size) == expected
    assert len(expected["counts"]) <= size
    assert expected["count"] == len(values)


@given(values=st.lists(POSITIVE, min_size=1, max_size=40), size=st.sampled_from([2, 20, 160]))
@settings(max_examples=200, deadline=None)
def test_every_value_lies_in_its_exponential_bucket(values: list[float], size: int) -> None:
    point = exponential("compiled", values, size)
    buckets: dict[int, int] = {}
    for value in values:
        if value:
            exact = Fraction(max(value, 2.2250738585072014e-308))
            index = _index(exact, point["scale"])
            assume(index is not None)
            buckets[index] = buckets.get(index, 0) + 1
    found = {point["offset"] + i: count for i, count in enumerate(point["counts"]) if count}
    assert found == buckets


def _index(value: Fraction, scale: int) -> Any:
    """The bucket of a value, exactly at scales up to 0; None where float64 cannot tell the side of a boundary."""
    exponent = math.frexp(float(value))[1] - 1
    if value == Fraction(2) ** exponent:
        exponent_index = (exponent << 20) - 1
    else:
        position = math.log2(math.ldexp(float(value), -exponent)) * 2**20
        if abs(position - round(position)) < 1e-6 and scale > 0:
            return None
        exponent_index = (exponent << 20) + min(max(math.ceil(position), 1), 1 << 20) - 1
    return exponent_index >> (20 - scale)


@pytest.mark.parametrize("mode", MODES)
def test_weights_enter_exponential_histograms_too(mode: str) -> None:
    point = exponential(mode, [0.0, 1.0, 1.0], 160, [2.0, 3.0, 0.5])
    assert (point["count"], point["zero_count"], point["counts"], point["sum"]) == (5.5, 2.0, [3.5], 3.5)
