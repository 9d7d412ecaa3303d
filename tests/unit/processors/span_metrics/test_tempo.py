"""Tempo's metrics: exact names and labels, and each of Tempo's options."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.model.snapshot import MetricKind
from pipeline.testing import Harness, span_batch
from processors.span_metrics import SpanMetrics
from tests.unit.processors.span_metrics.reading import calls_of, reasons_of

CALLS = "traces_spanmetrics_calls_total"
LATENCY = "traces_spanmetrics_latency"
SIZE = "traces_spanmetrics_size_total"
TARGET_INFO = "traces_target_info"


def tempo(**keys: Any) -> Harness[SpanMetrics]:
    return Harness(SpanMetrics, naming="tempo", **keys)


def labels_of(run: Harness[SpanMetrics], name: str = CALLS) -> dict[str, str]:
    (labels,) = (point.labels for point in run.metrics() if point.name == name and point.value)
    return labels


def test_names_labels_and_buckets_are_tempos() -> None:
    run = tempo()
    spans = span_batch(n=2, service="cart", name="GET /", kind="server", status="error", duration_ms=5)
    run.traces(spans)
    labels = {
        "service": "cart",
        "span_name": "GET /",
        "span_kind": "SPAN_KIND_SERVER",
        "status_code": "STATUS_CODE_ERROR",
    }
    points = {point.name: point for point in run.metrics()}
    assert points.keys() == {CALLS, LATENCY, SIZE}
    assert all(point.labels == labels and point.resource == {} for point in points.values())
    assert points[CALLS].value == 2
    assert points[SIZE].value == sum(span.ByteSize() for span in spans.iter())
    latency = points[LATENCY].value
    assert (latency["count"], latency["sum"]) == (2, 0.01)
    assert latency["bounds"] == [0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384]  # fmt: skip  # noqa: E501
    assert {metric.unit for metric in run.collect().metrics} == {""}


def test_resources_do_not_keep_series_apart() -> None:
    run = tempo()
    run.traces(span_batch(spans=[{"resource": {"pod": "a"}}, {"resource": {"pod": "b"}}]))
    assert run.metric(CALLS, status_code="STATUS_CODE_UNSET") == 2


def test_intrinsic_dimensions_can_be_chosen() -> None:
    run = tempo(intrinsic_dimensions={"service": False, "span_kind": False, "status_code": False})
    run.traces(span_batch())
    assert labels_of(run) == {"span_name": "GET /"}


def test_the_status_message_is_a_label_on_request_and_left_out_where_empty() -> None:
    run = tempo(intrinsic_dimensions={"status_message": True})
    run.traces(span_batch())
    assert labels_of(run).get("status_message", "") == ""


def test_dimensions_are_sanitised_and_taken_from_the_resource_first() -> None:
    run = tempo(dimensions=["http.route", "service", "zone"])
    attributes = {"http.route": "/a", "service": "mine", "zone": "span"}
    run.traces(span_batch(attributes=attributes, resource={"zone": "resource"}))
    labels = labels_of(run)
    assert (labels["http_route"], labels["__service"], labels["zone"]) == ("/a", "mine", "resource")
    assert labels["service"] == "cart"


def test_mappings_rename_and_join() -> None:
    run = tempo(dimension_mappings=[{"name": "in.zone", "source_labels": ["zone"]}])
    run.traces(span_batch(attributes={"zone": "a"}))
    assert labels_of(run)["in_zone"] == "a"


@pytest.mark.parametrize(
    ("made", "names"),
    [(["count"], {CALLS}), (["calls", "size"], {CALLS, SIZE}), (["span-metrics-latency"], {LATENCY}), ([], set())],
)
def test_subprocessors_choose_the_metrics(made: list[str], names: set[str]) -> None:
    run = tempo(subprocessors=made)
    run.traces(span_batch())
    assert {point.name for point in run.metrics()} == names


def test_native_histograms_are_exponential() -> None:
    run = tempo(generate_native_histograms="native")
    run.traces(span_batch())
    kinds = {metric.name: metric.kind for metric in run.collect().metrics}
    assert kinds[LATENCY] == MetricKind.EXPONENTIAL_HISTOGRAM


@pytest.mark.parametrize(
    ("keys", "calls"),
    [({}, 2), ({"enable_tracestate_span_multiplier": True}, 5), ({"span_multiplier_key": "X-SampleRatio"}, 11)],
)
def test_multipliers_are_opt_in_and_leave_sizes_alone(keys: dict[str, Any], calls: int) -> None:
    run = tempo(**keys)
    spans = span_batch(spans=[{"trace_state": "ot=th:c"}, {"attributes": {"X-SampleRatio": 0.1}}])
    run.traces(spans)
    assert run.metric(CALLS, status_code="STATUS_CODE_UNSET") == calls
    assert run.metric(LATENCY)["count"] == calls
    assert run.metric(SIZE, status_code="STATUS_CODE_UNSET") == sum(span.ByteSize() for span in spans.iter())


def test_target_info_shows_the_resource_and_series_get_job_and_instance() -> None:
    run = tempo(enable_target_info=True, target_info_excluded_dimensions=["secret"])
    resource = {
        "service.namespace": "shop",
        "service.instance.id": "i-1",
        "k8s.pod.name": "p",
        "job": "mine",
        "secret": "x",
        "9lives": "x",
        "empty": "",
    }
    for _ in range(2):
        run.traces(span_batch(n=2, resource=resource))
    identity = {"job": "shop/cart", "instance": "i-1"}
    assert labels_of(run, TARGET_INFO) == {"k8s_pod_name": "p", "__job": "mine"} | identity
    assert labels_of(run).items() >= identity.items()
    assert run.metric(TARGET_INFO) == 1


@pytest.mark.parametrize(
    ("keys", "service", "resource", "job", "instance", "shown"),
    [
        ({}, "cart", {"pod": "p"}, "cart", None, True),
        ({}, "cart", {}, "cart", None, False),
        ({}, None, {"pod": "p"}, None, None, False),
        ({}, None, {"pod": "p", "service.instance.id": "i"}, None, "i", True),
        ({}, "", {"pod": "p", "service.namespace": "shop"}, None, None, False),
        ({"enable_instance_label": False}, "cart", {"pod": "p", "service.instance.id": "i"}, "cart", None, True),
    ],
)
def test_target_info_needs_an_identity_and_something_to_say(
    keys: dict[str, Any],
    service: str | None,
    resource: dict[str, Any],
    job: str | None,
    instance: str | None,
    shown: bool,
) -> None:
    run = tempo(enable_target_info=True, **keys)
    run.traces(span_batch(service=service, resource=resource))
    labels = labels_of(run)
    assert (labels.get("job"), labels.get("instance")) == (job, instance)
    assert any(point.name == TARGET_INFO for point in run.metrics()) == shown


def test_target_info_survives_a_restart_and_leaves_out_what_has_no_label() -> None:
    run = tempo(enable_target_info=True)
    run.traces(span_batch(resource={"a.b": "1"}))
    run.restart()
    run.traces(span_batch(resource={f"k{number}": "x" for number in range(40)}))
    first, second = (point.labels for point in run.metrics() if point.name == TARGET_INFO)
    assert first == {"a_b": "1", "job": "cart"}
    assert len(second) == 31 + 1
    assert reasons_of(run) == {"target_info_keys": 9}


def test_without_a_service_name_the_service_is_unknown() -> None:
    run = tempo()
    run.traces(span_batch(service=None))
    assert calls_of(run, "service", CALLS) == {"unknown_service": 1}
