"""SpanBatch: the spans of one request as columns, and the bytes they came from.

Nothing is copied until somebody reads it: ``where`` notes which rows remain, a column is gathered when asked for, and
``to_otlp`` hands back the original bytes. Batches are immutable; ``where`` and ``with_column`` return new ones that
share what they can.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from pipeline.model import dictionary
from pipeline.model.attribute_text import cell_text, cell_value
from pipeline.model.columns import DERIVED, ENUM_NAMES, is_column
from pipeline.model.records import PARENT, RANGE, REPEATED, Field, Kind, Level, Records, ValueType, Words

if TYPE_CHECKING:
    import pyarrow

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class SpanProjection(Protocol):
    """What a batch needs of the decoder that made it."""

    columns: frozenset[str]
    readable: frozenset[str]

    def field(self, column: str) -> Field | None:
        """Where a wire column stands in the records."""

    def encode(self, spans: SpanBatch) -> bytes:
        """The spans as an ``ExportTraceServiceRequest``."""


class Label(NamedTuple):
    """A label of a metric: its attribute key, the columns tried in order, and the value where none has one (None: no
    label).
    """

    name: str
    columns: tuple[str, ...]
    default: str | None = None


_LABEL_NAMES = {
    "name": "span.name",
    "kind": "span.kind",
    "status_code": "status.code",
    "status_message": "status.message",
}


def label(column: str, default: str | None = None) -> Label:
    """The label of one column, named as the span metrics connector names it.

    >>> label("resource.service.name").name, label("span.http.route").name, label("kind").name
    ('service.name', 'http.route', 'span.kind')
    """
    for prefix in ("resource.", "span.", "scope.attributes."):
        if column.startswith(prefix):
            return Label(column.removeprefix(prefix), (column,), default)
    return Label(_LABEL_NAMES.get(column, column), (column,), default)


class Column:
    """A dictionary-encoded column of n cells.

    Attributes:
        codes: int32[n], index into ``values``; -1 where the cell is absent.
        values: The distinct values in their string form. Without duplicates.
    """

    __slots__ = ("_cells", "_records", "codes", "values")

    def __init__(
        self, codes: Int32s, values: Sequence[str], records: Records | None = None, cells: Words | None = None
    ) -> None:
        self.codes = codes
        self.values = values
        self._records = records
        self._cells = cells

    def __len__(self) -> int:
        return len(self.codes)

    def __eq__(self, other: object) -> Bools:  # type: ignore[override]
        """bool[n]: cells equal to a string. Absent cells are equal to nothing."""
        return self.isin((str(other),))

    def __ne__(self, other: object) -> Bools:  # type: ignore[override]
        return ~(self == other)

    __hash__ = None  # type: ignore[assignment]

    def isin(self, wanted: Sequence[str] | set[str] | frozenset[str]) -> Bools:
        """bool[n]: cells whose string form is among ``wanted``. Absent cells never are. Cost: per distinct value, then
        one gather.
        """
        if isinstance(wanted, str):
            raise TypeError(f"isin takes a collection of strings, not the string {wanted!r}")
        return self.test(lambda value: value in wanted)

    def test(self, predicate: Any) -> Bools:
        """bool[n]: ``predicate(value)`` of each cell, called once per distinct value; False where absent."""
        hits = np.fromiter((bool(predicate(value)) for value in self.values), bool, len(self.values))
        return np.append(hits, False)[self.codes]  # code -1 takes the last

    def present(self) -> Bools:
        """bool[n]: cells that have a value."""
        return self.codes >= 0

    def tolist(self) -> list[str | None]:
        """The cells as Python objects."""
        values: list[str | None] = [*self.values, None]
        return [values[code] for code in self.codes.tolist()]

    def int64(self) -> tuple[Int64s, Bools]:
        """(int64[n], bool[n]): integer attributes; 0 and False where the cell is absent or of another type."""
        kinds, words = self._typed()
        valid = kinds == ValueType.INT
        return np.where(valid, words, 0).astype(np.uint64).view(np.int64), valid

    def float64(self) -> tuple[Floats, Bools]:
        """(float64[n], bool[n]): numeric attributes, integers converted; NaN and False elsewhere."""
        kinds, words = self._typed()
        ints = kinds == ValueType.INT
        doubles = kinds == ValueType.DOUBLE
        words = np.ascontiguousarray(words)
        values = np.where(ints, words.view(np.int64).astype(np.float64), words.view(np.float64))
        return np.where(ints | doubles, values, np.nan), ints | doubles

    def bool(self) -> tuple[Bools, Bools]:
        """(bool[n], bool[n]): boolean attributes; False and False elsewhere."""
        kinds, words = self._typed()
        valid = kinds == ValueType.BOOL
        return valid & (words != 0), valid

    def _typed(self) -> tuple[Words, Words]:
        if self._cells is None:
            raise TypeError("only attribute columns have types")
        return self._cells[0], self._cells[1]


class Groups:
    """Spans grouped by labels: what instruments take.

    ``ids`` and ``keys`` are local to the batch. Instruments do not use them: they resolve the labels in their own
    series table, once per table, and remember the result in ``memo``.
    """

    __slots__ = ("__dict__", "labels", "memo", "spans")

    def __init__(self, spans: SpanBatch, labels: tuple[Label, ...]) -> None:
        self.spans = spans
        self.labels = labels
        self.memo: dict[Any, Any] = {}

    @cached_property
    def _grouped(self) -> tuple[Int32s, list[tuple[str | None, ...]]]:
        n = len(self.spans)
        key = np.zeros(n, np.int64)
        columns = [self.spans.coalesce(one) for one in self.labels]
        for column in columns:
            key = key * (len(column.values) + 1) + column.codes + 1
            if key.size and key.max() > 1 << 40:  # keep the folded key small: renumber before it can overflow
                key = np.unique(key, return_inverse=True)[1].astype(np.int64)
        _, examples, ids = np.unique(key, return_index=True, return_inverse=True)
        cells = [column.tolist() for column in columns]
        keys = [tuple(column[example] for column in cells) for example in examples.tolist()]
        return ids.astype(np.int32), keys

    @property
    def ids(self) -> Int32s:
        """int32[n]: the group of each span."""
        return self._grouped[0]

    @property
    def keys(self) -> list[tuple[str | None, ...]]:
        """Label values per group."""
        return self._grouped[1]


@dataclass(frozen=True)
class Addition:
    """An attribute that ``with_column`` put on the batch.

    Attributes:
        field: Where its cells stand.
        key: Attribute key.
        written: bool[item rows], spans that got a value.
        replaced: bool[item rows], those of them that had the attribute before.
    """

    field: Field
    key: str
    written: Bools
    replaced: Bools


class SpanBatch:
    """n spans of one request.

    Args:
        records: The decoded words and the bytes they point into.
        projection: The decoder, which knows where columns stand.
        rows: int32[n], the item rows that are in the batch, in order; None: all.
    """

    def __init__(
        self,
        records: Records,
        projection: SpanProjection,
        rows: Int32s | None = None,
        added: tuple[Addition, ...] = (),
    ) -> None:
        self.records = records
        self.projection = projection
        self.rows = rows
        self.added = added

    def __len__(self) -> int:
        return self.records.count[Level.ITEM] if self.rows is None else len(self.rows)

    def __getitem__(self, column: str) -> Any:
        """One column; its type is in ``model/columns.py``.

        Raises:
            KeyError: The column was not declared in ``reads``, or there is no such column.
        """
        if column not in self.projection.readable:
            hint = (
                "declare it in `reads`" if is_column(column) else "there is no such column (pipeline/model/columns.py)"
            )
            raise KeyError(f"column {column!r} is not in this batch: {hint}")
        match column:
            case "duration_nano":
                return self._durations()
            case "span_bytes":
                return self.words(Field(Level.ITEM, RANGE, Kind.UINT)) & np.uint64(0xFFFF_FFFF)
            case "events":
                return [span.events for span in self.iter()]
            case "links":
                return [span.links for span in self.iter()]
        field = self._field(column)
        match field.kind:
            case Kind.UINT:
                return self.words(field)
            case Kind.ENUM:
                return self._enum(column, field)
            case Kind.ID8:
                return np.ascontiguousarray(self.words(field)).view(np.uint8).reshape(-1, 8)
            case Kind.ID16:
                halves = (self.words(field), self.words(field._replace(word=field.word + 1)))
                return np.ascontiguousarray(np.stack(halves, 1)).view(np.uint8).reshape(-1, 16)
        return self._dictionary(field)

    def words(self, field: Field) -> Words:
        """uint64[n]: the first word of a field, for each span, also where the field stands in the resource or scope
        table.
        """
        column = self.records.column(field.level, field.word)
        if field.level == Level.ITEM:
            return column if self.rows is None else column[self.rows]
        return column[self._parents(field.level)]

    @cached_property
    def item_rows(self) -> Int32s:
        """int32[n]: row of each span in the item table."""
        return np.arange(self.records.count[Level.ITEM], dtype=np.int32) if self.rows is None else self.rows

    @cached_property
    def scope_rows(self) -> Int32s:
        """int32[n]: row of each span's scope in the scope table."""
        return self.words(Field(Level.ITEM, PARENT, Kind.UINT)).astype(np.int32)

    @cached_property
    def resource_rows(self) -> Int32s:
        """int32[n]: row of each span's resource in the resource table."""
        return self.records.column(Level.SCOPE, PARENT)[self.scope_rows].astype(np.int32)

    def resource_bytes(self, row: int) -> bytes:
        """The encoded Resource of one row of the resource table. Messages that came in several parts are joined, which
        merges them.
        """
        field = self.projection.field("resource")
        if field is not None:
            word = int(self.records.column(Level.RESOURCE, field.word)[row])
            if word != REPEATED:
                return self.records.slice(word)
        return ResourceSpans.FromString(self.records.body(Level.RESOURCE, row)).resource.SerializeToString()

    def resource(self, row: int) -> ResourceMessage:
        """The Resource of one row of the resource table as an official message: slow."""
        return ResourceMessage.FromString(self.resource_bytes(row))

    def seconds(self, column: str) -> Floats:
        """float64[n]: a column of nanoseconds in seconds."""
        return self[column] / 1e9  # type: ignore[no-any-return]

    def where(self, mask: Bools) -> SpanBatch:
        """The spans where ``mask`` (bool[n]) is true. Copies no column; the same object where all remain."""
        if len(mask) != len(self):
            raise ValueError(f"mask has {len(mask)} entries for {len(self)} spans")
        kept = np.flatnonzero(mask)
        if len(kept) == len(mask):
            return self
        rows = kept.astype(np.int32) if self.rows is None else self.rows[kept]
        return SpanBatch(self.records, self.projection, rows, self.added)

    def with_column(self, name: str, values: Sequence[Any] | Column) -> SpanBatch:
        """A batch in which the span attribute ``name`` (``span.<key>``) has these values; None leaves a span as it is.

        Args:
            name: A column that some processor declared in ``adds``.
            values: n values: str, bool, int, float or None.
        Cost: one copy of the words, and one encoding per distinct value.
        """
        field = self.projection.field(name)
        if field is None or not name.startswith("span.") or field.kind != Kind.ATTRIBUTE:
            raise KeyError(f"column {name!r} cannot be added: declare `span.<key>` in `adds`")
        if len(values) != len(self):
            raise ValueError(f"{len(values)} values for {len(self)} spans")
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
            column = _first_present(column, other)
        if one.default is None or column.present().all():
            return column
        return _first_present(column, Column(np.zeros(len(self), np.int32), [one.default]))

    def iter(self) -> Iterator[Span]:
        """Each span as an official protobuf message, decoded when reached: convenient, and some 30 times slower than
        columns.
        """
        for row in self.item_rows.tolist():
            yield Span.FromString(self.records.body(Level.ITEM, row))

    def to_otlp(self) -> bytes:
        """An ``ExportTraceServiceRequest`` with these spans: the original bytes, under their resource and scope, plus
        added columns.
        """
        return self.projection.encode(self)

    def to_arrow(self) -> pyarrow.Table:
        """The readable columns as a ``pyarrow.Table``. Needs pyarrow (``pip install otel-weir[arrow]``)."""
        import pyarrow as pa

        arrays = {}
        for name in sorted(self.projection.readable - {"events", "links"}):
            column = self[name]
            if isinstance(column, Column):
                codes = pa.array(column.codes, mask=column.codes < 0)
                arrays[name] = pa.DictionaryArray.from_arrays(codes, pa.array(list(column.values), pa.string()))
            elif column.ndim == 2:
                arrays[name] = pa.FixedSizeBinaryArray.from_buffers(
                    pa.binary(column.shape[1]), len(column), [None, pa.py_buffer(column.tobytes())]
                )
            else:
                arrays[name] = pa.array(np.ascontiguousarray(column))
        return pa.table(arrays)

    def _field(self, column: str) -> Field:
        field = self.projection.field(column)
        if field is None:
            raise KeyError(f"column {column!r} is not in this batch")
        return field

    def _parents(self, level: Level) -> Int32s:
        return self.scope_rows if level == Level.SCOPE else self.resource_rows

    def _durations(self) -> Int64s:
        start, end = (self.words(self._field(name)) for name in DERIVED["duration_nano"])
        return np.where(end > start, end - start, np.uint64(0)).view(np.int64)

    def _enum(self, column: str, field: Field) -> Column:
        names = ENUM_NAMES[column]
        numbers = self.words(field)
        return Column(np.where(numbers < len(names), numbers, 0).astype(np.int32), names)

    def _dictionary(self, field: Field) -> Column:
        """Encode the rows of the table that the field stands in, then spread to the spans."""
        if field.level == Level.ITEM:
            return self._encode(field, self.item_rows)
        records = self.records
        column = self._encode(field, np.arange(records.count[field.level], dtype=np.int32))
        parents = self._parents(field.level)
        cells = column._cells
        return Column(column.codes[parents], column.values, records, None if cells is None else cells[:, parents])

    def _encode(self, field: Field, rows: Int32s) -> Column:
        records = self.records
        n = len(rows)
        if n == 0:
            return Column(np.empty(0, np.int32), [], records, np.empty((2, 0), np.uint64))
        typed = field.kind == Kind.ATTRIBUTE
        width = records.width[field.level]
        first = records.first[field.level] + field.word
        codes, examples = np.empty((2, n), np.int32)
        slots = np.zeros(1 << (2 * n - 1).bit_length(), np.int32)
        distinct = dictionary.encode(records.payload, records.words, first, width, rows, typed, slots, codes, examples)
        where = (first + examples[:distinct].astype(np.int64) * width).tolist()
        if not typed:
            return Column(codes, [records.slice(int(records.words[at])).decode(errors="replace") for at in where])
        values = [cell_text(records, int(records.words[at]), int(records.words[at + 1])) for at in where]
        at = first + rows.astype(np.int64) * width
        cells = np.stack((records.words[at], records.words[at + 1]))
        return Column(*_merge_equal(codes, values), records, cells)

    def _add(self, name: str, field: Field, cells: list[Any]) -> SpanBatch:
        records = self.records
        appended = bytearray()
        encoded: dict[tuple[type, Any], tuple[int, int]] = {}
        words = records.words.copy()
        base = records.first[Level.ITEM] + field.word
        width = records.width[Level.ITEM]
        written = np.zeros(records.count[Level.ITEM], bool)
        for row, value in zip(self.item_rows.tolist(), cells, strict=True):
            if value is None:
                continue
            written[row] = True
            cell = encoded.get((type(value), value))
            if cell is None:
                cell = _encode_cell(value, appended, len(records.payload))
                encoded[type(value), value] = cell
            at = base + row * width
            words[at], words[at + 1] = cell
        changed = Records(records.payload + bytes(appended), words, records.first, records.width, records.count)
        replaced = written & (records.column(Level.ITEM, field.word) != 0)
        for other in self.added:
            if other.field == field:
                written |= other.written
                replaced = (replaced & ~other.written) | other.replaced
        others = tuple(other for other in self.added if other.field != field)
        return SpanBatch(
            changed,
            self.projection,
            self.rows,
            (*others, Addition(field, name.removeprefix("span."), written, replaced)),
        )


def _encode_cell(value: Any, appended: bytearray, base: int) -> tuple[int, int]:
    """Type and value words; strings are appended to the payload."""
    if isinstance(value, bool):
        return ValueType.BOOL, int(value)
    if isinstance(value, (int, np.integer)):
        return ValueType.INT, int(value) & 0xFFFF_FFFF_FFFF_FFFF
    if isinstance(value, (float, np.floating)):
        return ValueType.DOUBLE, int(np.float64(value).view(np.uint64))
    text = str(value).encode()
    place = base + len(appended)
    appended += text
    return ValueType.STRING, place << 32 | len(text)


def any_value(records: Records, kind: int, word: int) -> AnyValue:
    """A cell that ``with_column`` wrote, as a message."""
    value = cell_value(records, kind, word)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)


def _merge_equal(codes: Int32s, values: list[str]) -> tuple[Int32s, list[str]]:
    """Cells of different types can have one string form (200 and "200"): give them one code."""
    unique = {value: number for number, value in enumerate(dict.fromkeys(values))}
    if len(unique) == len(values):
        return codes, values
    renumber = np.array([*(unique[value] for value in values), -1], np.int32)
    return renumber[codes], list(unique)


def _first_present(column: Column, other: Column) -> Column:
    shift = len(column.values)
    moved = np.where(other.codes >= 0, other.codes + shift, -1)
    codes = np.where(column.codes >= 0, column.codes, moved).astype(np.int32)
    return Column(*_merge_equal(codes, [*column.values, *other.values]))
