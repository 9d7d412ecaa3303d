"""What a document means: types exist, ids are defined, configurations are valid, the graph can be built.

Every check runs even when an earlier one failed, so that one run of ``weir validate`` shows all mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pipeline.api import SIGNALS, Component, ComponentConfig, Exporter, Processor, Receiver
from pipeline.config.bounds import with_needed_bounds
from pipeline.config.checkpoint import CheckpointConfig
from pipeline.config.collector_types import WITHOUT_COUNTERPART, remedy
from pipeline.config.document import SECTIONS, ComponentDef, Document, PipelineDef, Reference, empty_before
from pipeline.config.node import Node
from pipeline.config.report import Report
from pipeline.config.validate import validate
from pipeline.errors import ConfigError
from pipeline.telemetry.config import TelemetryConfig

ErrorMode = Literal["ignore", "propagate"]
Key = tuple[str, str]
"""Section and id: the same id may stand under ``processors`` and under ``connectors``."""


class Catalog(Protocol):
    """Where implementations are found (``service/registry.py``)."""

    def types(self, kind: str) -> Sequence[str]:
        """Names of all types that may stand in a section."""

    def load(self, kind: str, type_name: str) -> type[Component]:
        """The class. Raises ``ConfigError`` when it cannot be imported or is not what it claims to be."""


@dataclass(frozen=True)
class CheckedComponent:
    """A component ready to be built."""

    definition: ComponentDef
    cls: type[Component]
    config: ComponentConfig
    error_mode: ErrorMode


@dataclass(frozen=True)
class Checked:
    """A configuration that can be run.

    Attributes:
        components: Those that are used; ``resolve`` says which one a pipeline's reference means.
        checkpoint: None: all state is in memory.
        warnings: Odd but not wrong.
    """

    document: Document
    components: dict[Key, CheckedComponent]
    telemetry: TelemetryConfig
    checkpoint: CheckpointConfig | None = None
    warnings: list[str] = field(default_factory=list)

    def resolve(self, role: str, reference: Reference) -> CheckedComponent:
        """The component that a pipeline lists in a role."""
        return next(
            self.components[kind, reference.id] for kind in sections_of(role) if (kind, reference.id) in self.components
        )


def sections_of(role: str) -> tuple[str, ...]:
    """Where an id listed in a role of a pipeline may be defined; the first match counts."""
    return {
        "receivers": ("receivers", "connectors", "processors"),
        "processors": ("processors",),
        "exporters": ("exporters", "connectors"),
    }[role]


def check(document: Document, catalog: Catalog) -> Checked:
    """Check the meaning of a document.

    Raises:
        ConfigError: With all problems, those of the shape first.
    """
    checker = _Checker(document, catalog)
    checked = checker.run()
    if document.report.problems:
        raise ConfigError(document.report.problems)
    return checked


class _Checker:
    def __init__(self, document: Document, catalog: Catalog) -> None:
        self.document = document
        self.catalog = catalog
        self.report: Report = document.report
        self.components: dict[Key, CheckedComponent] = {}
        self.classes: dict[Key, type[Component]] = {}

    def run(self) -> Checked:
        for kind, definitions in self.document.components.items():
            for definition in definitions.values():
                self._component(kind, definition)
        for definition in self.document.components["connectors"].values():
            self._connector(definition)
        for pipeline in self.document.pipelines:
            self._pipeline(pipeline)
        self._extensions()
        self._cycles()
        used = self._used()
        self._unused(used)
        in_use = {key: component for key, component in self.components.items() if key in used}
        telemetry = validate(TelemetryConfig, self.document.telemetry, ("service", "telemetry"), self.report)
        return Checked(
            document=self.document,
            components=with_needed_bounds(in_use, self.report),
            telemetry=telemetry or TelemetryConfig(),
            checkpoint=self._checkpoint(),
            warnings=self.report.warnings,
        )

    def _checkpoint(self) -> CheckpointConfig | None:
        node = self.document.checkpoint
        if node is None or node.value is None:
            return None
        return validate(CheckpointConfig, node, ("service", "checkpoint"), self.report)

    def _component(self, kind: str, definition: ComponentDef) -> None:
        known = self.catalog.types(kind)
        reason = WITHOUT_COUNTERPART.get((kind, definition.type))
        if definition.type not in known and reason is not None:
            self.report.warning(definition.path, definition.node.mark, f"has no effect: {reason}")
            return
        if definition.type not in known:
            self._unknown(kind, definition, known)
            return
        try:
            cls = self.catalog.load(kind, definition.type)
        except ConfigError as error:
            for problem in error.problems:
                self.report.problem(definition.path, definition.node.mark, problem)
            return
        self.classes[kind, definition.id] = cls
        if kind == "processors" and forwards(cls):
            what = "it connects pipelines; list it under connectors"
            self.report.problem(definition.path, definition.node.mark, what)
        node, error_mode = self._error_mode(cls, definition)
        config = validate(cls.Config, node, definition.path, self.report)
        if config is not None:
            self.components[kind, definition.id] = CheckedComponent(definition, cls, config, error_mode)

    def _unknown(self, kind: str, definition: ComponentDef, known: Sequence[str]) -> None:
        elsewhere = [other for other in SECTIONS if other != kind and definition.type in self.catalog.types(other)]
        what = f'there is no {kind[:-1]} of type "{definition.type}"'
        way_out = self._indentation(kind, definition, known) or remedy(kind, definition.type, known, elsewhere)
        candidates = () if way_out else known
        self.report.problem(definition.path, definition.node.mark, what + way_out, definition.type, candidates)

    def _indentation(self, kind: str, definition: ComponentDef, known: Sequence[str]) -> str:
        """The advice to indent what is a key of the component above, which is empty; else nothing."""
        section = self.document.root.nearest((kind,))
        keys = list(section.value)
        above = keys[keys.index(definition.id) - 1].partition("/")[0]
        if above not in known or definition.id not in self.catalog.load(kind, above).Config.model_fields:
            return ""
        return empty_before(section, definition.id)

    def _error_mode(self, cls: type[Component], definition: ComponentDef) -> tuple[Node, ErrorMode]:
        """Take the engine's key ``error_mode`` out of a processor's configuration, unless it has a key of that name.

        Observers, which emit something, default to ``ignore``: a fault in counting must not stop the data. Others
        default to ``propagate``: a fault in redaction must not let data through.
        """
        if not issubclass(cls, Processor):
            return definition.node, "propagate"
        mode: ErrorMode = "ignore" if emitted_by(cls) else "propagate"
        given = definition.node.child("error_mode")
        if given is None or "error_mode" in cls.Config.model_fields:
            return definition.node, mode
        rest = {key: child for key, child in definition.node.value.items() if key != "error_mode"}
        if given.value in {"ignore", "propagate"}:
            mode = given.value
        elif given.value is not None:
            self.report.problem((*definition.path, "error_mode"), given.mark, 'must be "ignore" or "propagate"')
        return Node(rest, definition.node.mark), mode

    def _connector(self, definition: ComponentDef) -> None:
        cls = self.classes.get(("connectors", definition.id))
        mark = definition.node.mark
        if cls is not None and not emitted_by(cls):
            what = f'"{definition.type}" emits no metrics or logs and so cannot connect pipelines'
            what += "; list it under processors"
            self.report.problem(definition.path, mark, what)
        for kind in ("receivers", "exporters"):
            if definition.id in self.document.components[kind]:
                what = f'"{definition.id}" is defined under {kind} too; give one of them a name of its own (type/name)'
                self.report.problem(definition.path, mark, what)
        feeding = [p for p in self.document.pipelines if any(r.id == definition.id for r in p.exporters)]
        fed = [p for p in self.document.pipelines if any(r.id == definition.id for r in p.receivers)]
        odd = sorted({pipeline.signal for pipeline in feeding} ^ {pipeline.signal for pipeline in fed})
        if feeding and fed and odd and cls is not None and forwards(cls):
            what = f'"{definition.id}" hands on what it gets: pipelines of {" and ".join(odd)} have it on one side only'
            self.report.problem(definition.path, mark, what)
        if feeding and not fed:
            self.report.problem(definition.path, mark, _one_sided(definition.id, "exporter", feeding, "receiver"))
        if fed and not feeding:
            self.report.problem(definition.path, mark, _one_sided(definition.id, "receiver", fed, "exporter"))

    def _pipeline(self, pipeline: PipelineDef) -> None:
        for role, reference in pipeline.references():
            kinds = [kind for kind in sections_of(role) if reference.id in self.document.components[kind]]
            if not kinds:
                self._undefined(role, reference)
            elif (cls := self.classes.get((kinds[0], reference.id))) is not None:
                self._role(pipeline, role, reference, kinds[0], cls)
        known = [self.classes.get(("processors", reference.id)) for reference in pipeline.processors]
        emits = any(cls is not None and emitted_by(cls) for cls in known)
        undecided = any(("processors", reference.id) not in self.classes for reference in pipeline.processors)
        if not pipeline.exporters and not emits and not undecided:
            self.report.problem(pipeline.path, pipeline.mark, "must have at least one entry in exporters")

    def _undefined(self, role: str, reference: Reference) -> None:
        candidates = [known for kind in sections_of(role) for known in self.document.components[kind]]
        places = " or ".join(kind for kind in sections_of(role) if role != "receivers" or kind != "processors")
        what = f'"{reference.id}" is not defined under {places}'
        self.report.problem(reference.path, reference.mark, what, reference.id, candidates)

    def _role(self, pipeline: PipelineDef, role: str, reference: Reference, kind: str, cls: type[Component]) -> None:
        """A component must handle the signal of the pipeline in the role it has there."""
        signal = pipeline.signal
        if role == "receivers" and kind != "receivers":
            emitted = " and ".join(emitted_by(cls))
            if not emitted:
                what = f'"{reference.id}" emits no metrics or logs, so it cannot be listed as a receiver'
            elif signal not in emitted_by(cls):
                what = f'"{reference.id}" emits {emitted}, so it can be a receiver of such pipelines, not of {signal}'
            elif not any(r.id == reference.id for p in self.document.pipelines for r in (*p.processors, *p.exporters)):
                what = f'"{reference.id}" is a receiver here, but no pipeline feeds it'
                what = what if kind == "processors" else ""
            else:
                what = ""
        else:
            handled = signals_of(cls)
            names = " and ".join(handled) or "nothing"
            is_told = signal not in SIGNALS  # by the reader of the shape
            what = "" if signal in handled or is_told else f'"{reference.id}" handles {names}, not {signal}'
        if what:
            self.report.problem(reference.path, reference.mark, what)

    def _extensions(self) -> None:
        known = self.document.components["extensions"]
        for reference in self.document.extensions:
            if reference.id not in known:
                what = f'"{reference.id}" is not defined under extensions'
                self.report.problem(reference.path, reference.mark, what, reference.id, known)

    def _cycles(self) -> None:
        """Data must not come back to a pipeline it has left."""
        follows = {pipeline.id: list(self._followers(pipeline)) for pipeline in self.document.pipelines}
        marks = {pipeline.id: pipeline for pipeline in self.document.pipelines}
        done: set[str] = set()
        for start in follows:
            cycle = _find_cycle(start, follows, done, [])
            if cycle:
                pipeline = marks[cycle[0]]
                self.report.problem(pipeline.path, pipeline.mark, f"cycle: {' → '.join([*cycle, cycle[0]])}")
                return

    def _followers(self, pipeline: PipelineDef) -> Iterator[str]:
        """Pipelines that get metrics or logs from what is listed in this one."""
        connectors = {r.id for r in pipeline.exporters if r.id in self.document.components["connectors"]}
        emitters = {r.id for r in pipeline.processors}
        for other in self.document.pipelines:
            names = {r.id for r in other.receivers}
            defined = self.document.components
            if names & connectors or any(
                name in emitters and name not in defined["receivers"] and name not in defined["connectors"]
                for name in names
            ):
                yield other.id

    def _used(self) -> set[Key]:
        used = {("extensions", reference.id) for reference in self.document.extensions}
        for pipeline in self.document.pipelines:
            for role, reference in pipeline.references():
                kinds = [kind for kind in sections_of(role) if reference.id in self.document.components[kind]]
                used.update((kind, reference.id) for kind in kinds[:1])
        return used

    def _unused(self, used: set[Key]) -> None:
        for kind, definitions in self.document.components.items():
            for definition in definitions.values():
                if (kind, definition.id) not in used:
                    where = "service.extensions" if kind == "extensions" else "any pipeline"
                    self.report.warning(
                        definition.path, definition.node.mark, f"not used in {where}; it is not started"
                    )
        for (kind, component_id), cls in self.classes.items():
            fed = any(r.id == component_id for p in self.document.pipelines for r in p.receivers)
            if kind == "processors" and (kind, component_id) in used and emitted_by(cls) and not fed:
                definition = self.document.components[kind][component_id]
                what = (
                    f"emits {' and '.join(emitted_by(cls))}, but no pipeline lists it as a receiver: nobody sees them"
                )
                self.report.warning(definition.path, definition.node.mark, what)


def signals_of(cls: type[Component]) -> tuple[str, ...]:
    """Signals that a component can handle; a processor handles those whose method it overrides, or all if it
    overrides none.
    """
    if issubclass(cls, (Receiver, Exporter)):
        return cls.signals
    if not issubclass(cls, Processor):
        return ()
    methods = {signal: f"process_{signal}" for signal in SIGNALS}
    handled = tuple(signal for signal, name in methods.items() if getattr(cls, name) is not getattr(Processor, name))
    return handled or SIGNALS


def emitted_by(cls: type[Component]) -> tuple[str, ...]:
    """Signals that a processor makes itself or hands on, for pipelines that list it as a receiver."""
    if forwards(cls):
        return SIGNALS
    return tuple(signal for signal in ("metrics", "logs") if getattr(cls, f"emits_{signal}", False))


def forwards(cls: type[Component]) -> bool:
    """Whether it is a connector that hands on what it gets."""
    return issubclass(cls, Processor) and cls.forwards


def _one_sided(component_id: str, role: str, pipelines: list[PipelineDef], missing: str) -> str:
    names = ", ".join(pipeline.id for pipeline in pipelines)
    return f'connector "{component_id}" is an {role} of {names}, but {missing} of no pipeline'.replace("an r", "a r")


def _find_cycle(node: str, follows: dict[str, list[str]], done: set[str], trail: list[str]) -> list[str]:
    if node in trail:
        return trail[trail.index(node) :]
    if node in done:
        return []
    for follower in follows[node]:
        cycle = _find_cycle(follower, follows, done, [*trail, node])
        if cycle:
            return cycle
    done.add(node)
    return []
