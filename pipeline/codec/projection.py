"""From wanted columns to a program for the walker: which fields of which messages are written where.

A signal is a table of messages (``codec/otlp_traces.py`` and its neighbours). A projection takes the entries whose
column somebody reads, gives each its words in the rows of its table, and leaves the rest out: the walker skips those by
their length.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.codec import wire
from pipeline.errors import MalformedPayload, PayloadTooLarge
from pipeline.model.records import FIXED_WORDS, WORDS_OF, Field, Kind, Level, Records, ValueType


@dataclass(frozen=True)
class Entry:
    """What a field of a message may yield.

    Attributes:
        op: Name in ``wire.OPS``.
        column: Column that it fills; for ``attribute`` the prefix of the columns. Empty: none.
        kind: How to read the column.
        child: Message that ``message``, ``raw``, ``rows`` and ``choice`` descend into.
        level: Table that ``rows`` adds a row to.
        defect: Bit raised when an id has a wrong length, or is absent or zero where ``required``.
        required: The id must be there.
        argument: See ``wire.Program``.
        optional: Rows that are not made when none of their columns is read.
        whole: Column that takes all the attributes of a message as they are.
    """

    op: str
    column: str = ""
    kind: Kind = Kind.UINT
    child: str = ""
    level: Level = Level.ITEM
    defect: int = 0
    required: bool = False
    argument: int = 0
    optional: bool = False
    whole: str = ""


Messages = Mapping[str, Mapping[int, Entry]]


def string(column: str) -> Entry:
    return Entry("string", column, Kind.STRING)


def varint(column: str) -> Entry:
    return Entry("varint", column, Kind.UINT)


def varint32(column: str) -> Entry:
    return Entry("varint", column, Kind.UINT, argument=1)


def boolean(column: str) -> Entry:
    return Entry("varint", column, Kind.BOOL)


def enum(column: str) -> Entry:
    return Entry("varint", column, Kind.ENUM, argument=1)


def zigzag32(column: str) -> Entry:
    return Entry("zigzag", column, Kind.INT)


def fixed64(column: str) -> Entry:
    return Entry("fixed64", column, Kind.UINT)


def plain_double(column: str) -> Entry:
    """A double whose absence means 0."""
    return Entry("fixed64", column, Kind.DOUBLE)


def fixed32(column: str) -> Entry:
    return Entry("fixed32", column, Kind.UINT)


def double(column: str) -> Entry:
    return Entry("number", column, Kind.NUMBER, argument=ValueType.DOUBLE)


def sfixed64(column: str) -> Entry:
    return Entry("number", column, Kind.NUMBER, argument=ValueType.INT)


def packed(column: str, element_bytes: int) -> Entry:
    """Numbers of 8 bytes, or varints (1)."""
    return Entry("packed", column, Kind.PACKED, argument=element_bytes)


def identifier(column: str, size: int, defect: int = 0, required: bool = False) -> Entry:
    kind = Kind.ID16 if size == 16 else Kind.ID8
    return Entry("id16" if size == 16 else "id8", column, kind, defect=defect, required=required, argument=defect)


def value(column: str) -> Entry:
    return Entry("value", column, Kind.ATTRIBUTE)


def message(child: str) -> Entry:
    return Entry("message", child=child)


def raw(column: str, child: str) -> Entry:
    return Entry("raw", column, Kind.RAW, child=child)


def rows(level: Level, child: str, optional: bool = False) -> Entry:
    return Entry("rows", level=level, child=child, optional=optional)


def choice(column: str, number: int, child: str) -> Entry:
    return Entry("choice", column, Kind.CHOICE, child=child, argument=number)


def attributes(prefix: str, whole: str = "") -> Entry:
    return Entry("attribute", prefix, Kind.ATTRIBUTE, whole=whole)


COUNTED = Entry("count")
"""A repeated child that is not decoded but counts against the limit on children."""


TYPICAL_ROW_BYTES = 300.0
"""First guess of the bytes per row of a table, from which the room follows; halved where there were more rows."""
ROOMY = 1.25
"""Room is planned for requests of up to this many times the size at hand."""
LEAST_ROW_BYTES = 50.0
"""No useful span is shorter. Requests made of shorter ones take several walks, and do not spoil the guess for
others."""


class Room(NamedTuple):
    """Room for the rows of a request: what one walk after the other can use.

    Attributes:
        least_size, most_size: Bytes of the requests that it is meant for.
        rows: Rows that fit into each table.
        tables: Per table its first word, ``rows``, and 0, as ``wire.run`` takes them.
        words: Words of all tables.
        first: Per table its first word.
    """

    least_size: int
    most_size: int
    rows: int
    tables: array[int]
    words: int
    first: tuple[int, ...]


@dataclass(frozen=True)
class Limits:
    """What one request may hold. Beyond it is ``PayloadTooLarge``, nesting ``MalformedPayload``.

    Attributes:
        max_items: Spans, log records or data points, and likewise resources, scopes and metrics. A span takes 2 bytes
            on the wire and a row of words here.
        max_children: Attributes, events, links, exemplars and quantiles together.
        max_depth: Levels of arrays and key-value lists in an attribute value. The official parser allows 31 of lists
            inside a span.
    """

    max_items: int = 100_000
    max_children: int = 1_000_000
    max_depth: int = 31


DEFAULT_LIMITS = Limits()


class Projection:
    """The program for a set of columns, and where each column is found in the records it writes.

    Args:
        messages: The signal's messages; the first is the request.
        columns: Wire columns to materialise. Unknown ones are the caller's mistake (KeyError names them).
        limits: What one request may hold.
    """

    def __init__(self, messages: Messages, columns: Iterable[str], limits: Limits = DEFAULT_LIMITS) -> None:
        self.columns = frozenset(columns)
        self.limits = limits
        self._messages = messages
        self._numbers = {name: number for number, name in enumerate(messages)}
        self._fields: dict[str, Field] = {}
        self._level_of, self._parent_of = self._find_levels()
        self._width = dict.fromkeys(self._parent_of, FIXED_WORDS)
        self._choice = (0, 0)
        for name, entries in messages.items():
            for entry in entries.values():
                self._assign(self._level_of[name], entry)
            choices = [entry for entry in entries.values() if entry.op == "choice"]
            if choices:  # what belongs to the members is placed from here on
                level = self._level_of[name]
                self._choice = (level, self._width[level])
        missing = sorted(self.columns - self._fields.keys())
        if missing:
            raise KeyError(", ".join(missing))
        self.widths = tuple(self._width[level] for level in sorted(self._width))
        self.program = self._compile()
        # Threads may overwrite each other's guesses: any value is only a guess.
        self._row_bytes = TYPICAL_ROW_BYTES
        self._room = self._room_for(0)

    def field(self, column: str) -> Field | None:
        """Where ``column`` stands, or None where it was not asked for."""
        return self._fields.get(column)

    def walk(self, payload: bytes) -> tuple[Records, int]:
        """Decode one request into records, and say how many items have a defect.

        Raises:
            MalformedPayload, PayloadTooLarge: See ``wire.REASONS``.
        """
        limits = self.limits
        size = len(payload)
        room = self._room
        if not room.least_size <= size <= room.most_size:
            room = self._room = self._room_for(size)
        rows = room.rows
        while True:
            tables = room.tables[:]
            words = np.empty(room.words, np.uint64)
            code, offset, defects = wire.run(
                self.program, payload, words, tables, limits.max_items, limits.max_children, limits.max_depth
            )
            if code != wire.GROW:
                break
            rows = min(rows * 4, limits.max_items)
            room = self._room_for(size, rows)
            self._row_bytes = max(self._row_bytes / 2, LEAST_ROW_BYTES)
            self._room = self._room_for(size)
        if code in wire.EXCEEDED:
            raise PayloadTooLarge(wire.REASONS[code])
        if code:
            raise MalformedPayload(wire.REASONS[code], offset)
        return Records(payload, words, room.first, self.widths, tuple(tables[2::3])), defects

    def _room_for(self, size: int, rows: int = 0) -> Room:
        """Room for requests of about this size. Memory that no row is written to is not touched."""
        rows = rows or min(int(ROOMY * size / self._row_bytes) + 8, self.limits.max_items)
        tables = array("q")
        words = 0
        for width in self.widths:
            tables.extend((words, rows, 0))
            words += rows * width
        return Room(size // 2, int(ROOMY * size), rows, tables, words, tuple(tables[::3]))

    def _find_levels(self) -> tuple[dict[str, Level], dict[Level, Level]]:
        """The table that each message's fields are written to (its own for rows, its parent's for singular messages),
        and the table that each table's parents are in.
        """
        levels: dict[str, Level] = {}
        parents: dict[Level, Level] = {}

        def visit(name: str, level: Level) -> None:
            levels[name] = level
            for entry in self._messages[name].values():
                if entry.op == "rows":
                    parents[entry.level] = level
                    visit(entry.child, entry.level)
                elif entry.child:
                    visit(entry.child, level)

        visit(next(iter(self._messages)), Level.RESOURCE)
        return levels, parents

    def _assign(self, level: Level, entry: Entry) -> None:
        if entry.op == "attribute":
            for column in sorted(column for column in self.columns if self._owns(entry, column)):
                self._place(column, level, entry.kind)
            if entry.whole in self.columns:
                self._place(entry.whole, level, Kind.RAW)
        elif entry.column and (entry.column in self.columns or entry.defect):
            self._place(entry.column, level, entry.kind)

    def _owns(self, entry: Entry, column: str) -> bool:
        """Whether ``column`` is an attribute below the entry's prefix and not a plain field such as ``scope.name``."""
        return column.startswith(entry.column) and not any(
            other.column == column for fields in self._messages.values() for other in fields.values()
        )

    def _place(self, column: str, level: Level, kind: Kind) -> None:
        if column in self._fields:  # several messages fill it
            return
        self._fields[column] = Field(level, self._width[level], kind)
        self._width[level] += WORDS_OF.get(kind, 1)

    def _compile(self) -> wire.Program:
        count = len(self._messages)
        actions = np.zeros((count, wire.LAYOUT["fields"], 3), np.int32)
        keys: list[list[int]] = []
        key_bytes = bytearray(b"\0")
        buckets = np.zeros((count, wire.LAYOUT["buckets"]), np.int32)
        key_lengths = np.zeros(count, np.uint64)
        ids: list[int] = []
        levels = [[self._width[level], self._parent_of[level]] for level in sorted(self._width)]
        for name, entries in self._messages.items():
            number = self._numbers[name]
            for field, entry in entries.items():
                actions[number, field] = self._action(entry)
                if entry.required:
                    place = self._fields[entry.column]
                    ids += [place.word, WORDS_OF.get(place.kind, 1), entry.defect]
                if entry.op == "attribute":
                    self._add_keys(number, entry, keys, key_bytes, buckets, key_lengths)
        return wire.Program(
            actions.reshape(-1),
            np.array(keys or [[0, 0, 0, 0]], np.int32).reshape(-1),
            buckets.reshape(-1),
            key_lengths,
            bytes(key_bytes),
            np.array(levels, np.int32).reshape(-1),
            np.array(ids, np.int32),
            self._choice,
        )

    def _action(self, entry: Entry) -> tuple[int, int, int]:
        """Op, word and argument of a field; skip where nobody reads what it would yield."""
        op, skip, count = wire.OPS[entry.op], (wire.OPS["skip"], 0, 0), (wire.OPS["count"], 0, 0)
        place = self._fields.get(entry.column)
        child = self._numbers.get(entry.child, -1)
        match entry.op:
            case "rows":
                return count if entry.optional and not self._is_read(entry.child) else (op, child, entry.level)
            case "count":
                return count
            case "attribute":
                whole = self._fields.get(entry.whole)
                wanted = whole is not None or any(self._owns(entry, column) for column in self.columns)
                return (op, 0, whole.word if whole is not None else 0) if wanted else count
            case "message":
                return (op, 0, child) if self._is_read(entry.child) else skip
            case "raw":
                child = child if self._is_read(entry.child) else -1
                if place is not None:
                    return op, place.word, child
                return (wire.OPS["message"], 0, child) if child >= 0 else skip
            case "choice":
                return (
                    (op, place.word, child << 8 | entry.argument)
                    if place is not None
                    else (wire.OPS["message"], 0, child)
                )
            case "value":
                return op, place.word if place is not None else 0, 0
        return (op, place.word, entry.argument) if place is not None else skip

    def _is_read(self, name: str) -> bool:
        """Whether any field of a singular message is read. Its attributes are counted only when some are."""
        return any(
            self._action(entry)[0] not in (wire.OPS["skip"], wire.OPS["count"])
            for entry in self._messages[name].values()
        )

    def _add_keys(
        self,
        number: int,
        entry: Entry,
        keys: list[list[int]],
        key_bytes: bytearray,
        buckets: np.ndarray[tuple[int, int], np.dtype[np.int32]],
        key_lengths: np.ndarray[tuple[int], np.dtype[np.uint64]],
    ) -> None:
        """Chain the wanted keys of one message into its hash buckets, as ``wire.find_key`` looks them up."""
        for column in sorted(column for column in self.columns if self._owns(entry, column)):
            key = column.removeprefix(entry.column).encode()
            size = len(key)
            bucket = (key[-1] * 3 + key[size >> 1] * 5 + size) & (wire.LAYOUT["buckets"] - 1)
            keys.append([len(key_bytes), size, self._fields[column].word, int(buckets[number, bucket])])
            buckets[number, bucket] = len(keys)
            key_lengths[number] |= np.uint64(1 << min(size, 63))
            key_bytes += key
