"""A configuration value together with the place it came from.

Errors name file and line, also after merging several files and expanding variables, so the place travels with each
value:

    Node(value={"receivers": Node(value={...}, mark=Mark("weir.yaml", 1))}, mark=Mark("weir.yaml", 1))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value was written. ``line`` counts from 1; 0 where lines mean nothing, as in ``--set``."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the configuration.

    Attributes:
        value: ``dict[str, Node]``, ``list[Node]``, str, int, float, bool or None.
        mark: Line of the key for an entry of a map, of the value itself otherwise.
        text: What a variable held before it was read as YAML, for fields that want the string (``${env:PIN}`` with
            ``0123``).
    """

    value: Any
    mark: Mark
    text: str | None = None

    def plain(self) -> Any:
        """The value as ordinary Python data."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def nearest(self, path: Iterable[str | int]) -> Node:
        """The node at ``path``, or the last one on the way to it that exists."""
        node = self
        for step in path:
            child = node.child(step)
            if child is None:
                break
            node = child
        return node

    def child(self, step: str | int) -> Node | None:
        """The entry ``step`` of a map or a list, if there is one."""
        if isinstance(self.value, dict):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            item: Node = self.value[step]
            return item
        return None


def merge(base: Node, over: Node) -> Node:
    """Lay ``over`` on ``base``: maps are merged key by key, everything else is replaced (as the Collector does; lists
    too).
    """
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return Node(merged, base.mark)


def format_path(path: Iterable[str | int]) -> str:
    """``("service", "pipelines", "traces", "receivers", 0)`` as ``service.pipelines.traces.receivers[0]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
