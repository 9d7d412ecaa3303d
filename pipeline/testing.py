"""PUBLIC: what the tests of a component need. No network, no sleep, no mock.

def test_spans_without_a_path_are_kept() -> None:
    run = Harness(DropHealthChecks, paths=["/healthz"])
    kept = run.traces(span_batch(n=3))
    assert len(kept) == 3
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from pipeline.api import (
    Exporter,
    LogBatch,
    LogEmitter,
    LogRecord,
    Meter,
    MetricBatch,
    MetricSnapshot,
    Processor,
    Settings,
    SpanBatch,
)
from pipeline.codec.signals import projection
from pipeline.component_check import mistakes_of, mistakes_of_class
from pipeline.config.check import signals_of
from pipeline.model.batch import Batch
from pipeline.model.snapshot import Point
from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from pipeline.testing_envelopes import START_UNIX_NANO
from pipeline.testing_logs import log_batch, log_record, logs_request
from pipeline.testing_metrics import metric_batch, metrics_request
from pipeline.testing_spans import export_request, span_batch, span_message

__all__ = [
    "START_UNIX_NANO",
    "FakeClock",
    "Harness",
    "LogSink",
    "MetricSink",
    "SpanSink",
    "export_request",
    "log_batch",
    "log_record",
    "logs_request",
    "metric_batch",
    "metrics_request",
    "span_batch",
    "span_message",
]

P = TypeVar("P", bound=Processor)
B = TypeVar("B", bound=Batch)


class FakeClock:
    """A clock that moves when the test says so."""

    def __init__(self, unix_nano: int = START_UNIX_NANO, monotonic_nano: int = 1_000_000_000) -> None:
        self._unix = unix_nano
        self._monotonic = monotonic_nano

    def unix_nano(self) -> int:
        """Wall clock; the spans of ``span_batch`` begin at the default."""
        return self._unix

    def monotonic_nano(self) -> int:
        """Monotonic clock."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        nanoseconds = round(seconds * 1e9)
        self._unix += nanoseconds
        self._monotonic += nanoseconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or NTP does; the monotonic clock does not notice."""
        self._unix += round(seconds * 1e9)


class Harness(Generic[P]):
    """One processor with a fake clock, treated as the engine treats it.

    Args:
        processor: The class.
        config: The component's YAML as keyword arguments.
    Raises:
        ValueError: What ``weir validate`` would say of the class, or of the configuration.
    Attributes:
        processor: The instance, started.
        meter: Its instruments; ``run.meter.stats()`` has what was refused, and what overflowed.
        clock: Its time.
        id: The name of the class in lower_snake_case, which the configuration would call its type.
        own: What it counted about itself: ``run.own.value("otelcol_processor_redact_masked_keys")``.
    """

    def __init__(self, processor: type[P], /, **config: Any) -> None:
        self._class = processor
        _refuse(mistakes_of_class(processor))
        self._config = processor.Config.model_validate(config)
        self._emitter = LogEmitter(wanted=True)
        self._emitted: list[LogRecord] = []
        self.clock = FakeClock()
        self.own = OwnMetrics()
        self.id = re.sub(r"(?<!^)(?=[A-Z])", "_", processor.__name__).lower()
        self._build()
        self.processor.start()
        self._due_nano = self._next_tick()

    def _build(self) -> None:
        kind = "connector" if self._class.emits_metrics or self._class.emits_logs else "processor"
        self.telemetry = ComponentTelemetry(kind, self.id, self.clock, self.own)
        self.meter = Meter(getattr(self._class, "scope_name", self.id), self.clock)
        settings = Settings(self.id, self.clock, self.meter, self.telemetry, logs=self._emitter)
        self.processor: P = self._class(self._config, settings)
        _refuse(mistakes_of(self.processor, self.meter))

    def traces(self, spans: SpanBatch, then_advance_s: float = 0.0) -> SpanBatch:
        """Process a batch in which only the declared columns can be read; returns what goes on.

        Raises:
            KeyError: The processor read a column without ``reads``, or added one without ``adds``.
            TypeError: It has no ``process_traces``, or that returned no batch.
        """
        return self.process(spans, then_advance_s)

    def process(self, batch: B, then_advance_s: float = 0.0) -> B:
        """The same for a batch of any signal: ``run.process(log_batch(3))``."""
        decoder = projection(batch.signal, (*self.processor.reads, *self.processor.adds))
        visible, _ = decoder.decode(batch.to_otlp())
        method = f"process_{batch.signal}"
        if batch.signal not in signals_of(self._class):
            raise TypeError(f"{self._class.__name__} has no {method}: no pipeline of {batch.signal} may list it")
        out: B = getattr(self.processor, method)(visible) if len(visible) else visible
        if not isinstance(out, type(visible)):
            raise TypeError(
                f"{method} returned {type(out).__name__}, not {type(visible).__name__}: return the batch that goes on, "
                "which may be the same one"
            )
        if then_advance_s:
            self.advance(then_advance_s)
        return out

    def advance(self, seconds: float) -> None:
        """Let time pass; ticks and expiry happen on the way, at the times at which they are due."""
        end = self.clock.monotonic_nano() + round(seconds * 1e9)
        while self._due_nano is not None and self._due_nano <= end:
            self._move_to(self._due_nano)
            self.processor.tick(self.clock.unix_nano())
            self._due_nano = self._next_tick()
        self._move_to(end)
        self.meter.tick(self.clock.unix_nano())

    def tick(self) -> None:
        """One tick now."""
        self.processor.tick(self.clock.unix_nano())

    def collect(self) -> MetricSnapshot:
        """The metrics now."""
        return self.meter.collect(self.clock.unix_nano())

    def metrics(self) -> list[Point]:
        """Every data point now: name, labels, resource, value."""
        return list(self.collect().points())

    def metric(self, name: str, *labels: str, **more: str) -> Any:
        """The value of the one point of a metric with these label values.

        Args:
            name: Of the metric.
            labels: Values of its labels, in the order of the instrument; absent labels are left out.
            more: Labels by name, with ``__`` for a dot: ``service__name="cart"``.
        Raises:
            LookupError: No such point, or more than one.
        """
        wanted = {key.replace("__", "."): value for key, value in more.items()}
        points = [point for point in self.metrics() if point.name == name]
        found = [
            point
            for point in points
            if (not labels or tuple(point.labels.values()) == labels) and wanted.items() <= point.labels.items()
        ]
        if len(found) != 1:
            seen = [point.labels for point in points] or sorted({point.name for point in self.metrics()})
            raise LookupError(f"{len(found)} points of {name} {labels or ''}{wanted or ''}; there is: {seen}")
        return found[0].value

    def logs(self) -> list[LogRecord]:
        """Every log record emitted so far, in order."""
        self._emitted += self._emitter.take(self.clock.unix_nano())
        return list(self._emitted)

    def restart(self) -> None:
        """Snapshot, shut down, construct again, restore, start: what a restart of Weir does."""
        given, measured = self.processor.snapshot(), self.meter.snapshot()
        state = given() if callable(given) else given
        if state is not None and not isinstance(state, bytes):
            raise TypeError(f"snapshot gave {type(state).__name__}, not bytes")
        self.processor.shutdown()
        self._build()
        self.meter.restore(measured)
        if state is not None:
            self.processor.restore(state)
        self.processor.start()

    def shutdown(self) -> None:
        """The last tick and the shutdown."""
        if self.processor.tick_interval_s is not None:
            self.tick()
        self.processor.shutdown()

    def _next_tick(self) -> int | None:
        interval = self.processor.tick_interval_s
        return None if interval is None else self.clock.monotonic_nano() + round(interval * 1e9)

    def _move_to(self, monotonic_nano: int) -> None:
        self.clock.advance((monotonic_nano - self.clock.monotonic_nano()) / 1e9)


def _refuse(mistakes: Iterable[str]) -> None:
    found = [*mistakes]
    if found:
        raise ValueError("; ".join(found))


class SpanSink(Exporter):
    """Keeps the batches of spans that reach it."""

    signals = ("traces",)

    def __init__(self, config: Any = None, settings: Settings | None = None) -> None:  # noqa: ARG002 - as Exporter's
        self.batches: list[SpanBatch] = []

    def export_traces(self, spans: SpanBatch) -> None:
        """Keep a batch."""
        self.batches.append(spans)

    def __len__(self) -> int:
        """Spans in all."""
        return sum(len(batch) for batch in self.batches)


class MetricSink(Exporter):
    """Keeps the batches of metrics that reach it."""

    signals = ("metrics",)

    def __init__(self, config: Any = None, settings: Settings | None = None) -> None:  # noqa: ARG002 - as Exporter's
        self.batches: list[MetricBatch] = []

    def export_metrics(self, metrics: MetricBatch) -> None:
        """Keep a batch."""
        self.batches.append(metrics)

    def points(self) -> Iterator[Point]:
        """All points of all batches."""
        for batch in self.batches:
            yield from batch.points()


class LogSink(Exporter):
    """Keeps the batches of log records that reach it."""

    signals = ("logs",)

    def __init__(self, config: Any = None, settings: Settings | None = None) -> None:  # noqa: ARG002 - as Exporter's
        self.batches: list[LogBatch] = []

    def export_logs(self, logs: LogBatch) -> None:
        """Keep a batch."""
        self.batches.append(logs)
