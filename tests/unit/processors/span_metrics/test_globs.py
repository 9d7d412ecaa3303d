"""Dimensions by glob: every matching attribute becomes a label, up to a limit."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.testing import Harness, span_batch
from processors.span_metrics import SpanMetrics
from processors.span_metrics.open_labels import MOST
from tests.unit.processors.span_metrics.reading import CALLS, DURATION, reasons_of


def found(run: Harness[SpanMetrics], name: str = CALLS) -> list[dict[str, str]]:
    """Labels besides the standard ones, of series that counted."""
    standard = {"service.name", "span.name", "span.kind", "status.code"}
    return [
        {key: value for key, value in point.labels.items() if key not in standard}
        for point in run.metrics()
        if point.name == name and point.value
    ]


def test_every_matching_attribute_is_a_label_of_the_spans_that_have_it() -> None:
    run = Harness(SpanMetrics, dimensions=[{"glob": "http.*"}, {"glob": "k8s.?od"}])
    run.traces(
        span_batch(
            spans=[
                {"attributes": {"http.route": "/a", "http.status_code": 200, "other": "x"}},
                {"attributes": {"http.route": "/a"}, "resource": {"k8s.pod": "p", "k8s.node": "n"}},
                {},
            ]
        )
    )
    assert found(run) == [
        {"http.route": "/a", "http.status_code": "200"},
        {},
        {"http.route": "/a", "k8s.pod": "p"},
    ]


def test_series_made_before_a_label_was_known_stay_the_same() -> None:
    run = Harness(SpanMetrics, dimensions=[{"glob": "*"}], resource_metrics_key_attributes=["service.name"])
    run.traces(span_batch(attributes={"a": 1}))
    run.traces(span_batch(attributes={"b": 2}))
    run.traces(span_batch(attributes={"a": 1}))
    labels = [{key: one[key] for key in ("a", "b") if key in one} for one in found(run)]
    assert labels == [{"a": "1"}, {"b": "2"}]
    assert sum(point.value for point in run.metrics() if point.name == CALLS) == 3


@pytest.mark.parametrize(("order", "value"), [(None, "span"), ("resource_first", "resource")])
def test_the_lookup_order_holds(order: str | None, value: str) -> None:
    run = Harness(SpanMetrics, dimensions=[{"glob": "zon*"}], dimension_lookup_order=order)
    run.traces(span_batch(attributes={"zone": "span"}, resource={"zone": "resource"}))
    assert found(run) == [{"zone": value}]


def test_a_glob_does_not_repeat_a_label_that_exists() -> None:
    run = Harness(SpanMetrics, dimensions=[{"name": "http.route"}, {"glob": "*"}], calls_dimensions=[{"glob": "h*"}])
    run.traces(span_batch(attributes={"http.route": "/a", "http.x": "y"}))
    assert found(run) == [{"http.route": "/a", "http.x": "y"}]


def test_globs_of_one_metric_stay_with_it() -> None:
    run = Harness(SpanMetrics, calls_dimensions=[{"glob": "a*"}], histogram={"dimensions": [{"glob": "b*"}]})
    run.traces(span_batch(attributes={"a1": "1", "b1": "2"}))
    assert found(run) == [{"a1": "1"}]
    assert found(run, DURATION) == [{"b1": "2"}]


def test_more_keys_than_labels_are_left_out_and_counted() -> None:
    run = Harness(SpanMetrics, dimensions=[{"glob": "k*"}])
    run.traces(span_batch(n=2, attributes={f"k{number:02}": "x" for number in range(MOST + 3)}))
    assert [len(labels) for labels in found(run)] == [MOST]
    assert reasons_of(run) == {"glob_keys": 6}


def test_what_labels_are_called_survives_a_restart() -> None:
    run = Harness(SpanMetrics, dimensions=[{"glob": "*.x"}])
    run.traces(span_batch(attributes={"a.x": "1", "b.x": "2"}))
    before = found(run)
    run.restart()
    assert found(run) == before
    run.traces(span_batch(attributes={"b.x": "2", "a.x": "1"}))
    assert found(run) == before


def test_a_sender_cannot_write_into_derived_columns() -> None:
    run = Harness(SpanMetrics, dimensions=[{"glob": "a"}], enable_metrics_sampling_method=True)
    attributes: dict[str, Any] = {
        "weir.derived.otelcol.dimensions.0": "forged",
        "weir.derived.otelcol.sampling_method": "forged",
    }
    run.traces(span_batch(spans=[{"attributes": attributes}, {"attributes": {"a": "1"}}]))
    assert found(run) == [{"sampling.method": "counted"}, {"a": "1", "sampling.method": "counted"}]


def test_tempos_labels_are_sanitised() -> None:
    run = Harness(SpanMetrics, naming="tempo", dimensions=[{"glob": "http.*"}])
    run.traces(span_batch(attributes={"http.route": "/a"}))
    assert run.metric("traces_spanmetrics_calls_total", http_route="/a", status_code="STATUS_CODE_UNSET") == 1
