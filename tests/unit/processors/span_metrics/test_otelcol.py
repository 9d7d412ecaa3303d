"""The Collector's metrics: names, labels, and each option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.api import Meter, Settings
from pipeline.model.any_value import key_values
from pipeline.model.snapshot import Temporality
from pipeline.telemetry import ComponentTelemetry
from pipeline.testing import FakeClock, Harness, span_batch
from processors.span_metrics import SpanMetrics
from tests.unit.processors.span_metrics.reading import CALLS, DURATION, calls_of

EVENTS = "traces.span.metrics.events"


def labels_of(run: Harness[SpanMetrics], name: str = CALLS) -> list[dict[str, str]]:
    return [point.labels for point in run.metrics() if point.name == name and point.value]


def test_calls_and_duration_carry_the_collectors_names_and_labels() -> None:
    run = Harness(SpanMetrics)
    run.traces(span_batch(n=3, service="cart", name="GET /", kind="server", status="error", duration_ms=7))
    calls, duration = run.metrics()
    labels = {
        "service.name": "cart",
        "span.name": "GET /",
        "span.kind": "SPAN_KIND_SERVER",
        "status.code": "STATUS_CODE_ERROR",
    }
    assert (calls.name, calls.labels, calls.value) == (CALLS, labels, 3)
    assert (duration.name, duration.labels) == (DURATION, labels)
    assert duration.value["sum"] == 21
    assert run.collect().scope.name == "spanmetricsconnector"
    units = {metric.name: metric.unit for metric in run.collect().metrics}
    assert units == {CALLS: "", DURATION: "ms"}


def test_the_batch_goes_on_unchanged() -> None:
    run = Harness(SpanMetrics, dimensions=[{"glob": "*"}], events={"enabled": True, "dimensions": ["x"]})
    spans = span_batch(n=3, attributes={"x": 1}, name="", service=None)
    assert run.traces(spans).to_otlp() == spans.to_otlp()


def test_resources_keep_their_series_apart() -> None:
    run = Harness(SpanMetrics)
    run.traces(span_batch(spans=[{"resource": {"pod": "a"}}, {"resource": {"pod": "b"}}, {"resource": {"pod": "b"}}]))
    assert {p.resource["pod"]: p.value for p in run.metrics() if p.name == CALLS and p.value} == {"a": 1, "b": 2}


def test_resource_key_attributes_decide_what_one_resource_is() -> None:
    run = Harness(SpanMetrics, resource_metrics_key_attributes=["service.name"])
    run.traces(span_batch(resource={"pod": "a"}))
    run.traces(span_batch(resource={"pod": "b"}))
    (point,) = (p for p in run.metrics() if p.name == CALLS and p.value)
    assert (point.value, point.resource["pod"]) == (2, "a")


@pytest.mark.parametrize(("add", "resources"), [(False, [{}]), (True, [{"service.name": "cart", "pod": "a"}])])
def test_resource_attributes_can_be_left_out_and_put_back(add: bool, resources: list[dict[str, Any]]) -> None:
    run = Harness(SpanMetrics, exclude_resource_metrics=True, add_resource_attributes=add)
    run.traces(span_batch(resource={"pod": "a"}))
    assert [p.resource for p in run.metrics() if p.name == CALLS and p.value] == resources


@pytest.mark.parametrize(("order", "zone"), [(None, "span"), ("span_first", "span"), ("resource_first", "resource")])
def test_dimensions_are_looked_up_in_order(order: str | None, zone: str) -> None:
    run = Harness(SpanMetrics, dimensions=["zone"], dimension_lookup_order=order)
    run.traces(span_batch(attributes={"zone": "span"}, resource={"zone": "resource"}))
    assert labels_of(run)[0]["zone"] == zone


def test_a_missing_dimension_takes_its_default_or_is_left_out() -> None:
    run = Harness(SpanMetrics, dimensions=[{"name": "a", "default": "none"}, {"name": "b"}])
    run.traces(span_batch())
    (labels,) = labels_of(run)
    assert labels["a"] == "none"
    assert "b" not in labels


def test_a_metric_can_have_dimensions_of_its_own() -> None:
    run = Harness(SpanMetrics, dimensions=["a"], calls_dimensions=["b"], histogram={"dimensions": ["c"]})
    run.traces(span_batch(attributes={"a": 1, "b": 2, "c": 3}))
    assert {"a", "b", "c"} & labels_of(run)[0].keys() == {"a", "b"}
    assert {"a", "b", "c"} & labels_of(run, DURATION)[0].keys() == {"a", "c"}


def test_default_dimensions_can_be_excluded() -> None:
    run = Harness(SpanMetrics, exclude_dimensions=["span.name", "status.code", "whatever"])
    run.traces(span_batch(spans=[{"name": "a", "status": "ok"}, {"name": "b", "status": "error"}]))
    assert run.metric(CALLS, service__name="cart", span__kind="SPAN_KIND_SERVER") == 2
    assert labels_of(run) == [{"service.name": "cart", "span.kind": "SPAN_KIND_SERVER"}]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({}, None),
        ({"include_collector_instance_id": True}, "weir-1"),
        ({"include_collector_instance_id": True, "exclude_dimensions": ["collector.instance.id"]}, None),
    ],
)
def test_the_instance_id_is_that_of_the_process_and_off_by_default(keys: dict[str, Any], found: str | None) -> None:
    clock = FakeClock()
    meter = Meter("tested", clock)
    config = SpanMetrics.Config.model_validate(keys)
    identity: Mapping[str, str] = {"service.instance.id": "weir-1"}
    processor = SpanMetrics(
        config, Settings("tested", clock, meter, ComponentTelemetry("connector", "tested", clock), identity)
    )
    processor.process_traces(span_batch(columns=processor.reads))
    points = [point for point in meter.collect(0).points() if point.name == CALLS]
    assert {point.labels.get("collector.instance.id") for point in points} == {found}


def test_the_histogram_can_be_switched_off_or_be_in_seconds_or_exponential() -> None:
    off = Harness(SpanMetrics, histogram={"disable": True})
    off.traces(span_batch())
    assert {point.name for point in off.metrics()} == {CALLS}

    seconds = Harness(SpanMetrics, histogram={"unit": "s", "explicit": {"buckets": ["5ms", "1s"]}})
    seconds.traces(span_batch(duration_ms=500))
    assert seconds.metric(DURATION) == {"count": 1, "sum": 0.5, "bounds": [0.005, 1], "counts": [0, 1, 0]}

    exponential = Harness(SpanMetrics, histogram={"exponential": {"max_size": 20}})
    exponential.traces(span_batch(spans=[{"duration_ms": 1}, {"duration_ms": 1000}, {"duration_ms": 0}]))
    found = exponential.metric(DURATION)
    assert (found["count"], found["sum"], found["zero_count"]) == (3, 1001, 1)
    assert len(found["counts"]) <= 20


@pytest.mark.parametrize(("namespace", "name"), [("", "calls"), ("span.metrics", "span.metrics.calls")])
def test_the_namespace_comes_before_the_names(namespace: str, name: str) -> None:
    run = Harness(SpanMetrics, namespace=namespace)
    run.traces(span_batch())
    assert run.metric(name, status__code="STATUS_CODE_UNSET") == 1


@pytest.mark.parametrize(
    ("exemplars", "kept"),
    [({}, False), ({"enabled": True}, True), ({"enabled": True, "max_per_data_point": 0}, False)],
)
def test_exemplars_lead_to_a_span_of_their_bucket(exemplars: dict[str, Any], kept: bool) -> None:
    run = Harness(SpanMetrics, exemplars=exemplars)
    spans = span_batch(spans=[{"duration_ms": 1}, {"duration_ms": 70}])
    run.traces(spans)
    metrics = {metric.name: metric for metric in run.collect().metrics}
    found = metrics[DURATION].values.exemplars
    assert (found is not None) == kept
    if found is not None:
        assert found.value.tolist() == [1, 70]
        assert {bytes(one) for one in found.trace_id} == {bytes(one) for one in spans["trace_id"]}
        assert metrics[CALLS].values.exemplars is not None


def test_scopes_are_labels_of_the_included_ones_alone() -> None:
    run = Harness(SpanMetrics, include_instrumentation_scope=["express", "redis"])
    run.traces(span_batch(spans=[{"scope": "express"}, {"scope": "tests"}, {"scope": "tests"}]))
    assert calls_of(run, "span.instrumentation.scope.name") == {"express": 1, None: 2}
    assert not any("span.instrumentation.scope.version" in labels for labels in labels_of(run))


def test_sampled_spans_count_for_those_that_were_not_kept() -> None:
    run = Harness(SpanMetrics, enable_metrics_sampling_method=True, span_multiplier_key="ratio")
    run.traces(
        span_batch(
            spans=[{"trace_state": "ot=th:c"}, {"attributes": {"ratio": 0.1}}, {}, {}],
            duration_ms=3,
            columns=("trace_state", "span.ratio"),
        )
    )
    assert calls_of(run, "sampling.method") == {"extrapolated": 14, "counted": 2}
    durations = {p.labels["sampling.method"]: p.value for p in run.metrics() if p.name == DURATION}
    assert (durations["extrapolated"]["count"], durations["extrapolated"]["sum"]) == (14, 42)


def test_the_tracestate_can_be_ignored() -> None:
    run = Harness(SpanMetrics, enable_tracestate_span_multiplier=False)
    run.traces(span_batch(trace_state="ot=th:c"))
    assert run.metric(CALLS, status__code="STATUS_CODE_UNSET") == 1


def test_dimensions_can_be_joined() -> None:
    mapping = {"name": "where", "source_labels": ["region", "zone"], "join": "/"}
    run = Harness(SpanMetrics, dimension_mappings=[mapping])
    run.traces(
        span_batch(
            spans=[
                {"attributes": {"zone": "a"}, "resource": {"region": "eu"}},
                {"attributes": {"zone": "b"}},
                {},
            ],
        )
    )
    assert calls_of(run, "where") == {"eu/a": 1, "b": 1, None: 1}


def event(name: str, **attributes: Any) -> Span.Event:
    return Span.Event(name=name, attributes=key_values({key.replace("__", "."): v for key, v in attributes.items()}))


def test_events_are_counted_by_their_dimensions() -> None:
    dimensions = [{"name": "exception.type", "default": "none"}, {"name": "zone"}]
    run = Harness(SpanMetrics, dimensions=["route"], events={"enabled": True, "dimensions": dimensions})
    boom = event("exception", exception__type="Boom", zone="event", route="event")
    run.traces(
        span_batch(
            spans=[
                {"events": [boom, boom, event("log")], "attributes": {"route": "/a"}, "resource": {"zone": "resource"}},
                {"events": [boom], "trace_state": "ot=th:8"},
                {"events": []},
            ],
        )
    )
    found = {
        (labels.get("exception.type"), labels.get("zone"), labels.get("route")) for labels in labels_of(run, EVENTS)
    }
    assert found == {("Boom", "resource", "/a"), ("none", "resource", "/a"), ("Boom", "event", "event")}
    assert sum(point.value for point in run.metrics() if point.name == EVENTS) == 3 + 2
    assert {p.resource.get("zone") for p in run.metrics() if p.name == EVENTS} == {"resource", None}


def test_deltas_chain_and_hold_each_call_once() -> None:
    run = Harness(SpanMetrics, aggregation_temporality="AGGREGATION_TEMPORALITY_DELTA")
    assert run.processor.pushes_deltas
    seen = []
    for number in (2, 3, 0):
        if number:
            run.traces(span_batch(n=number))
        run.clock.advance(10)
        batch = run.meter.collect(run.clock.unix_nano(), delta=True)
        assert all(metric.temporality == Temporality.DELTA for metric in batch.metrics)
        seen.append([point.value for point in batch.points() if point.name == CALLS])
    assert seen == [[2], [3], []]
