"""Edits of a batch → new bodies of the rows that they touch, behind the payload.

    payload  ┃ request ┃ texts that were set ┃ element │ element │ …    elements: tag, length, body
    words      RANGE and HEADER of a written row name its new place, as do words of messages that are kept whole

Written natively (``codec/item_writer.py``), one call per table and kind of element.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.codec import edit_layout, item_writer
from pipeline.codec.edit_layout import Shape
from pipeline.model import dictionary
from pipeline.model.column import Bools, Int32s, Int64s
from pipeline.model.records import HEADER, PARENT, RANGE, Edit, Level, Records, Words

if TYPE_CHECKING:
    from pipeline.codec.projection import Messages, Projection
    from pipeline.model.batch import Batch

Bytes = npt.NDArray[np.uint8]
_Tags = tuple[int, int, int, int]
_LENGTH = np.uint64(0xFFFF_FFFF)


class _Part(NamedTuple):
    """Rows that are written alike."""

    shape: Shape
    tags: _Tags
    rows: Int32s


class ItemEdits:
    """Writes the edits of one signal.

    Args:
        messages: The signal's table.
        item_level: Its items' table.
        projection: Where columns stand.
    """

    def __init__(self, messages: Messages, item_level: Level, projection: Projection) -> None:
        self._messages = messages
        self._projection = projection
        self._shapes = edit_layout.shapes(messages, item_level)
        self._whole = {
            entry.whole or entry.column
            for entries in messages.values()
            for entry in entries.values()
            if entry.whole or entry.op == "raw"
        }
        self._choice = next(
            (entry.column for entries in messages.values() for entry in entries.values() if entry.op == "choice"), ""
        )

    def is_editable(self, column: str) -> bool:
        """Whether all elements that have the column have it where it can be changed."""
        field = self._projection.field(column)
        by_number = self._shapes.get(field.level, {}) if field is not None else {}
        return bool(by_number) and all(self._place(shape, column) for shape in by_number.values())

    def write(self, batch: Batch, levels: Collection[Level]) -> Records:
        """The records of a batch with its edits in these tables written. Rows that are not in the batch are left out.

        Cost: one copy of the words, of the payload, and of the bodies that were touched.
        """
        old = batch.records
        due = [edit for edit in old.edits if edit.field.level in levels]
        writing = _Writing(old)
        for level in sorted({edit.field.level for edit in due}):
            edits = [edit for edit in due if edit.field.level == level]
            touched = np.logical_or.reduce([edit.touched for edit in edits])
            for part in self._parts(old, level, _rows(batch, level, touched)):
                writing.add(level, part.rows, *self._run(old, level, part, edits, None), self._whole_word(level))
        return writing.records([edit for edit in old.edits if edit.field.level not in levels])

    def drop_keys(self, batch: Batch, prefix: str, test: Callable[[str], bool], where: Bools) -> Records:
        """The records of a batch without the attributes below a prefix whose key passes a test, in the items, or in
        the resources and scopes of the items, where a mask is true. Other edits of these rows are written on the way.
        """
        level = edit_layout.level_of(self._messages, self._shapes, prefix)
        old = batch.records
        edits = [edit for edit in old.edits if edit.field.level == level]
        chosen = np.zeros(old.count[level], bool)
        chosen[batch.rows_at(level)[where]] = True
        writing = _Writing(old)
        for part in self._parts(old, level, _rows(batch, level, chosen)):
            rows, drops = _drops(self._job(old, level, part, [], None), part.rows, old.payload, test)
            if len(rows):
                some = part._replace(rows=rows)
                writing.add(level, rows, *self._run(old, level, some, edits, drops), self._whole_word(level))
        return writing.records(list(old.edits)) if writing.has_written else old

    def joined(self, records: Records, level: Level, row: int) -> bytes:
        """The message that is changed in a row of an enclosing table, its parts joined; empty where it is not there or
        damaged.
        """
        part = next(self._parts(records, level, np.array([row], np.int32)))
        out, ends = self._run(records, level, part, [], None)
        return out[ends[0, 3] : ends[0, 4]].tobytes() if ends[0, 0] >= 0 else b""

    def _job(self, old: Records, level: Level, part: _Part, edits: list[Edit], drops: Bytes | None) -> item_writer.Job:
        """What the kernel takes."""
        keys = b""
        described: list[int] = []
        for edit in edits:
            found = self._place(part.shape, edit.column)
            assert found is not None, edit.column  # noqa: S101 - the editor has asked
            described += (len(keys), edit.field.word, 0 if found.key is not None else found.tag)
            keys += found.key or b""
        touched = np.stack([edit.touched for edit in edits]) if edits else np.zeros((1, 1), bool)
        return item_writer.Job(
            old.payload,
            old.words,
            (old.first[level], old.width[level], old.count[level]),
            part.tags,
            keys,
            np.array([*described, len(keys)], np.int32),
            touched.view(np.uint8).reshape(-1),
            drops,
        )

    def _run(
        self, old: Records, level: Level, part: _Part, edits: list[Edit], drops: Bytes | None
    ) -> tuple[Bytes, Int64s]:
        """The elements of these rows one after the other, and where they are (``item_writer.write``)."""
        rows = part.rows
        job = self._job(old, level, part, edits, drops)
        out = np.empty(item_writer.room(job, rows), np.uint8)
        longest = int((old.column(level, RANGE)[rows] & _LENGTH).max()) if part.shape.nested else 0
        scratch = np.empty(longest + 1, np.uint8)
        ends = np.empty((len(rows), 5), np.int64)
        size = item_writer.write(job, rows, out, scratch, np.zeros(len(edits) + 1, np.int64), ends.reshape(-1))
        return out[:size], ends

    def _whole_word(self, level: Level) -> int:
        """Word of the column that holds what is changed in a table whole; 0: nobody reads it."""
        for column in self._whole:
            field = self._projection.field(column)
            if field is not None and field.level == level:
                return field.word
        return 0

    def _place(self, shape: Shape, column: str) -> edit_layout.Place | None:
        return edit_layout.place(self._messages, shape.message, column)

    def _parts(self, records: Records, level: Level, rows: Int32s) -> Iterator[_Part]:
        """Rows by shape, those together that differ in the name of their message alone."""
        by_number = self._shapes[level]
        parts: dict[_Tags, tuple[Shape, list[int]]] = {}
        for number, shape in by_number.items():
            tags = (
                shape.element,
                shape.nested,
                shape.children,
                edit_layout.attributes_tag(self._messages, shape.message),
            )
            parts.setdefault(tags, (shape, []))[1].append(number)
        for tags, (shape, numbers) in parts.items():
            chosen = rows if len(parts) == 1 else rows[np.isin(self._numbers(records, level)[rows], numbers)]
            if len(chosen):
                yield _Part(shape, tags, chosen)

    def _numbers(self, records: Records, level: Level) -> Words:
        """The choice that each row of a table came in."""
        field = self._projection.field(self._choice)
        assert field is not None  # noqa: S101 - always decoded
        return records.column(field.level, field.word)[records.column(level, PARENT).astype(np.int64)]


class _Writing:
    """New words and a longer payload."""

    def __init__(self, old: Records) -> None:
        self._old = old
        self._words = old.words.copy()
        self._pieces: list[bytes | memoryview] = [old.payload]
        self._size = len(old.payload)

    @property
    def has_written(self) -> bool:
        """Something was added."""
        return len(self._pieces) > 1

    def records(self, edits: list[Edit]) -> Records:
        """The new records, on which these edits are still to be written."""
        return self._old.replaced(self._words, b"".join(self._pieces), tuple(edits))

    def add(self, level: Level, rows: Int32s, out: Bytes, ends: Int64s, whole: int) -> None:
        """Put elements behind the payload and let their rows name the new places."""
        sound = ends[:, 0] >= 0
        if not sound.all():
            rows, ends = rows[sound], ends[sound]
        element, body, end, begin, stop = (ends.T + self._size).astype(np.uint64)
        at = self._old.first[level] + rows.astype(np.int64) * self._old.width[level]
        words, half = self._words, np.uint64(32)
        words[at + RANGE] = body << half | (end - body)
        words[at + HEADER] = (words[at + HEADER] & np.uint64(0xFF)) | (body - element) << np.uint64(8)
        if whole:
            words[at + whole] = np.where(stop > begin, begin << half | (stop - begin), np.uint64(0))
        self._pieces.append(out.data)
        self._size += len(out)


def _rows(batch: Batch, level: Level, chosen: Bools) -> Int32s:
    """The rows of a table that belong to the batch and are chosen, ascending."""
    if batch.rows is not None:
        belongs = np.zeros(len(chosen), bool)
        belongs[batch.rows_at(level)] = True
        chosen = chosen & belongs
    return np.flatnonzero(chosen).astype(np.int32)


def _drops(job: item_writer.Job, rows: Int32s, payload: bytes, test: Callable[[str], bool]) -> tuple[Int32s, Bytes]:
    """Rows in which some attribute goes, and per attribute of them whether it does."""
    counts = np.empty(len(rows), np.int64)
    total = item_writer.list_keys(job, rows, None, counts)
    keys = np.zeros(max(total, 1), np.uint64)
    item_writer.list_keys(job, rows, keys, counts)
    keys = keys[:total]
    goes = _passes(payload, keys, test)
    sound = counts >= 0
    rows, counts = rows[sound], counts[sound]
    owners = np.repeat(np.arange(len(rows)), counts)
    changed = np.zeros(len(rows), bool)
    changed[owners[goes]] = True
    return rows[changed], goes[changed[owners]].view(np.uint8)


def _passes(payload: bytes, keys: Words, test: Callable[[str], bool]) -> Bools:
    """bool per key: it passes the test, which is called once per distinct key."""
    n = len(keys)
    if not n:
        return np.zeros(0, bool)
    codes, examples = np.empty((2, n), np.int32)
    slots = np.zeros(1 << (2 * n - 1).bit_length() if n > 1 else 2, np.int32)
    rows = np.arange(n, dtype=np.int32)
    distinct = dictionary.encode(payload, keys, 0, 1, rows, False, slots, codes, examples)
    hits = []
    for word in keys[examples[:distinct]].tolist():
        begin = word >> 32
        hits.append(test(payload[begin : begin + (word & 0xFFFF_FFFF)].decode(errors="replace")))
    return np.array(hits, bool)[codes]
