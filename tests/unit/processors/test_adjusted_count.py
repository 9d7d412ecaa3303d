"""Adjusted counts: exact where the ratio is a whole number, unbiased where it is not, and a function of the trace."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.testing_spans import span_batch
from processors.adjusted_count import AdjustedCount, Threshold, parse_tracestate
from processors.tracestate import ONE

TRACESTATE = AdjustedCount()


def counts(**fields: object) -> list[float]:
    spans = span_batch(columns=("trace_state",), **fields)  # type: ignore[arg-type]
    adjusted = TRACESTATE.of(spans)
    return [1.0] * len(spans) if adjusted is None else adjusted.counts.tolist()


@pytest.mark.parametrize(
    ("tracestate", "count"),
    [
        ("", 1),
        ("vendor=x", 1),
        ("ot=rv:ffffffffffffff", 1),
        ("ot=th:0", 1),
        ("ot=th:8", 2),
        ("ot=th:c", 4),
        ("ot=th:c;rv:ffffffffffffff", 4),
        ("vendor=x,ot=th:e", 8),
        ("vendor=x, \tot=p:1;th:f", 16),
        ("ot=th:ffffffffffffff", 2.0**56),
        ("xot=th:8", 1),
        ("ot=th:", 1),
        ("ot=th:8g", 1),
        ("ot=th:+8", 1),
        ("ot=th:0_8", 1),
        ("ot=th:000000000000008", 1),
        ("ot=", 1),
        ("ot", 1),
    ],
)
def test_a_threshold_says_how_many_spans_a_span_stands_for(tracestate: str, count: float) -> None:
    assert counts(n=2, trace_state=tracestate) == [count, count]


def test_a_fraction_is_rounded_so_that_the_mean_is_right() -> None:
    tracestate = "ot=th:6"  # 1 / (1 - 6/16) = 1.6
    values = counts(n=20_000, trace_state=tracestate)
    assert set(values) == {1.0, 2.0}
    assert np.mean(values) == pytest.approx(1.6, abs=0.02)


@given(st.integers(1, ONE - 1), st.integers(0, ONE - 1))
def test_explicit_randomness_rounds_without_bias(threshold: int, randomness: int) -> None:
    """Over all rv that a span kept at T can have, the counts add up to 2^56: checked with the exact share of each."""
    whole, rest = divmod(ONE, ONE - threshold)
    rounded_up = Fraction(rest, ONE - threshold)
    assert whole + rounded_up == Fraction(ONE, ONE - threshold)
    count, chance = Threshold(threshold, randomness).stands_for()
    assert count == whole
    if randomness >= threshold:
        assert chance == (1.0 if randomness - threshold < rest else 0.0)
    else:
        assert chance == float(rounded_up)


def test_spans_of_one_trace_have_one_count_and_order_does_not_matter() -> None:
    rng = random.Random(7)
    spans = [
        {"trace_id": bytes([trace + 1] * 16), "number": number, "trace_state": "ot=th:7"}
        for number, trace in enumerate(rng.choices(range(30), k=200))
    ]
    by_trace: dict[bytes, set[float]] = {}
    for span, count in zip(spans, counts(spans=spans), strict=True):
        by_trace.setdefault(span["trace_id"], set()).add(count)  # type: ignore[arg-type]
    assert all(len(found) == 1 for found in by_trace.values())
    assert len({count for found in by_trace.values() for count in found}) == 2
    assert counts(spans=spans[::-1]) == counts(spans=spans)[::-1]


def test_the_ratio_attribute_of_the_span_comes_before_the_resource_and_after_the_tracestate() -> None:
    spans = span_batch(
        spans=[
            {"attributes": {"ratio": 0.1}, "resource": {"ratio": 0.5}},
            {"resource": {"ratio": 0.5}},
            {"attributes": {"ratio": 0.1}, "trace_state": "ot=th:c"},
            {},
        ],
        columns=("trace_state", "span.ratio", "resource.ratio"),
    )
    adjusted = AdjustedCount(ratio_key="ratio").of(spans)
    assert adjusted is not None
    assert sorted(adjusted.counts.tolist()) == [1, 2, 4, 10]
    assert adjusted.adjusted.sum() == 3


@pytest.mark.parametrize("ratio", [0.0, -0.5, 1.5, float("nan"), float("inf"), 1e-300, "0.5", True])
def test_a_ratio_that_is_no_probability_says_nothing(ratio: object) -> None:
    spans = span_batch(n=2, attributes={"ratio": ratio}, columns=("resource.ratio",))
    assert AdjustedCount(tracestate=False, ratio_key="ratio").of(spans) is None


def test_without_sources_nothing_is_read() -> None:
    assert AdjustedCount(tracestate=False).reads == ()
    assert AdjustedCount(tracestate=False).of(span_batch()) is None


@given(st.text(max_size=80))
def test_any_text_can_be_a_tracestate(text: str) -> None:
    parsed = parse_tracestate("ot=" + text)
    assert parsed is None or 0 <= parsed.threshold < ONE
