"""The configuration in the Collector's shape, checked for form but not yet for meaning.

    receivers processors connectors exporters extensions: {type/name: {…}}
    service:
      extensions: […]
      pipelines: {signal/name: {receivers, processors, exporters}}
      telemetry: {…}
      checkpoint: {…}

``read_document`` knows the shape only. Whether ids are defined, types exist and the graph makes sense is
``check.py``'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline.config.node import Mark, Node, Path
from pipeline.config.report import Report
from pipeline.errors import ConfigError

SECTIONS = ("receivers", "processors", "connectors", "exporters", "extensions")
SIGNALS = ("traces", "metrics", "logs")
ROLES = ("receivers", "processors", "exporters")

# Type: as in the Collector's component.NewType. Name: any visible text without spaces.
_ID = re.compile(r"(?P<type>[A-Za-z][A-Za-z0-9_]{0,62})(?:/(?P<name>\S{1,1024}))?")


@dataclass(frozen=True)
class Reference:
    """An id as one place of the document names it."""

    id: str
    path: Path
    mark: Mark


@dataclass(frozen=True)
class ComponentDef:
    """One entry of receivers, processors, connectors, exporters or extensions."""

    kind: str
    id: str
    node: Node

    @property
    def type(self) -> str:
        """The part of the id before the slash, which names the implementation."""
        return self.id.partition("/")[0]

    @property
    def path(self) -> Path:
        """Where it stands in the document."""
        return (self.kind, self.id)


@dataclass(frozen=True)
class PipelineDef:
    """One entry of service.pipelines."""

    id: str
    mark: Mark
    receivers: tuple[Reference, ...]
    processors: tuple[Reference, ...]
    exporters: tuple[Reference, ...]

    @property
    def signal(self) -> str:
        """``traces``, ``metrics`` or ``logs``."""
        return self.id.partition("/")[0]

    @property
    def path(self) -> Path:
        """Where it stands in the document."""
        return ("service", "pipelines", self.id)

    def references(self) -> Iterator[tuple[str, Reference]]:
        """All ids it names, each with its role."""
        for role in ROLES:
            for reference in getattr(self, role):
                yield role, reference


@dataclass(frozen=True)
class Document:
    """A configuration of the right shape.

    Attributes:
        root: The whole tree, for printing.
        components: Section → id → definition.
        pipelines: In the order of the document.
        extensions: What ``service.extensions`` names.
        telemetry: ``service.telemetry``.
        checkpoint: ``service.checkpoint``, if it is there.
        report: Problems and warnings so far; problems do not stop ``check.py`` from finding more.
    """

    root: Node
    components: dict[str, dict[str, ComponentDef]]
    pipelines: tuple[PipelineDef, ...]
    extensions: tuple[Reference, ...]
    telemetry: Node
    checkpoint: Node | None
    report: Report = field(default_factory=Report)


def read_document(root: Node, problems: list[str] | None = None, warnings: list[str] | None = None) -> Document:
    """Read the shape; mistakes go to the document's report.

    Raises:
        ConfigError: The shape is so wrong that looking for more mistakes would mislead.
    """
    report = Report(problems or (), warnings or ())
    if not {*SECTIONS, "service"} & set(root.value):
        _not_a_manifest(root, report)
    reader = _ShapeReader(root, report)
    document = reader.document()
    if "service" not in root.value and not any(document.components.values()):
        report.problem(("service",), root.mark, "missing; this does not look like a configuration of Weir")
        raise ConfigError(report.problems)
    return document


def _not_a_manifest(root: Node, report: Report) -> None:
    """Raise ConfigError where the configuration stands inside of a manifest for Kubernetes or of values for Helm."""
    for path in (("spec", "config"), ("config",), ("data",)):
        around = root if len(path) == 1 else root.child(path[0]) or Node({}, root.mark)
        inside = around.child(path[-1])
        if inside is not None:
            what = "this is a manifest, or values for Helm: take out what stands below it here, as a file of its own"
            report.problem(path, inside.mark, what)
            raise ConfigError(report.problems)


class _ShapeReader:
    def __init__(self, root: Node, report: Report) -> None:
        self.root = root
        self.report = report

    def document(self) -> Document:
        self._known_keys(self.root, (), (*SECTIONS, "service"))
        service = self._map(self.root, ("service",))
        service_node = Node(service, self.root.nearest(("service",)).mark)
        self._known_keys(service_node, ("service",), ("extensions", "pipelines", "telemetry", "checkpoint"))
        return Document(
            root=self.root,
            components={kind: self._components(kind) for kind in SECTIONS},
            pipelines=self._pipelines(),
            extensions=self._references(self.root.nearest(("service",)), ("service", "extensions")),
            telemetry=service.get("telemetry", Node(None, service_node.mark)),
            checkpoint=service.get("checkpoint"),
            report=self.report,
        )

    def _map(self, parent: Node, path: Path) -> dict[str, Node]:
        """The entries of a map; absent and null are empty."""
        node = parent.child(path[-1])
        if node is None or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.report.problem(path, node.mark, f"must be a map, not {describe(node.value)}")
            return {}
        return node.value

    def _known_keys(self, node: Node, path: Path, known: tuple[str, ...]) -> None:
        for key, child in node.value.items():
            if key not in known:
                below = empty_before(node, key)
                candidates = () if below else known
                self.report.problem((*path, key), child.mark, f"unknown key{below}", key, candidates)

    def _components(self, kind: str) -> dict[str, ComponentDef]:
        found = {}
        for component_id, node in self._map(self.root, (kind,)).items():
            if _ID.fullmatch(component_id) is None:
                what = "not a component id; write type or type/name, the type in letters, digits and underscores"
                self.report.problem((kind, component_id), node.mark, what)
            elif node.value is not None and not isinstance(node.value, dict):
                self.report.problem((kind, component_id), node.mark, f"must be a map, not {describe(node.value)}")
            else:
                found[component_id] = ComponentDef(kind, component_id, node)
        return found

    def _pipelines(self) -> tuple[PipelineDef, ...]:
        service = self.root.nearest(("service",))
        base: Path = ("service", "pipelines")
        entries = self._map(service, base) if isinstance(service.value, dict) else {}
        if not entries:
            self.report.problem(base, service.mark, "at least one pipeline is needed")
        return tuple(self._pipeline(pipeline_id, node) for pipeline_id, node in entries.items())

    def _pipeline(self, pipeline_id: str, node: Node) -> PipelineDef:
        path: Path = ("service", "pipelines", pipeline_id)
        match = _ID.fullmatch(pipeline_id)
        if match is None or match["type"] not in SIGNALS:
            signal = pipeline_id.partition("/")[0]
            if signal == "profiles":
                self.report.problem(path, node.mark, "profiles are not supported; take the pipeline out")
            else:
                self.report.problem(path, node.mark, f'"{signal}" is not a signal', signal, SIGNALS)
        if node.value is not None and not isinstance(node.value, dict):
            self.report.problem(path, node.mark, f"must be a map, not {describe(node.value)}")
            return PipelineDef(pipeline_id, node.mark, (), (), ())
        node = Node(node.value or {}, node.mark)
        self._known_keys(node, path, ROLES)
        receivers, processors, exporters = (self._references(node, (*path, role)) for role in ROLES)
        if not receivers:
            self.report.problem(path, node.mark, "must have at least one entry in receivers")
        return PipelineDef(pipeline_id, node.mark, receivers, processors, exporters)

    def _references(self, parent: Node, path: Path) -> tuple[Reference, ...]:
        node = parent.child(path[-1])
        if node is None or node.value is None:
            return ()
        if not isinstance(node.value, list):
            self.report.problem(path, node.mark, f"must be a list of ids, not {describe(node.value)}")
            return ()
        found: dict[str, Reference] = {}
        for index, item in enumerate(node.value):
            place = (*path, index)
            if not isinstance(item.value, str):
                self.report.problem(place, item.mark, f"must be an id, not {describe(item.value)}")
            elif item.value in found:
                self.report.problem(place, item.mark, f'"{item.value}" is listed twice')
            else:
                found[item.value] = Reference(item.value, place, item.mark)
        return tuple(found.values())


def empty_before(node: Node, key: str) -> str:
    """The advice to indent a key, where what stands above it in a map is empty; else nothing."""
    keys = list(node.value)
    above = keys[keys.index(key) - 1] if keys.index(key) else key
    is_empty = above != key and node.value[above].value is None
    return f'; does it belong to "{above}", which is empty? Then indent it below' if is_empty else ""


def describe(value: Any) -> str:
    """What a value is, in the words of YAML.

    >>> describe(True), describe({}), describe(3)
    ('a boolean', 'a map', 'a number')
    """
    if value is None:
        return "null"
    names = ((bool, "a boolean"), (dict, "a map"), (list, "a list"), (str, "a string"))
    return next((name for kind, name in names if isinstance(value, kind)), "a number")
