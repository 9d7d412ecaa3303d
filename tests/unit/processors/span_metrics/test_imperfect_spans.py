"""Spans with missing names, impossible times or strange clocks are counted, and the remark is counted by reason."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.testing import START_UNIX_NANO, Harness, span_batch
from processors.span_metrics import SpanMetrics
from tests.unit.processors.span_metrics.reading import CALLS, DURATION, calls_of, reasons_of

DAY_NS = 86_400 * 10**9


def times(start: int, end: int) -> dict[str, Any]:
    return {"start_unix_nano": start, "end_unix_nano": end}


@pytest.mark.parametrize(
    ("fields", "observed", "reasons"),
    [
        ({}, 1, {}),
        (times(START_UNIX_NANO, START_UNIX_NANO - 5), 1, {"negative_duration": 1}),
        (times(0, START_UNIX_NANO), 0, {"missing_time": 1}),
        (times(START_UNIX_NANO, 0), 0, {"missing_time": 1}),
        (times(0, 0), 0, {"missing_time": 1}),
        (times(0, 5), 0, {"missing_time": 1, "late": 1}),
        (times(START_UNIX_NANO - DAY_NS - 1, START_UNIX_NANO), 0, {"duration_range": 1}),
        (times(START_UNIX_NANO - DAY_NS, START_UNIX_NANO), 1, {}),
        (times(1, 2**64 - 1), 0, {"duration_range": 1, "in_future": 1}),
        (times(2**64 - 1, 2**64 - 1), 1, {"in_future": 1}),
        (times(2**64 - 1, 1), 1, {"negative_duration": 1, "late": 1}),
        (times(START_UNIX_NANO - 3600 * 10**9, START_UNIX_NANO - 3599 * 10**9), 1, {"late": 1}),
        (times(START_UNIX_NANO, START_UNIX_NANO + 3600 * 10**9), 1, {"in_future": 1}),
    ],
)
def test_every_span_is_a_call_and_only_credible_durations_are_observed(
    fields: dict[str, int], observed: int, reasons: dict[str, int]
) -> None:
    run = Harness(SpanMetrics)
    run.traces(span_batch(spans=[fields, {}]))
    assert run.metric(CALLS, status__code="STATUS_CODE_UNSET") == 2
    assert run.metric(DURATION)["count"] == 1 + observed
    assert reasons_of(run) == reasons


def test_a_negative_duration_is_observed_as_zero() -> None:
    run = Harness(SpanMetrics)
    run.traces(span_batch(**times(START_UNIX_NANO, START_UNIX_NANO - 5)))
    assert run.metric(DURATION)["sum"] == 0
    assert run.metric(DURATION)["counts"][0] == 1


def test_the_longest_duration_is_a_setting() -> None:
    run = Harness(SpanMetrics, max_span_duration="1s")
    run.traces(span_batch(spans=[{"duration_ms": 1000}, {"duration_ms": 1001}]))
    assert run.metric(DURATION)["sum"] == 1000


@pytest.mark.parametrize("name", [None, "", 5, True, b"cart", ["cart"]])
def test_a_resource_without_a_usable_name_is_the_unknown_service(name: Any) -> None:
    run = Harness(SpanMetrics)
    resource = {} if name is None else {"service.name": name}
    run.traces(span_batch(spans=[{"service": None, "resource": resource}, {"service": "cart"}]))
    assert calls_of(run, "service.name") == {"unknown_service": 1, "cart": 1}
    assert reasons_of(run) == {"no_service": 1}


def test_resources_without_a_name_can_be_skipped_as_the_collector_does() -> None:
    run = Harness(SpanMetrics, skip_resources_without_service_name=True)
    run.traces(span_batch(spans=[{"service": None}, {"service": None}, {"service": "cart"}]))
    run.traces(span_batch(service=None))
    assert calls_of(run, "service.name") == {"cart": 1}
    assert reasons_of(run, "discarded_spans") == {"no_service": 3}
    assert reasons_of(run) == {}


def test_a_span_without_a_name_is_unknown() -> None:
    run = Harness(SpanMetrics)
    run.traces(span_batch(spans=[{"name": ""}, {"name": "GET /"}]))
    assert calls_of(run, "span.name") == {"unknown": 1, "GET /": 1}


@pytest.mark.parametrize(
    ("naming", "slack", "counted"),
    [("otelcol", None, 4), ("otelcol", "1m", 2), ("tempo", None, 1), ("tempo", "1m", 2), ("tempo", "0", 4)],
)
def test_the_ingestion_slack_is_tempos_unless_it_is_set(naming: str, slack: str | None, counted: int) -> None:
    run = Harness(SpanMetrics, naming=naming, ingestion_time_range_slack=slack)
    run.traces(
        span_batch(
            spans=[times(START_UNIX_NANO + at * 10**9, START_UNIX_NANO + at * 10**9 + 1) for at in (-3600, -45, 0, 90)]
        )
    )
    name = CALLS if naming == "otelcol" else "traces_spanmetrics_calls_total"
    assert sum(point.value for point in run.metrics() if point.name == name) == counted
    left_out = {"outside_metrics_ingestion_slack": 4 - counted} if counted < 4 else {}
    assert reasons_of(run, "discarded_spans") == left_out


@pytest.mark.parametrize(("off_ns", "inside"), [(0, True), (1, False)])
@pytest.mark.parametrize("direction", [-1, 1])
def test_a_span_that_ends_at_the_edge_of_the_slack_counts(direction: int, off_ns: int, inside: bool) -> None:
    run = Harness(SpanMetrics, naming="otelcol", ingestion_time_range_slack="1m")
    end = START_UNIX_NANO + direction * (60 * 10**9 + off_ns)
    run.traces(span_batch(spans=[times(end - 1, end), times(START_UNIX_NANO - 1, START_UNIX_NANO)]))
    assert sum(point.value for point in run.metrics() if point.name == CALLS) == 1 + inside


def test_with_both_namings_only_tempos_metrics_have_tempos_slack() -> None:
    run = Harness(SpanMetrics, naming="both")
    run.traces(span_batch(**times(START_UNIX_NANO - 3600 * 10**9, START_UNIX_NANO - 3599 * 10**9)))
    assert {point.name for point in run.metrics() if point.value} == {CALLS, DURATION}


def test_filtered_spans_are_counted_as_such() -> None:
    policy = {"exclude": {"match_type": "strict", "attributes": [{"key": "name", "value": "GET /health"}]}}
    run = Harness(SpanMetrics, filter_policies=[policy])
    run.traces(span_batch(spans=[{"name": "GET /health"}, {"name": "GET /"}]))
    run.traces(span_batch(name="GET /health"))
    assert calls_of(run, "span.name") == {"GET /": 1}
    assert reasons_of(run, "discarded_spans") == {"span_metrics_filtered": 2}
