"""The protobuf page, read with the protobuf runtime and a descriptor of its own."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pipeline.codec.prometheus_labels import LabelOptions
from tests.oracles.prometheus_proto import positive_buckets, read_delimited
from tests.unit.codec.metric_batches import (
    NOW,
    START,
    batch,
    exemplars,
    exponential,
    gauge,
    histogram,
    number,
    resource,
)
from tests.unit.codec.pages import PROTOBUF, Reported, render

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"


def families(*metrics: Any, **options: Any) -> list[Any]:
    return read_delimited(render(batch(*metrics), form=PROTOBUF, **options))


def labels(metric: Any) -> dict[str, str]:
    return {pair.name: pair.value for pair in metric.label}


def native(*args: Any, **options: Any) -> Any:
    """The one histogram of a page; arguments of a row: scale, zero count, offset, counts, sum."""
    ((family,),) = (families(exponential("e", [({}, *args)]), **options),)
    return family.metric[0].histogram


def test_counters_carry_exemplar_and_created_time() -> None:
    samples = exemplars((1, -1, 0.25, NOW, TRACE, SPAN))
    (family,) = families(
        number("calls", [({"a": "1"}, 2.5), ({"a": "2"}, 3)], unit="By", description="Help", samples=samples)
    )
    assert (family.name, family.help, family.type, family.unit) == ("calls_bytes_total", "Help", 0, "bytes")
    first, second = family.metric
    assert labels(first) == {"a": "1"}
    assert first.counter.value == 2.5
    assert not first.counter.HasField("exemplar")
    assert second.counter.created_timestamp.seconds * 10**9 + second.counter.created_timestamp.nanos == START
    exemplar = second.counter.exemplar
    assert ({p.name: p.value for p in exemplar.label}, exemplar.value) == ({"trace_id": TRACE, "span_id": SPAN}, 0.25)
    assert exemplar.timestamp.seconds == NOW // 10**9


def test_gauges() -> None:
    (family,) = families(gauge("g", [({"a": "1"}, -2.5), ({}, math.inf)]), with_timestamps=True)
    assert family.type == 1
    assert [metric.gauge.value for metric in family.metric] == [-2.5, math.inf]
    assert {metric.timestamp_ms for metric in family.metric} == {NOW // 10**6}


def test_classic_histograms() -> None:
    samples = exemplars((0, 2, 99.0, NOW, TRACE, SPAN))
    (family,) = families(histogram("h", [({"a": "1"}, [3, 2, 1], 25.5)], samples=samples))
    shown = family.metric[0].histogram
    assert family.type == 4
    assert (shown.sample_count, shown.sample_sum) == (6, 25.5)
    assert [(b.upper_bound, b.cumulative_count) for b in shown.bucket] == [(0.5, 3), (10.0, 5), (math.inf, 6)]
    assert [b.HasField("exemplar") for b in shown.bucket] == [False, False, True]
    assert not shown.positive_span, "a span would make it a native histogram"


def test_weighted_counts_that_are_not_whole_use_the_float_fields() -> None:
    (family,) = families(histogram("h", [({}, [1.5, 0.5, 0.25], 9.0)]))
    shown = family.metric[0].histogram
    assert shown.sample_count_float == 2.25
    assert [(b.cumulative_count, b.cumulative_count_float) for b in shown.bucket] == [(0, 1.5), (2, 0.0), (0, 2.25)]


def test_exponential_buckets_move_up_by_one() -> None:
    shown = native(3, 2.0, -5, [1.0, 2.0, 0.0, 4.0], 12.5)
    assert (shown.schema, shown.zero_threshold, shown.zero_count) == (3, 1e-128, 2)
    assert (shown.sample_count, shown.sample_sum) == (9, 12.5)
    assert positive_buckets(shown) == {-4: 1, -3: 2, -1: 4}


def test_gaps_start_new_spans() -> None:
    shown = native(0, 0.0, 0, [1.0, 0.0, 0.0, 0.0, 2.0, 3.0, 0.0, 1.0], 1.0)
    assert [(span.offset, span.length) for span in shown.positive_span] == [(1, 1), (3, 2), (1, 1)]
    assert list(shown.positive_delta) == [1, 1, 1, -2]


@pytest.mark.parametrize("offset", [-7, -1, 0, 5, 1000])
def test_scales_above_eight_are_merged_down(offset: int) -> None:
    counts = [float(i + 1) for i in range(9)]
    shown = native(10, 0.0, offset, counts, 1.0)
    expected: dict[int, float] = {}
    for i, count in enumerate(counts):
        index = math.floor((offset + i) / 4) + 1
        expected[index] = expected.get(index, 0) + count
    assert shown.schema == 8
    assert positive_buckets(shown) == expected


def test_a_native_histogram_without_observations_has_an_empty_span() -> None:
    """Else it could not be told from a classic histogram (native histogram specification)."""
    shown = native(0, 0.0, 0, [0.0], 0.0)
    assert [(span.offset, span.length) for span in shown.positive_span] == [(0, 0)]


def test_scales_below_the_smallest_schema_are_left_out_and_reported() -> None:
    reported: Reported = []
    (family,) = families(
        exponential("e", [({"a": "1"}, -5, 0.0, 0, [1.0], 1.0), ({"a": "2"}, -4, 0.0, 0, [1.0], 1.0)]),
        reported=reported,
    )
    assert [labels(metric) for metric in family.metric] == [{"a": "2"}]
    assert reported == [("scale", "e", 1)]


def test_native_histograms_with_weights_use_float_counts() -> None:
    shown = native(0, 0.5, 0, [1.5, 1.0], 3.0)
    assert (shown.sample_count_float, shown.zero_count_float, list(shown.positive_count)) == (3.0, 0.5, [1.5, 1.0])
    assert not shown.positive_delta


def test_native_histograms_carry_exemplars_and_created_time() -> None:
    samples = exemplars((0, -1, 1.5, NOW, TRACE, SPAN), (0, -1, 2.5, NOW, TRACE, SPAN))
    (family,) = families(exponential("e", [({}, 0, 0.0, 0, [1.0], 1.0)], samples=samples))
    shown = family.metric[0].histogram
    assert [exemplar.value for exemplar in shown.exemplars] == [1.5, 2.5]
    assert shown.created_timestamp.seconds == START // 10**9


def test_new_series_are_shown_at_zero() -> None:
    samples = exemplars((0, -1, 1.5, NOW, TRACE, SPAN))
    counter, classic, exponential_one = families(
        number("c", [({}, 5)], start=[101], samples=samples),
        histogram("h", [({}, [1, 2, 3], 4.0)], start=[101]),
        exponential("e", [({}, 0, 1.0, 0, [1.0], 1.0)], start=[101], samples=samples),
        zero_after=100,
    )
    assert counter.metric[0].counter.value == 0
    assert not counter.metric[0].counter.HasField("exemplar")
    shown = classic.metric[0].histogram
    assert (shown.sample_count, shown.sample_sum, {b.cumulative_count for b in shown.bucket}) == (0, 0, {0})
    shown = exponential_one.metric[0].histogram
    assert (shown.sample_count, shown.sample_sum, shown.zero_count, positive_buckets(shown), len(shown.exemplars)) == (
        0,
        0,
        0,
        {},
        0,
    )


def test_labels_are_those_of_the_text_page() -> None:
    options = LabelOptions(const_labels=(("c", "ü" * 100),), promote_resource=True)
    cart = resource(service__name="cart", region='e"u', host__name="x" * 300)
    rows = [
        ({"http.method": "A", "http_method": "B\n", "empty": ""}, 1),
        ({"region": "own", "host.name": "y" * 20000}, 2),
    ]
    page = render(batch(number("c", rows, resources=[0, 0]), resources=[cart]), form=PROTOBUF, options=options)
    _, family = read_delimited(page)
    shared = {"c": "ü" * 100, "job": "cart", "service_name": "cart", "otel_scope_name": "test"}
    assert labels(family.metric[0]) == {**shared, "http_method": "A;B\n", "region": 'e"u', "host_name": "x" * 300}
    assert labels(family.metric[1]) == {**shared, "region": "own", "host_name": "y" * 20000}


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    (family,) = families(gauge("g", [({"v": b"a\xffb"}, 1)]))
    assert labels(family.metric[0]) == {"v": "a\ufffdb"}


def test_pages_larger_than_the_buffer_are_complete() -> None:
    rows = [({"a": f"{i} " + "x" * 300}, float(i)) for i in range(3000)]
    (family,) = families(number("c", rows))
    assert [metric.counter.value for metric in family.metric] == [float(i) for i in range(3000)]
    assert [labels(metric)["a"] for metric in family.metric] == [labels_["a"] for labels_, _ in rows]
