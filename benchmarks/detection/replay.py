"""Replay: a stream through Weir's own codec and processor, on a clock that runs as fast as the spans come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.detection.encode import requests
from benchmarks.detection.kit import SpanStream
from pipeline.api import Meter, Processor, Settings
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.service.registry import Registry
from pipeline.telemetry import ComponentTelemetry
from pipeline.testing import FakeClock

Event = dict[str, Any]
SECOND = 1_000_000_000
SILENCE_S = 120
"""Ticks go on for this long after the last span."""


def replay(stream: SpanStream, config: dict[str, Any], progress: Callable[[float], None]) -> list[Event]:
    """The incidents that are opened: ``{"ts", "score", "ranking", …}``, ``ts`` in the time of the clock."""
    events: list[Event] = []
    play(stream, config, lambda _: None, events.extend, progress)
    return events


def play(
    stream: SpanStream,
    config: dict[str, Any],
    watch: Callable[[Any], None],
    take: Callable[[list[Event]], None],
    progress: Callable[[float], None],
) -> Any:
    """Send a stream through a new processor; returns it.

    Args:
        watch: Called with the processor before the first span.
        take: Called with events, as they come.
        progress: Called with the share of time that has passed.
    """
    meta = stream.meta
    clock = FakeClock(unix_nano=int(meta["t0"]) * SECOND)
    processor: Any = processor_of("anomaly", config, clock)
    watch(processor)
    projection = TracesProjection(processor.reads)
    for arrival, request in requests(stream.columns()):
        _advance(processor, clock, max(arrival, clock.unix_nano()), take)
        spans, _ = projection.decode(request)
        processor.process_traces(spans)
        take(_opened(processor, clock))
        progress(min(1.0, (arrival / SECOND - meta["t0"]) / (meta["t1"] - meta["t0"])))
    _advance(processor, clock, clock.unix_nano() + SILENCE_S * SECOND, take)
    processor.shutdown()
    return processor


def processor_of(name: str, config: dict[str, Any], clock: FakeClock) -> Processor:
    """An instance as the engine would make it, started."""
    cls = Registry().load("processors", name)
    telemetry = ComponentTelemetry("connector", name, clock)
    processor = cls(cls.Config.model_validate(config), Settings(name, clock, Meter(name, clock), telemetry))
    assert isinstance(processor, Processor)
    processor.start()
    return processor


def _advance(processor: Any, clock: FakeClock, until: int, take: Callable[[list[Event]], None]) -> None:
    """Let the clock tick, once a second."""
    while clock.unix_nano() < until:
        clock.advance(min(SECOND, until - clock.unix_nano()) / SECOND)
        processor.tick(clock.unix_nano())
        take(_opened(processor, clock))


def _opened(processor: Any, clock: FakeClock) -> list[Event]:
    return [
        {
            "ts": clock.unix_nano() / SECOND,
            "score": change.incident.score,
            "ranking": change.incident.ranking,
            "incident": change.incident.id,
            "evidence": change.incident.evidence,
        }
        for change in processor.take_changes()
        if change.what == "opened"
    ]
