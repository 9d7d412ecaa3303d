"""Numbers in a page: the shortest decimal that reads back, the same as Python's repr."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codec.prometheus_page import go_float
from tests.unit.codec.metric_batches import batch, gauge
from tests.unit.codec.pages import lines, render

SPECIAL = [
    *(0.0, -0.0, 1.0, -1.0, 0.1, 0.5, 1e15, 1e16, 1e17, 1e21, 1e22, 1e23, 0.0001, 0.00001, 9.5e-5, 123456789.123456789),
    *(2.0**53 - 1, 2.0**53, 2.0**53 + 2, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 9007199254740993.0),
    *(float("nan"), float("inf"), float("-inf")),
]


def expected(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value.is_integer() and abs(value) < 2**53:
        return ("-" if math.copysign(1, value) < 0 else "") + str(abs(int(value)))
    return repr(value).removesuffix(".0")


def shown(values: Sequence[float]) -> list[str]:
    rows = [({"i": str(i)}, value) for i, value in enumerate(values)]
    return [line.rpartition(" ")[2] for line in lines(render(batch(gauge("g", rows))))]


def test_special_values_are_spelled_as_prometheus_wants_them() -> None:
    assert shown(SPECIAL) == [expected(value) for value in SPECIAL]


def test_powers_of_two_and_ten_equal_repr() -> None:
    """Below a power of two doubles are denser, which is where shortest digits go wrong."""
    values = [2.0**k for k in range(-1074, 1024)] + [10.0**k for k in range(-323, 309)]
    assert shown(values) == [expected(value) for value in values]


def test_random_bit_patterns_equal_repr() -> None:
    generator = random.Random(7)
    values = [struct.unpack("<d", generator.randbytes(8))[0] for _ in range(3000)]
    assert shown(values) == [expected(value) for value in values]


def test_sums_of_seconds_equal_repr() -> None:
    values = (np.random.default_rng(3).integers(0, 10**16, 2000) / 1e9).tolist()
    assert shown(values) == [expected(value) for value in values]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(width=64), min_size=1, max_size=20))
def test_any_float_equals_repr_and_reads_back(values: list[float]) -> None:
    texts = shown(values)
    assert texts == [expected(value) for value in values]
    for text, value in zip(texts, values, strict=True):
        assert float(text) == value or (math.isnan(value) and text == "NaN")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.002, "0.002"),
        (0.00001, "1e-05"),
        (0.0001, "0.0001"),
        (2.5e-7, "2.5e-07"),
        (1.0, "1"),
        (100000.0, "100000"),
        (999999.5, "999999.5"),
        (1e6, "1e+06"),
        (1234567.0, "1.234567e+06"),
        (15000.0, "15000"),
        (-2.5, "-2.5"),
        (-1e7, "-1e+07"),
        (0.0, "0"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (1e100, "1e+100"),
    ],
)
def test_bounds_are_written_as_go_writes_them(value: float, text: str) -> None:
    """``le`` is compared as text: dashboards and recording rules made with the Collector expect these spellings."""
    assert go_float(value) == text
