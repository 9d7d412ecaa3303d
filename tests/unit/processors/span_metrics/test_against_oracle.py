"""Whatever comes, the numbers are those of a plain loop over official messages, however it was split and ordered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.codec.otlp_traces import TracesProjection
from pipeline.model.spans import SpanBatch
from pipeline.testing import START_UNIX_NANO, Harness, export_request
from processors.span_metrics import SpanMetrics
from tests.oracles.red import BOUNDS_NS, Key, Series, red
from tests.unit.processors.span_metrics.reading import key_of, series_of

MS = 1_000_000
DIMENSIONS = ("http.route", "http.status_code", "cached", "zone")

values = st.one_of(st.sampled_from(["/a", "/b", ""]), st.integers(-5, 600), st.booleans())
times = st.one_of(
    st.tuples(st.just(START_UNIX_NANO), st.integers(-5 * MS, 20_000 * MS)),
    st.sampled_from([(0, 0), (0, 5), (START_UNIX_NANO, -START_UNIX_NANO), (2**64 - 1, 0), (2**64 - 1, 2 - 2**64)]),
    st.sampled_from([(1, 2**64 - 2), (START_UNIX_NANO, 86_400 * 10**9), (START_UNIX_NANO, 86_400 * 10**9 + 1)]),
    st.sampled_from([(START_UNIX_NANO, bound) for bound in BOUNDS_NS]),
)


fields = {
    "number": st.integers(1, 10**9),
    "service": st.sampled_from(["cart", "pay", None, ""]),
    "name": st.sampled_from(["GET /", "POST /", "", "übergroß"]),
    "kind": st.sampled_from(["server", "client", "internal", "producer", "consumer", "unspecified"]),
    "status": st.sampled_from(["unset", "ok", "error"]),
    "attributes": st.dictionaries(st.sampled_from(DIMENSIONS), values, max_size=3),
    "resource": st.dictionaries(st.sampled_from(["zone", "pod"]), st.sampled_from(["x", "y"]), max_size=2),
}


def span(drawn: tuple[dict[str, Any], tuple[int, int]]) -> dict[str, Any]:
    of_span, (start, duration) = drawn
    return of_span | {"start_unix_nano": start, "end_unix_nano": start + duration}


spans_fields = st.tuples(st.fixed_dictionaries(fields), times).map(span)


def decoded(spans: list[dict[str, Any]], run: Harness[SpanMetrics]) -> SpanBatch:
    return TracesProjection(run.processor.reads).decode(export_request(spans).SerializeToString())[0]


def expected(spans: list[dict[str, Any]]) -> dict[Key, Series]:
    return red([export_request(spans)], dimensions=DIMENSIONS, defaults={"zone": "nowhere"})


def harness(**more: Any) -> Harness[SpanMetrics]:
    dimensions = [{"name": key} for key in DIMENSIONS[:3]] + [{"name": "zone", "default": "nowhere"}]
    return Harness(SpanMetrics, dimensions=dimensions, **more)


@given(st.lists(spans_fields, max_size=30))
def test_series_counts_buckets_and_sums_are_the_oracles(spans: list[dict[str, Any]]) -> None:
    run = harness()
    run.traces(decoded(spans, run))
    assert series_of(run) == expected(spans)


@given(st.lists(spans_fields, min_size=1, max_size=30), st.randoms(use_true_random=False), st.integers(1, 5))
def test_splitting_and_reordering_change_nothing(spans: list[dict[str, Any]], random: Any, parts: int) -> None:
    shuffled = random.sample(spans, len(spans))
    run = harness()
    for part in range(parts):
        run.traces(decoded(shuffled[part::parts], run))
    assert series_of(run) == expected(spans)


@given(st.lists(spans_fields, min_size=1, max_size=20), st.lists(spans_fields, min_size=1, max_size=20))
def test_a_restart_in_between_changes_nothing(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    run = harness(series_expiration="1h")
    run.traces(decoded(before, run))
    run.restart()
    run.traces(decoded(after, run))
    assert series_of(run) == expected(before + after)


@given(st.lists(spans_fields, max_size=20))
def test_tempos_series_hold_the_same_numbers(spans: list[dict[str, Any]]) -> None:
    """Durations are in seconds there, but the sum is as exact."""
    bounds_ns = [2 * MS * 2**n for n in range(14)]
    run = Harness(SpanMetrics, naming="tempo", ingestion_time_range_slack=0)
    run.traces(decoded(spans, run))
    renamed = {"service.name": "service", "span.name": "span_name", "span.kind": "span_kind"}
    oracle = {
        key_of({renamed.get(name, name.replace(".", "_")): value for name, value in key}): one
        for key, one in red([export_request(spans)], bounds_ns=bounds_ns).items()
    }
    found = series_of(run, "traces_spanmetrics_calls_total", "traces_spanmetrics_latency", per_ns=1e9)
    assert found == oracle


@pytest.mark.parametrize("unit", ["ms", "s"])
def test_a_duration_equal_to_a_bound_is_in_its_bucket(unit: str) -> None:
    run = Harness(SpanMetrics, histogram={"unit": unit})
    spans = [{"start_unix_nano": START_UNIX_NANO, "end_unix_nano": START_UNIX_NANO + ns} for ns in BOUNDS_NS]
    run.traces(decoded(spans, run))
    point = run.metric("traces.span.metrics.duration")
    assert point["counts"] == [1] * len(BOUNDS_NS) + [0]
    assert point["bounds"] == [ns / {"ms": 1e6, "s": 1e9}[unit] for ns in BOUNDS_NS]
