"""How the elements of a signal are written, read off the signal's own table of messages.

table     element         changed in              left out
resource  ResourceSpans   its resource            its scope_spans
scope     ScopeSpans      its scope               its spans
metric    Metric          nothing                 the data points of its member of the oneof
items     Span            the element itself      nothing
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pipeline.codec.projection import Messages
from pipeline.model.records import Kind, Level

_LENGTH = 2
"""Wire type of messages and texts."""
TEXT, NUMBER, VALUE = 1, 2, 3
"""How a field is written: see ``edit_table.Table``."""


class Shape(NamedTuple):
    """How the elements of a table are written.

    Attributes:
        element: Tag of an element.
        nested: Tag of the field of the element that holds what can be changed; 0: the element itself does.
        children: Tag of the children that are written after the rest; 0: none.
        messages: What can be changed, by the choice that elements came in: 0, but for data points. Empty: nothing.
        choice: Column of the choice; empty: there is none.
        members: Of metrics, tags of the members of the oneof by choice.
    """

    element: int
    nested: int
    children: int
    messages: dict[int, str]
    choice: str = ""
    members: dict[int, int] = {}  # noqa: RUF012 - nobody writes to it


class Place(NamedTuple):
    """Where a column stands in a message.

    Attributes:
        tag: Of the attributes, of the field, or of the message that the field is in.
        key: Of the attribute; None: it is a field.
        form: How a field is written, as ``edit_table.Table`` takes it; 0: an attribute.
        inner: Tag of the field in that message; 0: it is in the element itself.
    """

    tag: int
    key: bytes | None
    form: int = 0
    inner: int = 0


Shapes = dict[Level, Shape]


def shapes(messages: Messages, item_level: Level) -> Shapes:
    """The shapes of the tables down to that of the items."""
    found: Shapes = {}

    def visit(name: str, element: int, level: Level) -> None:
        entries = messages[name]
        children = next((number for number, entry in entries.items() if entry.op == "rows"), 0)
        below = entries.get(children)
        if level == item_level:
            found[level] = Shape(element, 0, 0, {0: name})
        elif below is not None:
            number, nested = next((number, entry.child) for number, entry in entries.items() if entry.op == "raw")
            found[level] = Shape(element, _tag(number), _tag(children), {0: nested})
            visit(below.child, _tag(children), below.level)
        else:
            found.update(_choosing(messages, name, element, level))

    number, first = next(iter(messages[next(iter(messages))].items()))
    visit(first.child, _tag(number), first.level)
    return found


def place(messages: Messages, message: str, column: str) -> Place | None:
    """Where a column stands in a message, as an attribute or a text; None where it does not."""
    field = _field(messages, message, column)
    if field is not None:
        return Place(field[0], None, field[1])
    for number, entry in messages[message].items():
        inside = _field(messages, entry.child, column) if entry.op == "message" else None
        if inside is not None:
            return Place(_tag(number), None, inside[1], inside[0])
    for number, prefix in _attributes(messages, message):
        if column.startswith(prefix):
            return Place(_tag(number), column.removeprefix(prefix).encode())
    return None


def _field(messages: Messages, message: str, column: str) -> tuple[int, int] | None:
    """Tag and form of the field that a column is; None where a message has none that can be changed."""
    for number, entry in messages[message].items():
        is_field = entry.column == column and (entry.op in ("string", "value") or entry.kind == Kind.ENUM)
        if is_field:
            is_number = entry.kind == Kind.ENUM
            return number << 3 | (
                0 if is_number else _LENGTH
            ), NUMBER if is_number else TEXT if entry.op == "string" else VALUE
    return None


def attributes_tag(messages: Messages, message: str) -> int:
    """Tag of the attributes of a message."""
    return next(_tag(number) for number, _ in _attributes(messages, message))


def level_of(messages: Messages, layout: Shapes, prefix: str) -> Level:
    """The table whose attributes have a prefix.

    Raises:
        KeyError: None has.
    """
    for level, shape in layout.items():
        for message in shape.messages.values():
            if any(prefix == known for _, known in _attributes(messages, message)):
                return level
    raise KeyError(f"no attributes are below {prefix!r}")


def _choosing(messages: Messages, name: str, element: int, level: Level) -> Shapes:
    """A metric and its points, which lie in one of several members of a oneof."""
    column, points, members = "", {}, {}
    for number, entry in messages[name].items():
        if entry.op == "choice":
            column = entry.column
            members[entry.argument] = _tag(number)
            points[entry.argument] = next(
                (child, below) for child, below in messages[entry.child].items() if below.op == "rows"
            )
    number, below = next(iter(points.values()))
    return {
        level: Shape(element, 0, _tag(number), {}, column, members),
        below.level: Shape(_tag(number), 0, 0, {choice: one.child for choice, (_, one) in points.items()}, column),
    }


def _attributes(messages: Messages, message: str) -> Iterator[tuple[int, str]]:
    for number, entry in messages[message].items():
        if entry.op == "attribute":
            yield number, entry.column


def _tag(number: int) -> int:
    return number << 3 | _LENGTH
