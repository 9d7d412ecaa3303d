"""Batch: what the batches of all signals share. Rows of decoded items as columns, and the bytes they came from.

Nothing is copied until somebody reads it: ``where`` notes which rows remain, a column is gathered when asked for, and
``to_otlp`` hands back the original bytes. Batches are immutable; ``where``, ``with_column`` and ``edit`` return new
ones that share what they can.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

from pipeline.model import dictionary, scan
from pipeline.model.attribute_text import cell_text, cell_value
from pipeline.model.column import Bools, Column, Floats, Int32s, checked_mask, first_present, merge_equal
from pipeline.model.columns import ENUM_NAMES, is_column, no_column
from pipeline.model.editor import Change, Editor
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

    def is_editable(self, column: str) -> bool:
        """Whether ``edit`` can change a column."""

    def write(self, batch: Any) -> Records:
        """The records of a batch with its edits written into the bodies of its rows."""

    def refresh(self, batch: Any, records: Records) -> None:
        """Let columns that hold messages whole show the edits of records that nobody else has."""

    def joined(self, records: Records, level: Level, row: int) -> bytes:
        """The resource or scope of a row of the table of resources or scopes, its parts joined."""

    def change_keys(self, batch: Any, prefix: str, change: Change, where: Bools) -> Records:
        """The records of a batch in which attributes below a prefix are changed or gone."""

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
    ) -> None:
        self.records = records
        self.projection = projection
        self.rows = rows

    def __len__(self) -> int:
        return self.records.count[self.item_level] if self.rows is None else len(self.rows)

    def __getitem__(self, column: str) -> Any:
        """One column; its type is in ``model/columns.py``.

        Raises:
            KeyError: The column was not declared in ``reads``, or there is no such column.
            TypeError: Rows are chosen by ``where(mask)``.
        """
        if column not in self.projection.readable:
            raise self._unreadable(column)
        compute = self.derived.get(column)
        if compute is not None:
            return compute(self)
        field = self._field(column)
        read = _READERS.get(field.kind)
        return self._dictionary(field) if read is None else read(self, column, field)

    __iter__ = None
    """Not by ``__getitem__``: columns are read by name, and ``iter()`` gives items, slowly."""

    def present(self, name: str) -> Bools:
        """bool[n]: which items have an attribute, or a text that is not empty. Cheaper than the column."""
        field = self._field(name)
        mask = np.uint64(0xFFFF_FFFF if field.kind == Kind.STRING else REPEATED)
        found: Bools = (self.words(field) & mask) != np.uint64(0)
        return found

    def distinct(self, name: str) -> tuple[Int32s, list[Any]]:
        """An attribute with its types: int32[n] codes, -1 where absent, and the distinct values as plain Python (str,
        bool, int, float, bytes, list, dict; None where empty). Values of different types have different codes.
        """
        field = self._field(name)
        codes, kinds, words = self._codes(field)
        if field.level != self.item_level:
            codes = codes[self.rows_at(field.level)]
        records = self.records
        if field.kind != Kind.ATTRIBUTE:
            return codes, [records.slice(word).decode(errors="replace") for word in words]
        return codes, [cell_value(records, kind, word) for kind, word in zip(kinds, words, strict=True)]

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
        """The encoded Resource of one row of the resource table. One that came in several parts is joined, which merges
        them.
        """
        field = self.projection.field("resource")
        if field is not None:
            word = int(self.records.column(Level.RESOURCE, field.word)[row])
            if word != REPEATED:
                return self.records.slice(word)
        return self.projection.joined(self.written, Level.RESOURCE, row)

    def resource(self, row: int) -> ResourceMessage:
        """The Resource of one row of the resource table as an official message: slow."""
        return ResourceMessage.FromString(self.resource_bytes(row))

    def seconds(self, column: str) -> Floats:
        """float64[n]: a column of nanoseconds (``…_nano``) in seconds."""
        if not column.endswith("_nano"):
            raise TypeError(f"column {column!r} has no nanoseconds; those that have end in _nano")
        return self[column] / 1e9  # type: ignore[no-any-return]

    @cached_property
    def written(self) -> Records:
        """The records, whose bodies show what was changed."""
        return self.projection.write(self) if self.records.edits else self.records

    def where(self, mask: Bools) -> Self:
        """The items where ``mask`` (bool[n]) is true. Copies no column; the same object where all remain.

        Raises:
            TypeError, ValueError: It is no array of bools, or one of another length.
        """
        (kept,) = checked_mask(mask, len(self), self.items).nonzero()
        if len(kept) == len(mask):
            return self
        rows = kept.astype(np.int32) if self.rows is None else self.rows[kept]
        return type(self)(self.records, self.projection, rows)

    def edit(self) -> Editor[Self]:
        """For several changes at once (``model/editor.py``): one copy of the words for all of them."""
        return Editor(self)

    def with_column(self, name: str, values: Any, where: Bools | None = None) -> Self:
        """A batch in which a column that somebody declared in ``adds`` has these values: an attribute (``span.<key>``,
        ``log.<key>``, ``point.<key>``, ``resource.<key>``, ``scope.attributes.<key>``) or a plain text such as
        ``trace_state``.

        Args:
            values: n values, or one for all: ``str``, ``bool``, ``int``, ``float``, ``bytes``; or a ``Column`` (its
                texts), or a numpy array. None leaves an item as it is, ``REMOVED`` removes the attribute.
            where: bool[n], the items that are meant; None: all.
        Cost: one copy of the words, and one encoding per distinct value.
        """
        editor = self.edit()
        editor.set(name, values, where)
        return editor.done()

    def without_column(self, name: str, where: Bools | None = None) -> Self:
        """A batch without an attribute, or with an empty text."""
        editor = self.edit()
        editor.remove(name, where)
        return editor.done()

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

    @abstractmethod
    def message(self, row: int) -> Any:
        """The item in one row of its table as an official message."""

    def iter(self) -> Iterator[Any]:
        """Each item as an official protobuf message, decoded when reached: convenient, and some 30 times slower than
        columns.
        """
        for row in self.item_rows.tolist():
            yield self.message(row)

    def to_otlp(self) -> bytes:
        """An export request with these items: the original bytes, under their resource and scope, but for what was
        changed.
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
        ranges = self.written.column(self.item_level, RANGE)[self.item_rows]
        return ranges & np.uint64(0xFFFF_FFFF)

    def _field(self, column: str) -> Field:
        field = self.projection.field(column)
        if field is None:
            raise self._unreadable(column)
        return field

    def _unreadable(self, column: Any) -> Exception:
        if not isinstance(column, str):
            return TypeError(f"a batch is indexed by the name of a column, not {column!r}; where(mask) chooses rows")
        if is_column(column, self.signal):
            return KeyError(f"column {column!r} is not in this batch: declare it in `reads`")
        return KeyError(f"column {column!r} is not in this batch: {no_column(column, (self.signal,))}")

    def _id16(self, field: Field) -> npt.NDArray[np.uint8]:
        halves = (self.words(field), self.words(field._replace(word=field.word + 1)))
        return np.ascontiguousarray(np.stack(halves, 1)).view(np.uint8).reshape(-1, 16)

    def _parents(self, level: Level) -> Int32s:
        """Row of each item's ancestor, found through the table below, whose parents are in ``level``."""
        below = Level(level + 1)
        parents = self.records.column(below, PARENT)
        if below == self.item_level:
            return self.words(Field(below, PARENT, Kind.UINT)).astype(np.int32)
        return parents[self.rows_at(below)].astype(np.int32)

    def _enum(self, column: str, field: Field) -> Column:
        names = ENUM_NAMES[column]
        records, level = self.records, field.level
        n = len(self)
        codes = np.empty(n, np.int32)
        if n:
            rows = self.rows if level == self.item_level else self.rows_at(level)
            first = records.first[level] + field.word
            scan.codes(records.words, first, records.width[level], rows, n, len(names), codes)
        return Column(codes, names)

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
        value: Any = self.message(row)
        for name in column.split("."):
            value = getattr(value, name)
        return value  # type: ignore[no-any-return]

    def _dictionary(self, field: Field) -> Column:
        """Encode the rows of the table that the field stands in, then spread to the items."""
        column = self._whole(field) if field.kind == Kind.RAW else self._encode(field)
        return column if field.level == self.item_level else column.take(self.rows_at(field.level))

    def _rows_of_table(self, level: Level) -> Int32s:
        """Rows that are looked at once: those of the batch, or all of an enclosing table."""
        if level == self.item_level:
            return self.item_rows
        return np.arange(self.records.count[level], dtype=np.int32)

    def _encode(self, field: Field) -> Column:
        codes, kinds, words = self._codes(field)
        records = self.records
        if field.kind != Kind.ATTRIBUTE:
            return Column(codes, [records.slice(word).decode(errors="replace") for word in words])
        values = [cell_text(records, kind, word) for kind, word in zip(kinds, words, strict=True)]
        return Column(*merge_equal(codes, values), lambda: self._cells(field))

    def _codes(self, field: Field) -> tuple[Int32s, list[int], list[int]]:
        """A code per row, and type and value word of the cell of each code (``dictionary.encode``)."""
        records, level = self.records, field.level
        rows, n = (self.rows, len(self)) if level == self.item_level else (None, records.count[level])
        first = records.first[level] + field.word
        typed = field.kind == Kind.ATTRIBUTE
        return dictionary.encode(records.payload, records.words, first, records.width[level], rows, n, typed)

    def _cells(self, field: Field) -> Words:
        """uint64[2, n]: type and value of the attribute cells in the rows of a table."""
        records, level = self.records, field.level
        where = self._rows_of_table(level).astype(np.int64) * records.width[level] + records.first[level] + field.word
        return np.stack((records.words[where], records.words[where + 1]))

    def _whole(self, field: Field) -> Column:
        """Messages kept whole, few of them: their bytes are the values."""
        records, rows = self.records, self._rows_of_table(field.level)
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
        return self.projection.joined(self.records, field.level, row)


_READERS: Mapping[int, Callable[[Batch, str, Field], Any]] = {
    Kind.UINT: lambda batch, _, field: batch.words(field),
    Kind.ENUM: Batch._enum,
    Kind.CHOICE: Batch._enum,
    Kind.ID8: lambda batch, _, field: np.ascontiguousarray(batch.words(field)).view(np.uint8).reshape(-1, 8),
    Kind.ID16: lambda batch, _, field: batch._id16(field),
    Kind.BOOL: lambda batch, _, field: batch.words(field) != 0,
    Kind.INT: lambda batch, _, field: batch.words(field).view(np.int64),
    Kind.NUMBER: lambda batch, _, field: batch._numbers(field),
    Kind.DOUBLE: lambda batch, _, field: np.ascontiguousarray(batch.words(field)).view(np.float64),
    Kind.PACKED: Batch._lists,
}
"""How columns are read whose cells are not texts or attributes; a table, since looking one up is half a microsecond
cheaper than going through the kinds."""
