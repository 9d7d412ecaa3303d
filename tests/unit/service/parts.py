"""Components for the tests of the engine: a receiver driven by the test, processors that misbehave on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.api import (
    Component,
    ComponentConfig,
    Exporter,
    Extension,
    Host,
    Intake,
    MetricSnapshot,
    Processor,
    Receiver,
    Settings,
    SpanBatch,
)
from pipeline.config.check import Checked, check
from pipeline.config.load import load_document
from pipeline.service.engine import Engine
from pipeline.service.registry import Registry
from pipeline.testing import FakeClock, MetricSink, SpanSink

EVENTS: list[str] = []
"""What happened in which order; each test that looks clears it first."""


class Feed(Receiver):
    """Keeps its intakes for the test to use."""

    signals = ("traces",)

    def __init__(self, config: Any, settings: Settings) -> None:
        self.id = settings.id
        self.intakes: dict[str, Intake] = {}

    def start(self, intakes: Mapping[str, Intake]) -> None:
        EVENTS.append(f"start {self.id}")
        self.intakes = dict(intakes)

    def drain(self, timeout_s: float) -> None:
        EVENTS.append(f"drain {self.id}")

    def shutdown(self) -> None:
        EVENTS.append(f"shutdown {self.id}")


class Step(Processor):
    """A processor whose behaviour the test sets."""

    class Config(ComponentConfig):
        reads: tuple[str, ...] = ()
        keep: str | None = None

    def __init__(self, config: Config, settings: Settings) -> None:
        self.id = settings.id
        self.reads = config.reads
        self.keep = config.keep
        self.fault: Exception | None = None
        self.seen: list[int] = []
        self.tick_interval_s = 5.0
        self.ticks: list[int] = []

    def start(self) -> None:
        EVENTS.append(f"start {self.id}")

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        self.seen.append(len(spans))
        if self.fault is not None:
            raise self.fault
        return spans if self.keep is None else spans.where(spans["name"] == self.keep)

    def tick(self, now_unix_nano: int) -> None:
        EVENTS.append(f"tick {self.id}")
        self.ticks.append(now_unix_nano)

    def shutdown(self) -> None:
        EVENTS.append(f"shutdown {self.id}")


class Count(Processor):
    """Counts spans by name."""

    reads = ("name",)
    emits_metrics = True
    metrics_flush_interval_s = 10.0

    def __init__(self, config: Any, settings: Settings) -> None:
        self.spans = settings.meter.counter("spans", labels=("name",))

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        self.spans.add(spans.group_by("name"))
        return spans


class Rename(Processor):
    """Sees metrics."""

    def __init__(self, config: Any, settings: Settings) -> None:
        self.points = 0

    def process_metrics(self, metrics: Any) -> Any:
        self.points += len(metrics)
        return metrics


class Pull(Exporter):
    """Fetches metrics when the test asks."""

    signals = ("metrics",)
    pulls = True

    def start(self, collect: Any) -> None:
        self.collect = collect


class Snapshots(Exporter):
    """Gets metrics of components as they are."""

    signals = ("metrics",)
    takes_snapshots = True

    def __init__(self, config: Any, settings: Settings) -> None:
        self.taken: list[MetricSnapshot] = []

    def export_snapshot(self, snapshot: MetricSnapshot) -> None:
        self.taken.append(snapshot)


class Broken(Exporter):
    """Cannot start."""

    signals = ("traces",)

    def start(self, collect: Any) -> None:
        raise OSError(98, "Address already in use")


class Beside(Extension):
    """Remembers its host."""

    def __init__(self, config: Any, settings: Settings) -> None:
        self.host: Host | None = None

    def start(self, host: Host) -> None:
        EVENTS.append("start beside")
        self.host = host

    def shutdown(self) -> None:
        EVENTS.append("shutdown beside")


PARTS: dict[str, dict[str, type[Component]]] = {
    "receivers": {"feed": Feed},
    "processors": {"step": Step, "count": Count, "rename": Rename},
    "connectors": {"count": Count},
    "exporters": {"spans": SpanSink, "metrics": MetricSink, "pull": Pull, "snapshots": Snapshots, "broken": Broken},
    "extensions": {"beside": Beside},
}

QUIET = "service: {telemetry: {metrics: {level: none}}}"


def checked(text: str, more: str = "") -> Checked:
    sources = {"C": text, "QUIET": QUIET, "MORE": more}
    return check(load_document([f"env:{name}" for name in sources], environ=sources), Registry(PARTS))


def engine_of(text: str, clock: FakeClock | None = None, more: str = "") -> Engine:
    return Engine(checked(text, more), clock or FakeClock())


def feed(engine: Engine, spans: SpanBatch, receiver: str = "feed") -> Any:
    receiver_object: Any = engine.graph.receivers[receiver]
    return receiver_object.intakes["traces"].accept(spans.to_otlp(), "test")
