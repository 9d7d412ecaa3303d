"""OTTL statements one item after the other, on official protobuf messages. Shares no code with Weir's.

A statement here is its text and what it does to one item, built together. Values and conditions are those of
``tests/oracles/ottl.py``; all of them are worked out on what the items are before the statement.

    done = value_editor("set", target("span", "name"), [literal("x")])
    done.text                          # set(name, "x")
    carry_out([done], "traces", request)
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from pipeline.model.any_value import any_value
from pipeline.model.attribute_text import plain_value
from pipeline.model.editor import REMOVED
from tests.oracles.edits import ENUMS, Item
from tests.oracles.ottl import NIL, Fault, Row, Written, literal, literal_text, rows

ITEM_CONTEXTS = {"traces": "span", "metrics": "datapoint", "logs": "log"}
PREFIXES = {
    "span": "span.",
    "datapoint": "point.",
    "log": "log.",
    "resource": "resource.",
    "scope": "scope.attributes.",
}


@dataclass(frozen=True)
class Target:
    """What is changed: as a path, and as a column of ``Item``."""

    text: str
    column: str

    @property
    def kind(self) -> type | None:
        """What it must be."""
        if self.column == "body" or self.column.startswith(tuple(PREFIXES.values())):
            return None
        return int if self.column in ENUMS else str


@dataclass(frozen=True)
class Statement:
    """A statement: its text, what it gives for an item, and how that is written."""

    text: str
    of: Callable[[Row, Item], Any]
    write: Callable[[Item, Any], None]
    where: Written | None = None
    holder: Callable[[Item], Any] | None = None
    """The message whose attributes are changed, once, however many items are in it."""


def attribute(context: str, key: str, path: str = "") -> Target:
    """An attribute; ``path`` names the context where it is not that of the statement."""
    prefix = f"{path}." if path else ""
    return Target(f"{prefix}attributes[{literal_text(key)}]", PREFIXES[path or context] + key)


def value_editor(name: str, target: Target, arguments: list[Written]) -> Statement:
    """``set``, ``append``, ``replace_pattern``, ``replace_match``."""
    change = VALUES[name]

    def of(row: Row, item: Item) -> Any:
        given = [one.of(row) for one in arguments]
        there = item.get(target.column)
        new = change(NIL if there is None else plain_value(there), *given)
        if target.kind is not None and new is not NIL and type(new) is not target.kind:
            raise Fault
        if target.kind is int and new is not NIL and not 0 <= new < 2**31:
            raise Fault
        return new

    def write(item: Item, new: Any) -> None:
        if new is not NIL:
            item.set(target.column, any_value(new))

    text = f"{name}({', '.join([target.text, *(one.text for one in arguments)])})"
    return Statement(text, of, write)


def map_editor(name: str, context: str, path: str, *arguments: Any) -> Statement:
    """``keep_keys``, ``truncate_all`` …"""
    prefix = f"{path}." if path else ""
    test, change = MAPS[name](*arguments)

    def write(item: Item, _: Any) -> None:
        item.change_keys(PREFIXES[path or context], test, change, ())

    text = f"{name}({', '.join([f'{prefix}attributes', *(literal(one).text for one in arguments)])})"
    return Statement(
        text, lambda _row, _item: NIL, write, holder=lambda item: item.holder(PREFIXES[path or context])[0]
    )


def under(statement: Statement, condition: Written) -> Statement:
    return replace(statement, text=f"{statement.text} where {condition.text}", where=condition)


def items_of(signal: str, request: Any) -> Iterator[tuple[Row, Item]]:
    for row in rows(ITEM_CONTEXTS[signal], request):
        yield row, Item(signal, row.item, row.scope, SimpleNamespace(resource=row.resource))


def carry_out(statements: list[Statement], signal: str, request: Any) -> int:
    """Change a request; for how many items a statement could not be carried out."""
    failures = 0
    for statement in statements:
        todo = []
        for row, item in items_of(signal, request):
            try:
                if statement.where is None or statement.where.of(row):
                    todo.append((item, statement.of(row, item)))
            except Fault:
                failures += 1
        done: list[Any] = []
        for item, new in todo:
            if statement.holder is not None:
                holder = statement.holder(item)
                if any(holder is other for other in done):
                    continue
                done.append(holder)
            statement.write(item, new)
    return failures


def text(value: Any) -> str:
    if type(value) is not str:
        raise Fault
    return value


def replaced(value: Any, pattern: str, new: Any) -> Any:
    new = re.sub(r"\$(\d)", r"\\\1", text(new).replace("\\", "\\\\"))
    return re.sub(pattern, new, value) if isinstance(value, str) else NIL


def matched(value: Any, pattern: str, new: Any) -> Any:
    text(new)
    return new if isinstance(value, str) and fnmatch.fnmatchcase(value, pattern) else NIL


def appended(value: Any, new: Any) -> Any:
    if new is NIL:
        return NIL
    return (value if isinstance(value, list) else [] if value is NIL else [value]) + [new]


VALUES: dict[str, Callable[..., Any]] = {
    "set": lambda _, new: new,
    "append": appended,
    "replace_pattern": replaced,
    "replace_match": matched,
}


def cut(value: str, limit: int) -> str:
    while len(value.encode()) > limit:
        value = value[:-1]
    return value


def of_texts(change: Callable[[str], str]) -> tuple[Callable[[str], bool], Callable[[Any], Any]]:
    return lambda _: True, lambda value: change(value) if isinstance(value, str) else value


def removing(test: Callable[[str], bool]) -> tuple[Callable[[str], bool], Callable[[Any], Any]]:
    return test, lambda _: REMOVED


MAPS: dict[str, Callable[..., tuple[Callable[[str], bool], Callable[[Any], Any]]]] = {
    "delete_key": lambda key: removing(lambda other: other == key),
    "delete_keys": lambda keys: removing(lambda key: key in keys),
    "keep_keys": lambda keys: removing(lambda key: key not in keys),
    "delete_matching_keys": lambda pattern: removing(lambda key: bool(re.search(pattern, key))),
    "keep_matching_keys": lambda pattern: removing(lambda key: not re.search(pattern, key)),
    "truncate_all": lambda limit: of_texts(lambda value: cut(value, limit)),
    "replace_all_patterns": lambda _, pattern, new: of_texts(lambda value: replaced(value, pattern, new)),
    "replace_all_matches": lambda pattern, new: of_texts(
        lambda value: new if fnmatch.fnmatchcase(value, pattern) else value
    ),
}
