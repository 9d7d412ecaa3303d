"""Log records that a processor emits take the way of those that are received."""

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from pipeline.api import (
    ComponentConfig,
    Exporter,
    LogBatch,
    LogRecord,
    Processor,
    RetryableError,
    Settings,
    SpanBatch,
)
from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.errors import ConfigError
from pipeline.model.emitted_logs import MAX_WAITING, LogEmitter
from pipeline.service.engine import Engine
from pipeline.service.registry import Registry
from pipeline.testing import FakeClock, Harness, LogSink, span_batch
from tests.unit.service.parts import PARTS, QUIET, feed


class Announce(Processor):
    """Says how many spans came."""

    emits_logs = True
    scope_name = "test.announce"
    tick_interval_s = 1.0

    def __init__(self, config: Any, settings: Settings) -> None:
        self.logs = settings.logs
        self.last_words = ""

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        record = LogRecord(
            f"{len(spans)} spans",
            event_name="test.spans",
            severity="warn",
            attributes={"n": len(spans), "names": ["a", "b"]},
            resource={"service.name": "cart"},
            trace_id=b"t" * 16,
            span_id=b"s" * 8,
        )
        self.logs.emit(record)
        return spans

    def tick(self, now_unix_nano: int) -> None:
        if self.last_words:
            self.logs.emit(LogRecord(self.last_words))


class Redact(Processor):
    """Takes some away."""

    class Config(ComponentConfig):
        without: str = ""

    reads = ("body",)

    def __init__(self, config: Config, settings: Settings) -> None:
        self.without = config.without

    def process_logs(self, logs: LogBatch) -> LogBatch:
        return logs.where(logs["body"] != self.without)


class Full(Exporter):
    """Has no room until the test says so."""

    signals = ("logs",)
    queues = True
    is_full = True

    def __init__(self, config: Any, settings: Settings) -> None:
        self.batches: list[LogBatch] = []

    def admit(self, signal: str, items: int) -> None:
        if self.is_full:
            raise RetryableError("full")

    def export_logs(self, logs: LogBatch) -> None:
        self.batches.append(logs)


REGISTRY = Registry(
    PARTS
    | {
        "connectors": {"announce": Announce},
        "processors": {"announce": Announce, "redact": Redact},
        "exporters": {**PARTS["exporters"], "logs": LogSink, "full": Full},
    }
)
CONNECTED = """
receivers: {feed: }
connectors: {announce: }
processors: {redact: {without: 2 spans}}
exporters: {logs: , full: }
service:
  pipelines:
    traces: {receivers: [feed], exporters: [announce]}
    logs: {receivers: [announce], processors: [redact], exporters: [logs]}
"""


def engine_of(text: str, clock: FakeClock | None = None) -> Engine:
    sources = {"C": text, "QUIET": QUIET}
    checked = check(load_document([f"env:{name}" for name in sources], environ=sources), REGISTRY)
    return Engine(checked, clock or FakeClock())


def sink(engine: Engine, name: str = "logs") -> Any:
    return engine.graph.exporters[name]


def test_they_leave_within_a_second_through_processors_to_exporters() -> None:
    clock = FakeClock()
    engine = engine_of(CONNECTED, clock)
    engine._plan()
    consume = engine.graph.consumers["feed", "traces"]
    for n in (1, 2, 3):
        consume(span_batch(n))
    assert sink(engine).batches == []
    clock.advance(1.0)
    engine.schedule.run_due()
    [batch] = sink(engine).batches
    records = list(batch.iter())
    assert [record.body.string_value for record in records] == ["1 spans", "3 spans"]
    assert records[0].event_name == "test.spans"
    assert (records[0].severity_number, records[0].severity_text) == (13, "WARN")
    assert (records[0].trace_id, records[0].span_id) == (b"t" * 16, b"s" * 8)
    assert records[0].time_unix_nano == records[0].observed_time_unix_nano == clock.unix_nano()
    assert {one.key for one in records[0].attributes} == {"n", "names"}
    [of_cart] = ExportLogsServiceRequest.FromString(batch.to_otlp()).resource_logs
    assert of_cart.resource.attributes[0].value.string_value == "cart"
    assert of_cart.scope_logs[0].scope.name == "test.announce"
    assert engine.metrics.value("weir_emitted_log_records", outcome="success", connector="announce") == 3


def test_what_the_last_tick_says_still_leaves() -> None:
    engine = engine_of(CONNECTED)
    engine.start()
    feed(engine, span_batch(1))
    announce: Any = engine.graph.processors["connectors", "announce"]
    announce.last_words = "goodbye"
    engine.stop(1.0)
    bodies = [record.body.string_value for batch in sink(engine).batches for record in batch.iter()]
    assert bodies == ["1 spans", "goodbye"]


def test_without_a_logs_pipeline_nothing_is_built() -> None:
    engine = engine_of(
        "receivers: {feed: }\nprocessors: {announce: }\nexporters: {spans: }\n"
        "service: {pipelines: {traces: {receivers: [feed], processors: [announce], exporters: [spans]}}}"
    )
    assert engine.graph.emitters == {}
    announce: Any = engine.graph.processors["processors", "announce"]
    assert not announce.logs.wanted
    engine.graph.consumers["feed", "traces"](span_batch(1))
    assert len(announce.logs) == 0


def test_a_full_destination_gets_them_later_in_order_and_once() -> None:
    clock = FakeClock()
    engine = engine_of(CONNECTED.replace("exporters: [logs]", "exporters: [logs, full]"), clock)
    engine._plan()
    for n in (1, 3):
        engine.graph.consumers["feed", "traces"](span_batch(n))
        clock.advance(1.0)
        engine.schedule.run_due()
    assert sink(engine).batches == []
    sink(engine, "full").is_full = False
    clock.advance(1.0)
    engine.schedule.run_due()
    for name in ("logs", "full"):
        [batch] = sink(engine, name).batches
        assert [record.body.string_value for record in batch.iter()] == ["1 spans", "3 spans"]


def test_what_waits_is_bounded_and_the_oldest_are_evicted_and_counted() -> None:
    clock = FakeClock()
    engine = engine_of(CONNECTED, clock)
    engine._plan()
    consume = engine.graph.consumers["feed", "traces"]
    for _ in range(MAX_WAITING + 5):
        consume(span_batch(1))
    clock.advance(1.0)
    engine.schedule.run_due()
    assert sum(len(batch) for batch in sink(engine).batches) == MAX_WAITING
    assert engine.metrics.value("weir_emitted_log_records", outcome="evicted", connector="announce") == 5


def test_put_back_records_come_first() -> None:
    emitter = LogEmitter(wanted=True)
    for body in "ab":
        emitter.emit(LogRecord(body))
    taken = emitter.take(1)
    emitter.emit(LogRecord("c"))
    emitter.put_back(taken)
    assert [(record.body, record.time_unix_nano) for record in emitter.take(2)] == [("a", 1), ("b", 1), ("c", 2)]


def test_what_emits_logs_is_no_receiver_of_other_pipelines() -> None:
    with pytest.raises(ConfigError, match=r'"announce" emits logs, so it can be a receiver of such pipelines, not of'):
        engine_of(CONNECTED.replace("    logs:", "    metrics:"))


def test_the_harness_keeps_what_was_emitted() -> None:
    run = Harness(Announce)
    run.traces(span_batch(1))
    run.restart()
    run.traces(span_batch(2))
    assert [record.body for record in run.logs()] == ["1 spans", "2 spans"]
    assert run.logs()[0].time_unix_nano == run.clock.unix_nano()
