"""YAML text to a tree of nodes with line numbers.

Works on the parser's events rather than on a constructor, because three things are wanted that PyYAML's loaders do
not give: lines, duplicate keys as errors, and a bound on what aliases expand to. Scalars follow YAML 1.2's core
schema as the Collector's reader does: ``yes`` and ``on`` are strings, ``1e3`` is a number, there are no dates and no
base-60 integers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from pipeline.config.node import Mark, Node
from pipeline.errors import ConfigError

MAX_DEPTH = 64
MAX_NODES = 100_000
"""Values in one file, counting each use of an alias: a real configuration has a few hundred."""

_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_OCTAL = re.compile(r"0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"([-+]?)(\.inf|\.Inf|\.INF)")
_NAN = re.compile(r"\.nan|\.NaN|\.NAN")

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, source: str) -> Node:
    """Parse one YAML document.

    Args:
        text: The document; the caller has limited its size.
        source: Named in errors: the path of the file, or for example ``--set``.
    Returns:
        The root; an empty document is a node that holds None.
    Raises:
        ConfigError: Not YAML, more than one document, duplicate keys (all of them), too deep, or too large once
        aliases are expanded.
    """
    reader = _Reader(source)
    try:
        root = reader.document(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        what = str(error.problem or error.context)
        raise ConfigError([f"{Mark(source, line)}: not valid YAML: {what}{_remedy(what, text, line)}"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"{source}: not valid YAML: {str(error).splitlines()[0]}"]) from None
    if reader.problems:
        raise ConfigError(reader.problems)
    return root


def _remedy(what: str, text: str, line: int) -> str:
    """What may help against the mistakes that are made most often."""
    lines = text.splitlines()
    if 0 < line <= len(lines) and "\t" in lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]:
        return "; the line is indented with a tab: use spaces"
    if "expected key" in what or "block end" in what or "mapping values are not allowed" in what:
        return "; look at the indentation here and above: entries of one map begin in the same column"
    return ""


def resolve_scalar(text: str) -> Any:
    """The value of a plain (unquoted) scalar.

    >>> [resolve_scalar(text) for text in ("true", "yes", "1e3", "0x10", "~")]
    [True, 'yes', 1000.0, 16, None]
    """
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _INT.fullmatch(text) and len(text) < 100:
        return int(text)
    if _HEX.fullmatch(text) and len(text) < 100:
        return int(text, 16)
    if _OCTAL.fullmatch(text) and len(text) < 100:
        return int(text, 8)
    if _FLOAT.fullmatch(text):
        return float(text)
    if match := _INFINITY.fullmatch(text):
        return float(f"{match[1]}inf")
    return float("nan") if _NAN.fullmatch(text) else text


class _Reader:
    """Builds nodes from events; recursion is bounded by ``MAX_DEPTH``."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[str] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._nodes = 0

    def document(self, events: Iterator[Any]) -> Node:
        root = Node(None, Mark(self.source, 1))
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise ConfigError(
                        [f"{self._mark(event)}: a second document (---); one file holds one configuration"]
                    )
                root = self._value(next(events), events, 0)
        return root

    def _mark(self, event: Any) -> Mark:
        return Mark(self.source, event.start_mark.line + 1)

    def _value(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise ConfigError([f"{self._mark(event)}: nested deeper than {MAX_DEPTH} levels"])
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._nodes
        self._count(1, event)
        if isinstance(event, yaml.ScalarEvent):
            node = Node(self._scalar(event), self._mark(event))
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Node(self._sequence(events, depth), self._mark(event))
        else:
            node = Node(self._mapping(events, depth), self._mark(event))
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._nodes - before)
        return node

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise ConfigError([f"{self._mark(event)}: more than {MAX_NODES} values once aliases are expanded"])

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            raise ConfigError([f"{self._mark(event)}: alias *{event.anchor} names no anchor that is complete here"])
        node, size = self._anchors[event.anchor]
        self._count(size, event)
        return node

    def _scalar(self, event: Any) -> Any:
        tag = event.tag
        if tag is None or tag == "!":
            return resolve_scalar(event.value) if event.implicit[0] and tag is None else event.value
        if tag == _TAG + "str":
            return event.value
        value = resolve_scalar(event.value)
        wanted = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}.get(tag.removeprefix(_TAG))
        if wanted is None:
            self.problems.append(f"{self._mark(event)}: YAML tag {tag} is not supported")
        elif not isinstance(value, wanted):  # type: ignore[arg-type]  # a union of types is what isinstance takes
            self.problems.append(f"{self._mark(event)}: {event.value!r} is not a {tag.removeprefix(_TAG)}")
        return float(value) if tag == _TAG + "float" and isinstance(value, int) else value

    def _sequence(self, events: Iterator[Any], depth: int) -> list[Node]:
        items = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._value(event, events, depth + 1))
        return items

    def _mapping(self, events: Iterator[Any], depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        inherited: dict[str, Node] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key, mark = self._key(event, events, depth), self._mark(event)
            value = self._value(next(events), events, depth + 1)
            if key == "<<" and getattr(event, "implicit", (False,))[0]:
                inherited = {**self._inherited(value, mark), **inherited}
            elif key in entries:
                self.problems.append(f"{mark}: key {key!r} is already given at line {entries[key].mark.line}")
            else:
                entries[key] = Node(value.value, mark)
        return {**inherited, **entries}

    def _key(self, event: Any, events: Iterator[Any], depth: int) -> str:
        if isinstance(event, yaml.ScalarEvent):
            self._count(1, event)
            text: str = event.value
            return text
        self._value(event, events, depth + 1)
        self.problems.append(f"{self._mark(event)}: a key must be a plain word, not a list, a map or an alias")
        return ""

    def _inherited(self, value: Node, mark: Mark) -> dict[str, Node]:
        """Entries brought in by ``<<: *anchor`` or ``<<: [*a, *b]``, where the earlier one wins."""
        parts = value.value if isinstance(value.value, list) else [value]
        entries: dict[str, Node] = {}
        for part in parts:
            if not isinstance(part.value, dict):
                self.problems.append(f"{mark}: << takes a map or a list of maps")
                continue
            entries = {**part.value, **entries}
        return entries
