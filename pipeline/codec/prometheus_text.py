# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Series in columns → lines of the Prometheus text format 0.0.4 and of OpenMetrics 1.0.

``Series`` holds the label sets of one metric: the keys of a ``SeriesView`` and the texts around them, which
``codec/prometheus_families.py`` prepares once per metric. Its methods write rows into a buffer that the caller owns,
with the GIL released, and stop before a row that might not fit, so a page of any size needs one small buffer. Label
values are escaped straight from the key arena; bytes that are not UTF-8 become U+FFFD, because one of them makes
Prometheus refuse the whole page.

    key    resource u32 | length u16 | value … | 0xFFFF (absent) | length u16 | value … |         columns in order
    line   name{ | text of the resource: job="…", | label: span_name=" value ", | … le="0.5"} 12 # {trace_id="…"} 0.3

Numbers come in as the bits of float64 (``codec/number_text.py`` writes them).

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.codec.number_text import write_number, write_seconds
    from cython.cimports.pipeline.codec.utf8 import sequence_size
    from cython.cimports.pipeline.memory import bytes_at, hash_bytes, ints_at, longs_at, uints_at, words_at
    from cython.cimports.pipeline.wire_format import put_varint
else:
    from pipeline.codec.number_text import write_number, write_seconds
    from pipeline.codec.utf8 import sequence_size
    from pipeline.memory import bytes_at, hash_bytes, ints_at, longs_at, uints_at, words_at
    from pipeline.wire_format import put_varint

KEY_HEADER = cython.declare(cython.int, 4)

NUMBER_BYTES = cython.declare(cython.int, 32)  # "-2.2250738585072014e-308" and a separator
EXEMPLAR_BYTES = cython.declare(cython.int, 160)  # two ids in hex, their label names, a value and a timestamp


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def copy(
    out: cython.p_uchar, p: cython.Py_ssize_t, b: cython.p_uchar, at: cython.Py_ssize_t, n: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """Copy ``b[at:at+n]``; returns the position behind the copy."""
    i: cython.Py_ssize_t
    for i in range(n):
        out[p + i] = b[at + i]
    return p + n


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def write_hex(
    out: cython.p_uchar, p: cython.Py_ssize_t, b: cython.p_uchar, at: cython.Py_ssize_t, n: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """``b[at:at+n]`` in lower-case hexadecimal."""
    i: cython.Py_ssize_t
    high: cython.uchar
    low: cython.uchar
    for i in range(n):
        high = b[at + i] >> 4
        low = b[at + i] & 15
        out[p] = high + (48 if high < 10 else 87)
        out[p + 1] = low + (48 if low < 10 else 87)
        p += 2
    return p


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def any_byte(b: cython.p_uchar, at: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.bint:
    """Whether one of ``b[at:at+n]`` is not zero."""
    i: cython.Py_ssize_t = 0
    while i < n and b[at + i] == 0:
        i += 1
    return i < n


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
                p = copy(out, p, b, at, size)
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


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def close_labels(out: cython.p_uchar, p: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """End a label set written with a comma behind each label: ``{a="b",`` → ``{a="b"} ``; a ``{`` alone vanishes."""
    if out[p - 1] == 44:
        out[p - 1] = 125
        out[p] = 32
        return p + 1
    out[p - 1] = 32
    return p


def _filled(array):
    """The array, contiguous and with at least one element, so that it has an address."""
    return np.ascontiguousarray(array) if len(array) else np.zeros(1, dtype=array.dtype)


@cython.final
@cython.cclass
class Frame:
    """The text of a family's lines besides labels and values.

    Args:
        value, total, count, created: What stands before the labels: ``name{``, or ``{"name",`` where the name needs
            quotes.
            An empty ``created`` leaves those lines out.
        bounds: For each bucket of a histogram ``le="…"} ``.
        tail: What stands behind each value: a space and a timestamp, or nothing.
    """

    _keep: object
    texts: cython.p_uchar
    bounds: cython.p_longlong
    buckets: cython.Py_ssize_t
    value_at: cython.Py_ssize_t
    value_size: cython.Py_ssize_t
    sum_at: cython.Py_ssize_t
    sum_size: cython.Py_ssize_t
    count_at: cython.Py_ssize_t
    count_size: cython.Py_ssize_t
    created_at: cython.Py_ssize_t
    created_size: cython.Py_ssize_t
    tail_at: cython.Py_ssize_t
    tail_size: cython.Py_ssize_t
    longest: cython.Py_ssize_t

    def __init__(self, value, total=b"", count=b"", created=b"", bounds=(), tail=b""):
        parts = (value, total, count, created, tail, *bounds)
        ends = np.cumsum([0, *map(len, parts)])
        texts = np.frombuffer(b"".join(parts), dtype=np.uint8)
        marks = np.ascontiguousarray(ends[5:], dtype=np.int64)
        self._keep = (texts, marks)
        self.buckets = len(bounds)
        self.value_at, self.value_size = ends[0], len(value)
        self.sum_at, self.sum_size = ends[1], len(total)
        self.count_at, self.count_size = ends[2], len(count)
        self.created_at, self.created_size = ends[3], len(created)
        self.tail_at, self.tail_size = ends[4], len(tail)
        # Upper limit of a line besides labels and exemplar.
        self.longest = max(map(len, parts[:4])) + max(map(len, bounds), default=0) + len(tail) + NUMBER_BYTES
        self.texts = bytes_at(texts)
        self.bounds = longs_at(marks)

    def room(self, series):
        """Bytes that one row of ``series`` may need."""
        return (self.buckets + 3) * (self.longest + series.room() + EXEMPLAR_BYTES)


@cython.final
@cython.cclass
class Samples:
    """The exemplars of a metric, read in the order of its lines.

    Args:
        point, bucket: int32[k], ascending together. The first exemplar of a line counts.
        values: uint64[k]; bits.
        times: int64[k], nanoseconds.
        ids: uint8[k, 24]; trace id and span id. Ids of zeros are left out.
    """

    _keep: object
    point: cython.p_int
    bucket: cython.p_int
    values: cython.p_ulonglong
    times: cython.p_longlong
    ids: cython.p_uchar
    words: cython.p_uchar
    count: cython.Py_ssize_t
    at: cython.Py_ssize_t

    def __init__(self, point, bucket, values, times, ids):
        self.count = len(point)
        self.at = 0
        words = np.frombuffer(b' # {trace_id="span_id="', dtype=np.uint8)
        self._keep = keep = [_filled(array) for array in (point, bucket, values, times, ids.reshape(-1), words)]
        self.point = ints_at(keep[0])
        self.bucket = ints_at(keep[1])
        self.values = words_at(keep[2])
        self.times = longs_at(keep[3])
        self.ids = bytes_at(keep[4])
        self.words = bytes_at(keep[5])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def write(
        self,
        out: cython.p_uchar,
        p: cython.Py_ssize_t,
        row: cython.Py_ssize_t,
        bucket: cython.Py_ssize_t,
    ) -> cython.Py_ssize_t:
        """The exemplar of this line, if there is one; at most EXEMPLAR_BYTES. Lines must be asked for in order."""
        start: cython.Py_ssize_t
        while self.at < self.count and (
            self.point[self.at] < row or (self.point[self.at] == row and self.bucket[self.at] < bucket)
        ):
            self.at += 1
        if self.at == self.count or self.point[self.at] != row or self.bucket[self.at] != bucket:
            return p
        start = 24 * self.at
        p = copy(out, p, self.words, 0, 4)
        if any_byte(self.ids, start, 16):
            p = copy(out, p, self.words, 4, 10)
            p = write_hex(out, p, self.ids, start, 16)
            out[p] = 34
            out[p + 1] = 44
            p += 2
        if any_byte(self.ids, start + 16, 8):
            p = copy(out, p, self.words, 14, 9)
            p = write_hex(out, p, self.ids, start + 16, 8)
            out[p] = 34
            out[p + 1] = 44
            p += 2
        if out[p - 1] == 44:
            p -= 1
        out[p] = 125
        out[p + 1] = 32
        p += 2
        p = write_number(out, p, self.values[self.at])
        if self.times[self.at] > 0:
            out[p] = 32
            p = write_seconds(out, p + 1, self.times[self.at])
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

    _keep: object
    arena: cython.p_uchar
    offsets: cython.p_ulonglong
    lengths: cython.p_uint
    resource: cython.p_int
    start: cython.p_longlong
    texts: cython.p_uchar
    resource_at: cython.p_longlong
    label_at: cython.p_longlong
    source_at: cython.p_int
    sources: cython.p_int
    other_at: cython.p_longlong
    wins: cython.p_uchar
    places: cython.p_longlong
    rows: cython.Py_ssize_t
    columns: cython.Py_ssize_t
    labels: cython.Py_ssize_t
    has_others: cython.bint
    fixed: cython.Py_ssize_t
    binary: cython.bint

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
        self._keep = keep = [_filled(array) for array in (*view_arrays, *prepared)]
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
            p = copy(out, p, self.texts, at, self.resource_at[resource + 1] - at)
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
            end = copy(out, begin, self.texts, self.other_at[other], self.other_at[other + 1] - self.other_at[other])
        if end == begin:
            return p
        size = end - begin
        if not self.binary:
            copy(out, p, self.texts, name, name_size)
            out[end] = 34
            out[end + 1] = 44
            return end + 2
        out[p] = 0x0A
        p = put_varint(out, p + 1, name_size + size + (1 if size < 0x80 else 2 if size < 0x4000 else 3))
        p = copy(out, p, self.texts, name, name_size)
        p = put_varint(out, p, size)
        return copy(out, p, out, begin, size)

    @cython.cfunc
    @cython.inline
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

    def numbers(self, out, first, last, values, frame, zero_after, exemplars):
        """Write the lines of rows ``first`` to ``last`` of a counter or gauge.

        Args:
            out: uint8[]; must have room for one row (``room`` and the texts of ``frame``).
            values: uint64[rows]; bits of float64.
            frame: The ``Frame`` around labels and values.
            zero_after: Series that began after this time (``start_unix_nano``) are written as 0.
            exemplars: ``Samples`` whose cursor stands at ``first``, or None.
        Returns:
            The first row that is not written, and the bytes used.
        """
        buffer: cython.p_uchar = bytes_at(out)
        bits: cython.p_ulonglong = words_at(values)
        line: Frame = frame
        samples: Samples = exemplars
        has_samples: cython.bint = exemplars is not None
        room: cython.Py_ssize_t = len(out)
        row: cython.Py_ssize_t = first
        stop: cython.Py_ssize_t = last
        threshold: cython.longlong = zero_after
        p: cython.Py_ssize_t = 0
        labels: cython.Py_ssize_t
        size: cython.Py_ssize_t
        with cython.nogil:
            while row < stop and p + 2 * (line.longest + self.bound(row)) + EXEMPLAR_BYTES <= room:
                p = copy(buffer, p, line.texts, line.value_at, line.value_size)
                labels = p
                p = self.write_labels(buffer, p, row, True)
                size = p - labels
                p = close_labels(buffer, p)
                if self.start[row] > threshold:
                    p = write_number(buffer, p, 0)
                    p = copy(buffer, p, line.texts, line.tail_at, line.tail_size)
                else:
                    p = write_number(buffer, p, bits[row])
                    p = copy(buffer, p, line.texts, line.tail_at, line.tail_size)
                    if has_samples:
                        p = samples.write(buffer, p, row, -1)
                buffer[p] = 10
                p += 1
                if line.created_size and self.start[row] > 0:
                    p = self.write_created(line, buffer, p, row, labels, size)
                row += 1
        return row, p

    def histograms(self, out, first, last, counts, sums, frame, zero_after, exemplars):
        """Write the lines of rows ``first`` to ``last`` of a histogram; arguments as for ``numbers``.

        Args:
            counts: uint64[last - first, buckets]; bits of the cumulated counts; the last bucket is that of +Inf.
            sums: uint64[last - first]; bits.
        """
        buffer: cython.p_uchar = bytes_at(out)
        bits: cython.p_ulonglong = words_at(counts.reshape(-1))
        sum_bits: cython.p_ulonglong = words_at(sums)
        line: Frame = frame
        samples: Samples = exemplars
        has_samples: cython.bint = exemplars is not None
        room: cython.Py_ssize_t = len(out)
        begin: cython.Py_ssize_t = first
        row: cython.Py_ssize_t = first
        stop: cython.Py_ssize_t = last
        threshold: cython.longlong = zero_after
        p: cython.Py_ssize_t = 0
        labels: cython.Py_ssize_t
        size: cython.Py_ssize_t
        bucket: cython.Py_ssize_t
        at: cython.Py_ssize_t
        is_new: cython.bint
        with cython.nogil:
            while row < stop:
                if p + (line.buckets + 3) * (line.longest + self.bound(row) + EXEMPLAR_BYTES) > room:
                    break
                is_new = self.start[row] > threshold
                at = (row - begin) * line.buckets
                p = copy(buffer, p, line.texts, line.value_at, line.value_size)
                labels = p
                p = self.write_labels(buffer, p, row, True)
                size = p - labels
                for bucket in range(line.buckets):
                    if bucket:
                        p = copy(buffer, p, line.texts, line.value_at, line.value_size)
                        p = copy(buffer, p, buffer, labels, size)
                    p = copy(buffer, p, line.texts, line.bounds[bucket], line.bounds[bucket + 1] - line.bounds[bucket])
                    p = write_number(buffer, p, 0 if is_new else bits[at + bucket])
                    p = copy(buffer, p, line.texts, line.tail_at, line.tail_size)
                    if has_samples and not is_new:
                        p = samples.write(buffer, p, row, bucket)
                    buffer[p] = 10
                    p += 1
                p = copy(buffer, p, line.texts, line.sum_at, line.sum_size)
                p = close_labels(buffer, copy(buffer, p, buffer, labels, size))
                p = write_number(buffer, p, 0 if is_new else sum_bits[row - begin])
                p = copy(buffer, p, line.texts, line.tail_at, line.tail_size)
                buffer[p] = 10
                p = copy(buffer, p + 1, line.texts, line.count_at, line.count_size)
                p = close_labels(buffer, copy(buffer, p, buffer, labels, size))
                p = write_number(buffer, p, 0 if is_new else bits[at + line.buckets - 1])
                p = copy(buffer, p, line.texts, line.tail_at, line.tail_size)
                buffer[p] = 10
                p += 1
                if line.created_size and self.start[row] > 0:
                    p = self.write_created(line, buffer, p, row, labels, size)
                row += 1
        return row, p

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def write_created(
        self,
        line: Frame,
        out: cython.p_uchar,
        p: cython.Py_ssize_t,
        row: cython.Py_ssize_t,
        labels: cython.Py_ssize_t,
        size: cython.Py_ssize_t,
    ) -> cython.Py_ssize_t:
        """The line that says when the series began (OpenMetrics ``_created``), its labels copied from ``labels``."""
        p = copy(out, p, line.texts, line.created_at, line.created_size)
        if size:
            p = copy(out, p, out, labels, size - 1)
            out[p] = 44
            p += 1
        p = close_labels(out, p)
        p = write_seconds(out, p, self.start[row])
        p = copy(out, p, line.texts, line.tail_at, line.tail_size)
        out[p] = 10
        return p + 1
