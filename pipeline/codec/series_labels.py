# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Keys of series → label sets as pages and remote write want them, native.

    key    resource u32 | length u16 | value … | 0xFFFF (absent) | length u16 | value … |         columns in order
    set    text of the resource: job="…", | label: span_name=" value ", | …

``Series`` holds the label sets of one metric: the keys of a ``SeriesView`` and the texts around them, which
``codec/prometheus_families.py`` prepares once per metric. Label values are escaped straight from the key arena; bytes
that are not UTF-8 become U+FFFD, because one of them makes Prometheus refuse the whole page.

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.codec.utf8 import sequence_size
    from cython.cimports.pipeline.memory import bytes_at, hash_bytes, ints_at, longs_at, uints_at, words_at
    from cython.cimports.pipeline.wire_format import put_varint
else:
    from pipeline.codec.utf8 import sequence_size
    from pipeline.memory import bytes_at, hash_bytes, ints_at, longs_at, uints_at, words_at
    from pipeline.wire_format import put_varint

KEY_HEADER = cython.declare(cython.int, 4)

if not cython.compiled:

    def put_copy(out, p, b, at, n):
        """Copy ``b[at:at+n]``; returns the position behind the copy."""
        out[p : p + n] = bytes(b[at : at + n])
        return p + n


def filled(array):
    """The array, contiguous and with at least one element, so that it has an address."""
    return np.ascontiguousarray(array) if len(array) else np.zeros(1, dtype=array.dtype)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def write_value(
    out: cython.p_uchar,
    p: cython.Py_ssize_t,
    b: cython.p_uchar,
    at: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
    escaped: cython.bint,
) -> cython.Py_ssize_t:
    """A label value; at most 3 * n bytes. ``escaped``: with backslashes, as both text formats want it."""
    end: cython.Py_ssize_t = at + n
    c: cython.uchar
    size: cython.int
    while at < end:
        c = b[at]
        if c >= 0x80:
            size = sequence_size(b, at, end)
            if size == 0:
                out[p] = 0xEF
                out[p + 1] = 0xBF
                out[p + 2] = 0xBD
                p += 3
                at += 1
            else:
                p = put_copy(out, p, b, at, size)
                at += size
            continue
        if escaped and (c == 34 or c == 92 or c == 10):
            out[p] = 92
            p += 1
            if c == 10:
                c = 110
        out[p] = c
        p += 1
        at += 1
    return p


@cython.final
@cython.cclass
class Series:
    """The label sets of one metric's series and how they are written.

    Args:
        view: The ``SeriesView``.
        columns: Labels in a key.
        texts: All prepared text, escaped. The arrays ``…_at`` hold where pieces of it begin, and then where the last
            ends.
        resource_at: int64[resources + 2]; what stands before the point's own labels. Entry 0: series without a
            resource.
        label_at: int64[labels + 1]; ``name="`` of each label that is written.
        source_at, sources: int32[labels + 1], int32[]; the columns whose values, joined by ";", make up a label.
        other_at: int64[(resources + 1) * labels + 1] or empty; a value from the resource for the label.
        wins: uint8[labels]; whether the resource's value goes before the point's.
        binary: Write each label as field 1 of ``io.prometheus.client.Metric``; ``texts`` hold such bytes, values
            unescaped.
    """

    def __init__(self, view, columns, texts, resource_at, label_at, source_at, sources, other_at, wins, binary=False):
        places = np.zeros(2 * columns + 1, dtype=np.int64)
        self.rows = len(view.offsets)
        self.columns = columns
        self.labels = len(label_at) - 1
        self.has_others = len(other_at) > 0
        self.binary = binary
        # Upper limit of a label set besides the point's own values: texts; quotes and commas, or tags and lengths;
        # semicolons.
        self.fixed = int(np.diff(resource_at).max()) + int(np.ptp(label_at)) + 24 * (self.labels + columns)
        if self.has_others:
            self.fixed += int(np.diff(other_at).reshape(-1, self.labels).sum(axis=1).max())
        view_arrays = (view.arena, view.offsets, view.lengths, view.resource, view.start_unix_nano)
        prepared = (texts, resource_at, label_at, source_at, sources, other_at, wins, places)
        self._keep = keep = [filled(array) for array in (*view_arrays, *prepared)]
        self.arena = bytes_at(keep[0])
        self.offsets = words_at(keep[1])
        self.lengths = uints_at(keep[2])
        self.resource = ints_at(keep[3])
        self.start = longs_at(keep[4])
        self.texts = bytes_at(keep[5])
        self.resource_at = longs_at(keep[6])
        self.label_at = longs_at(keep[7])
        self.source_at = ints_at(keep[8])
        self.sources = ints_at(keep[9])
        self.other_at = longs_at(keep[10])
        self.wins = bytes_at(keep[11])
        self.places = longs_at(keep[12])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def bound(self, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """No label set of this row is longer."""
        return self.fixed + 3 * cython.cast(cython.Py_ssize_t, self.lengths[row])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def write_labels(
        self, out: cython.p_uchar, p: cython.Py_ssize_t, row: cython.Py_ssize_t, constant: cython.bint
    ) -> cython.Py_ssize_t:
        """The labels of a series, each with its comma; ``constant``: with the resource's text before them."""
        at: cython.Py_ssize_t = self.offsets[row] + KEY_HEADER
        size: cython.Py_ssize_t
        column: cython.Py_ssize_t
        label: cython.Py_ssize_t
        other: cython.Py_ssize_t
        resource: cython.Py_ssize_t = self.resource[row] + 1
        for column in range(self.columns):
            size = self.arena[at] | (self.arena[at + 1] << 8)
            at += 2
            if size == 0xFFFF:
                size = 0
            self.places[2 * column] = at
            self.places[2 * column + 1] = size
            at += size
        if constant:
            at = self.resource_at[resource]
            p = put_copy(out, p, self.texts, at, self.resource_at[resource + 1] - at)
        for label in range(self.labels):
            other = resource * self.labels + label if self.has_others else -1
            if other >= 0 and self.other_at[other + 1] == self.other_at[other]:
                other = -1
            p = self.write_label(out, p, label, other)
        return p

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def write_label(
        self, out: cython.p_uchar, p: cython.Py_ssize_t, label: cython.Py_ssize_t, other: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """One label, or nothing where its value is empty. ``other``: entry of the resource's value, or -1."""
        name: cython.Py_ssize_t = self.label_at[label]
        name_size: cython.Py_ssize_t = self.label_at[label + 1] - name
        begin: cython.Py_ssize_t = p + name_size
        end: cython.Py_ssize_t
        size: cython.Py_ssize_t
        if self.binary:
            begin += 11
        end = begin
        if other < 0 or not self.wins[label]:
            end = self.write_sources(out, begin, label)
        if end == begin and other >= 0:
            end = put_copy(
                out, begin, self.texts, self.other_at[other], self.other_at[other + 1] - self.other_at[other]
            )
        if end == begin:
            return p
        size = end - begin
        if not self.binary:
            put_copy(out, p, self.texts, name, name_size)
            out[end] = 34
            out[end + 1] = 44
            return end + 2
        out[p] = 0x0A
        p = put_varint(out, p + 1, name_size + size + (1 if size < 0x80 else 2 if size < 0x4000 else 3))
        p = put_copy(out, p, self.texts, name, name_size)
        p = put_varint(out, p, size)
        return put_copy(out, p, out, begin, size)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def write_sources(self, out: cython.p_uchar, p: cython.Py_ssize_t, label: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The values of the columns of a label that are not empty, joined by ";"."""
        begin: cython.Py_ssize_t = p
        i: cython.Py_ssize_t
        column: cython.Py_ssize_t
        for i in range(self.source_at[label], self.source_at[label + 1]):
            column = self.sources[i]
            if self.places[2 * column + 1]:
                if p > begin:
                    out[p] = 59
                    p += 1
                p = write_value(
                    out, p, self.arena, self.places[2 * column], self.places[2 * column + 1], not self.binary
                )
        return p

    def room(self):
        """No label set of any row is longer."""
        return self.fixed + 3 * int(self._keep[2].max())

    def label_sets(self, out, first, last, constant=True):
        """Write the label sets of rows ``first`` to ``last`` one after another.

        Returns:
            The first row that is not written, and int64[] of the ends of the written ones.
        """
        ends = np.zeros(last - first + 1, dtype=np.int64)
        buffer: cython.p_uchar = bytes_at(out)
        marks: cython.p_longlong
        room: cython.Py_ssize_t = len(out)
        begin: cython.Py_ssize_t = first
        row: cython.Py_ssize_t = first
        stop: cython.Py_ssize_t = last
        whole: cython.bint = constant
        p: cython.Py_ssize_t = 0
        if cython.compiled:
            longs: cython.longlong[::1] = ends
            marks = cython.address(longs[0])
        else:
            marks = memoryview(ends)
        with cython.nogil:
            while row < stop and p + self.bound(row) <= room:
                p = self.write_labels(buffer, p, row, whole)
                marks[row - begin] = p
                row += 1
        return row, ends[: row - first]

    def fingerprints(self, groups, out):
        """uint64[rows]: equal for series that would be written alike, and hardly ever otherwise.

        Args:
            groups: uint64[resources + 1]; equal for resources whose own text is the same. Entry 0: without a resource.
            out: uint8[]; room for one label set.
        """
        result = np.zeros(max(self.rows, 1), dtype=np.uint64)
        buffer: cython.p_uchar = bytes_at(out)
        marks: cython.p_ulonglong
        group: cython.p_ulonglong = words_at(groups)
        row: cython.Py_ssize_t
        if cython.compiled:
            ulongs: cython.ulonglong[::1] = result
            marks = cython.address(ulongs[0])
        else:
            marks = memoryview(result)
        with cython.nogil:
            for row in range(self.rows):
                marks[row] = hash_bytes(
                    buffer, 0, self.write_labels(buffer, 0, row, False), group[self.resource[row] + 1]
                )
        return result[: self.rows]
