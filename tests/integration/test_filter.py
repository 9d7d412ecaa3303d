"""The filter between a sender and a destination, over real sockets: what arrives is what the official classes leave of
what was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.model.any_value import key_values
from pipeline.testing import export_request, logs_request, metrics_request
from tests.integration.destinations import http_destination
from tests.integration.raw_http import Client, post
from tests.integration.running_engine import RunningEngine
from tests.integration.test_forwarding import running, value

PIPELINES = """
exporters: {{otlphttp: {{endpoint: "{address}"}}}}
processors:
  filter:
    error_mode: {mode}
    trace_conditions:
      - 'span.attributes["http.route"] == "/healthz"'
      - 'resource.attributes["service.name"] == "probe" and span.status.code != STATUS_CODE_ERROR'
    metrics:
      metric: ['IsMatch(name, "^go_") or type == METRIC_DATA_TYPE_SUMMARY']
      datapoint: ['attributes["pod"] == "gone"']
    log_conditions:
      - context: log
        conditions: ['severity_number < SEVERITY_NUMBER_WARN', 'HasPrefix(attributes["file"], "/var/")']
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [filter], exporters: [otlphttp]}}
    metrics: {{receivers: [otlp], processors: [filter], exporters: [otlphttp]}}
    logs: {{receivers: [otlp], processors: [filter], exporters: [otlphttp]}}
"""


def spans() -> Any:
    return export_request(
        {
            "service": ("cart", "probe", None)[number % 3],
            "status": ("unset", "error")[number % 2],
            "attributes": {"http.route": ("/", "/healthz", "/cart")[number // 3 % 3], "n": number},
        }
        for number in range(24)
    )


def points() -> Any:
    return metrics_request(
        {
            "kind": ("gauge", "sum", "histogram", "summary")[number % 4],
            "name": ("requests", "go_gc")[number // 4 % 2],
            "attributes": {"pod": ("a", "gone", "b")[number % 3]},
        }
        for number in range(24)
    )


def records() -> Any:
    return logs_request(
        {
            "severity": ("debug", "warn", "error")[number % 3],
            "attributes": {"file": ("/var/log/x", "/srv/x")[number % 2]},
        }
        for number in range(18)
    )


def attribute(pairs: Any, key: str) -> Any:
    return next((pair.value.string_value for pair in pairs if pair.key == key), None)


def keep_span(resource: Any, span: Any) -> bool:
    probe = attribute(resource.attributes, "service.name") == "probe"
    return attribute(span.attributes, "http.route") != "/healthz" and not (probe and span.status.code != 2)


def keep_metric(_: Any, metric: Any) -> bool:
    """Also takes the points that are not wanted out of the metric."""
    if metric.name.startswith("go_") or metric.WhichOneof("data") == "summary":
        return False
    data = getattr(metric, metric.WhichOneof("data"))
    kept = [point for point in data.data_points if attribute(point.attributes, "pod") != "gone"]
    del data.data_points[:]
    data.data_points.extend(kept)
    return bool(kept)


def keep_record(_: Any, record: Any) -> bool:
    return record.severity_number >= 13 and not attribute(record.attributes, "file").startswith("/var/")


def rest(request: Any, keep: Callable[[Any, Any], bool]) -> Any:
    """What the official classes leave of a request; envelopes around nothing are gone."""
    left = type(request)()
    for ((field, envelopes),) in [request.ListFields()]:
        for envelope in envelopes:
            groups = envelope.DESCRIPTOR.fields_by_number[2].name
            kept = type(envelope)()
            kept.CopyFrom(envelope)
            kept.ClearField(groups)
            for group in getattr(envelope, groups):
                items = group.DESCRIPTOR.fields_by_number[2].name
                some = type(group)()
                some.CopyFrom(group)
                some.ClearField(items)
                getattr(some, items).extend(item for item in getattr(group, items) if keep(envelope.resource, item))
                if getattr(some, items):
                    getattr(kept, groups).append(some)
            if getattr(kept, groups):
                getattr(left, field.name).append(kept)
    return left


def send(engine: Any, path: str, body: bytes) -> int:
    receiver: Any = engine.graph.receivers["otlp"]
    client = Client(receiver.addresses["http"])
    try:
        client.send(post(body, "Content-Type: application/x-protobuf", path=path))
        return int(client.answer().status)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("signal", "make", "keep", "counter"),
    [
        ("traces", spans, keep_span, "spans"),
        ("metrics", points, keep_metric, "datapoints"),
        ("logs", records, keep_record, "logs"),
    ],
)
def test_what_arrives_is_what_the_official_classes_leave(
    signal: str, make: Callable[[], Any], keep: Callable[[Any, Any], bool], counter: str
) -> None:
    request = make()
    with http_destination() as (address, ledger):
        with running(PIPELINES.format(address=address, mode="ignore")) as engine:
            assert send(engine, f"/v1/{signal}", request.SerializeToString()) == 200
            dropped = value(engine, f"otelcol_processor_filter_{counter}.filtered", filter="filter")
        (found,) = ledger.requests
    wanted = rest(make(), keep)
    assert type(request).FromString(found["payload"]) == wanted
    assert found["path"] == f"/v1/{signal}"
    assert 0 < dropped < 24


def test_a_request_of_which_nothing_is_left_is_answered_and_not_sent_on() -> None:
    body = export_request([{"attributes": {"http.route": "/healthz"}}]).SerializeToString()
    with http_destination() as (address, ledger):
        with running(PIPELINES.format(address=address, mode="ignore")) as engine:
            assert send(engine, "/v1/traces", body) == 200
        assert ledger.requests == []


def test_a_condition_that_cannot_be_evaluated_refuses_the_request_for_good() -> None:
    body = logs_request([{"severity": "error"}]).SerializeToString()  # without the attribute that HasPrefix wants
    with http_destination() as (address, ledger):
        with running(PIPELINES.format(address=address, mode="propagate")) as engine:
            assert send(engine, "/v1/logs", body) == 400
        assert ledger.requests == []


def test_events_go_and_spans_stay() -> None:
    config = """
connectors: {span_metrics: }
processors: {filter: {traces: {spanevent: ['name == "noise" or attributes["level"] == "debug"']}}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [filter], exporters: [span_metrics, spans]}
    metrics: {receivers: [span_metrics], exporters: [prometheus]}
"""
    events = [
        Span.Event(name="noise"),
        Span.Event(name="a"),
        Span.Event(name="b", attributes=key_values({"level": "debug"})),
    ]
    request = export_request([{"events": events}, {"events": events[:1]}, {}])
    with RunningEngine(config) as engine:
        for transport in ("http", "grpc"):
            assert engine.send(request.SerializeToString(), transport).outcome == "ok"
        found = [[event.name for event in span.events] for span in engine.passed_on()]
    assert found == [["a"], [], []] * 2


def test_metrics_of_a_connector_are_filtered_on_their_way_to_the_page() -> None:
    config = """
connectors: {span_metrics: }
processors:
  filter:
    metrics:
      datapoint: ['attributes["span.kind"] == "SPAN_KIND_CLIENT"']
      metric: ['IsMatch(name, "duration")']
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [span_metrics, spans]}
    metrics: {receivers: [span_metrics], processors: [filter], exporters: [prometheus]}
"""
    request = export_request([{"kind": kind, "number": n} for n, kind in enumerate(["server", "client", "server"])])
    with RunningEngine(config) as engine:
        assert engine.send(request.SerializeToString()).outcome == "ok"
        calls = engine.samples("traces_span_metrics_calls_total")
        kinds = {dict(labels)["span_kind"]: count for labels, count in calls.items()}
        assert kinds == {"SPAN_KIND_SERVER": 2}
        assert b"traces_span_metrics_duration" not in engine.page()
