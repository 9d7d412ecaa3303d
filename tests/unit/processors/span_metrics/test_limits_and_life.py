"""Limits keep totals exact, idle series go, and error counters live as long as their success twins."""

from __future__ import annotations

import pytest

from pipeline.api import SpanBatch
from pipeline.testing import START_UNIX_NANO, Harness, span_batch
from processors.span_metrics import SpanMetrics
from tests.unit.processors.span_metrics.reading import CALLS, DURATION, calls_of

OVERFLOW = "otel.metric.overflow"


def named(*names: str, **fields: object) -> SpanBatch:
    return span_batch(spans=[{"name": name, **fields} for name in names])


def statuses(run: Harness[SpanMetrics], name: str = CALLS) -> dict[str, float]:
    return {
        point.labels[key]: point.value
        for point in run.metrics()
        if point.name == name
        for key in ("status.code", "status_code")
        if key in point.labels
    }


def test_an_error_counter_exists_at_zero_beside_its_success() -> None:
    run = Harness(SpanMetrics)
    run.traces(span_batch())
    assert statuses(run) == {"STATUS_CODE_UNSET": 1, "STATUS_CODE_ERROR": 0}
    assert statuses(run, DURATION).keys() == {"STATUS_CODE_UNSET"}
    run.traces(span_batch(status="ok"))
    run.traces(span_batch(status="error"))
    assert statuses(run) == {"STATUS_CODE_UNSET": 1, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 1}


def test_an_error_alone_makes_no_success() -> None:
    run = Harness(SpanMetrics)
    run.traces(span_batch(status="error"))
    assert statuses(run) == {"STATUS_CODE_ERROR": 1}


def test_zero_errors_can_be_switched_off() -> None:
    run = Harness(SpanMetrics, zero_error_series=False)
    run.traces(span_batch())
    assert statuses(run) == {"STATUS_CODE_UNSET": 1}


@pytest.mark.parametrize("restarts", [False, True])
def test_an_error_counter_lives_as_long_as_its_success(restarts: bool) -> None:
    run = Harness(SpanMetrics, series_expiration="1m")
    run.traces(span_batch())
    run.traces(span_batch(status="error"), then_advance_s=10)
    if restarts:
        run.restart()
    for _ in range(10):
        run.collect()
        run.traces(span_batch(), then_advance_s=30)
    assert statuses(run) == {"STATUS_CODE_UNSET": 11, "STATUS_CODE_ERROR": 1}
    for _ in range(4):
        run.collect()
        run.advance(40)
    assert statuses(run) == {}


def test_a_series_expires_by_itself_and_a_resource_with_all_its_series() -> None:
    run = Harness(SpanMetrics, series_expiration="1m", zero_error_series=False)
    run.traces(named("old", "new"))
    for _ in range(4):
        run.collect()
        run.traces(named("new"), then_advance_s=30)
    assert calls_of(run, "span.name") == {"new": 5}

    run = Harness(SpanMetrics, metrics_expiration="1m")
    run.traces(span_batch(spans=[{"service": "old"}, {"service": "new"}, {"service": "new", "name": "once"}]))
    for _ in range(4):
        run.collect()
        run.traces(span_batch(service="new"), then_advance_s=30)
    assert calls_of(run, "service.name") == {"new": 6}


def test_without_expiration_nothing_goes() -> None:
    run = Harness(SpanMetrics)
    run.traces(span_batch())
    run.collect()
    run.advance(1_000_000)
    assert statuses(run)["STATUS_CODE_UNSET"] == 1


def test_tempos_series_go_after_tempos_time() -> None:
    run = Harness(SpanMetrics, naming="both")
    run.traces(span_batch())
    for _ in range(20):
        run.collect()
        run.advance(60)
    assert {point.name for point in run.metrics()} == {CALLS, DURATION}


def test_the_cardinality_limit_counts_per_resource_and_keeps_totals() -> None:
    run = Harness(SpanMetrics, aggregation_cardinality_limit=2)
    spans = [{"name": f"n{number}", "service": service} for service in ("a", "b") for number in range(5)]
    run.traces(span_batch(spans=spans))
    points = [
        (point.labels, point.resource["service.name"], point.value) for point in run.metrics() if point.name == CALLS
    ]
    assert len(points) == 6
    assert [(service, value) for labels, service, value in points if labels == {OVERFLOW: "true"}] == [
        ("a", 3),
        ("b", 3),
    ]
    durations = [point.value["count"] for point in run.metrics() if point.name == DURATION]
    assert sorted(durations) == [1, 1, 1, 1, 3, 3]


def test_all_series_together_are_limited_too() -> None:
    run = Harness(SpanMetrics, max_active_series=10, zero_error_series=False)
    for number in range(50):
        run.traces(named(f"n{number}"))
    assert len([point for point in run.metrics() if point.name == CALLS]) == 11
    assert calls_of(run, OVERFLOW) == {None: 10, "true": 40}


def test_a_label_with_too_many_values_keeps_the_other_labels() -> None:
    run = Harness(SpanMetrics, max_cardinality_per_label=3)
    run.traces(named(*(f"n{number}" for number in range(10))))
    assert calls_of(run, "span.name") == {"n0": 1, "n1": 1, "n2": 1, "__cardinality_overflow__": 7}
    assert calls_of(run, "service.name") == {"cart": 10}


def test_old_resources_give_way_to_new_ones() -> None:
    run = Harness(SpanMetrics, resource_metrics_cache_size=2)
    for service in ("a", "b", "c"):
        run.traces(span_batch(service=service), then_advance_s=100)
        run.collect()
    assert calls_of(run, "service.name") == {"b": 1, "c": 1}


def test_long_names_are_cut_but_stay_distinct() -> None:
    run = Harness(SpanMetrics)
    run.traces(named("x" * 100_000, "x" * 100_000 + "y"))
    names = calls_of(run, "span.name")
    assert len(names) == 2
    assert all(name is not None and len(name) <= 2048 for name in names)


def test_a_new_series_says_when_it_began() -> None:
    run = Harness(SpanMetrics)
    run.advance(5)
    run.traces(span_batch())
    (calls, _) = run.collect().metrics
    assert set(calls.series.start_unix_nano.tolist()) == {START_UNIX_NANO + 5 * 10**9}
