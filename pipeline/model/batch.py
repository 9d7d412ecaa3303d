"""Batch: what the batches of all signals share. Rows of decoded items as columns, and the bytes they came from.

Nothing is copied until somebody reads it: ``where`` notes which rows remain, a column is gathered when asked for, and
``to_otlp`` hands back the original bytes. Batches are immutable; ``where`` and ``with_column`` return new ones that
share what they can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from pipeline.model import dictionary
from pipeline.model.additions import Addition, encode_cell
from pipeline.model.attribute_text import cell_text
from pipeline.model.column import Bools, Column, Floats, Int32s, Int64s, first_present, merge_equal
from pipeline.model.columns import ENUM_NAMES, is_column
from pipeline.model.labels import Groups, Label, label
from pipeline.model.lists import Lists, read_lists
from pipeline.model.records import PARENT, RANGE, REPEATED, Field, Kind, Level, Records, ValueType, Words

if TYPE_CHECKING:
    import pyarrow


class BatchProjection(Protocol):
    """What a batch needs of the decoder that made it."""

    columns: frozenset[str]
    readable: frozenset[str]

    def field(self, column: str) -> Field | None:
        """Where a wire column stands in the records."""

    def encode(self, batch: Any) -> bytes:
        """The items as an export request."""


class Batch:
    """n items of one request.

    Args:
        records: The decoded words and the bytes they point into.
        projection: The decoder, which knows where columns stand.
        rows: int32[n], the item rows that are in the batch, in order; None: all.
    """

    signal: ClassVar[str]
    items: ClassVar[str]
    """What one calls them."""
    item_level: ClassVar[Level] = Level.ITEM
    prefix: ClassVar[str]
    """Of the columns of the items' own attributes."""
    derived: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    """Columns that are computed: name → function of the batch."""

    def __init__(
        self,
        records: Records,
        projection: BatchProjection,
        rows: Int32s | None = None,
        added: tuple[Addition, ...] = (),
    ) -> None:
        self.records = records
        self.projection = projection
        self.rows = rows
        self.added = added

    def __len__(self) -> int:
        return self.records.count[self.item_level] if self.rows is None else len(self.rows)

    def __getitem__(self, column: str) -> Any:
        """One column; its type is in ``model/columns.py``.

        Raises:
            KeyError: The column was not declared in ``reads``, or there is no such column.
        """
        if column not in self.projection.readable:
            hint = (
                "declare it in `reads`"
                if is_column(column, self.signal)
                else "there is no such column (pipeline/model/columns.py)"
            )
            raise KeyError(f"column {column!r} is not in this batch: {hint}")
        compute = self.derived.get(column)
        if compute is not None:
            return compute(self)
        field = self._field(column)
        match field.kind:
            case Kind.UINT:
                return self.words(field)
            case Kind.ENUM | Kind.CHOICE:
                return self._enum(column, field)
            case Kind.ID8:
                return np.ascontiguousarray(self.words(field)).view(np.uint8).reshape(-1, 8)
            case Kind.ID16:
                halves = (self.words(field), self.words(field._replace(word=field.word + 1)))
                return np.ascontiguousarray(np.stack(halves, 1)).view(np.uint8).reshape(-1, 16)
            case Kind.BOOL:
                return self.words(field) != 0
            case Kind.INT:
                return self.words(field).view(np.int64)
            case Kind.NUMBER:
                return self._numbers(field)
            case Kind.DOUBLE:
                return np.ascontiguousarray(self.words(field)).view(np.float64)
            case Kind.PACKED:
                return self._lists(column, field)
        return self._dictionary(field)

    def words(self, field: Field) -> Words:
        """uint64[n]: the first word of a field, for each item, also where the field stands in the table of its scope
        or resource.
        """
        column = self.records.column(field.level, field.word)
        if field.level == self.item_level:
            return column if self.rows is None else column[self.rows]
        return column[self.rows_at(field.level)]

    @cached_property
    def item_rows(self) -> Int32s:
        """int32[n]: row of each item in its table."""
        return np.arange(self.records.count[self.item_level], dtype=np.int32) if self.rows is None else self.rows

    @cached_property
    def scope_rows(self) -> Int32s:
        """int32[n]: row of each item's scope in the scope table."""
        return self._parents(Level.SCOPE)

    @cached_property
    def resource_rows(self) -> Int32s:
        """int32[n]: row of each item's resource in the resource table."""
        return self._parents(Level.RESOURCE)

    def rows_at(self, level: Level) -> Int32s:
        """int32[n]: row of each item's ancestor in an enclosing table."""
        if level == Level.SCOPE:
            return self.scope_rows
        return self.resource_rows if level == Level.RESOURCE else self.item_rows

    def resource_bytes(self, row: int) -> bytes:
        """The encoded Resource of one row of the resource table. Messages that came in several parts are joined, which
        merges them.
        """
        field = self.projection.field("resource")
        if field is not None:
            word = int(self.records.column(Level.RESOURCE, field.word)[row])
            if word != REPEATED:
                return self.records.slice(word)
        # ResourceSpans, ResourceMetrics and ResourceLogs have it at the same place
        return ResourceSpans.FromString(self.records.body(Level.RESOURCE, row)).resource.SerializeToString()

    def resource(self, row: int) -> ResourceMessage:
        """The Resource of one row of the resource table as an official message: slow."""
        return ResourceMessage.FromString(self.resource_bytes(row))

    def seconds(self, column: str) -> Floats:
        """float64[n]: a column of nanoseconds in seconds."""
        return self[column] / 1e9  # type: ignore[no-any-return]

    def where(self, mask: Bools) -> Self:
        """The items where ``mask`` (bool[n]) is true. Copies no column; the same object where all remain."""
        if len(mask) != len(self):
            raise ValueError(f"mask has {len(mask)} entries for {len(self)} {self.items}")
        kept = np.flatnonzero(mask)
        if len(kept) == len(mask):
            return self
        rows = kept.astype(np.int32) if self.rows is None else self.rows[kept]
        return type(self)(self.records, self.projection, rows, self.added)

    def with_column(self, name: str, values: Sequence[Any] | Column) -> Self:
        """A batch in which the item's own attribute ``name`` (``span.<key>``, ``log.<key>``, ``point.<key>``) has these
        values; None leaves an item as it is.

        Args:
            name: A column that some processor declared in ``adds``.
            values: n values: str, bool, int, float or None.
        Cost: one copy of the words, and one encoding per distinct value.
        """
        field = self.projection.field(name)
        if field is None or not name.startswith(self.prefix) or field.kind != Kind.ATTRIBUTE:
            raise KeyError(f"column {name!r} cannot be added: declare `{self.prefix}<key>` in `adds`")
        if len(values) != len(self):
            raise ValueError(f"{len(values)} values for {len(self)} {self.items}")
        cells = values.tolist() if isinstance(values, Column) else list(values)
        return self._add(name, field, cells)

    def group_by(self, *labels: str | Label) -> Groups:
        """Group by labels: ``calls.add(spans.group_by("resource.service.name", "name"))``. Lazy."""
        return Groups(self, tuple(label(one) if isinstance(one, str) else one for one in labels))

    def coalesce(self, one: Label) -> Column:
        """The first present of a label's columns, else its default, as one Column."""
        columns = [self[name] for name in one.columns]
        column: Column = columns[0]
        for other in columns[1:]:
            column = first_present(column, other)
        if one.default is None or column.present().all():
            return column
        return first_present(column, Column(np.zeros(len(self), np.int32), [one.default]))

    def message(self, row: int) -> Any:
        """The item in one row of its table as an official message."""
        raise NotImplementedError

    def iter(self) -> Iterator[Any]:
        """Each item as an official protobuf message, decoded when reached: convenient, and some 30 times slower than
        columns.
        """
        for row in self.item_rows.tolist():
            yield self.message(row)

    def to_otlp(self) -> bytes:
        """An export request with these items: the original bytes, under their resource and scope, plus added
        columns.
        """
        return self.projection.encode(self)

    def to_arrow(self) -> pyarrow.Table:
        """The readable columns as a ``pyarrow.Table``, without lists of messages. Needs pyarrow
        (``pip install otel-weir[arrow]``).
        """
        import pyarrow as pa

        arrays = {}
        for name in sorted(self.projection.readable):
            column = self[name]
            if isinstance(column, Column):
                codes = pa.array(column.codes, mask=column.codes < 0)
                values = pa.array(list(column.values), None if column.values else pa.string())
                arrays[name] = pa.DictionaryArray.from_arrays(codes, values)
            elif not isinstance(column, np.ndarray):
                continue
            elif column.ndim == 2:
                arrays[name] = pa.FixedSizeBinaryArray.from_buffers(
                    pa.binary(column.shape[1]), len(column), [None, pa.py_buffer(column.tobytes())]
                )
            else:
                arrays[name] = pa.array(np.ascontiguousarray(column))
        return pa.table(arrays)

    def flat(self) -> Self:
        """The batch as kernels want it that know three tables: resources, scopes, items."""
        return self

    def item_bytes(self) -> Words:
        """uint64[n]: size of each encoded item."""
        return self.words(Field(self.item_level, RANGE, Kind.UINT)) & np.uint64(0xFFFF_FFFF)

    def _field(self, column: str) -> Field:
        field = self.projection.field(column)
        if field is None:
            raise KeyError(f"column {column!r} is not in this batch")
        return field

    def _parents(self, level: Level) -> Int32s:
        """Row of each item's ancestor, found through the table below, whose parents are in ``level``."""
        below = Level(level + 1)
        parents = self.records.column(below, PARENT)
        if below == self.item_level:
            return self.words(Field(below, PARENT, Kind.UINT)).astype(np.int32)
        return parents[self.rows_at(below)].astype(np.int32)

    def _enum(self, column: str, field: Field) -> Column:
        names = ENUM_NAMES[column]
        numbers = self.words(field)
        return Column(np.where(numbers < len(names), numbers, 0).astype(np.int32), names)

    def _numbers(self, field: Field) -> Floats:
        """float64[n], NaN where absent."""
        kinds = self.words(field)
        words = np.ascontiguousarray(self.words(field._replace(word=field.word + 1)))
        values = np.where(kinds == ValueType.INT, words.view(np.int64).astype(np.float64), words.view(np.float64))
        return np.where(kinds == ValueType.ABSENT, np.nan, values)

    def _lists(self, column: str, field: Field) -> Lists:
        """Numbers of each item. Those that came in several parts, which no encoder writes, are read with the official
        classes.
        """
        words = self.words(field)
        lists = read_lists(self.records.payload, words, column)
        for i in np.flatnonzero(words == REPEATED).tolist():
            lists = lists.replace(i, self.packed(column, int(self.item_rows[i])))
        return lists

    def packed(self, column: str, row: int) -> Sequence[float]:
        """The numbers of one item by the official classes."""
        raise NotImplementedError

    def _dictionary(self, field: Field) -> Column:
        """Encode the rows of the table that the field stands in, then spread to the items."""
        rows = self.item_rows
        if field.level != self.item_level:
            rows = np.arange(self.records.count[field.level], dtype=np.int32)
        column = self._whole(field, rows) if field.kind == Kind.RAW else self._encode(field, rows)
        return column if field.level == self.item_level else column.take(self.rows_at(field.level))

    def _encode(self, field: Field, rows: Int32s) -> Column:
        records = self.records
        n = len(rows)
        if n == 0:
            return Column(np.empty(0, np.int32), [], lambda: np.empty((2, 0), np.uint64))
        typed = field.kind == Kind.ATTRIBUTE
        width = records.width[field.level]
        first = records.first[field.level] + field.word
        codes, examples = np.empty((2, n), np.int32)
        slots = np.zeros(1 << (2 * n - 1).bit_length(), np.int32)
        distinct = dictionary.encode(records.payload, records.words, first, width, rows, typed, slots, codes, examples)
        where = first + examples[:distinct].astype(np.int64) * width
        words = records.words[where].tolist()
        if not typed:
            return Column(codes, [records.slice(word).decode(errors="replace") for word in words])
        cells = zip(words, records.words[where + 1].tolist(), strict=True)
        values = [cell_text(records, kind, word) for kind, word in cells]
        return Column(*merge_equal(codes, values), lambda: _cells(records, first + rows.astype(np.int64) * width))

    def _whole(self, field: Field, rows: Int32s) -> Column:
        """Messages kept whole, few of them: their bytes are the values."""
        records = self.records
        numbers: dict[bytes, int] = {}
        words = records.column(field.level, field.word)[rows].tolist()
        bodies = (
            self._merged(field, row) if word == REPEATED else records.slice(word)
            for row, word in zip(rows.tolist(), words, strict=True)
        )
        codes = np.fromiter((numbers.setdefault(body, len(numbers)) for body in bodies), np.int32, len(rows))
        return Column(codes, list(numbers))  # type: ignore[arg-type]  # bytes: messages have no text

    def _merged(self, field: Field, row: int) -> bytes:
        """A message that came in several parts."""
        envelope = ResourceSpans.FromString(self.records.body(field.level, row))  # a ScopeSpans has its scope there too
        return envelope.resource.SerializeToString()

    def _add(self, name: str, field: Field, cells: list[Any]) -> Self:
        records = self.records
        level = self.item_level
        appended = bytearray()
        encoded: dict[tuple[type, Any], tuple[int, int]] = {}
        words = records.words.copy()
        base = records.first[level] + field.word
        width = records.width[level]
        written = np.zeros(records.count[level], bool)
        for row, value in zip(self.item_rows.tolist(), cells, strict=True):
            if value is None:
                continue
            written[row] = True
            cell = encoded.get((type(value), value))
            if cell is None:
                cell = encode_cell(value, appended, len(records.payload))
                encoded[type(value), value] = cell
            at = base + row * width
            words[at], words[at + 1] = cell
        changed = Records(records.payload + bytes(appended), words, records.first, records.width, records.count)
        replaced = written & (records.column(level, field.word) != 0)
        for other in self.added:
            if other.field == field:
                written |= other.written
                replaced = (replaced & ~other.written) | other.replaced
        others = tuple(other for other in self.added if other.field != field)
        addition = Addition(field, name.removeprefix(self.prefix), written, replaced)
        return type(self)(changed, self.projection, self.rows, (*others, addition))


def _cells(records: Records, where: Int64s) -> Words:
    """uint64[2, n]: type and value of the attribute cells whose first words are at ``where``."""
    return np.stack((records.words[where], records.words[where + 1]))
