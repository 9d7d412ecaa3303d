"""Editor: several changes to the columns of a batch, seen by whoever reads the batch afterwards.

    spans ─▶ edit() ─▶ set("span.tier", "gold", where=paying)     words: cells overwritten, in one copy of the words
                       copy("span.user", "span.enduser.id")       payload: new texts behind the old ones
                       remove("span.enduser.id")                  edits: which cells of which rows were touched
                    ─▶ done() ─▶ spans                            bodies: written natively when somebody needs them

Columns and native kernels read words, so they see a change at once; columns that hold messages whole (``resource``,
``scope``, ``attributes`` of points) follow at the end of the edit. The bytes of items are written when somebody asks
for them (``Batch.to_otlp``, ``Batch.written``), all changes in one pass. Rows that were not touched keep their original
bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from pipeline.model.any_value import any_value
from pipeline.model.attribute_text import plain_value
from pipeline.model.column import Bools, Column, Int32s, checked_mask
from pipeline.model.columns import DERIVED, is_column, no_column
from pipeline.model.records import Edit, Field, Kind, Records, ValueType, Words

if TYPE_CHECKING:
    from pipeline.model.batch import Batch

B = TypeVar("B", bound="Batch")


class Removed:
    """Type of ``REMOVED``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "REMOVED"


REMOVED: Final = Removed()
"""In place of a value: the attribute goes."""

_RANGES = (ValueType.STRING, ValueType.ARRAY, ValueType.KVLIST, ValueType.BYTES)
_FULL = 0xFFFF_FFFF_FFFF_FFFF
_ENUMS = 1 << 31
"""Numbers of enums are below this, and not below 0."""


class Change:
    """What happens to the attributes with certain keys.

    Attributes:
        is_meant: Whether those with a key are changed.
        removes: They go, whatever their values.
        least_bytes: Shorter attributes, as they are encoded, stay.
    """

    def __init__(
        self, is_meant: Callable[[str], bool], change: Callable[[Any], Any] | Removed, least_bytes: int = 0
    ) -> None:
        self.is_meant = is_meant
        self.removes = isinstance(change, Removed)
        self.least_bytes = least_bytes
        self._change: Callable[[Any], Any] = (lambda _: REMOVED) if isinstance(change, Removed) else change

    def pair(self, body: bytes) -> bytes | None:
        """What takes the place of an encoded KeyValue; None: nothing. A damaged one goes: nobody knows what it says."""
        try:
            pair = KeyValue.FromString(body)
        except DecodeError:
            return None
        changed = self._change(plain_value(pair.value))
        if changed is REMOVED:
            return None
        return KeyValue(key=pair.key, value=any_value(changed)).SerializeToString()


class Editor(Generic[B]):
    """Changes to one batch. The batch itself stays as it is.

    An attribute that is set is there once afterwards, in the place of the first of its key; one that is removed is
    gone, however often it was there. What concerns a resource or a scope concerns all items of it; where items of one
    resource get different values, the last one counts.
    """

    def __init__(self, batch: B) -> None:
        self._batch = batch
        self._own: Records | None = None
        self._appended = bytearray()
        self._edits: dict[str, Edit] = {edit.column: edit for edit in batch.records.edits}

    @property
    def batch(self) -> B:
        """The batch with the changes so far, for reading. Columns read from it are out of date after the next one."""
        if self._own is not None:
            own = self._own
            own.append(self._appended)
            self._appended = bytearray()
            own.edits = tuple(self._edits.values())
            self._batch = type(self._batch)(own, self._batch.projection, self._batch.rows)
        return self._batch

    def done(self) -> B:
        """The changed batch; the same object where nothing was touched. The editor must not be used afterwards."""
        batch = self.batch
        if self._own is not None:
            batch.projection.refresh(batch, self._own)
        return batch

    def set(self, name: str, values: Any, where: Bools | None = None) -> None:
        """Give a column values; see ``Batch.with_column``.

        Raises:
            KeyError: The column was not declared, or cannot be changed.
            TypeError: A plain text was given anything but ``str``, or an enum anything but its number.
        """
        if isinstance(values, Column):
            self.set_codes(name, values.codes, values.values, where)
        elif isinstance(values, np.ndarray) and values.dtype.kind in "bif":
            self._set_numbers(name, values, where)
        elif isinstance(values, (list, tuple, np.ndarray)):
            codes, distinct = _distinct(values)
            self.set_codes(name, codes, distinct, where)
        elif values is not None:
            self._set_one(name, values, where)

    def set_codes(self, name: str, codes: Int32s, values: Sequence[Any], where: Bools | None = None) -> None:
        """The same for values that are encoded: item i gets ``values[codes[i]]``, and keeps what it has where the code
        is negative. Values of all types, lists and dicts as well.
        """
        field = self._field(name)
        self._same_length(len(codes))
        if where is not None:
            self._check_mask(where)
        chosen = codes >= 0 if where is None else (codes >= 0) & where
        codes = codes[chosen]
        if len(codes):
            kinds, cells = self._cells(name, field, values)
            self._store(name, field, self._batch.rows_at(field.level)[chosen], kinds[codes], cells[codes])

    def copy(self, name: str, source: str, where: Bools | None = None) -> None:
        """Give a column the cells of another one, of exactly the same type, where there are any."""
        field, other = self._field(name), self._source(source)
        records = self.batch.records
        rows = self._batch.rows_at(other.level).astype(np.int64)
        at = records.first[other.level] + other.word + rows * records.width[other.level]
        words = records.words
        if other.kind == Kind.STRING:
            kinds, cells = np.full(len(at), ValueType.STRING, np.uint64), words[at]
        else:
            kinds, cells = words[at], words[at + 1]
        chosen = kinds != ValueType.ABSENT
        if where is not None:
            self._check_mask(where)
            chosen &= where
        if field.kind == Kind.STRING:
            chosen &= kinds == ValueType.STRING
        elif field.kind == Kind.ENUM:
            chosen &= (kinds == ValueType.INT) & (cells < _ENUMS)
        if chosen.any():
            self._store(name, field, self._batch.rows_at(field.level)[chosen], kinds[chosen], cells[chosen])

    def remove(self, name: str, where: Bools | None = None) -> None:
        """Take an attribute away, or make a text empty, and a number of an enum 0."""
        field = self._field(name)
        present = self.batch.present(name)
        if where is not None:
            self._check_mask(where)
            present &= where
        rows = self._batch.rows_at(field.level)[present]
        if len(rows):
            nothing = np.zeros(len(rows), np.uint64)
            self._store(name, field, rows, nothing, nothing)

    def change_keys(
        self,
        prefix: str,
        test: Callable[[str], bool],
        change: Callable[[Any], Any] | Removed,
        where: Bools | None = None,
        least_bytes: int = 0,
    ) -> None:
        """Change all attributes below a prefix (``span.``, ``resource.`` …) whose key passes a test, whether they are
        columns or not.

        Args:
            change: Gets a plain value, as ``Batch.distinct`` gives it, and returns one, or ``REMOVED``; or is
                ``REMOVED``, which asks for no values.
            least_bytes: Values that are encoded in fewer bytes are known to stay as they are.
        Cost: a pass over the bodies for the keys, one call of ``test`` per distinct key and of ``change`` per distinct
            attribute.
        """
        projection = self._batch.projection
        known = {
            column.removeprefix(prefix): column
            for column in projection.columns
            if column.startswith(prefix) and projection.is_editable(column)
        }
        for key in sorted(filter(test, known)):
            if isinstance(change, Removed):
                self.remove(known[key], where)
                continue
            codes, values = self.batch.distinct(known[key])
            self.set_codes(known[key], codes, [change(value) for value in values], where)
        batch = self.batch
        chosen = np.ones(len(batch), bool) if where is None else where
        unknown = Change(lambda key: key not in known and test(key), change, least_bytes)
        records = projection.change_keys(batch, prefix, unknown, chosen)
        if records is not batch.records:
            self._own = records
            self._edits = {edit.column: edit for edit in records.edits}

    def _field(self, name: str) -> Field:
        projection = self._batch.projection
        field = projection.field(name)
        if field is None and not is_column(name, self._batch.signal):
            raise KeyError(f"column {name!r} is not in this batch: {no_column(name, (self._batch.signal,))}")
        if field is None and name not in DERIVED:
            raise KeyError(f"column {name!r} is not in this batch: declare it in `adds`")
        if field is None or not projection.is_editable(name):
            raise KeyError(f"column {name!r} cannot be changed: attributes, texts and enums can, and bodies")
        return field

    def _source(self, name: str) -> Field:
        field = self._batch.projection.field(name)
        if field is None or field.kind not in (Kind.ATTRIBUTE, Kind.STRING):
            raise KeyError(f"column {name!r} cannot be copied: declare an attribute or a text in `reads`")
        return field

    def _same_length(self, n: int) -> None:
        if n != len(self._batch):
            raise ValueError(f"{n} values for {len(self._batch)} {self._batch.items}")

    def _check_mask(self, where: Bools) -> None:
        checked_mask(where, len(self._batch), self._batch.items)

    def _set_one(self, name: str, value: Any, where: Bools | None) -> None:
        """One value for all."""
        field = self._field(name)
        (kind,), (cell,) = self._cells(name, field, [value])
        rows = self._rows(field, where)
        if rows is None or len(rows):
            self._store(name, field, rows, kind, cell)

    def _rows(self, field: Field, where: Bools | None) -> Int32s | None:
        """Rows of the table that items are meant by; None: all that there are."""
        batch = self._batch
        if where is None and batch.rows is None and field.level == batch.item_level:
            return None
        rows = batch.rows_at(field.level)
        if where is None:
            return rows
        self._check_mask(where)
        return rows[where]

    def _set_numbers(self, name: str, values: npt.NDArray[Any], where: Bools | None) -> None:
        field = self._field(name)
        self._same_length(len(values))
        if field.kind == Kind.STRING:
            raise TypeError(f"column {name!r} is a text, not numbers")
        if field.kind == Kind.ENUM:
            self.set_codes(name, *_distinct(values.tolist()), where)
            return
        kind, form = {"b": (ValueType.BOOL, np.uint64), "f": (ValueType.DOUBLE, np.float64)}.get(
            values.dtype.kind, (ValueType.INT, np.int64)
        )
        rows = self._batch.rows_at(field.level)
        if where is not None:
            self._check_mask(where)
            rows, values = rows[where], values[where]
        cells = np.ascontiguousarray(values.astype(form)).view(np.uint64)
        self._store(name, field, rows, np.full(len(rows), kind, np.uint64), cells)

    def _cells(self, name: str, field: Field, values: Sequence[Any]) -> tuple[Words, Words]:
        """Type and value words of values, whose bytes are put behind the payload."""
        kinds, words = np.empty((2, len(values)), np.uint64)
        base = self._batch.records.size
        for i, value in enumerate(values):
            kind, cell = _encoded(value)
            if field.kind == Kind.STRING and kind not in (ValueType.STRING, ValueType.ABSENT):
                raise TypeError(f"column {name!r} is a text, not {value!r}")
            if field.kind == Kind.ENUM and not (kind == ValueType.ABSENT or (kind == ValueType.INT and cell < _ENUMS)):  # type: ignore[operator]
                raise TypeError(f"column {name!r} is a number of an enum, not {value!r}")
            if isinstance(cell, bytes):
                place = base + len(self._appended)
                self._appended += cell
                cell = place << 32 | len(cell)
            kinds[i], words[i] = kind, cell
        return kinds, words

    def _store(self, name: str, field: Field, rows: Int32s | None, kinds: Any, cells: Any) -> None:
        """Put type and value words into cells; None: of all rows of the table."""
        if self._own is None:
            self._own = self._batch.records.copied()
        own = self._own
        chosen = slice(None) if rows is None else rows
        before = self._edits.get(name)
        touched = np.zeros(own.count[field.level], bool) if before is None else before.touched.copy()
        cell = own.column(field.level, field.word)
        if field.kind in (Kind.STRING, Kind.ENUM):
            touched[chosen] = True
            cell[chosen] = cells
        else:
            # what was not there and is removed stays as it is
            touched[chosen] |= (kinds != ValueType.ABSENT) | (cell[chosen] != ValueType.ABSENT)
            cell[chosen] = kinds
            own.column(field.level, field.word + 1)[chosen] = cells
        self._edits[name] = Edit(name, field, touched)


def _distinct(values: Sequence[Any] | npt.NDArray[Any]) -> tuple[Int32s, list[Any]]:
    """Codes, -1 for None, and the distinct values."""
    codes: list[int] = []
    found: dict[Any, int] = {}
    distinct: list[Any] = []
    for value in values:
        if value is None:
            codes.append(-1)
            continue
        # 0.0 equals -0.0; lists and dicts are not looked at
        known = value.hex() if isinstance(value, float) else value if value.__hash__ is not None else id(value)
        key = (type(value), known)
        code = found.setdefault(key, len(distinct))
        if code == len(distinct):
            distinct.append(value)
        codes.append(code)
    return np.array(codes, np.int32), distinct


def _encoded(value: Any) -> tuple[int, int | bytes]:
    """Type and value word of a plain value, or its bytes."""
    if value is REMOVED:
        return ValueType.ABSENT, 0
    if isinstance(value, str):
        return ValueType.STRING, value.encode(errors="replace")
    if isinstance(value, (bool, np.bool_)):
        return ValueType.BOOL, int(value)
    if isinstance(value, (int, np.integer)):
        return ValueType.INT, int(value) & _FULL
    if isinstance(value, (float, np.floating)):
        return ValueType.DOUBLE, int(np.float64(value).view(np.uint64))
    if isinstance(value, bytes):
        return ValueType.BYTES, value
    message = any_value(value)
    if message.HasField("kvlist_value"):
        return ValueType.KVLIST, message.kvlist_value.SerializeToString()
    if message.HasField("array_value"):
        return ValueType.ARRAY, message.array_value.SerializeToString()
    return ValueType.EMPTY, 0
