"""From a checked configuration to objects that call each other.

Built back to front: extensions and exporters first, then connectors and processors, receivers last, so that everything
a node calls exists before it.

    otlp ──┬─ traces:   drop_health_checks → [span_metrics]        (a connector: exporter here …
           └─ traces/2: redact → otlp/tempo
    span_metrics ─ metrics: slo_burn → prometheus                   … and receiver there)

One id is one instance, wherever the configuration lists it: its state, its metrics and its checkpoint belong to the id.
What a receiver's decoder must materialise is the union of what the nodes that it can reach read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipeline.api import (
    Clock,
    Component,
    Exporter,
    Extension,
    LogEmitter,
    Meter,
    MetricBatch,
    MetricSnapshot,
    Processor,
    Receiver,
    Settings,
)
from pipeline.codec.signal_projection import SignalProjection
from pipeline.codec.signals import projection
from pipeline.component_check import mistakes_of
from pipeline.config.check import Checked, CheckedComponent, Key, forwards
from pipeline.config.document import PipelineDef, Reference
from pipeline.errors import ConfigError
from pipeline.model.last_values import READS
from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from pipeline.telemetry.edges import Consume, ExporterEdge, Items, ProcessorEdge, Traffic, admitted, fan_out
from pipeline.telemetry.logs import place_of

Entry = tuple[str, str]
"""Id of what a pipeline lists as a receiver, and signal."""

Restore = Callable[[Key, Callable[[], tuple[Processor, Meter]]], tuple[Processor, Meter]]
"""Makes a processor and gives it the state of an earlier run (``Checkpoints.restore``)."""


@dataclass(frozen=True)
class Source:
    """A component whose metrics some pipeline takes."""

    key: Key
    processor: Processor
    meter: Meter


@dataclass(frozen=True)
class MetricsPipeline:
    """Where metrics of components come from, what is done to them, who gets them.

    Attributes:
        projection: Decoder for what the processors and exporters read.
        consume: Gives a batch to the exporters and connectors that get metrics pushed; None when there are none.
        consume_snapshot: Gives a snapshot that no processor changes to the exporters that take them; likewise.
        pulled_by: Ids of exporters that fetch when they are asked.
    """

    id: str
    sources: tuple[Source, ...]
    steps: tuple[ProcessorEdge, ...]
    projection: SignalProjection[MetricBatch]
    consume: Consume | None
    consume_snapshot: Consume | None
    pulled_by: frozenset[str]

    @property
    def is_pushed(self) -> bool:
        """Somebody gets metrics pushed."""
        return self.consume is not None or self.consume_snapshot is not None

    def process(self, batch: MetricBatch) -> MetricBatch:
        """What the processors leave of a batch. Under the engine's lock."""
        for step in self.steps:
            if not len(batch):
                break
            batch = step(batch)
        return batch


@dataclass
class Graph:
    """All components of a configuration, connected.

    Attributes:
        emitters: Log records of the components that a logs pipeline lists as receivers.
        consumers: What a receiver's batches of a signal are handed to; an emitter's too.
        projections: Columns that somebody behind a receiver reads.
    """

    exporters: dict[str, Exporter] = field(default_factory=dict)
    processors: dict[Key, Processor] = field(default_factory=dict)
    meters: dict[Key, Meter] = field(default_factory=dict)
    emitters: dict[Key, LogEmitter] = field(default_factory=dict)
    receivers: dict[str, Receiver] = field(default_factory=dict)
    extensions: dict[str, Extension] = field(default_factory=dict)
    telemetry: dict[Key, ComponentTelemetry] = field(default_factory=dict)
    metrics_pipelines: list[MetricsPipeline] = field(default_factory=list)
    consumers: dict[Entry, Consume] = field(default_factory=dict)
    projections: dict[Entry, frozenset[str]] = field(default_factory=dict)

    def sources(self) -> list[Source]:
        """Every component whose metrics a pipeline takes, once."""
        found = {source.key: source for pipeline in self.metrics_pipelines for source in pipeline.sources}
        return list(found.values())


def build_graph(
    checked: Checked,
    clock: Clock,
    metrics: OwnMetrics,
    resource: Mapping[str, str],
    restore: Restore | None = None,
) -> Graph:
    """Construct and connect all components; nothing is started.

    Args:
        checked: The configuration.
        clock: Time for all components.
        metrics: Where components and edges count.
        resource: Attributes of this process.
        restore: Gives processors the state of an earlier run.
    Raises:
        ConfigError: Every component that refuses its configuration or reads a column that does not exist.
    """
    return _Builder(checked, clock, metrics, resource, restore).build()


class _Builder:
    def __init__(
        self,
        checked: Checked,
        clock: Clock,
        metrics: OwnMetrics,
        resource: Mapping[str, str],
        restore: Restore | None,
    ) -> None:
        self.restore = restore
        self.checked = checked
        self.clock = clock
        self.metrics = metrics
        self.resource = resource
        self.graph = Graph()
        self.problems: list[str] = []
        self.traffic: dict[tuple[Key, str], Traffic] = {}
        self.sinks: dict[tuple[Key, str], Consume] = {}

    def build(self) -> Graph:
        for kind in ("extensions", "exporters", "connectors", "processors", "receivers"):
            for (section, _), component in self.checked.components.items():
                if section == kind:
                    self._construct(kind, component)
        for pipeline in self.checked.document.pipelines:
            self._check_signals(pipeline)
        if self.problems:
            raise ConfigError(self.problems)
        entries: dict[Entry, list[Consume]] = {}
        queued: dict[Entry, set[str]] = {}
        for pipeline in self.checked.document.pipelines:
            if pipeline.signal == "metrics":
                self.graph.metrics_pipelines.append(self._metrics_pipeline(pipeline))
            emits = pipeline.signal == "logs"
            received = [
                reference
                for reference in pipeline.receivers
                if (emits or self._is_receiver(reference)) and not self._forwards("receivers", reference)
            ]
            if received:
                consume = self._chain(pipeline)
                for reference in received:
                    entry = (reference.id, pipeline.signal)
                    entries.setdefault(entry, []).append(consume)
                    queued.setdefault(entry, set()).update(self._queued(pipeline))
                    known = self.graph.projections.get(entry, frozenset())
                    self.graph.projections[entry] = known | self._columns(pipeline)
        for entry, consumers in entries.items():
            admits = [partial(self.graph.exporters[name].admit, entry[1]) for name in sorted(queued[entry])]
            self.graph.consumers[entry] = admitted(fan_out(consumers) or _discard, admits)
        return self.graph

    # Nodes

    def _construct(self, kind: str, component: CheckedComponent) -> None:
        component_id = component.definition.id
        telemetry = ComponentTelemetry(kind[:-1], component_id, self.clock, self.metrics)
        logs = LogEmitter(wanted=self._emits_logs(kind, component_id))

        def make() -> tuple[Any, Meter]:
            meter = Meter(getattr(component.cls, "scope_name", component.definition.type), self.clock)
            settings = Settings(component_id, self.clock, meter, telemetry, self.resource, logs, self._extension)
            return component.cls(component.config, settings), meter

        node: Component
        try:
            if self.restore is not None and issubclass(component.cls, Processor):
                node, meter = self.restore((kind, component_id), make)
            else:
                node, meter = make()
        except (ConfigError, ValueError) as error:
            self._refused(component, error.problems if isinstance(error, ConfigError) else [str(error)])
            return
        except Exception as error:
            where = f"{type(error).__name__}: {error}, at {place_of(error)}"
            self._refused(component, [f"it cannot be constructed: {where}"])
            return
        self._refused(component, [*mistakes_of(node, meter)])
        self.graph.telemetry[kind, component_id] = telemetry
        if isinstance(node, Processor):
            self.graph.processors[kind, component_id] = node
            self.graph.meters[kind, component_id] = meter
            if logs.wanted:
                self.graph.emitters[kind, component_id] = logs
        elif isinstance(node, Exporter):
            self.graph.exporters[component_id] = node
        elif isinstance(node, Receiver):
            self.graph.receivers[component_id] = node
        elif isinstance(node, Extension):
            self.graph.extensions[component_id] = node

    def _extension(self, extension_id: str) -> Extension:
        extension = self.graph.extensions.get(extension_id)
        if extension is None:
            raise ConfigError([f'"{extension_id}" is not among service.extensions'])
        return extension

    def _check_signals(self, pipeline: PipelineDef) -> None:
        """A processor may be configured for what items of one signal alone have."""
        for reference in pipeline.processors:
            processor = self.graph.processors.get(("processors", reference.id))
            if processor is not None and pipeline.signal not in processor.signals:
                signals = " and ".join(processor.signals)
                what = (
                    f"is configured for {signals}, and pipeline {pipeline.id} is of {pipeline.signal}; use another one"
                )
                self._refused(self.checked.components["processors", reference.id], [what])

    def _refused(self, component: CheckedComponent, texts: Sequence[str]) -> None:
        definition = component.definition
        place = f"{definition.kind}.{definition.id} ({definition.node.mark})"
        self.problems += [f"{place}: {text}" for text in texts]

    # Edges

    def _chain(self, pipeline: PipelineDef) -> Consume:
        """Processors and what follows them, back to front."""
        consume = fan_out([self._sink(reference, pipeline.signal) for reference in pipeline.exporters])
        for reference in reversed(pipeline.processors):
            consume = self._through("processors", reference.id, pipeline.signal, consume)
        return consume or _discard

    def _is_receiver(self, reference: Reference) -> bool:
        return self.checked.resolve("receivers", reference).definition.kind == "receivers"

    def _forwards(self, role: str, reference: Reference) -> bool:
        """Whether it is a connector that hands on what it gets."""
        return forwards(self.checked.resolve(role, reference).cls)

    def _fed_by(self, reference: Reference, signal: str) -> list[PipelineDef]:
        """The pipelines to which a connector hands on what it gets."""
        pipelines = [one for one in self.checked.document.pipelines if one.signal == signal]
        return [one for one in pipelines if any(other.id == reference.id for other in one.receivers)]

    def _emits_logs(self, kind: str, component_id: str) -> bool:
        """Whether a logs pipeline lists a component that is no receiver as one."""
        return any(
            reference.id == component_id and self.checked.resolve("receivers", reference).definition.kind == kind
            for pipeline in self.checked.document.pipelines
            if pipeline.signal == "logs" and kind != "receivers"
            for reference in pipeline.receivers
            if not self._forwards("receivers", reference)
        )

    def _sink(self, reference: Reference, signal: str) -> Consume:
        """The edge into an exporter or connector; one for all pipelines of a signal that list it."""
        component = self.checked.resolve("exporters", reference)
        key = (component.definition.kind, reference.id)
        if (key, signal) not in self.sinks:
            self.sinks[key, signal] = self._made_sink(key, reference, signal)
        return self.sinks[key, signal]

    def _made_sink(self, key: Key, reference: Reference, signal: str) -> Consume:
        if key[0] != "connectors":
            return self._edge(key, signal)
        following = None
        if self._forwards("exporters", reference):
            following = fan_out([self._chain(pipeline) for pipeline in self._fed_by(reference, signal)])
        return self._through(*key, signal, following)

    def _edge(self, key: Key, signal: str) -> ExporterEdge:
        exporter = self.graph.exporters[key[1]]
        export: Consume = getattr(exporter, f"export_{signal}")
        if signal == "metrics" and exporter.takes_snapshots:
            export = partial(_by_type, exporter)
        return ExporterEdge(export, signal, self.graph.telemetry[key], counts=not exporter.queues)

    def _through(self, kind: str, component_id: str, signal: str, following: Consume | None) -> ProcessorEdge:
        key = (kind, component_id)
        telemetry = self.graph.telemetry[key]
        if (key, signal) not in self.traffic:
            self.traffic[key, signal] = Traffic(telemetry, signal)
        process: Callable[[Items], Items] = getattr(self.graph.processors[key], f"process_{signal}")
        return ProcessorEdge(
            process,
            following,
            ignore=self.checked.components[key].error_mode == "ignore",
            traffic=self.traffic[key, signal],
            telemetry=telemetry,
            clock=self.clock,
        )

    def _metrics_pipeline(self, pipeline: PipelineDef) -> MetricsPipeline:
        """The way of metrics of components. What is received takes the way of all signals (``_chain``)."""
        pulling, direct, others = set(), [], []
        for reference in pipeline.exporters:
            exporter = self.graph.exporters.get(reference.id)
            if exporter is not None and exporter.pulls:
                pulling.add(reference.id)
            elif exporter is not None and exporter.takes_snapshots and not pipeline.processors:
                direct.append(self._sink(reference, "metrics"))
            else:
                others.append(self._sink(reference, "metrics"))
        sources = []
        for reference in pipeline.receivers:
            component = self.checked.resolve("receivers", reference)
            key = (component.definition.kind, reference.id)
            if key in self.graph.processors and not self._forwards("receivers", reference):
                sources.append(Source(key, self.graph.processors[key], self.graph.meters[key]))
        steps = [self._through("processors", reference.id, "metrics", None) for reference in pipeline.processors]
        columns = self._columns(pipeline)
        if pulling and steps:  # what the processors leave is handed out in the form of snapshots
            columns |= frozenset(READS)
        decoder = projection("metrics", columns)
        return MetricsPipeline(
            pipeline.id, tuple(sources), tuple(steps), decoder, fan_out(others), fan_out(direct), frozenset(pulling)
        )

    def _queued(self, pipeline: PipelineDef) -> list[str]:
        """Exporters of a pipeline that may be full."""
        names = [reference.id for reference in pipeline.exporters if reference.id in self.graph.exporters]
        behind = [name for other in self._behind(pipeline) for name in self._queued(other)]
        return [*(name for name in names if self.graph.exporters[name].queues), *behind]

    def _behind(self, pipeline: PipelineDef) -> list[PipelineDef]:
        """The pipelines that get what a pipeline hands on."""
        forwarding = [reference for reference in pipeline.exporters if self._forwards("exporters", reference)]
        return [other for reference in forwarding for other in self._fed_by(reference, pipeline.signal)]

    def _columns(self, pipeline: PipelineDef) -> frozenset[str]:
        """What the nodes of a pipeline read, and what they add: an added column needs its place in the records."""
        nodes: list[object] = [self.graph.processors["processors", reference.id] for reference in pipeline.processors]
        for reference in pipeline.exporters:
            kind = self.checked.resolve("exporters", reference).definition.kind
            is_exporter = kind == "exporters"
            nodes.append(
                self.graph.exporters[reference.id] if is_exporter else self.graph.processors[kind, reference.id]
            )
        own = frozenset(column for node in nodes for name in ("reads", "adds") for column in _names(node, name))
        return own.union(*(self._columns(other) for other in self._behind(pipeline)))


def _names(node: object, attribute: str) -> tuple[str, ...]:
    return tuple(getattr(node, attribute, ()))


def _by_type(exporter: Exporter, metrics: MetricBatch | MetricSnapshot) -> None:
    """Give an exporter metrics through the door that is meant for them."""
    if isinstance(metrics, MetricSnapshot):
        exporter.export_snapshot(metrics)
    else:
        exporter.export_metrics(metrics)


def _discard(items: Items) -> None:
    """The end of a pipeline without exporters: its processors have seen the batch, and that is all."""
