"""The filter: what is dropped, in which order, what is counted, and what its configuration may say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from pipeline.api import PermanentError
from pipeline.model.any_value import key_values
from pipeline.testing import Harness, log_batch, metric_batch, span_batch
from processors.filter import Filter

SPANS: list[dict[str, Any]] = [
    {"name": "GET /", "attributes": {"http.route": "/"}},
    {"name": "GET /healthz", "attributes": {"http.route": "/healthz"}},
    {"name": "job", "service": "batch", "kind": "internal"},
    {"name": "GET /", "service": "pay", "status": "error"},
]


def names(batch: Any) -> list[str]:
    return [item.name for item in batch.iter()]


def filtered(run: Harness[Filter], what: str) -> float:
    return run.own.value(f"otelcol_processor_filter_{what}.filtered", filter="filter") or 0


def refused(**config: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Filter.Config.model_validate(config)
    return str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {"traces": {"span": ['attributes["http.route"] == "/healthz"', "kind == SPAN_KIND_INTERNAL"]}},
        {"trace_conditions": ['span.attributes["http.route"] == "/healthz"', "span.kind == SPAN_KIND_INTERNAL"]},
        {
            "trace_conditions": [
                {"context": "span", "conditions": ['attributes["http.route"] == "/healthz"']},
                {"context": "Resource", "conditions": ['attributes["service.name"] == "batch"']},
            ]
        },
        {"traces": {"resource": ['attributes["service.name"] == "batch"'], "span": ['name == "GET /healthz"']}},
    ],
)
def test_what_any_condition_is_true_of_is_dropped_and_counted(config: dict[str, Any]) -> None:
    run = Harness(Filter, **config)
    assert filtered(run, "spans") == 0
    kept = run.traces(span_batch(spans=SPANS))
    assert names(kept) == ["GET /", "GET /"]
    assert filtered(run, "spans") == 2


def test_nothing_configured_drops_nothing() -> None:
    batch = span_batch(spans=SPANS)
    assert len(Harness(Filter).traces(batch)) == 4


def test_all_can_be_dropped() -> None:
    run = Harness(Filter, traces={"span": ["true", "Len(kind.string) == 1"]}, error_mode="propagate")
    assert len(run.traces(span_batch(spans=SPANS))) == 0
    assert filtered(run, "spans") == 4


def events_of(*names: str) -> list[Span.Event]:
    return [Span.Event(name=name, attributes=key_values({"grpc": name == "b"})) for name in names]


def test_spans_lose_events_and_stay_even_without_any() -> None:
    run = Harness(
        Filter, traces={"span": ['name == "gone"'], "spanevent": ['attributes["grpc"] == true', 'name == "c"']}
    )
    batch = span_batch(
        spans=[
            {"events": events_of("a", "b")},
            {"name": "gone", "events": events_of("b")},
            {"events": events_of("b", "c")},
        ]
    )
    kept = list(run.traces(batch).iter())
    assert [[event.name for event in span.events] for span in kept] == [["a"], []]
    assert filtered(run, "spans") == 1


def test_a_dropped_span_is_not_asked_for_its_events() -> None:
    run = Harness(Filter, traces={"span": ['name == "x"'], "spanevent": ['Len(attributes["missing"]) == 1']})
    batch = span_batch(spans=[{"name": "x", "events": events_of("a")}])
    assert len(run.traces(batch)) == 0


def test_groups_are_asked_from_the_resource_down_whatever_their_order() -> None:
    groups = [
        {"context": "span", "conditions": ['Len(attributes["missing"]) == 1']},
        {"context": "resource", "conditions": ['attributes["service.name"] == "cart"']},
    ]
    run = Harness(Filter, trace_conditions=groups)
    assert len(run.traces(span_batch(3))) == 0


def test_metrics_go_when_all_their_points_do() -> None:
    points: list[dict[str, Any]] = [
        {"kind": "gauge", "name": "phase", "value": 4},
        {"kind": "gauge", "name": "phase", "value": 1},
        {"kind": "gauge", "name": "other", "value": 4},
        {"kind": "summary", "name": "old"},
        {"kind": "sum", "name": "bad", "attributes": {"bad.metric": "true"}},
        {"kind": "sum", "name": "bad"},
    ]
    run = Harness(
        Filter,
        metrics={
            "metric": ['HasAttrOnDatapoint("bad.metric", "true")', "type == METRIC_DATA_TYPE_SUMMARY"],
            "datapoint": ["value_int == 4"],
        },
    )
    kept = run.process(metric_batch(points=points))
    assert [(point.name, point.value) for point in kept.points()] == [("phase", 1.0)]
    assert b"other" not in kept.to_otlp()
    assert filtered(run, "datapoints") == 5


def test_logs_are_dropped_by_body_and_severity() -> None:
    run = Harness(Filter, logs={"log_record": ['IsMatch(body, "password")', "severity_number < SEVERITY_NUMBER_WARN"]})
    logs = [{"body": "x", "severity": "error"}, {"body": "password=1", "severity": "error"}, {"body": "x"}]
    assert [record.body.string_value for record in run.process(log_batch(logs=logs)).iter()] == ["x"]
    assert filtered(run, "logs") == 2


FAILS = {"traces": {"span": ['Len(attributes["http.route"]) > 1', 'name == "job"']}}
"""Two of the spans have no such attribute."""


def test_a_condition_that_fails_refuses_the_request() -> None:
    run = Harness(Filter, **FAILS)
    with pytest.raises(PermanentError, match=r"cannot be evaluated: Len\(.*a value of type nil has no length"):
        run.traces(span_batch(spans=SPANS))


@pytest.mark.parametrize("mode", ["ignore", "silent"])
def test_a_condition_that_fails_counts_as_false_where_errors_are_ignored(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = Harness(Filter, error_mode=mode, **FAILS)
    kept = run.traces(span_batch(spans=SPANS))
    assert names(kept) == ["GET /", "GET /"]
    assert run.own.value("weir_processor_filter_condition_errors", error_mode=mode) == 2
    assert bool(caplog.records) is (mode == "ignore")


def test_a_failure_does_not_matter_where_an_earlier_condition_has_dropped_the_span() -> None:
    run = Harness(Filter, traces={"span": ['attributes["http.route"] == nil', 'Len(attributes["http.route"]) > 1']})
    assert names(run.traces(span_batch(spans=SPANS))) == ["GET /"]


def test_a_group_may_have_an_error_mode_of_its_own() -> None:
    group = {"context": "span", "error_mode": "silent", "conditions": FAILS["traces"]["span"]}
    run = Harness(Filter, trace_conditions=[group])
    assert len(run.traces(span_batch(spans=SPANS))) == 2


def test_a_comparison_that_is_never_true_is_told_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    Harness(Filter, traces={"span": ['kind == "SPAN_KIND_SERVER"', "status.code >= 1.0", 'attributes["n"] == "1"']})
    fields = [record.fields for record in caplog.records]  # type: ignore[attr-defined]
    assert [one["problem"] for one in fields] == [
        'kind == "SPAN_KIND_SERVER" compares an int with a string, which are never equal and have no order'
    ]


def test_time_is_that_of_the_clock() -> None:
    run = Harness(Filter, log_conditions=['Now() - log.time > Duration("1h")'])
    batch = log_batch(2)
    assert len(run.process(batch)) == 2
    run.advance(3601)
    assert len(run.process(batch)) == 0


def test_what_is_left_of_a_batch_is_filtered_alone() -> None:
    run = Harness(Filter, traces={"span": ['name == "GET /"']})
    batch = span_batch(spans=SPANS)
    assert names(run.traces(batch.where(np.array([True, True, False, False])))) == ["GET /healthz"]


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({"include": {"match_type": "strict", "services": ["cart"]}}, ["GET /", "GET /healthz"]),
        ({"exclude": {"match_type": "regexp", "span_names": ["health", "^job$"]}}, ["GET /", "GET /"]),
        (
            {
                "include": {"match_type": "strict", "services": ["cart", "pay"]},
                "exclude": {"match_type": "strict", "attributes": [{"key": "http.route", "value": "/"}]},
            },
            ["GET /healthz", "GET /"],
        ),
    ],
)
def test_spans_by_include_and_exclude(config: dict[str, Any], kept: list[str]) -> None:
    run = Harness(Filter, spans=config)
    assert names(run.traces(span_batch(spans=SPANS))) == kept
    assert filtered(run, "spans") == 4 - len(kept)


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({"include": {"match_type": "regexp", "metric_names": ["^a", "b$"]}}, ["a1", "cb", "a1"]),
        ({"exclude": {"match_type": "strict", "metric_names": ["a1"]}}, ["cb", "cc"]),
        (
            {"exclude": {"match_type": "strict", "resource_attributes": [{"key": "team", "value": "x"}]}},
            ["a1", "cb", "cc"],
        ),
        (  # either is enough to be gone
            {
                "exclude": {
                    "match_type": "strict",
                    "metric_names": ["cb"],
                    "resource_attributes": [{"key": "team", "value": "x"}],
                }
            },
            ["a1", "cc"],
        ),
    ],
)
def test_metrics_by_include_and_exclude(config: dict[str, Any], kept: list[str]) -> None:
    points: list[dict[str, Any]] = [
        {"name": "a1"},
        {"name": "cb"},
        {"name": "cc"},
        {"name": "a1", "resource": {"team": "x"}},
    ]
    run = Harness(Filter, metrics=config)
    batch = run.process(metric_batch(points=[{"kind": "gauge", **point} for point in points]))
    assert sorted(point.name for point in batch.points()) == sorted(kept)


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({"include": {"severity_number": {"min": "WARN"}}}, ["b"]),
        ({"include": {"severity_number": {"min": 9, "match_undefined": True}}}, ["a", "b", "c"]),
        ({"exclude": {"match_type": "regexp", "bodies": ["^[ab]$"]}}, ["c"]),
        ({"include": {"match_type": "strict", "severity_texts": ["error"]}}, ["b"]),
        ({"include": {"match_type": "strict", "record_attributes": [{"key": "k", "value": 1}]}}, ["a"]),
        ({"exclude": {"match_type": "strict", "resource_attributes": [{"key": "service.name", "value": "cart"}]}}, []),
    ],
)
def test_logs_by_include_and_exclude(config: dict[str, Any], kept: list[str]) -> None:
    logs: list[dict[str, Any]] = [
        {"body": "a", "severity": "info", "attributes": {"k": 1}},
        {"body": "b", "severity": "error", "attributes": {"k": "1"}},
        {"body": "c", "severity": "unspecified"},
    ]
    run = Harness(Filter, logs=config)
    assert [record.body.string_value for record in run.process(log_batch(logs=logs)).iter()] == kept


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"traces": {"span": ["nme == 1"]}}, 'did you mean "name"?'),
        ({"trace_conditions": ['name == "x"']}, "no path says what this is about"),
        ({"trace_conditions": ['span.name == "x" and kind == 1']}, "paths begin with their context here: span.kind"),
        ({"trace_conditions": [{"context": "log", "conditions": ["true"]}]}, 'there is no context "log" here'),
        ({"trace_conditions": ["span.kind == 1", {"conditions": ["span.kind == 1"]}]}, "not both in one list"),
        ({"trace_conditions": ["span.kind == 1"], "traces": {"span": ["kind == 1"]}}, "and traces.span"),
        ({"trace_conditions": ["span.kind == 1"], "spans": {"exclude": {"match_type": "strict", "services": ["x"]}}},
         "trace_conditions and spans.exclude cannot be used together"),
        ({"metrics": {"metric": ['name == "x"'], "exclude": {"match_type": "strict", "metric_names": ["x"]}}},
         "metrics.metric and metrics.exclude"),
        ({"metrics": {"include": {"match_type": "expr", "expressions": ["true"]}}}, "match_type expr is not supported"),
        ({"metrics": {"include": {"match_type": "regexp", "metric_names": ["a(b"]}}}, "is not a regular expression"),
        ({"logs": {"include": {"severity_number": {"min": "LOUD"}}}}, "is no severity"),
        ({"logs": {"include": {"bodies": ["x"]}}}, "match_type is missing"),
        ({"error_mode": "explode"}, "'propagate', 'ignore' or 'silent'"),
        ({"profiles": {"profile": ["true"]}}, "profiles"),
    ],
)  # fmt: skip
def test_mistakes_in_the_configuration_are_explained(config: dict[str, Any], what: str) -> None:
    assert what in refused(**config)


def test_a_mistake_in_a_condition_is_told_at_its_key_with_a_caret() -> None:
    message = refused(logs={"log_record": ['severity_text == "x"', "severity_number < SEVERITY_NUMBER_WARNING"]})
    assert "logs.log_record.1" in message
    assert "    severity_number < SEVERITY_NUMBER_WARNING\n                      ^~~~" in message
