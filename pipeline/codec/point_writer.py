# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Series of a meter → encoded data points.

A point of any type is written as attributes, two times, and a *tail* and exemplars that have been prepared as arrays
(``codec/otlp_metrics_encode.py``): what differs between the types is in those.

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, copy_bytes, ints_at, longs_at, words_at
    from cython.cimports.pipeline.wire_format import put_varint, varint_size
else:
    from pipeline.memory import bytes_at, copy_bytes, ints_at, longs_at, words_at
    from pipeline.wire_format import put_varint, varint_size

ABSENT_LENGTH = cython.declare(cython.int, 0xFFFF)
KEY_HEADER = cython.declare(cython.int, 4)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_fixed64(
    out: cython.p_uchar, at: cython.Py_ssize_t, tag: cython.int, value: cython.ulonglong
) -> cython.Py_ssize_t:
    """Position after a field of eight bytes, which is left out where it is 0."""
    i: cython.int
    if value == 0:
        return at
    out[at] = tag
    for i in range(8):
        out[at + 1 + i] = (value >> (8 * i)) & 0xFF
    return at + 9


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def pair_size(prefix: cython.Py_ssize_t, length: cython.int, is_flag: cython.bint) -> cython.Py_ssize_t:
    """Size of a KeyValue: its key with tag and length, then the AnyValue."""
    value: cython.Py_ssize_t = 2 if is_flag else 1 + varint_size(length) + length
    return prefix + 1 + varint_size(value) + value


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def write_all(
    out: cython.p_uchar,
    arena: cython.p_uchar,
    offsets: cython.p_ulonglong,
    order: cython.p_int,
    count: cython.Py_ssize_t,
    prefixes: cython.p_uchar,
    prefix_at: cython.p_int,
    label_count: cython.int,
    flag: cython.int,
    tag: cython.int,
    starts: cython.p_longlong,
    time: cython.longlong,
    tails: cython.p_uchar,
    tail_at: cython.p_longlong,
    exemplars: cython.p_uchar,
    exemplar_at: cython.p_longlong,
    ends: cython.p_longlong,
) -> cython.Py_ssize_t:
    """The loop of ``write``."""
    i: cython.Py_ssize_t
    row: cython.Py_ssize_t
    key: cython.Py_ssize_t
    at: cython.Py_ssize_t = 0
    p: cython.Py_ssize_t
    size: cython.Py_ssize_t
    pair: cython.Py_ssize_t
    prefix: cython.Py_ssize_t
    label: cython.int
    length: cython.int
    high: cython.int
    is_flag: cython.bint
    start: cython.ulonglong
    now: cython.ulonglong = time
    for i in range(count):
        row = order[i]
        key = offsets[row] + KEY_HEADER
        start = starts[row] if starts[row] > 0 else 0
        size = tail_at[row + 1] - tail_at[row] + exemplar_at[row + 1] - exemplar_at[row]
        size += (9 if start else 0) + (9 if now else 0)
        p = key
        for label in range(label_count):
            length = arena[p]
            high = arena[p + 1]
            length |= high << 8
            p += 2
            if length == ABSENT_LENGTH:
                continue
            pair = pair_size(prefix_at[label + 1] - prefix_at[label], length, label == flag)
            size += 1 + varint_size(pair) + pair
            p += length
        out[at] = 0x0A
        at = put_varint(out, at + 1, size)
        p = key
        for label in range(label_count):
            length = arena[p]
            high = arena[p + 1]
            length |= high << 8
            p += 2
            if length == ABSENT_LENGTH:
                continue
            is_flag = label == flag
            prefix = prefix_at[label + 1] - prefix_at[label]
            out[at] = tag
            at = put_varint(out, at + 1, pair_size(prefix, length, is_flag))
            copy_bytes(out, at, prefixes, prefix_at[label], prefix)
            at += prefix
            out[at] = 0x12
            at += 1
            if is_flag:
                out[at] = 2
                out[at + 1] = 0x10
                out[at + 2] = 1
                at += 3
            else:
                at = put_varint(out, at, 1 + varint_size(length) + length)
                out[at] = 0x0A
                at = put_varint(out, at + 1, length)
                copy_bytes(out, at, arena, p, length)
                at += length
            p += length
        at = put_fixed64(out, at, 0x11, start)
        at = put_fixed64(out, at, 0x19, now)
        copy_bytes(out, at, tails, tail_at[row], tail_at[row + 1] - tail_at[row])
        at += tail_at[row + 1] - tail_at[row]
        copy_bytes(out, at, exemplars, exemplar_at[row], exemplar_at[row + 1] - exemplar_at[row])
        at += exemplar_at[row + 1] - exemplar_at[row]
        ends[i] = at
    return at


@cython.ccall
def write(
    out: object,
    keys: tuple,
    order: object,
    prefixes: object,
    prefix_at: object,
    flag: cython.int,
    tag: cython.int,
    times: tuple,
    tails: tuple,
    exemplars: tuple,
    ends: object,
) -> cython.Py_ssize_t:
    """Encode points one after the other, the GIL released.

    Args:
        out: uint8, large enough.
        keys: (arena uint8, offsets uint64[m]) of a ``SeriesView``.
        order: int32[k], the series to write, in this order.
        prefixes: uint8, per label its key as field 1 of a KeyValue.
        prefix_at: int32[labels + 1], where each begins.
        flag: The label that is written as a boolean, true wherever it is present; -1: none.
        tag: Of ``attributes`` in a point of this type.
        times: (start int64[m], time int).
        tails: (uint8, int64[m + 1]), per series the fields of its value.
        exemplars: Likewise, encoded exemplars.
        ends: int64[k], out: where each point ends.
    Returns:
        Bytes written.
    """
    arena_at: cython.p_uchar = bytes_at(keys[0])
    offsets_at: cython.p_ulonglong = words_at(keys[1])
    order_at: cython.p_int = ints_at(order)
    prefixes_at: cython.p_uchar = bytes_at(prefixes)
    labels_at: cython.p_int = ints_at(prefix_at)
    starts_at: cython.p_longlong = longs_at(times[0])
    time: cython.longlong = times[1]
    tails_at: cython.p_uchar = bytes_at(tails[0])
    tail_ends_at: cython.p_longlong = longs_at(tails[1])
    exemplars_at: cython.p_uchar = bytes_at(exemplars[0])
    exemplar_ends_at: cython.p_longlong = longs_at(exemplars[1])
    ends_at: cython.p_longlong = longs_at(ends)
    out_at: cython.p_uchar = bytes_at(out)
    count: cython.Py_ssize_t = len(order)
    label_count: cython.int = len(prefix_at) - 1
    written: cython.Py_ssize_t
    with cython.nogil:
        written = write_all(
            out_at,
            arena_at,
            offsets_at,
            order_at,
            count,
            prefixes_at,
            labels_at,
            label_count,
            flag,
            tag,
            starts_at,
            time,
            tails_at,
            tail_ends_at,
            exemplars_at,
            exemplar_ends_at,
            ends_at,
        )
    return written
