"""Where what can be changed stands in the messages of a signal, read off the signal's own table of messages.

table     element         changed in              left out
resource  ResourceSpans   its resource            its scope_spans
scope     ScopeSpans      its scope               its spans
items     Span            the element itself      nothing
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pipeline.codec.projection import Messages
from pipeline.model.records import Level

_LENGTH = 2
"""Wire type of messages and texts."""


class Shape(NamedTuple):
    """How the elements of a table are written.

    Attributes:
        message: The message whose attributes and texts can be changed.
        element: Tag of an element.
        nested: Tag of the field of the element that holds ``message``; 0: the element is one.
        children: Tag of the children that are written by others; 0: none.
    """

    message: str
    element: int
    nested: int
    children: int


class Place(NamedTuple):
    """Where a column stands in a message.

    Attributes:
        tag: Of the attributes, or of the text.
        key: Of the attribute; None: it is a text.
    """

    tag: int
    key: bytes | None


Shapes = dict[Level, dict[int, Shape]]
"""Per table the shapes of its elements, by the number of the choice that they came in: 0, but for data points."""


def shapes(messages: Messages, item_level: Level) -> Shapes:
    """The shapes of a signal whose items are in ``item_level``."""
    found: Shapes = {}

    def visit(name: str, element: int, level: Level, number: int) -> None:
        entries = messages[name]
        if level == item_level:
            found.setdefault(level, {})[number] = Shape(name, element, 0, 0)
            return
        children = next((_tag(one) for one, entry in entries.items() if entry.op == "rows"), 0)
        for one, entry in entries.items():
            if entry.op == "raw":
                found[level] = {0: Shape(entry.child, element, _tag(one), children)}
            elif entry.op == "rows":
                visit(entry.child, _tag(one), entry.level, number)
            elif entry.op == "choice":
                for point, below in messages[entry.child].items():
                    if below.op == "rows":
                        visit(below.child, _tag(point), below.level, entry.argument)

    for one, entry in messages[next(iter(messages))].items():
        visit(entry.child, _tag(one), entry.level, 0)
    return found


def place(messages: Messages, message: str, column: str) -> Place | None:
    """Where a column stands in a message, as an attribute or a text; None where it does not."""
    for number, entry in messages[message].items():
        if entry.op == "string" and entry.column == column:
            return Place(_tag(number), None)
    for number, prefix in _attributes(messages, message):
        if column.startswith(prefix):
            return Place(_tag(number), column.removeprefix(prefix).encode())
    return None


def attributes_tag(messages: Messages, message: str) -> int:
    """Tag of the attributes of a message."""
    return next(_tag(number) for number, _ in _attributes(messages, message))


def level_of(messages: Messages, layout: Shapes, prefix: str) -> Level:
    """The table whose attributes have a prefix.

    Raises:
        KeyError: None has.
    """
    for level, by_number in layout.items():
        for shape in by_number.values():
            if any(prefix == known for _, known in _attributes(messages, shape.message)):
                return level
    raise KeyError(f"no attributes are below {prefix!r}")


def _attributes(messages: Messages, message: str) -> Iterator[tuple[int, str]]:
    for number, entry in messages[message].items():
        if entry.op == "attribute":
            yield number, entry.column


def _tag(number: int) -> int:
    return number << 3 | _LENGTH
