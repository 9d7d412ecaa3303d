"""Edits of a batch → new bodies of the rows that they touch, behind the payload.

    payload  ┃ request ┃ texts that were set ┃ element │ element │ …    elements: tag, length, body
    words      RANGE and HEADER of a written row name its new place, as do words of messages that are kept whole

Written natively (``codec/body_writer.py``), one call per table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.codec import body_writer, edit_layout, edit_table
from pipeline.model import dictionary
from pipeline.model.column import Bools, Int32s, Int64s
from pipeline.model.editor import Change
from pipeline.model.records import HEADER, RANGE, Edit, Level, Records, Words

if TYPE_CHECKING:
    from pipeline.codec.projection import Messages, Projection
    from pipeline.model.batch import Batch

Bytes = npt.NDArray[np.uint8]

_LENGTH = np.uint64(0xFFFF_FFFF)
_CHOICES = 8
_MAX_DESCRIBED = 64
"""Sets of changed columns that are remembered: as many as processors that change some, in any order."""
_PAIR_HEADER = 16
"""Bytes of tag and length of an attribute at most."""
GONE = 0xFFFF_FFFF_FFFF_FFFF
"""In place of the range of an attribute: there is none."""
_NOTHING = np.zeros(1, np.uint8)


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
        self._choices = {level: self._choices_of(shape) for level, shape in self._shapes.items()}
        self._described: dict[tuple[str, ...], tuple[bytes, Int32s]] = {}

    def is_editable(self, column: str) -> bool:
        """Whether all elements that have the column have it where it can be changed."""
        field = self._projection.field(column)
        shape = self._shapes.get(field.level) if field is not None else None
        messages = shape.messages.values() if shape is not None else ()
        return bool(messages) and all(self._place(message, column) for message in messages)

    def write(self, batch: Batch) -> Records:
        """The records of a batch with its edits written into the bodies of its rows.

        Cost: one copy of the words, of the payload, and of the bodies that were touched.
        """
        old = batch.records
        writing = _Writing(old)
        for level in sorted({edit.field.level for edit in old.edits}):
            rows = self._touched(batch, level)
            if len(rows):
                writing.add(level, rows, *_run(old, level, self.table(old, level), rows), self._whole_word(level))
        return writing.records([])

    def refresh(self, batch: Batch, records: Records) -> None:
        """Let the columns that hold what can be changed whole (``resource``, ``scope``, ``attributes`` of points) show
        the edits.

        Args:
            batch: What was edited.
            records: Its records, of which nobody else has the words.
        Cost: one copy of the bodies that were touched in the tables of such columns.
        """
        for level in sorted({edit.field.level for edit in records.edits}):
            word = self._whole_word(level)
            rows = self._touched(batch, level)
            if word and len(rows):
                base = records.size
                out, ends = _run(records, level, self.table(records, level), rows)
                sound = ends[:, 0] >= 0
                begin, end = ends[sound, 3:].T.astype(np.uint64)
                where = begin + np.uint64(base) << np.uint64(32) | (end - begin)
                records.column(level, word)[rows[sound]] = np.where(end > begin, where, np.uint64(0))
                records.append(out.tobytes())

    def joined(self, records: Records, level: Level, row: int) -> bytes:
        """The message that can be changed in a row of an enclosing table, its parts joined; empty where it is not there
        or damaged.
        """
        out, ends = _run(records, level, self.table(records, level, edits=()), np.array([row], np.int32))
        return out[ends[0, 3] : ends[0, 4]].tobytes() if ends[0, 0] >= 0 else b""

    def change_keys(self, batch: Batch, prefix: str, change: Change, where: Bools) -> Records:
        """The records of a batch in which attributes below a prefix are changed or gone, in the items, or in the
        resources and scopes of the items, where a mask is true. Other edits of these rows are written on the way.
        """
        level = edit_layout.level_of(self._messages, self._shapes, prefix)
        old = batch.records
        chosen = np.zeros(old.count[level], bool)
        chosen[batch.rows_at(level)[where]] = True
        rows = np.flatnonzero(chosen).astype(np.int32)
        if not len(rows):
            return old
        appended = bytearray()
        rows, swaps = _swaps(self.table(old, level, edits=()), rows, old.payload, change, appended)
        if not len(rows):
            return old
        longer = old.replaced(old.words, old.payload + appended, old.edits)
        writing = _Writing(longer)
        table = self.table(longer, level, swaps=swaps)
        new = swaps[(swaps != 0) & (swaps != GONE)]
        more = int((new & _LENGTH).sum()) + _PAIR_HEADER * len(new)
        writing.add(level, rows, *_run(longer, level, table, rows, more), self._whole_word(level))
        return writing.records(list(old.edits))

    def table(
        self, records: Records, level: Level, edits: Sequence[Edit] | None = None, swaps: Words | None = None
    ) -> edit_table.Table:
        """What the kernel is told of a table; ``edits``: all of it unless others are given."""
        shape = self._shapes[level]
        of_choice = (0, 0, 0)
        if shape.choice and (choice := self._projection.field(shape.choice)) is not None:
            of_choice = (records.first[choice.level], records.width[choice.level], choice.word)
        due = [edit for edit in (records.edits if edits is None else edits) if edit.field.level == level]
        keys, described = self._describe(shape, due)
        return edit_table.Table(
            *records.pieces,
            records.words,
            (records.first[level], records.width[level], records.count[level], *of_choice),
            (shape.element, shape.nested, shape.children),
            self._choices[level],
            keys,
            described,
            np.concatenate([edit.touched for edit in due]).view(np.uint8) if due else _NOTHING,
            swaps,
        )

    def _describe(self, shape: edit_layout.Shape, edits: list[Edit]) -> tuple[bytes, Int32s]:
        """``keys`` and ``edits`` of the kernel; the same for the same columns."""
        columns = tuple(edit.column for edit in edits)
        known = self._described.get(columns)
        if known is not None:
            return known
        keys = b""
        described: list[int] = []
        for edit in edits:
            found = self._place(next(iter(shape.messages.values())), edit.column)
            assert found is not None, edit.column  # noqa: S101 - the editor has asked
            is_attribute = found.key is not None
            form = found.form | found.inner << 3
            described += (len(keys), edit.field.word, 0 if is_attribute else found.tag, form)
            keys += found.key or b""
        if len(self._described) >= _MAX_DESCRIBED:
            self._described.clear()
        made = self._described[columns] = keys, np.array([*described, len(keys)], np.int32)
        return made

    def _choices_of(self, shape: edit_layout.Shape) -> Int32s:
        tags = np.zeros(_CHOICES, np.int32)
        for number, message in shape.messages.items():
            tags[number] = edit_layout.attributes_tag(self._messages, message)
        for number, tag in shape.members.items():
            tags[number] = tag
        return tags

    def _touched(self, batch: Batch, level: Level) -> Int32s:
        """The rows of a table that belong to the batch and were edited, ascending."""
        chosen = np.logical_or.reduce([edit.touched for edit in batch.records.edits if edit.field.level == level])
        if batch.rows is not None:
            belongs = np.zeros(len(chosen), bool)
            belongs[batch.rows_at(level)] = True
            chosen = chosen & belongs
        return np.flatnonzero(chosen).astype(np.int32)

    def _whole_word(self, level: Level) -> int:
        """Word of the column that holds what is changed in a table whole; 0: nobody reads it."""
        for column in self._whole:
            field = self._projection.field(column)
            if field is not None and field.level == level:
                return field.word
        return 0

    def _place(self, message: str, column: str) -> edit_layout.Place | None:
        return edit_layout.place(self._messages, message, column)


class _Writing:
    """New words and a longer payload."""

    def __init__(self, old: Records) -> None:
        self._old = old
        self._words = old.words.copy()
        self._pieces: list[bytes | memoryview] = [old.payload]
        self._size = len(old.payload)

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


def _run(records: Records, level: Level, table: edit_table.Table, rows: Int32s, more: int = 0) -> tuple[Bytes, Int64s]:
    """The elements of these rows one after the other, and where they are (``body_writer.write``). ``more``: bytes by
    which they may grow besides their edits.
    """
    sizes = records.column(level, RANGE)[rows] & _LENGTH
    out = np.empty(int(sizes.sum()) + edit_table.growth(table, rows) + more, np.uint8)
    scratch = np.empty(int(sizes.max()) + 1, np.uint8)
    ends = np.empty((len(rows), 5), np.int64)
    size = body_writer.write(table, rows, out, scratch, ends.reshape(-1))
    return out[:size], ends


def _swaps(
    table: edit_table.Table, rows: Int32s, payload: bytes, change: Change, appended: bytearray
) -> tuple[Int32s, Words]:
    """Rows in which some attribute changes, and per attribute of them what takes its place."""
    counts = np.empty(len(rows), np.int64)
    total = edit_table.list_pairs(table, rows, None, counts)
    rows, counts = rows[counts >= 0], counts[counts >= 0]
    pairs = np.zeros((total + 1, 2), np.uint64)
    if len(rows):
        edit_table.list_pairs(table, rows, pairs.reshape(-1), counts)
    swaps = _swapped(payload, pairs[:total], change, appended)
    owners = np.repeat(np.arange(len(rows)), counts)
    changed = np.zeros(len(rows), bool)
    changed[owners[swaps != 0]] = True
    return rows[changed], np.append(swaps[changed[owners]], np.uint64(0))


def _swapped(payload: bytes, pairs: Words, change: Change, appended: bytearray) -> Words:
    """uint64 per attribute; see ``edit_table.Table``. Keys are asked about once each, and so are equal attributes."""
    keys, bodies = np.ascontiguousarray(pairs.T)
    swaps = np.zeros(len(pairs), np.uint64)
    codes, texts = _distinct(payload, keys)
    meant = np.array([*(change.is_meant(text.decode(errors="replace")) for text in texts), False])[codes]
    meant &= (bodies & _LENGTH) >= change.least_bytes
    if not meant.any():
        return swaps
    if change.removes:
        swaps[meant] = GONE
        return swaps
    codes, texts = _distinct(payload, np.ascontiguousarray(bodies[meant]))
    words = []
    for text in texts:
        changed = change.pair(text)
        if changed == text:
            words.append(0)
            continue
        words.append(GONE if changed is None else (len(payload) + len(appended)) << 32 | len(changed))
        appended += changed or b""
    swaps[meant] = np.array(words, np.uint64)[codes]
    return swaps


def _distinct(payload: bytes, ranges: Words) -> tuple[Int32s, list[bytes]]:
    """A code per range, and the distinct bytes."""
    codes, _, words = dictionary.encode(payload, ranges, 0, 1, None, len(ranges), False)
    return codes, [payload[word >> 32 : (word >> 32) + (word & 0xFFFF_FFFF)] for word in words]
