# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Label sets and values → ``TimeSeries`` messages of remote write, 1.0 and 2.0.

The label sets come from ``series_labels.Series.label_sets``: fields ``0A len (0A len name 12 len value)``, which are
already what ``prometheus.TimeSeries.labels`` wants, but in two sorted runs (constant labels, own labels). Here each set
is sorted as a whole, and the labels ``__name__`` and ``le`` (or ``quantile``) come in at their places::

    1.0   0A len | labels … 0A len (__name__, name) … 0A len (le, bound) … | 12 len (09 value, 10 timestamp) | more
    2.0   2A len | 0A len (refs into the symbols) | 12 len (09 value, 10 timestamp, 18 start) | more

One row of a metric gives several series (buckets, sum, count), which stay together. ``more`` are fields that Python has
prepared: exemplars, native histograms, metadata. Rows are written into a buffer of fixed size; whoever calls sends what
is there when a row does not fit, and begins anew.

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import (
        bytes_at,
        copy_bytes,
        hash_bytes,
        ints_at,
        longs_at,
        same_bytes,
        store,
        words_at,
    )
    from cython.cimports.pipeline.wire_format import put_varint, read_varint, varint_size
else:
    from pipeline.memory import bytes_at, copy_bytes, hash_bytes, ints_at, longs_at, same_bytes, store, words_at
    from pipeline.wire_format import put_varint, read_varint, varint_size

from pipeline.codec.series_labels import filled

# A varint of a length, thrice; a sample with its start.
SERIES_BYTES = cython.declare(cython.int, 72)
LABEL_WORDS = cython.declare(cython.int, 6)

SYMBOL_BYTES = 32
"""A table of so many bytes has room for one symbol for each of these: real ones are about as long."""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def before(
    a: cython.p_uchar,
    p: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
    b: cython.p_uchar,
    q: cython.Py_ssize_t,
    m: cython.Py_ssize_t,
) -> cython.bint:
    """Whether ``a[p:p+n]`` sorts before ``b[q:q+m]``."""
    i: cython.Py_ssize_t = 0
    while i < n and i < m and a[p + i] == b[q + i]:
        i += 1
    if i == n or i == m:
        return n < m
    return a[p + i] < b[q + i]


def hashes(labels, ends, seed):
    """uint64[rows]: a hash of each label set.

    Args:
        labels: uint8[]; the label sets one after another.
        ends: int64[rows]; where each ends.
        seed: Mixed in.
    """
    count: cython.Py_ssize_t = len(ends)
    result = np.zeros(max(count, 1), dtype=np.uint64)
    source: cython.p_uchar = bytes_at(labels)
    marks: cython.p_longlong = longs_at(ends) if count else longs_at(np.zeros(1, dtype=np.int64))
    start: cython.ulonglong = seed
    row: cython.Py_ssize_t
    begin: cython.Py_ssize_t = 0
    target: cython.p_ulonglong
    if cython.compiled:
        view: cython.ulonglong[::1] = result
        target = cython.address(view[0])
    else:
        target = memoryview(result)
    with cython.nogil:
        for row in range(count):
            target[row] = hash_bytes(source, begin, marks[row] - begin, start)
            begin = marks[row]
    return result[:count]


@cython.final
@cython.cclass
class Symbols:
    """The string table of a 2.0 request: each string once, the empty one first.

    Args:
        room_bytes: For the encoded table.
        seed: Of the hash; random, so that nobody can choose strings that collide.
    """

    _keep: object
    out: cython.p_uchar
    offsets: cython.p_longlong
    lengths: cython.p_int
    slots: cython.p_int
    used: cython.Py_ssize_t
    count: cython.Py_ssize_t
    room: cython.Py_ssize_t
    most: cython.Py_ssize_t
    mask: cython.ulonglong
    seed: cython.ulonglong

    def __init__(self, room_bytes, seed=0):
        most = max(room_bytes // SYMBOL_BYTES, 64)
        slots = 1 << (2 * most - 1).bit_length()
        self._keep = keep = (
            np.empty(room_bytes + 16, dtype=np.uint8),
            np.zeros(most, dtype=np.int64),
            np.zeros(most, dtype=np.int32),
            np.zeros(slots, dtype=np.int32),
        )
        self.out = bytes_at(keep[0])
        self.offsets = longs_at(keep[1])
        self.lengths = ints_at(keep[2])
        self.slots = ints_at(keep[3])
        self.room, self.most, self.mask, self.seed = room_bytes, most, slots - 1, seed
        self.clear()

    def clear(self):
        """Begin a new table."""
        self._keep[3].fill(0)
        self.used = self.count = 0
        self.ref(b"")

    def ref(self, text):
        """The number of a string; -1 where there is no room for it."""
        source = np.frombuffer(text or b"\0", dtype=np.uint8)
        return self.index(bytes_at(source), 0, len(text))

    def encoded(self):
        """The fields ``symbols`` of the request."""
        return self._keep[0][: self.used].tobytes()

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def find(
        self, hint: cython.longlong, b: cython.p_uchar, at: cython.Py_ssize_t, n: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """As ``index``; ``hint``: the number that it may have, because the row before had it there."""
        if 0 <= hint < self.count and self.lengths[hint] == n and same_bytes(self.out, self.offsets[hint], b, at, n):
            return hint
        return self.index(b, at, n)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def index(self, b: cython.p_uchar, at: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The number of ``b[at:at+n]``, new if need be; -1 where there is no room."""
        slot: cython.ulonglong = hash_bytes(b, at, n, self.seed) & self.mask
        found: cython.Py_ssize_t
        while self.slots[slot]:
            found = self.slots[slot] - 1
            if self.lengths[found] == n and same_bytes(self.out, self.offsets[found], b, at, n):
                return found
            slot = (slot + 1) & self.mask
        if self.count == self.most or self.used + n + 6 > self.room:
            return -1
        self.out[self.used] = 0x22
        found = put_varint(self.out, self.used + 1, n)
        copy_bytes(self.out, found, b, at, n)
        self.offsets[self.count] = found
        self.lengths[self.count] = n
        self.used = found + n
        self.count += 1
        self.slots[slot] = self.count
        return self.count - 1


@cython.final
@cython.cclass
class Block:
    """Some rows of a metric, ready to be written.

    Args:
        labels, ends: uint8[], int64[rows]; from ``label_sets``.
        names, name_at: uint8[], int64[k + 1]; the value of ``__name__`` of each series of a row.
        bounds, bound_at: uint8[], int64[k + 1]; the value of ``bound_name``, empty for none.
        bound_name: ``le`` of histograms, ``quantile`` of summaries.
        values: uint64[rows * k], bits; or empty where a series has no samples.
        times, starts: int64[rows], milliseconds; a start of 0 is unknown.
        more, more_at: uint8[], int64[rows * k + 1]; further fields of each series.
        shards: int32[rows]; which shard a row belongs to.
    """

    _keep: object
    labels: cython.p_uchar
    ends: cython.p_longlong
    names: cython.p_uchar
    name_at: cython.p_longlong
    bounds: cython.p_uchar
    bound_at: cython.p_longlong
    bound_name_size: cython.Py_ssize_t
    values: cython.p_ulonglong
    times: cython.p_longlong
    starts: cython.p_longlong
    more: cython.p_uchar
    more_at: cython.p_longlong
    shards: cython.p_int
    scratch: cython.p_longlong
    hints: cython.p_longlong
    words: cython.p_uchar
    rows: cython.Py_ssize_t
    k: cython.Py_ssize_t
    fixed: cython.Py_ssize_t
    has_values: cython.bint

    def __init__(
        self, labels, ends, names, name_at, bounds, bound_at, bound_name, values, times, starts, more, more_at, shards
    ):
        self.rows = len(ends)
        self.k = len(name_at) - 1
        self.has_values = len(values) > 0
        longest = int(np.diff(ends, prepend=0).max())
        scratch = np.zeros(LABEL_WORDS * (longest // 4 + 4), dtype=np.int64)
        hints = np.zeros(2 * (longest // 4 + 4), dtype=np.int64)
        words = np.frombuffer(b"__name__" + bound_name, dtype=np.uint8)
        self.bound_name_size = len(bound_name)
        arrays = (labels, ends, names, name_at, bounds, bound_at, values, times, starts, more, more_at, shards)
        self._keep = keep = [*(filled(array) for array in arrays), scratch, words, hints]
        self.labels = bytes_at(keep[0])
        self.ends = longs_at(keep[1])
        self.names = bytes_at(keep[2])
        self.name_at = longs_at(keep[3])
        self.bounds = bytes_at(keep[4])
        self.bound_at = longs_at(keep[5])
        self.values = words_at(keep[6])
        self.times = longs_at(keep[7])
        self.starts = longs_at(keep[8])
        self.more = bytes_at(keep[9])
        self.more_at = longs_at(keep[10])
        self.shards = ints_at(keep[11])
        self.scratch = longs_at(scratch)
        self.hints = longs_at(hints)
        self.words = bytes_at(words)
        self.fixed = len(names) + len(bounds) + self.k * (SERIES_BYTES + 40 + len(words))

    def write(self, out, used, row, shard, symbols, common):
        """Append the rows of one shard to a request.

        Args:
            out: uint8[]; the request.
            used: Bytes of it that are taken.
            row: Where to begin.
            shard: Rows of others are skipped.
            symbols: The string table for 2.0; None for 1.0.
            common: Fields that every series gets.
        Returns:
            The first row that is not written, the bytes taken now, and how many series were written.
        """
        buffer: cython.p_uchar = bytes_at(out)
        same = np.frombuffer(common or b"\0", dtype=np.uint8)
        shared: cython.p_uchar = bytes_at(same)
        shared_size: cython.Py_ssize_t = len(common)
        p: cython.Py_ssize_t = used
        q: cython.Py_ssize_t
        at: cython.Py_ssize_t = row
        mine: cython.int = shard
        room: cython.Py_ssize_t = len(out)
        table: Symbols = symbols
        is_v2: cython.bint = symbols is not None
        written: cython.Py_ssize_t = 0
        taken: cython.Py_ssize_t = 0
        with cython.nogil:
            while at < self.rows:
                if self.shards[at] == mine:
                    if is_v2:
                        taken = table.used
                    if p + taken + self.bound(at, shared_size) > room:
                        break
                    if is_v2:
                        q = self.write_v2(buffer, p, at, table, shared, shared_size)
                    else:
                        q = self.write_v1(buffer, p, at, shared, shared_size)
                    if q < 0:
                        break
                    p = q
                    written += self.k
                at += 1
        return at, p, written

    def room(self, common):
        """No row needs more."""
        bound: cython.Py_ssize_t = 0
        row: cython.Py_ssize_t
        for row in range(self.rows):
            bound = max(bound, self.bound(row, len(common)))
        return bound

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def bound(self, row: cython.Py_ssize_t, common: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """No row needs more, in any version."""
        size: cython.Py_ssize_t = self.ends[row] - (self.ends[row - 1] if row else 0)
        more: cython.Py_ssize_t = self.more_at[(row + 1) * self.k] - self.more_at[row * self.k]
        return self.k * (2 * size + common) + more + self.fixed

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def sort(self, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Find the labels of a row and put them in order; returns how many there are.

        Six words of scratch for each: begin and end of the field, begin and size of the name, of the value.
        """
        s: cython.p_longlong = self.scratch
        b: cython.p_uchar = self.labels
        at: cython.Py_ssize_t = self.ends[row - 1] if row else 0
        end: cython.Py_ssize_t = self.ends[row]
        count: cython.Py_ssize_t = 0
        i: cython.Py_ssize_t
        w: cython.int
        begin: cython.Py_ssize_t
        size: cython.Py_ssize_t
        name: cython.Py_ssize_t
        name_size: cython.Py_ssize_t
        word: cython.ulonglong
        while at < end:
            begin = at
            at, word = read_varint(b, at + 1, end)
            name, word = read_varint(b, at + 1, end)
            name_size = word
            at, word = read_varint(b, name + name_size + 1, end)
            size = word
            at += size
            i = count
            while i and before(b, name, name_size, b, s[6 * i - 4], s[6 * i - 3]):
                for w in range(6):
                    s[6 * i + w] = s[6 * i - 6 + w]
                i -= 1
            s[6 * i] = begin
            s[6 * i + 1] = at
            s[6 * i + 2] = name
            s[6 * i + 3] = name_size
            s[6 * i + 4] = at - size
            s[6 * i + 5] = size
            count += 1
        return count

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def place(self, count: cython.Py_ssize_t, word: cython.Py_ssize_t, size: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """How many of the sorted labels come before this one."""
        i: cython.Py_ssize_t = 0
        while i < count and before(
            self.labels, self.scratch[6 * i + 2], self.scratch[6 * i + 3], self.words, word, size
        ):
            i += 1
        return i

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def write_label(
        self,
        out: cython.p_uchar,
        p: cython.Py_ssize_t,
        word: cython.Py_ssize_t,
        word_size: cython.Py_ssize_t,
        b: cython.p_uchar,
        at: cython.Py_ssize_t,
        size: cython.Py_ssize_t,
    ) -> cython.Py_ssize_t:
        """One of our own labels as a field of a 1.0 series."""
        out[p] = 0x0A
        p = put_varint(out, p + 1, 3 + word_size + varint_size(size) + size)
        out[p] = 0x0A
        out[p + 1] = word_size
        copy_bytes(out, p + 2, self.words, word, word_size)
        p += 2 + word_size
        out[p] = 0x12
        p = put_varint(out, p + 1, size)
        copy_bytes(out, p, b, at, size)
        return p + size

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def write_sample(
        self, out: cython.p_uchar, p: cython.Py_ssize_t, row: cython.Py_ssize_t, i: cython.Py_ssize_t, v2: cython.bint
    ) -> cython.Py_ssize_t:
        """The sample of series ``i`` of a row."""
        time: cython.ulonglong = cython.cast(cython.ulonglong, self.times[row])
        start: cython.ulonglong = cython.cast(cython.ulonglong, self.starts[row]) if v2 else 0
        out[p] = 0x12
        out[p + 1] = 10 + varint_size(time) + (1 + varint_size(start) if start else 0)
        out[p + 2] = 0x09
        store(out, p + 3, self.values[row * self.k + i])
        out[p + 11] = 0x10
        p = put_varint(out, p + 12, time)
        if start:
            out[p] = 0x18
            p = put_varint(out, p + 1, start)
        return p

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def write_rest(
        self,
        out: cython.p_uchar,
        p: cython.Py_ssize_t,
        row: cython.Py_ssize_t,
        i: cython.Py_ssize_t,
        v2: cython.bint,
        shared: cython.p_uchar,
        shared_size: cython.Py_ssize_t,
    ) -> cython.Py_ssize_t:
        """What follows the labels."""
        at: cython.Py_ssize_t = self.more_at[row * self.k + i]
        size: cython.Py_ssize_t = self.more_at[row * self.k + i + 1] - at
        if self.has_values:
            p = self.write_sample(out, p, row, i, v2)
        copy_bytes(out, p, self.more, at, size)
        p += size
        copy_bytes(out, p, shared, 0, shared_size)
        return p + shared_size

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def close(
        self,
        out: cython.p_uchar,
        tag: cython.int,
        begin: cython.Py_ssize_t,
        body: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
    ) -> cython.Py_ssize_t:
        """Put tag and length before a message that was written at ``body``, with room before it."""
        i: cython.Py_ssize_t
        size: cython.Py_ssize_t = end - body
        p: cython.Py_ssize_t
        out[begin] = tag
        p = put_varint(out, begin + 1, size)
        for i in range(size):
            out[p + i] = out[body + i]
        return p + size

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def write_v1(
        self,
        out: cython.p_uchar,
        p: cython.Py_ssize_t,
        row: cython.Py_ssize_t,
        shared: cython.p_uchar,
        shared_size: cython.Py_ssize_t,
    ) -> cython.Py_ssize_t:
        """The series of a row as fields ``timeseries`` of ``prometheus.WriteRequest``."""
        s: cython.p_longlong = self.scratch
        count: cython.Py_ssize_t = self.sort(row)
        name_place: cython.Py_ssize_t = self.place(count, 0, 8)
        bound_place: cython.Py_ssize_t = self.place(count, 8, self.bound_name_size)
        i: cython.Py_ssize_t
        j: cython.Py_ssize_t
        body: cython.Py_ssize_t
        q: cython.Py_ssize_t
        n: cython.Py_ssize_t
        for i in range(self.k):
            body = p + 6
            q = body
            for j in range(count + 1):
                if j == name_place:
                    n = self.name_at[i]
                    q = self.write_label(out, q, 0, 8, self.names, n, self.name_at[i + 1] - n)
                if j == bound_place and self.bound_at[i + 1] > self.bound_at[i]:
                    n = self.bound_at[i]
                    q = self.write_label(out, q, 8, self.bound_name_size, self.bounds, n, self.bound_at[i + 1] - n)
                if j < count:
                    n = s[6 * j + 1] - s[6 * j]
                    copy_bytes(out, q, self.labels, s[6 * j], n)
                    q += n
            q = self.write_rest(out, q, row, i, False, shared, shared_size)
            p = self.close(out, 0x0A, p, body, q)
        return p

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def write_v2(
        self,
        out: cython.p_uchar,
        p: cython.Py_ssize_t,
        row: cython.Py_ssize_t,
        symbols: Symbols,
        shared: cython.p_uchar,
        shared_size: cython.Py_ssize_t,
    ) -> cython.Py_ssize_t:
        """The series of a row as fields ``timeseries`` of ``io.prometheus.write.v2.Request``; -1 if the symbols have no
        room.
        """
        s: cython.p_longlong = self.scratch
        count: cython.Py_ssize_t = self.sort(row)
        name_place: cython.Py_ssize_t = self.place(count, 0, 8)
        bound_place: cython.Py_ssize_t = self.place(count, 8, self.bound_name_size)
        name_ref: cython.Py_ssize_t = symbols.index(self.words, 0, 8)
        bound_ref: cython.Py_ssize_t = (
            symbols.index(self.words, 8, self.bound_name_size) if self.bound_at[self.k] else 0
        )
        worst: cython.Py_ssize_t = name_ref if name_ref < bound_ref else bound_ref
        refs: cython.Py_ssize_t
        i: cython.Py_ssize_t
        j: cython.Py_ssize_t
        n: cython.Py_ssize_t
        body: cython.Py_ssize_t
        q: cython.Py_ssize_t
        for j in range(count):
            s[6 * j] = symbols.find(self.hints[2 * j], self.labels, s[6 * j + 2], s[6 * j + 3])
            s[6 * j + 1] = symbols.find(self.hints[2 * j + 1], self.labels, s[6 * j + 4], s[6 * j + 5])
            self.hints[2 * j] = s[6 * j]
            self.hints[2 * j + 1] = s[6 * j + 1]
            if s[6 * j] < 0 or s[6 * j + 1] < 0:
                return -1
        for i in range(self.k):
            body = p + 6
            refs = body + 6
            q = refs
            for j in range(count + 1):
                if j == name_place:
                    n = symbols.index(self.names, self.name_at[i], self.name_at[i + 1] - self.name_at[i])
                    worst = n if n < worst else worst
                    q = put_varint(out, put_varint(out, q, name_ref), n if n > 0 else 0)
                if j == bound_place and self.bound_at[i + 1] > self.bound_at[i]:
                    n = symbols.index(self.bounds, self.bound_at[i], self.bound_at[i + 1] - self.bound_at[i])
                    worst = n if n < worst else worst
                    q = put_varint(out, put_varint(out, q, bound_ref), n if n > 0 else 0)
                if j < count:
                    q = put_varint(out, put_varint(out, q, s[6 * j]), s[6 * j + 1])
            if worst < 0:
                return -1
            q = self.close(out, 0x0A, body, refs, q)
            q = self.write_rest(out, q, row, i, True, shared, shared_size)
            p = self.close(out, 0x2A, p, body, q)
        return p
