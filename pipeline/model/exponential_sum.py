# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Buckets of exponential histograms added up, and written as messages.

Rows hold the buckets of one sign: an offset, a length, and counts at ``row * width``; where there are buckets, the
first and the last are not empty. The two signs of a histogram have one scale.

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, longs_at, move_bytes, words_at
    from cython.cimports.pipeline.wire_format import put_varint
else:
    from pipeline.memory import bytes_at, longs_at, move_bytes, words_at
    from pipeline.wire_format import put_varint

MIN_SCALE = cython.declare(cython.longlong, -11)
FULL = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
HEADER = cython.declare(cython.int, 12)

ROOM_FOR_HEADER = 12
"""Bytes of a message besides its counts: ``HEADER`` for others."""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def lowered(index: cython.longlong, steps: cython.longlong, scale: cython.longlong) -> cython.longlong:
    """The bucket at ``scale``, which is lower by ``steps``, that a bucket becomes part of."""
    index >>= steps
    if scale <= MIN_SCALE:  # no double is in the buckets beyond, whatever a point says
        return -1 if index < 0 else 0
    return index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def lower(
    counts: cython.p_ulonglong,
    base: cython.Py_ssize_t,
    offset: cython.longlong,
    length: cython.longlong,
    steps: cython.longlong,
    scale: cython.longlong,
) -> cython.longlong:
    """Bring the buckets of a row to a lower scale, in place; how many there are then."""
    j: cython.longlong
    k: cython.longlong
    value: cython.ulonglong
    first: cython.longlong = lowered(offset, steps, scale)
    last: cython.longlong = first - 1
    for j in range(length):
        k = lowered(offset + j, steps, scale)
        value = counts[base + j]
        if k > last:
            counts[base + k - first] = value
            last = k
        else:
            counts[base + k - first] = (counts[base + k - first] + value) & FULL
    return last - first + 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def make_room(
    counts: cython.p_ulonglong,
    base: cython.Py_ssize_t,
    length: cython.longlong,
    before: cython.longlong,
    total: cython.longlong,
) -> cython.void:
    """Put empty buckets around those of a row."""
    j: cython.longlong
    if before:
        for j in range(length - 1, -1, -1):
            counts[base + before + j] = counts[base + j]
        for j in range(before):
            counts[base + j] = 0
    for j in range(before + length, total):
        counts[base + j] = 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_all(
    counts: cython.p_ulonglong,
    width: cython.Py_ssize_t,
    offsets: cython.p_longlong,
    lengths: cython.p_longlong,
    rows: cython.p_longlong,
    count: cython.Py_ssize_t,
    own_steps: cython.p_longlong,
    scales: cython.p_longlong,
    values: cython.p_ulonglong,
    begins: cython.p_longlong,
    ends: cython.p_longlong,
    new_offsets: cython.p_longlong,
    new_steps: cython.p_longlong,
) -> cython.void:
    """The loop of ``add``."""
    i: cython.Py_ssize_t
    j: cython.longlong
    k: cython.longlong
    row: cython.Py_ssize_t
    base: cython.Py_ssize_t
    low: cython.longlong
    high: cython.longlong
    own: cython.longlong
    length: cython.longlong
    for i in range(count):
        row = rows[i]
        base = row * width
        length = lower(counts, base, offsets[row], lengths[row], own_steps[i], scales[i])
        own = lowered(offsets[row], own_steps[i], scales[i])
        if begins[i] < ends[i]:
            low = lowered(new_offsets[i], new_steps[i], scales[i])
            high = lowered(new_offsets[i] + ends[i] - begins[i] - 1, new_steps[i], scales[i])
            if length == 0:
                own = low
            if own + length - 1 > high:
                high = own + length - 1
            if own < low:
                low = own
            make_room(counts, base, length, own - low, high - low + 1)
            own = low
            length = high - low + 1
            for j in range(ends[i] - begins[i]):
                k = base + lowered(new_offsets[i] + j, new_steps[i], scales[i]) - own
                counts[k] = (counts[k] + values[begins[i] + j]) & FULL
        offsets[row] = own if length else 0
        lengths[row] = length


@cython.ccall
def add(counts: object, width: cython.Py_ssize_t, buckets: tuple, rows: object, own: tuple, new: tuple) -> None:
    """Add buckets to those of rows, at given scales, the GIL released.

    Args:
        counts: uint64[m * width]; wide enough for what comes out.
        width: Of a row.
        buckets: (offsets int64[m], lengths int64[m]).
        rows: int64[k], distinct.
        own: (int64[k] by how much the scale of each row is lowered, int64[k] to what).
        new: (counts uint64, begins int64[k], ends int64[k], offsets int64[k], int64[k] by how much their scale is
            lowered), empty or with a first and last count that are not 0.
    """
    counts_at: cython.p_ulonglong = words_at(counts)
    offsets_at: cython.p_longlong = longs_at(buckets[0])
    lengths_at: cython.p_longlong = longs_at(buckets[1])
    rows_at: cython.p_longlong = longs_at(rows)
    steps_at: cython.p_longlong = longs_at(own[0])
    scales_at: cython.p_longlong = longs_at(own[1])
    values_at: cython.p_ulonglong = words_at(new[0])
    begins_at: cython.p_longlong = longs_at(new[1])
    ends_at: cython.p_longlong = longs_at(new[2])
    new_offsets_at: cython.p_longlong = longs_at(new[3])
    new_steps_at: cython.p_longlong = longs_at(new[4])
    count: cython.Py_ssize_t = len(rows)
    with cython.nogil:
        add_all(
            counts_at,
            width,
            offsets_at,
            lengths_at,
            rows_at,
            count,
            steps_at,
            scales_at,
            values_at,
            begins_at,
            ends_at,
            new_offsets_at,
            new_steps_at,
        )


@cython.ccall
def trim(values: object, begins: object, ends: object) -> None:
    """Narrow ranges to what lies between the first and the last value that is not 0.

    Args:
        values: uint64, not empty.
        begins, ends: int64[k], in and out; equal where there is nothing else.
    """
    values_at: cython.p_ulonglong = words_at(values)
    begins_at: cython.p_longlong = longs_at(begins)
    ends_at: cython.p_longlong = longs_at(ends)
    count: cython.Py_ssize_t = len(begins)
    i: cython.Py_ssize_t
    for i in range(count):
        while begins_at[i] < ends_at[i] and values_at[ends_at[i] - 1] == 0:
            ends_at[i] -= 1
        while begins_at[i] < ends_at[i] and values_at[begins_at[i]] == 0:
            begins_at[i] += 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def write_all(
    out: cython.p_uchar,
    counts: cython.p_ulonglong,
    width: cython.Py_ssize_t,
    offsets: cython.p_longlong,
    lengths: cython.p_longlong,
    rows: cython.p_longlong,
    count: cython.Py_ssize_t,
    ranges: cython.p_ulonglong,
    totals: cython.p_ulonglong,
) -> cython.Py_ssize_t:
    """The loop of ``write``."""
    i: cython.Py_ssize_t
    j: cython.longlong
    row: cython.Py_ssize_t
    at: cython.Py_ssize_t = 0
    begin: cython.Py_ssize_t
    packed: cython.Py_ssize_t
    after: cython.Py_ssize_t
    size: cython.ulonglong
    total: cython.ulonglong
    value: cython.ulonglong
    offset: cython.longlong
    for i in range(count):
        row = rows[i]
        ranges[i] = 0
        totals[i] = 0
        if lengths[row] == 0:
            continue
        begin = at
        offset = offsets[row]
        if offset:
            out[at] = 0x08
            value = 2 * offset if offset > 0 else -2 * offset - 1
            at = put_varint(out, at + 1, value)
        packed = begin + HEADER
        after = packed
        total = 0
        for j in range(lengths[row]):
            value = counts[row * width + j]
            total = (total + value) & FULL
            after = put_varint(out, after, value)
        out[at] = 0x12
        size = after - packed
        at = put_varint(out, at + 1, size)
        move_bytes(out, at, packed, after - packed)
        at += after - packed
        size = at - begin
        ranges[i] = begin
        ranges[i] = ranges[i] << 32 | size
        totals[i] = total
    return at


@cython.ccall
def write(
    out: object, counts: object, width: cython.Py_ssize_t, buckets: tuple, rows: object, ranges: object, totals: object
) -> cython.Py_ssize_t:
    """Write the buckets of rows as messages ``Buckets``, the GIL released.

    Args:
        out: uint8, room for ten bytes for each count of these rows and ``ROOM_FOR_HEADER`` for each row.
        counts, width, buckets, rows: As ``add``.
        ranges: uint64[k], out: where the messages are in ``out``, offset << 32 | length; 0: no buckets.
        totals: uint64[k], out: the sum of the counts.
    Returns:
        Bytes written.
    """
    out_at: cython.p_uchar = bytes_at(out)
    counts_at: cython.p_ulonglong = words_at(counts)
    offsets_at: cython.p_longlong = longs_at(buckets[0])
    lengths_at: cython.p_longlong = longs_at(buckets[1])
    rows_at: cython.p_longlong = longs_at(rows)
    ranges_at: cython.p_ulonglong = words_at(ranges)
    totals_at: cython.p_ulonglong = words_at(totals)
    count: cython.Py_ssize_t = len(rows)
    written: cython.Py_ssize_t
    with cython.nogil:
        written = write_all(out_at, counts_at, width, offsets_at, lengths_at, rows_at, count, ranges_at, totals_at)
    return written
