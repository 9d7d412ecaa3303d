# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The loop that finds the row of each span of a batch.

A key is not written to be found: the texts of its labels are hashed where they stand (``label_cells``, ``key_hash``)
and compared, where they stand, with the key that has the same hash::

    span → where is the text of each label? → sum of their hashes → slot → row → has its key these texts? → done

A key whose texts are equal byte by byte is the key of the span, since keys hold neither control characters nor long
values. Whatever is not found so, among it values that a key holds in another form, takes the second way: the key is
written (``key_text``), searched once more, and held against the limits.

Cython in pure Python mode: compiled and uncompiled give the same results. Pointers are base plus index, so that
memoryviews take their place uncompiled. Words are loaded little-endian, as the decoder writes them.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, copy_bytes, ints_at, longs_at, words_at
    from cython.cimports.pipeline.model.key_index import KeyIndex
    from cython.cimports.pipeline.model.key_text import put_absent, put_text
    from cython.cimports.pipeline.model.label_cells import LabelCells
else:
    from pipeline.memory import bytes_at, copy_bytes, ints_at, longs_at, words_at
    from pipeline.model.key_index import KeyIndex
    from pipeline.model.key_text import put_absent, put_text
    from pipeline.model.label_cells import LabelCells

from pipeline.model.key_hash import SPARE
from pipeline.model.key_text import OVERFLOW_VALUE

_done = cython.declare(cython.int, 0)
_miss = cython.declare(cython.int, 1)
_slow_cell = cython.declare(cython.int, 2)
_need_resource = cython.declare(cython.int, 3)
_unknown = cython.declare(cython.int, -1)
_refused = cython.declare(cython.int, -2)
_absent = cython.declare(cython.Py_ssize_t, 0xFFFF)
_release_above = cython.declare(cython.Py_ssize_t, 1024)
"""Below this many spans the loop takes less than handing the GIL over and getting it back may cost."""

DONE = _done
"""Every span has its row."""
MISS = _miss
"""No row has the key in ``RowFinder.key()``; ``detail`` is the resource slot."""
SLOW_CELL = _slow_cell
"""The label takes a value that has to be formatted; ``detail`` is the number of the source."""
NEED_RESOURCE = _need_resource
"""``detail`` is a row of the resource table whose number is unknown."""

UNKNOWN_RESOURCE = _unknown
REFUSED_RESOURCE = _refused

OVERFLOW_REASONS = ("series_limit", "resource_series_limit", "resource_limit", "label_value_limit")
"""Why spans were counted in a series other than their own; order of the finder's counters."""


@cython.final
@cython.cclass
class RowFinder:
    """The loop over a batch. It finds; what is not there the caller inserts, and calls again from that span on.

    Args:
        index: Of the table of series.
        values: Of the table of label values; None where they are not limited.
        cells: Finds the texts of labels.
        labels: Number of labels.
        limit: The longest label value.
        per_resource: Whether a key begins with the number of its resource.
    """

    def __init__(
        self, index: KeyIndex, values: object, cells: LabelCells, labels: int, limit: int, per_resource: bool
    ) -> None:
        keys = np.zeros((3, 4 + (labels + 1) * (2 + limit) + SPARE), np.uint8)
        overflow_value = np.frombuffer(OVERFLOW_VALUE, np.uint8)
        self._kept = {"keys": keys, "overflow value": overflow_value}
        self._index = index
        self._values = index if values is None else values
        self._cells = cells
        self._labels = labels
        self._limit = limit
        self._per_resource = per_resource
        self._key, self._other, self._value = bytes_at(keys[0]), bytes_at(keys[1]), bytes_at(keys[2])
        self._overflow_value = bytes_at(overflow_value)
        if not cython.compiled:
            self._first, self._width = [0, 0, 0], [0, 0, 0]
        self._key_length = 0
        self._replaced = False
        self._any_label_full = False
        self._full = False
        self._status = 0
        self._detail = 0

    def bind_rows(self, updated: object, row_resource: object) -> None:
        """Use these arrays, one entry per row."""
        self._kept["rows"] = (updated, row_resource)
        self._updated = longs_at(updated)
        self._row_resource = ints_at(row_resource)
        self._row_count = len(row_resource)

    def bind_limits(
        self,
        resource_updated: object,
        overflow_rows: object,
        resource_full: object,
        label_full: object,
        counters: object,
    ) -> None:
        """Use these arrays; the last entry of the per-resource ones stands for no resource."""
        self._kept["limits"] = (resource_updated, overflow_rows, resource_full, label_full, counters)
        self._resource_updated = longs_at(resource_updated)
        self._overflow_rows = ints_at(overflow_rows)
        self._resource_full = bytes_at(resource_full)
        self._label_full = bytes_at(label_full)
        self._counters = longs_at(counters)
        self._none = len(overflow_rows) - 1

    def set_full(self, series: bool, any_label: bool) -> None:
        """Which limits are reached."""
        self._full = series
        self._any_label_full = any_label

    def begin(self, first: tuple, width: tuple, resources: object) -> None:
        """A new batch: first word and width of its tables, int32 numbers of resources."""
        level: cython.Py_ssize_t
        self._kept["resources"] = resources
        self._resources = ints_at(resources)
        for level in range(3):
            self._first[level] = first[level]
            self._width[level] = width[level]

    def key(self) -> bytes:
        """The key that the last call did not find."""
        return self._kept["keys"][1 if self._replaced else 0][: self._key_length].tobytes()

    def touch(self, rows: cython.const[cython.int][::1], now: cython.longlong) -> int:
        """Stamp rows (int32) with ``now``; negative ones are passed over. Returns the first that is no live row, or
        -1.
        """
        i: cython.Py_ssize_t
        row: cython.Py_ssize_t
        n: cython.Py_ssize_t = len(rows)
        for i in range(n):
            row = rows[i]
            if row >= 0:
                if row >= self._row_count or self._index.lengths[row] == 0:
                    return row
                self._updated[row] = now
                self._resource_updated[self._row_resource[row]] = now
        return -1

    def find(
        self,
        payload: cython.const[cython.uchar][::1],
        words: cython.const[cython.ulonglong][::1],
        rows: object,
        out: cython.int[::1],
        start: cython.Py_ssize_t,
        now: cython.longlong,
    ) -> tuple[int, int, int]:
        """Fill ``out`` from span ``start`` on; returns where it stopped, the status and its detail.

        ``rows`` are the item rows of the batch, None for all. Releases the GIL where there are many. Rows that are
        found are stamped with ``now``.
        """
        at: cython.Py_ssize_t
        n: cython.Py_ssize_t = len(out)
        self._chosen = rows is not None
        if rows is not None:
            self._rows = ints_at(rows)
        if cython.compiled:
            self._look_at(cython.address(payload[0]), len(payload), cython.address(words[0]), now)
            self._out = cython.address(out[0])
            if n - start < _release_above:
                at = self._scan(start, n)
            else:
                with cython.nogil:
                    at = self._scan(start, n)
        else:
            self._look_at(payload, len(payload), memoryview(words), now)
            self._out = memoryview(out)
            at = self._scan(start, n)
        return at, self._status, self._detail

    def look_at(self, payload: bytes, words: object, now: cython.longlong) -> None:
        """Have ``row_at`` look at the spans of the batch that ``begin`` was called for."""
        self._kept["batch"] = (payload, words)
        b: cython.p_uchar = (
            cython.cast(cython.p_uchar, cython.cast(cython.p_char, payload)) if cython.compiled else payload
        )
        self._look_at(b, len(payload), words_at(words), now)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _look_at(
        self,
        payload: cython.pointer[cython.const[cython.uchar]],
        size: cython.Py_ssize_t,
        words: cython.pointer[cython.const[cython.ulonglong]],
        now: cython.longlong,
    ) -> cython.void:
        self._words = cython.cast(cython.p_ulonglong, words) if cython.compiled else words
        self._cells.begin(cython.cast(cython.p_uchar, payload) if cython.compiled else payload, size, self._words)
        self._now = now
        self._entered = -1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _scan(self, at: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Find rows from span ``at`` on; returns where it stopped."""
        item: cython.Py_ssize_t
        row: cython.Py_ssize_t
        while at < n:
            item = self._rows[at] if self._chosen else at
            if at + 4 < n:
                self.expect(self._rows[at + 4] if self._chosen else at + 4)
            row = self.row_at(item)
            if row < 0:
                return at
            self._out[at] = row
            at += 1
        self._status = _done
        return at

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def expect(self, item: cython.Py_ssize_t) -> cython.void:
        """Have the texts of a span at hand that will be asked for a few spans later."""
        self._cells.fetch(self._first[2] + item * self._width[2])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def row_at(self, item: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Row of one span, which counts as updated; where it is below 0, ``status`` says what is missing, and
        ``SeriesTable.rows_of`` has to be asked.
        """
        item_at: cython.Py_ssize_t = self._first[2] + item * self._width[2]
        scope: cython.Py_ssize_t = self._words[item_at]
        row: cython.Py_ssize_t
        if scope != self._entered:
            self._resource = self._enter(scope)
            if self._status != _done:
                return -1
            self._entered = scope
            self._bare_row = -1
        if self._resource == _refused:
            row = self._overflow_rows[self._none]
            self._counters[2] += row >= 0
        elif not self._cells.locate(item, item_at):
            self._status = _slow_cell
            self._detail = self._cells.source
            return -1
        else:
            row = self._bare_row if self._cells.bare else -1
            if row < 0:
                row = self._match() if self._cells.plain else -1
                if self._cells.bare:
                    self._bare_row = row
            if row < 0:
                row = self._search(self._resource)
        if row < 0:
            self._status = _miss
            self._detail = self._none if self._resource == _refused else self._resource
            return -1
        self._updated[row] = self._now
        return row

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter(self, scope: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Turn to the spans of a scope. Returns the number of their resource, which counts as updated; ``status`` says
        what is missing.
        """
        scope_at: cython.Py_ssize_t = self._first[1] + scope * self._width[1]
        parent: cython.Py_ssize_t = self._words[scope_at]
        resource: cython.Py_ssize_t = self._resources[parent] if self._per_resource else self._none
        number: cython.ulonglong = 0xFFFFFFFF
        self._status = _done
        if resource == _unknown:
            self._status = _need_resource
            self._detail = parent
        elif resource == _refused:
            self._resource_updated[self._none] = self._now
        else:
            self._resource_updated[resource] = self._now
            if resource != self._none:
                number = resource
            if not self._cells.enter(number, parent, self._first[0] + parent * self._width[0], scope, scope_at):
                self._status = _slow_cell
                self._detail = self._cells.source
        return resource

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _match(self) -> cython.Py_ssize_t:
        """The row whose key the texts make as they stand, -1 where there is none."""
        slots: cython.p_ulonglong = self._index.slots
        mask: cython.ulonglong = self._index.mask
        tag: cython.ulonglong = self._cells.tag
        at: cython.ulonglong = tag & mask
        slot: cython.ulonglong = slots[at]
        low: cython.ulonglong = 0xFFFFFFFF
        row: cython.Py_ssize_t
        while slot:
            if slot >> 32 == tag:
                row = (slot & low) - 1
                if self._cells.make(self._index.arena, self._index.offsets[row]):
                    return row
            at = (at + 1) & mask
            slot = slots[at]
        return -1

    # -- what is not known as it stands --------------------------------------------------------------

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, resource: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Write the key. Returns its row, or that of what stands for it at a limit; -1 where there is none yet."""
        row: cython.Py_ssize_t
        self._key_length = self._cells.write(self._key)
        row = self._index.row_of(self._key, self._key_length)
        if row >= 0:
            return row
        self._replaced = False
        if self._any_label_full:
            self._replace_values()
            if self._replaced:
                row = self._index.row_of(self._other, self._key_length)
                if row >= 0:
                    self._counters[3] += 1
                    return row
        if self._full or self._resource_full[resource]:
            row = self._overflow_rows[resource]
            self._counters[0 if self._full else 1] += row >= 0
        return row

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _replace_values(self) -> cython.void:
        """Write the key once more, with unknown values of full labels replaced."""
        p: cython.Py_ssize_t = 4
        d: cython.Py_ssize_t = 4
        n: cython.Py_ssize_t
        label: cython.Py_ssize_t
        copy_bytes(self._other, 0, self._key, 0, 4)
        for label in range(self._labels + 1):
            n = self._key[p] | (cython.cast(cython.Py_ssize_t, self._key[p + 1]) << 8)
            if n == _absent:
                d = put_absent(self._other, d)
                p += 2
                continue
            if self._label_full[label] and not self._knows_value(label, p, n + 2):
                d = put_text(self._other, d, self._overflow_value, 0, 24, self._limit)
                self._replaced = True
            else:
                copy_bytes(self._other, d, self._key, p, n + 2)
                d += n + 2
            p += n + 2
        if self._replaced:
            self._key_length = d

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _knows_value(self, label: cython.Py_ssize_t, p: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.bint:
        """Whether the table of label values has ``key[p:p+n]``, length and value, for the label."""
        i: cython.Py_ssize_t
        for i in range(4):
            self._value[i] = (label >> (8 * i)) & 0xFF
        copy_bytes(self._value, 4, self._key, p, n)
        return self._values.row_of(self._value, n + 4) >= 0
