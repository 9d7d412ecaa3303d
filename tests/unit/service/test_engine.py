"""The running pipelines, with a fake clock and without threads of receivers."""

import threading
import urllib.request
from typing import Any

import pytest

from pipeline.api import Outcome, PermanentError, RetryableError
from pipeline.errors import ConfigError, MalformedPayload
from pipeline.testing import FakeClock, export_request, span_batch
from tests.unit.service.parts import EVENTS, Count, Step, checked, engine_of, feed

CHAIN = """
receivers: {feed: }
processors: {step/1: , step/2: }
exporters: {spans: }
service: {pipelines: {traces: {receivers: [feed], processors: [step/1, step/2], exporters: [spans]}}}
"""

COUNTED = """
receivers: {feed: }
connectors: {count: }
processors: {rename: }
exporters: {pull: , metrics: }
service:
  pipelines:
    traces: {receivers: [feed], exporters: [count]}
    metrics: {receivers: [count], processors: [rename], exporters: [pull, metrics]}
"""


def part(engine: Any, name: str, kind: str = "processors") -> Any:
    return engine.graph.processors[kind, name]


@pytest.fixture
def running() -> Any:
    """Starts engines and stops them after the test."""
    engines = []

    def start(text: str, clock: FakeClock | None = None) -> Any:
        engine = engine_of(text, clock)
        engines.append(engine)
        engine.start()
        return engine

    yield start
    for engine in engines:
        engine.stop(0.0)


def own(engine: Any, name: str, **labels: str) -> float:
    value: float = engine.metrics.value(name, **labels)
    return value


def test_a_batch_runs_through_all_processors_to_the_exporter(running: Any) -> None:
    engine = running(CHAIN)
    assert feed(engine, span_batch(3)) == Outcome(3)
    assert len(engine.graph.exporters["spans"]) == 3
    assert part(engine, "step/1").seen == part(engine, "step/2").seen == [3]


def test_every_fate_of_a_span_is_counted(running: Any) -> None:
    engine = running(CHAIN)
    feed(engine, span_batch(3))
    part(engine, "step/2").fault = RetryableError("not now")
    with pytest.raises(RetryableError, match="not now"):
        feed(engine, span_batch(4))
    part(engine, "step/2").fault = ZeroDivisionError("oops")
    with pytest.raises(RetryableError, match="step/2 failed"):
        feed(engine, span_batch(5))
    for name, labels, value in [
        ("otelcol_receiver_accepted_spans", {"receiver": "feed", "transport": "test"}, 3),
        ("otelcol_receiver_refused_spans", {"receiver": "feed", "transport": "test"}, 9),
        ("otelcol_receiver_failed_spans", {"receiver": "feed"}, 0),
        ("otelcol_processor_incoming_items", {"processor": "step/1", "otel_signal": "traces"}, 12),
        ("otelcol_processor_outgoing_items", {"processor": "step/1"}, 12),
        ("otelcol_processor_outgoing_items", {"processor": "step/2"}, 3),
        ("otelcol_processor_consumed_items", {"processor": "step/1", "outcome": "success"}, 3),
        ("otelcol_processor_consumed_items", {"processor": "step/1", "outcome": "refused"}, 9),
        ("otelcol_processor_consumed_items", {"processor": "step/2", "outcome": "failure"}, 5),
        ("otelcol_processor_consumed_items", {"processor": "step/2", "outcome": "refused"}, 4),
        ("otelcol_exporter_sent_spans", {"exporter": "spans"}, 3),
    ]:
        assert own(engine, name, **labels) == value, (name, labels)


def test_a_failing_observer_lets_the_batch_pass(running: Any) -> None:
    engine = running(CHAIN.replace("step/1: ,", "step/1: {error_mode: ignore},"))
    part(engine, "step/1").fault = ValueError("oops")
    assert feed(engine, span_batch(2)) == Outcome(2)
    assert own(engine, "otelcol_processor_consumed_items", processor="step/1", outcome="failure") == 2


def test_a_refusal_on_purpose_is_never_ignored(running: Any) -> None:
    engine = running(CHAIN.replace("step/1: ,", "step/1: {error_mode: ignore},"))
    for error in (RetryableError("full"), PermanentError("never")):
        part(engine, "step/1").fault = error
        with pytest.raises(type(error)):
            feed(engine, span_batch(2))


def test_a_processor_that_forgets_to_return_has_failed(running: Any) -> None:
    engine = running(CHAIN)
    part(engine, "step/1").fault = TypeError("object of type 'NoneType' has no len()")
    with pytest.raises(RetryableError, match="step/1 failed"):
        feed(engine, span_batch(1))


def test_processors_never_see_an_empty_batch(running: Any) -> None:
    engine = running(CHAIN.replace("step/1: ,", "step/1: {reads: [name], keep: nothing},"))
    assert feed(engine, span_batch(3)) == Outcome(3)
    assert feed(engine, span_batch(spans=[])) == Outcome(0)
    assert (part(engine, "step/1").seen, part(engine, "step/2").seen) == ([3], [])


def test_spans_with_invalid_ids_are_split_off_and_counted(running: Any) -> None:
    engine = running(CHAIN)
    accept = engine.graph.receivers["feed"].intakes["traces"].accept
    payload = export_request([{}, {"trace_id": b"\x01"}, {"span_id": bytes(8)}]).SerializeToString()
    outcome = accept(payload, "test")
    assert outcome == Outcome(1, 2, "rejected spans: 1 invalid_span_id, 1 invalid_trace_id")
    assert own(engine, "otelcol_receiver_rejected_spans", reason="invalid_trace_id", transport="test") == 1
    with pytest.raises(MalformedPayload):
        accept(payload[:-1], "test")


def test_two_pipelines_of_one_receiver_share_the_batch_and_the_columns(running: Any) -> None:
    text = """
receivers: {feed: }
processors: {step/1: {reads: [name]}, step/2: {reads: [span.http.route], keep: x}}
exporters: {spans: }
service:
  pipelines:
    traces: {receivers: [feed], processors: [step/1], exporters: [spans]}
    traces/2: {receivers: [feed], processors: [step/2], exporters: [spans]}
"""
    engine = running(text)
    assert engine.graph.projections["feed", "traces"] == {"name", "span.http.route"}
    feed(engine, span_batch(2, name="x"))
    assert len(engine.graph.exporters["spans"]) == 4


def test_not_now_ends_a_fan_out_but_never_does_not(running: Any) -> None:
    """Must never regress: what a sender will repeat must not have been counted by the consumers behind."""
    text = CHAIN.replace("processors: [step/1, step/2]", "processors: [step/1]").replace(
        "exporters: [spans]}}}",
        "exporters: [spans]}, traces/2: {receivers: [feed], processors: [step/2], exporters: [spans]}}}",
    )
    engine = running(text)
    part(engine, "step/1").fault = RetryableError("not now")
    with pytest.raises(RetryableError):
        feed(engine, span_batch(1))
    assert part(engine, "step/2").seen == []
    part(engine, "step/1").fault = PermanentError("never")
    with pytest.raises(PermanentError):
        feed(engine, span_batch(1))
    assert part(engine, "step/2").seen == [1]


def test_a_fault_keeps_the_batch_from_nobody_else_and_is_repeated_only_where_nobody_has_it(running: Any) -> None:
    text = """
receivers: {feed: }
processors: {step/1: , step/2: }
exporters: {spans/1: , spans/2: }
service:
  pipelines:
    traces: {receivers: [feed], processors: [step/1], exporters: [spans/1]}
    traces/2: {receivers: [feed], processors: [step/2], exporters: [spans/2]}
"""
    engine = running(text)
    part(engine, "step/1").fault = ZeroDivisionError("oops")
    with pytest.raises(PermanentError, match="step/1 failed"):
        feed(engine, span_batch(2))
    assert [len(engine.graph.exporters[name]) for name in ("spans/1", "spans/2")] == [0, 2]
    assert own(engine, "otelcol_processor_consumed_items", processor="step/1", outcome="failure") == 2
    assert own(engine, "otelcol_receiver_refused_spans", receiver="feed", transport="test") == 2
    part(engine, "step/2").fault = ZeroDivisionError("oops")
    with pytest.raises(RetryableError, match="step/1 failed"):
        feed(engine, span_batch(2))
    assert len(engine.graph.exporters["spans/2"]) == 2


def test_a_pull_exporter_sees_every_metric_as_of_now(running: Any) -> None:
    engine = running(COUNTED)
    feed(engine, span_batch(2, name="a"))
    [batch] = engine.graph.exporters["pull"].collect()
    assert [(p.name, p.value) for p in batch.points()] == [("spans", 2.0)]
    assert part(engine, "rename").points == 1


def test_push_exporters_get_metrics_at_the_flush_interval() -> None:
    clock = FakeClock()
    engine = engine_of(COUNTED, clock)
    engine._plan()
    engine.graph.consumers["feed", "traces"](span_batch(2, name="a"))
    sink: Any = engine.graph.exporters["metrics"]
    clock.advance(9.9)
    engine.schedule.run_due()
    assert list(sink.points()) == []
    clock.advance(0.2)
    engine.schedule.run_due()
    assert [(p.name, p.value) for p in sink.points()] == [("spans", 2.0)]
    assert engine.metrics.value("otelcol_exporter_sent_metric_points", exporter="metrics") == 1


def test_a_complete_state_is_pushed_also_when_nothing_is_left_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = COUNTED.replace("processors: [rename], exporters: [pull, metrics]", "exporters: [snapshots]")
    engine = engine_of(text.replace("processors: {rename: }\n", "").replace("{pull: , metrics: }", "{snapshots: }"))
    (source,) = engine.graph.sources()
    exporter: Any = engine.graph.exporters["snapshots"]
    engine._flush(source)
    engine.graph.consumers["feed", "traces"](span_batch(2, name="a"))
    engine._flush(source)
    assert [(len(snapshot), snapshot.source) for snapshot in exporter.taken] == [
        (0, "metrics/connectors/count"),
        (1, "metrics/connectors/count"),
    ]
    monkeypatch.setattr(Count, "pushes_deltas", True)
    for _ in range(3):
        engine._flush(source)
    assert [len(snapshot) for snapshot in exporter.taken[2:]] == [1]  # of differences none means no change


def test_what_was_counted_last_is_flushed_when_stopping() -> None:
    engine = engine_of(COUNTED)
    engine.start()
    feed(engine, span_batch(2, name="a"))
    engine.stop(1.0)
    sink: Any = engine.graph.exporters["metrics"]
    assert [(p.name, p.value) for p in sink.points()] == [("spans", 2.0)]


def test_a_processor_among_processors_may_emit_metrics_too(running: Any) -> None:
    text = COUNTED.replace("connectors: {count: }", "").replace("{rename: }", "{rename: , count: }")
    engine = running(text.replace("receivers: [feed], exporters: [count]", "receivers: [feed], processors: [count]"))
    feed(engine, span_batch(5, name="b"))
    [batch] = engine.graph.exporters["pull"].collect()
    assert [p.value for p in batch.points()] == [5.0]


def test_processors_are_ticked_at_their_interval_and_once_more_at_the_end() -> None:
    clock = FakeClock()
    engine = engine_of(CHAIN, clock)
    engine._plan()
    for _ in range(11):
        clock.advance(1.0)
        engine.schedule.run_due()
    ticks = part(engine, "step/1").ticks
    assert len(ticks) == 2
    assert ticks[-1] == clock.unix_nano() - 1_000_000_000
    engine.start()
    engine.stop(1.0)
    assert len(ticks) == 3


def test_a_failing_tick_is_counted_and_does_not_stop_the_others() -> None:
    clock = FakeClock()
    engine = engine_of(CHAIN, clock)
    engine._plan()
    part(engine, "step/1").tick = lambda now: 1 / 0
    clock.advance(5.0)
    engine.schedule.run_due()
    assert engine.metrics.value("otelcol_processor_tick_failures", processor="step/1") == 1
    assert len(part(engine, "step/2").ticks) == 1


def test_a_failing_flush_does_not_stop_the_engine() -> None:
    clock = FakeClock()
    engine = engine_of(COUNTED, clock)
    engine._plan()
    meter: Any = engine.graph.meters["connectors", "count"]
    meter.collect = lambda now, delta=False: 1 / 0
    clock.advance(10.0)
    engine.schedule.run_due()
    assert engine.metrics.value("otelcol_connector_tick_failures", connector="count") == 1


def test_things_start_back_to_front_and_stop_front_to_back() -> None:
    text = CHAIN.replace("service: {", "extensions: {beside: }\nservice: {extensions: [beside], ")
    EVENTS.clear()
    engine = engine_of(text)
    engine.start()
    engine.stop(1.0)
    assert EVENTS == [
        "start beside",
        "start step/1",
        "start step/2",
        "start feed",
        "drain feed",
        "shutdown feed",
        "tick step/1",
        "tick step/2",
        "shutdown step/1",
        "shutdown step/2",
        "shutdown beside",
    ]


def test_stopping_works_twice_and_without_a_start() -> None:
    engine = engine_of(CHAIN)
    engine.stop(0.0)
    engine.start()
    engine.stop(0.0)
    engine.stop(0.0)
    with pytest.raises(RetryableError, match="shutting down"):
        feed(engine, span_batch(1))


def test_a_component_that_cannot_start_is_named_and_the_rest_is_stopped() -> None:
    engine = engine_of(CHAIN.replace("spans", "broken"))
    EVENTS.clear()
    with pytest.raises(ConfigError) as caught:
        engine.start()
    assert caught.value.problems == ["exporters.broken: Address already in use"]
    assert "shutdown step/1" in EVENTS


def test_requests_in_many_threads_are_counted_exactly(running: Any) -> None:
    engine = running(COUNTED)
    spans = span_batch(3, name="a")

    def send() -> None:
        for _ in range(40):
            feed(engine, spans)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert own(engine, "otelcol_receiver_accepted_spans") == 960
    [batch] = engine.graph.exporters["pull"].collect()
    assert [p.value for p in batch.points()] == [960.0]


def test_a_component_may_push_differences(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Count, "pushes_deltas", True)
    engine = running(COUNTED)
    sink: Any = engine.graph.exporters["metrics"]
    for n in (2, 3):
        feed(engine, span_batch(n, name="a"))
        engine._flush(engine.graph.sources()[0])
    assert [p.value for p in sink.points()] == [2.0, 3.0]
    [batch] = engine.graph.exporters["pull"].collect()
    assert [p.value for p in batch.points()] == [5.0]


def test_status_tells_whether_data_is_accepted() -> None:
    text = CHAIN.replace("service: {", "extensions: {beside: }\nservice: {extensions: [beside], ")
    engine = engine_of(text)
    assert engine.status()["ready"] is False
    engine.start()
    status = engine.status()
    assert (status["ready"], status["live"]) == (True, True)
    assert status["components"]["receivers/feed"] == {"status": "running"}
    engine.stop(0.0)
    assert engine.status()["ready"] is False


def test_own_metrics_are_served_where_the_configuration_says() -> None:
    page = '{telemetry: {metrics: {level: normal, address: "127.0.0.1:0"}}}'
    engine = engine_of(CHAIN, more=f"service: {page}")
    engine.start()
    try:
        feed(engine, span_batch(2))
        host, port = engine.own_metrics_addresses[0]
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=10) as response:
            assert b'otelcol_receiver_accepted_spans_total{receiver="feed",transport="test"} 2.0' in response.read()
    finally:
        engine.stop(0.0)


def test_a_column_that_does_not_exist_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigError) as caught:
        engine_of(CHAIN.replace("step/1: ,", "step/1: {reads: [durration]},"))
    assert caught.value.problems == [
        'processors.step/1 (env:C:3): reads "durration": there is no such column; did you mean "duration_nano"?'
    ]


def test_a_component_that_cannot_be_constructed_is_named_with_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Step, "__init__", lambda self, config, settings: dict[str, Any]()["missing"])
    with pytest.raises(ConfigError) as caught:
        engine_of(CHAIN)
    first = caught.value.problems[0]
    assert first.startswith("processors.step/1 (env:C:3): it cannot be constructed: KeyError: 'missing', at ")
    assert "test_engine.py:" in first


def test_only_used_components_are_constructed() -> None:
    result = checked(CHAIN.replace("step/1: ,", "step/1: , step/3: ,"))
    assert ("processors", "step/3") not in result.components
    assert result.warnings == ["processors.step/3 (env:C:3): not used in any pipeline; it is not started"]


def test_extensions_see_what_every_component_has_measured(running: Any) -> None:
    engine = running(COUNTED)
    feed(engine, span_batch(3))
    assert [point.value for snapshot in engine.snapshots() for point in snapshot.points()] == [3.0]
