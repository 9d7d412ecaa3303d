"""The running pipelines: start, tick, flush, collect, drain, stop.

One lock orders everything that touches a processor: batches (in the receivers' threads), ticks and flushes (in the
engine's one thread), snapshots of the metrics (in the thread of whoever scrapes). Order of life:

    extensions → exporters → processors → ticking → receivers        start
    receivers → last tick → last flush → last checkpoint → processors → queues → exporters → extensions        stop
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from pipeline.api import Clock, MetricBatch, MetricSnapshot
from pipeline.codec import otlp_logs_encode
from pipeline.codec.signals import batch_of, projection
from pipeline.config.check import Checked
from pipeline.config.checkpoint import CheckpointConfig
from pipeline.errors import ConfigError, PermanentError, RetryableError
from pipeline.model.last_values import snapshots_of
from pipeline.service.checkpoint import CheckpointMemory
from pipeline.service.checkpoint_files import CheckpointFiles
from pipeline.service.checkpoints import Checkpoints
from pipeline.service.graph import Graph, MetricsPipeline, Source, build_graph
from pipeline.service.intake import SignalIntake
from pipeline.service.schedule import Schedule
from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from pipeline.telemetry.edges import log_fault
from pipeline.telemetry.process import observe_process
from pipeline.telemetry.series import SeriesFigures

R = TypeVar("R")
A = TypeVar("A")

EXPIRY_INTERVAL_S = 1.0
LOGS_INTERVAL_S = 1.0
"""How long an emitted log record waits at most. One lock and an empty queue, mostly."""
EMITTED_LOGS = "weir_emitted_log_records"
DRAIN_GRACE_S = 1.0
"""For an exporter to count and report what it could not send."""
LIVE_WITHIN_NANO = 60_000_000_000
"""Liveness: the engine's thread has made a round within this time. Longer than any pause that is not a fault."""


class Engine:
    """A configuration, running. Implements ``pipeline.api.Host``.

    Args:
        checked: The configuration.
        clock: Time, for the engine and all components.
        resource: Attributes of this process, given to components and to own metrics.
        memory: Takes the state of the components when they stop, and gives what it has when they are constructed,
            where the configuration names no directory for it.
    Raises:
        ConfigError: A component refuses its configuration.
    """

    def __init__(
        self,
        checked: Checked,
        clock: Clock,
        resource: Mapping[str, str] | None = None,
        memory: CheckpointMemory | None = None,
    ) -> None:
        self.clock = clock
        self.metrics = OwnMetrics()
        self.resource = dict(resource or {})
        self.telemetry = ComponentTelemetry("service", "weir", clock, self.metrics)
        self._lock = threading.Lock()
        self._checkpoints = self._open_checkpoints(checked.checkpoint, memory)
        restore = None if self._checkpoints is None else self._checkpoints.restore
        try:
            self.graph: Graph = build_graph(checked, clock, self.metrics, self.resource, restore)
        except ConfigError:
            if self._checkpoints is not None:
                self._checkpoints.stop()
            raise
        self.schedule = Schedule(clock)
        self._telemetry_config = checked.telemetry
        self._intakes: list[SignalIntake] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pages: list[Any] = []
        self._started_unix_nano = 0
        self._ready = False
        self._status: dict[str, str] = {}
        self._figures = {
            key: SeriesFigures(self.graph.telemetry[key], meter) for key, meter in self.graph.meters.items()
        }

    # Life

    def start(self) -> None:
        """Start everything; on return Weir accepts data.

        Raises:
            ConfigError: A component cannot start, for example because its port is taken. What had started is stopped.
        """
        self._started_unix_nano = self.clock.unix_nano()
        try:
            observe_process(self.metrics, self.clock)
            self._start_pages()
            for extension_id, extension in self.graph.extensions.items():
                self._starting("extensions", extension_id, partial(extension.start, self))
            for exporter_id, exporter in self.graph.exporters.items():
                self._starting("exporters", exporter_id, partial(exporter.start, partial(self.collect, exporter_id)))
            for (kind, processor_id), processor in self.graph.processors.items():
                self._starting(kind, processor_id, processor.start)
            if self._checkpoints is not None:
                self._checkpoints.start(self.graph.processors, self.graph.meters)
            self._plan()
            self._thread = threading.Thread(target=self._run, name="weir-engine", daemon=True)
            self._thread.start()
            for receiver_id, receiver in self.graph.receivers.items():
                intakes = self._intakes_of(receiver_id)
                self._starting("receivers", receiver_id, partial(receiver.start, intakes))
        except BaseException:
            self.stop(0.0)
            raise
        self._ready = True

    def stop(self, drain_s: float) -> None:
        """Stop accepting, finish what is under way, tick and flush a last time, shut everything down. Works twice.

        Args:
            drain_s: How long receivers may take to finish requests under way, and exporters to send what waits; all
                together.
        """
        self._ready = False
        deadline = self.clock.monotonic_nano() + round(drain_s * 1e9)
        for receiver_id, receiver in self.graph.receivers.items():
            left_s = max(0, deadline - self.clock.monotonic_nano()) / 1e9
            self._stopping_step("receivers", receiver_id, partial(receiver.drain, left_s))
        for intake in self._intakes:
            intake.close()
        for receiver_id, receiver in self.graph.receivers.items():
            self._stopping_step("receivers", receiver_id, receiver.shutdown)
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=drain_s + 5.0)
            self._thread = None
            self._tick_all()
            for source in self.graph.sources():
                self._flush(source)
            for key in self.graph.emitters:
                self._hand_on_logs(key)
        if self._checkpoints is not None:
            self._checkpoints.stop()
        for (kind, processor_id), processor in self.graph.processors.items():
            self._stopping_step(kind, processor_id, processor.shutdown)
        self._drain_exporters(max(0, deadline - self.clock.monotonic_nano()) / 1e9)
        for kind, components in (("exporters", self.graph.exporters), ("extensions", self.graph.extensions)):
            for component_id, component in components.items():
                self._stopping_step(kind, component_id, component.shutdown)
        for page in self._pages:
            page.stop()
        self._pages = []

    def status(self) -> Mapping[str, Any]:
        """See ``pipeline.api.Host``."""
        since = self.clock.monotonic_nano() - self.schedule.last_run_nano
        return {
            "ready": self._ready,
            "live": self._thread is None or (self._thread.is_alive() and since < LIVE_WITHIN_NANO),
            "started_unix_nano": self._started_unix_nano,
            "components": {component: {"status": status} for component, status in self._status.items()},
        }

    def collect(self, exporter_id: str) -> Sequence[MetricSnapshot]:
        """What reaches a pulling exporter, as of now. The lock is held while arrays are copied, not while rendering."""
        with self._lock:
            now = self.clock.unix_nano()
            taken = [
                (pipeline, source.meter.collect(now))
                for pipeline in self.graph.metrics_pipelines
                if exporter_id in pipeline.pulled_by
                for source in pipeline.sources
            ]
        snapshots: list[MetricSnapshot] = []
        for pipeline, snapshot in taken:
            if pipeline.steps:
                batch = self._processed(pipeline, batch_of(snapshot, pipeline.projection))
                snapshots += snapshots_of(batch, snapshot.time_unix_nano)
            elif len(snapshot):
                snapshots.append(snapshot)
        return snapshots

    def snapshots(self) -> Sequence[MetricSnapshot]:
        """See ``pipeline.api.Host``. The lock is held while arrays are copied."""
        with self._lock:
            now = self.clock.unix_nano()
            return [meter.collect(now, exported=False) for meter in self.graph.meters.values() if meter.instruments]

    def ask(self, role: type[R], question: Callable[[R], A]) -> dict[str, A]:
        """See ``pipeline.api.Host``. The lock is held for each question."""
        answers = {}
        for (_, processor_id), processor in self.graph.processors.items():
            if isinstance(processor, role):
                with self._lock:
                    answers[processor_id] = question(processor)
        return answers

    @property
    def own_metrics_addresses(self) -> list[tuple[str, int]]:
        """Where own metrics are served."""
        return [page.address for page in self._pages]

    # Work

    def _open_checkpoints(self, config: CheckpointConfig | None, memory: CheckpointMemory | None) -> Checkpoints | None:
        if config is None:
            return None if memory is None else Checkpoints(memory, None, self.clock, self.telemetry, self._lock)
        try:
            files = CheckpointFiles(config.directory)
        except ConfigError as error:
            raise ConfigError([f"service.checkpoint.directory: {line}" for line in error.problems]) from error
        return Checkpoints(files, config.interval, self.clock, self.telemetry, self._lock)

    def _plan(self) -> None:
        for (kind, processor_id), processor in self.graph.processors.items():
            if processor.tick_interval_s is not None:
                self.schedule.every(processor.tick_interval_s, partial(self._tick, (kind, processor_id)))
        if self.graph.meters:
            self.schedule.every(EXPIRY_INTERVAL_S, self._expire)
        for key in self.graph.emitters:
            self.schedule.every(LOGS_INTERVAL_S, partial(self._hand_on_logs, key))
        for source in self.graph.sources():
            if any(source in pipeline.sources and pipeline.is_pushed for pipeline in self.graph.metrics_pipelines):
                self.schedule.every(source.processor.metrics_flush_interval_s, partial(self._flush, source))

    def _run(self) -> None:
        while not self._stopping.wait(self.schedule.seconds_to_next()):
            self.schedule.run_due()

    def _tick(self, key: tuple[str, str]) -> None:
        with self._lock, self._reported(key, "tick failed"):
            self.graph.processors[key].tick(self.clock.unix_nano())

    def _tick_all(self) -> None:
        for key, processor in self.graph.processors.items():
            if processor.tick_interval_s is not None:
                self._tick(key)

    def _expire(self) -> None:
        for key, meter in self.graph.meters.items():
            with self._lock, self._reported(key, "expiry failed"):
                meter.tick(self.clock.unix_nano())
                if meter.instruments:
                    self._figures[key].refresh()

    def _flush(self, source: Source) -> None:
        """Push what a component has measured to the exporters that do not fetch it."""
        pushed = [p for p in self.graph.metrics_pipelines if source in p.sources and p.is_pushed]
        if not pushed:
            return
        with self._reported(source.key, "flush failed"):
            with self._lock:
                snapshot = source.meter.collect(self.clock.unix_nano(), delta=source.processor.pushes_deltas)
            for pipeline in pushed:
                # Differences are no complete state: a series that is not among them has not ended.
                name = "" if source.processor.pushes_deltas else "/".join((pipeline.id, *source.key))
                self._push(pipeline, replace(snapshot, source=name))

    def _push(self, pipeline: MetricsPipeline, snapshot: MetricSnapshot) -> None:
        """The edges count and log a failure; the next flush brings newer values of each series. A complete state in
        which nothing is left is pushed as well, for whoever has to say that series have ended.
        """
        if pipeline.consume_snapshot is not None and (len(snapshot) or snapshot.source):
            with contextlib.suppress(RetryableError, PermanentError):
                pipeline.consume_snapshot(snapshot)
        if pipeline.consume is not None:
            batch = self._processed(pipeline, batch_of(snapshot, pipeline.projection))
            if len(batch):
                with contextlib.suppress(RetryableError, PermanentError):
                    pipeline.consume(batch)

    def _hand_on_logs(self, key: tuple[str, str]) -> None:
        """Give what a component has emitted to its logs pipelines, on the way of what is received."""
        emitter, telemetry = self.graph.emitters[key], self.graph.telemetry[key]
        with self._lock, self._reported(key, "handing on log records failed"):
            evicted, emitter.evicted = emitter.evicted, 0
            records = emitter.take(self.clock.unix_nano())
            if records:
                decoder = projection("logs", self.graph.projections[key[1], "logs"])
                batch, _ = decoder.decode(otlp_logs_encode.encode(records, self.graph.meters[key].scope.name))
                try:
                    self.graph.consumers[key[1], "logs"](batch)
                    telemetry.count(EMITTED_LOGS, len(records), outcome="success")
                except RetryableError:
                    emitter.put_back(records)
                except PermanentError:
                    telemetry.count(EMITTED_LOGS, len(records), outcome="refused")
            if evicted:
                telemetry.count(EMITTED_LOGS, evicted, outcome="evicted")
                telemetry.logger.limited("evicted", "log records evicted: their pipeline does not take them", n=evicted)

    def _processed(self, pipeline: MetricsPipeline, batch: MetricBatch) -> MetricBatch:
        """What a pipeline's processors leave; nothing also when one of them refuses."""
        with self._lock, contextlib.suppress(RetryableError, PermanentError):
            return pipeline.process(batch)
        return batch.where(np.zeros(len(batch), bool))

    @contextlib.contextmanager
    def _reported(self, key: tuple[str, str], what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            telemetry = self.graph.telemetry[key]
            telemetry.count(f"otelcol_{telemetry.kind}_tick_failures")
            log_fault(telemetry, what, error)

    def _drain_exporters(self, timeout_s: float) -> None:
        """All at the same time: one destination that is gone must not take the time of the others."""
        threads = [
            threading.Thread(
                target=self._stopping_step,
                args=("exporters", exporter_id, partial(exporter.drain, timeout_s)),
                name=f"weir-drain-{exporter_id}",
                daemon=True,
            )
            for exporter_id, exporter in self.graph.exporters.items()
            if exporter.queues
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout_s + DRAIN_GRACE_S)

    # Start and stop of single components

    def _intakes_of(self, receiver_id: str) -> dict[str, SignalIntake]:
        intakes = {}
        telemetry = self.graph.telemetry["receivers", receiver_id]
        for (owner, signal), consume in self.graph.consumers.items():
            if owner == receiver_id:
                decoder = projection(signal, self.graph.projections[owner, signal])
                intakes[signal] = SignalIntake(signal, decoder.decode, consume, self._lock, telemetry)
        self._intakes += intakes.values()
        return intakes

    def _start_pages(self) -> None:
        listeners = self._telemetry_config.metrics.listeners()
        if not listeners:
            return
        from pipeline.telemetry.exposition import Exposition

        for listener in listeners:
            page = Exposition(listener, self.metrics, self.resource)
            try:
                page.start()
            except (ConfigError, OSError) as error:
                raise ConfigError([f"service.telemetry.metrics: {line}" for line in _lines(error)]) from error
            self._pages.append(page)
            self.telemetry.logger.info("own metrics", endpoint="{}:{}".format(*page.address))

    def _starting(self, kind: str, component_id: str, start: Callable[[], None]) -> None:
        try:
            start()
        except (ConfigError, OSError) as error:
            raise ConfigError([f"{kind}.{component_id}: {line}" for line in _lines(error)]) from error
        except Exception as error:
            log_fault(self.graph.telemetry[kind, component_id], "cannot start", error)
            raise ConfigError([f"{kind}.{component_id}: cannot start: {type(error).__name__}: {error}"]) from error
        self._status[f"{kind}/{component_id}"] = "running"

    def _stopping_step(self, kind: str, component_id: str, stop: Callable[[], None]) -> None:
        try:
            stop()
        except Exception as error:
            log_fault(self.graph.telemetry[kind, component_id], "stopping failed", error)
        self._status[f"{kind}/{component_id}"] = "stopped"


def _lines(error: ConfigError | OSError) -> list[str]:
    return error.problems if isinstance(error, ConfigError) else [str(error.strerror or error)]
