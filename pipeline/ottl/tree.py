"""A condition or a statement as a tree: what was written, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a condition, from ``start`` to before ``end`` in its text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A string, number, boolean, byte string, or None for ``nil``."""

    value: Any


@dataclass(frozen=True, slots=True)
class Enum(Node):
    """``SPAN_KIND_SERVER``"""

    name: str


@dataclass(frozen=True, slots=True)
class Items(Node):
    """A list literal."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Map(Node):
    """A map literal."""

    entries: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Segment(Node):
    """Part of a path between dots, with its keys: ``attributes["a"][0]``."""

    name: str
    keys: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Path(Node):
    """``resource.attributes["host.name"]``"""

    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The names alone: ``resource.attributes``."""
        return ".".join(segment.name for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """Of a call; most have no name."""

    name: str
    value: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``Split(name, "/")[0]``"""

    name: str
    arguments: tuple[Argument, ...]
    keys: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """``first`` and then operators with operands, from left to right; all of the same precedence."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Sign(Node):
    """A leading ``+`` or ``-``."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """``left == right``"""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Not(Node):
    """``not operand``"""

    operand: Node


@dataclass(frozen=True, slots=True)
class And(Node):
    """All of them."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Any of them."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Group(Node):
    """Parentheses: around a condition, or around arithmetic."""

    inner: Node


@dataclass(frozen=True, slots=True)
class Statement(Node):
    """``set(name, "x") where kind == 1``"""

    editor: Call
    where: Node | None
