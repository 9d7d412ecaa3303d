"""Pipelines that branch and join by ``forward``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.errors import ConfigError
from pipeline.service.engine import Engine
from pipeline.service.graph import build_graph
from pipeline.service.registry import Registry
from pipeline.telemetry import OwnMetrics
from pipeline.testing import FakeClock, LogSink, MetricSink, SpanSink, export_request, logs_request, metrics_request
from tests.integration.weir_process import post

TEXT = """
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}
  otlp/two: {protocols: {http: {endpoint: "127.0.0.1:0"}}}
connectors: {forward: , forward/logs: {}, forward/metrics: , span_metrics: {}}
processors:
  resource: {attributes: [{key: way, action: upsert, value: first}]}
  resource/all: {attributes: [{key: way, action: upsert, value: all}]}
  filter: {trace_conditions: ['span.attributes["k"] == 1']}
exporters: {spans/all: , spans/some: , logs: , metrics: }
service:
  pipelines:
    traces/one: {receivers: [otlp], processors: [resource], exporters: [forward]}
    traces/two: {receivers: [otlp/two], exporters: [forward, span_metrics]}
    traces/all: {receivers: [forward], processors: [resource/all], exporters: [spans/all]}
    traces/some: {receivers: [forward], processors: [filter], exporters: [spans/some]}
    logs/in: {receivers: [otlp], exporters: [forward/logs]}
    logs/out: {receivers: [forward/logs], exporters: [logs]}
    metrics/in: {receivers: [otlp, span_metrics], exporters: [forward/metrics]}
    metrics/out: {receivers: [forward/metrics], exporters: [metrics]}
  telemetry: {metrics: {level: none}}
"""
SINKS = Registry({"exporters": {"spans": SpanSink, "logs": LogSink, "metrics": MetricSink}})


@pytest.fixture
def engine() -> Iterator[Engine]:
    """All of the above, running."""
    running = Engine(check(load_document(["env:C"], environ={"C": TEXT}), SINKS), FakeClock())
    running.start()
    yield running
    running.stop(5.0)


def send(engine: Engine, receiver: str, signal: str, request: Any) -> None:
    one: Any = engine.graph.receivers[receiver]
    host, port = one.addresses["http"]
    assert post(f"http://{host}:{port}/v1/{signal}", request.SerializeToString())[0] == 200


def test_spans_go_every_way_and_meet_again(engine: Engine) -> None:
    for receiver, k in (("otlp", 1), ("otlp/two", 2)):
        send(engine, receiver, "traces", export_request([{"service": "cart", "attributes": {"k": k}}]))
    sinks: Any = engine.graph.exporters
    assert [batch["resource.way"].tolist() for batch in sinks["spans/all"].batches] == [["all"], ["all"]]
    (some,) = sinks["spans/some"].batches
    assert [span.attributes[0].value.int_value for span in some.iter()] == [2]
    assert not some.resource(0).attributes[1:]


def test_records_and_points_are_handed_on_too(engine: Engine) -> None:
    sinks: Any = engine.graph.exporters
    send(engine, "otlp", "logs", logs_request([{"body": "hello"}]))
    assert [record.body.string_value for batch in sinks["logs"].batches for record in batch.iter()] == ["hello"]
    send(engine, "otlp", "metrics", metrics_request([{"kind": "gauge", "name": "g", "value": 1}]))
    assert {point.name for point in sinks["metrics"].points()} == {"g"}


def test_metrics_of_connectors_are_handed_on_when_they_are_flushed(engine: Engine) -> None:
    sinks: Any = engine.graph.exporters
    send(engine, "otlp/two", "traces", export_request([{"service": "cart"}]))
    engine.stop(5.0)
    assert "traces.span.metrics.calls" in {point.name for point in sinks["metrics"].points()}


ALL = "traces/all: {receivers: [forward], processors: [resource/all], exporters: [spans/all]"
OUT = "logs/out: {receivers: [forward/logs]"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("traces/all: {receivers: [forward]", "traces/all: {receivers: [otlp]", ""),
        (OUT, "logs/out: {receivers: [otlp]", '"forward/logs" is an exporter of logs/in'),
        (OUT, "logs/out: {receivers: [forward/metrics]", "pipelines of logs have it on one side only"),
        (ALL, "traces/all: {receivers: [forward], exporters: [forward]", "cycle: traces/all → traces/all"),
        ("  filter:", "  forward: {}\n  filter:", "it connects pipelines; list it under connectors"),
    ],
)
def test_what_cannot_be_connected_is_refused(old: str, new: str, what: str) -> None:
    text = TEXT.replace(old, new)
    if not what:
        build_graph(check(load_document(["env:C"], environ={"C": text}), SINKS), FakeClock(), OwnMetrics(), {})
        return
    with pytest.raises(ConfigError) as caught:
        check(load_document(["env:C"], environ={"C": text}), SINKS)
    assert [one for one in caught.value.problems if what in one], caught.value.problems
