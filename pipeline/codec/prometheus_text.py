# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Series in columns → lines of the Prometheus text format 0.0.4 and of OpenMetrics 1.0.

``Frame`` writes the rows of one metric into a buffer that the caller owns, with the GIL released, and stops before a
row that might not fit, so a page of any size needs one small buffer. The labels come from ``codec/series_labels.py``.

    line   name{ | text of the resource: job="…", | label: span_name=" value ", | … le="0.5"} 12 # {trace_id="…"} 0.3

Numbers come in as the bits of float64 (``codec/number_text.py`` writes them).

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.codec.number_text import write_number, write_seconds
    from cython.cimports.pipeline.codec.series_labels import Series, put_copy
    from cython.cimports.pipeline.memory import bytes_at, ints_at, longs_at, words_at
else:
    from pipeline.codec.number_text import write_number, write_seconds
    from pipeline.codec.series_labels import Series, put_copy
    from pipeline.memory import bytes_at, ints_at, longs_at, words_at

from pipeline.codec.series_labels import filled

NUMBER_BYTES = cython.declare(cython.int, 32)  # "-2.2250738585072014e-308" and a separator
EXEMPLAR_BYTES = cython.declare(cython.int, 160)  # two ids in hex, their label names, a value and a timestamp


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
        self._keep = keep = [filled(array) for array in (point, bucket, values, times, ids.reshape(-1), words)]
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
        p = put_copy(out, p, self.words, 0, 4)
        if any_byte(self.ids, start, 16):
            p = put_copy(out, p, self.words, 4, 10)
            p = write_hex(out, p, self.ids, start, 16)
            out[p] = 34
            out[p + 1] = 44
            p += 2
        if any_byte(self.ids, start + 16, 8):
            p = put_copy(out, p, self.words, 14, 9)
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
class Frame:
    """The lines of a family: their text besides labels and values, and how they are written.

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

    def numbers(self, series, out, first, last, values, zero_after, exemplars):
        """Write the lines of rows ``first`` to ``last`` of a counter or gauge.

        Args:
            series: The ``Series`` of the metric.
            out: uint8[]; must have room for one row (``room``).
            values: uint64[rows]; bits of float64.
            zero_after: Series that began after this time (``start_unix_nano``) are written as 0.
            exemplars: ``Samples`` whose cursor stands at ``first``, or None.
        Returns:
            The first row that is not written, and the bytes used.
        """
        buffer: cython.p_uchar = bytes_at(out)
        bits: cython.p_ulonglong = words_at(values)
        sets: Series = series
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
            while row < stop and p + 2 * (self.longest + sets.bound(row)) + EXEMPLAR_BYTES <= room:
                p = put_copy(buffer, p, self.texts, self.value_at, self.value_size)
                labels = p
                p = sets.write_labels(buffer, p, row, True)
                size = p - labels
                p = close_labels(buffer, p)
                if sets.start[row] > threshold:
                    p = self.write_value(buffer, p, 0)
                else:
                    p = self.write_value(buffer, p, bits[row])
                    if has_samples:
                        p = samples.write(buffer, p, row, -1)
                buffer[p] = 10
                p += 1
                if self.created_size and sets.start[row] > 0:
                    p = self.write_created(sets, buffer, p, row, labels, size)
                row += 1
        return row, p

    def histograms(self, series, out, first, last, counts, sums, zero_after, exemplars):
        """Write the lines of rows ``first`` to ``last`` of a histogram; arguments as for ``numbers``.

        Args:
            counts: uint64[last - first, buckets]; bits of the cumulated counts; the last bucket is that of +Inf.
            sums: uint64[last - first]; bits.
        """
        buffer: cython.p_uchar = bytes_at(out)
        bits: cython.p_ulonglong = words_at(counts.reshape(-1))
        sum_bits: cython.p_ulonglong = words_at(sums)
        sets: Series = series
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
                if p + (self.buckets + 3) * (self.longest + sets.bound(row) + EXEMPLAR_BYTES) > room:
                    break
                is_new = sets.start[row] > threshold
                at = (row - begin) * self.buckets
                p = put_copy(buffer, p, self.texts, self.value_at, self.value_size)
                labels = p
                p = sets.write_labels(buffer, p, row, True)
                size = p - labels
                for bucket in range(self.buckets):
                    if bucket:
                        p = put_copy(buffer, p, self.texts, self.value_at, self.value_size)
                        p = put_copy(buffer, p, buffer, labels, size)
                    p = put_copy(
                        buffer, p, self.texts, self.bounds[bucket], self.bounds[bucket + 1] - self.bounds[bucket]
                    )
                    p = self.write_value(buffer, p, 0 if is_new else bits[at + bucket])
                    if has_samples and not is_new:
                        p = samples.write(buffer, p, row, bucket)
                    buffer[p] = 10
                    p += 1
                p = put_copy(buffer, p, self.texts, self.sum_at, self.sum_size)
                p = close_labels(buffer, put_copy(buffer, p, buffer, labels, size))
                p = self.write_value(buffer, p, 0 if is_new else sum_bits[row - begin])
                buffer[p] = 10
                p = put_copy(buffer, p + 1, self.texts, self.count_at, self.count_size)
                p = close_labels(buffer, put_copy(buffer, p, buffer, labels, size))
                p = self.write_value(buffer, p, 0 if is_new else bits[at + self.buckets - 1])
                buffer[p] = 10
                p += 1
                if self.created_size and sets.start[row] > 0:
                    p = self.write_created(sets, buffer, p, row, labels, size)
                row += 1
        return row, p

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def write_value(self, out: cython.p_uchar, p: cython.Py_ssize_t, bits: cython.ulonglong) -> cython.Py_ssize_t:
        """A value and what stands behind each."""
        return put_copy(out, write_number(out, p, bits), self.texts, self.tail_at, self.tail_size)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def write_created(
        self,
        series: Series,
        out: cython.p_uchar,
        p: cython.Py_ssize_t,
        row: cython.Py_ssize_t,
        labels: cython.Py_ssize_t,
        size: cython.Py_ssize_t,
    ) -> cython.Py_ssize_t:
        """The line that says when the series began (OpenMetrics ``_created``), its labels copied from ``labels``."""
        p = put_copy(out, p, self.texts, self.created_at, self.created_size)
        if size:
            p = put_copy(out, p, out, labels, size - 1)
            out[p] = 44
            p += 1
        p = close_labels(out, p)
        p = write_seconds(out, p, series.start[row])
        p = put_copy(out, p, self.texts, self.tail_at, self.tail_size)
        out[p] = 10
        return p + 1
