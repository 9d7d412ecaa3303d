# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Data points with other values: each field is written where its number belongs, all else keeps its bytes.

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, copy_bytes, ints_at, longs_at, move_bytes, words_at
    from cython.cimports.pipeline.wire_format import put_varint, read_varint, skip_field, varint_size
else:
    from pipeline.memory import bytes_at, copy_bytes, ints_at, longs_at, move_bytes, words_at
    from pipeline.wire_format import put_varint, read_varint, skip_field, varint_size

LENGTH = cython.declare(cython.ulonglong, 0xFFFFFFFF)
HEADER = cython.declare(cython.int, 6)

ROOM_FOR_HEADER = 6
"""Bytes of the tag of a data point and of the longest length: ``HEADER`` for others."""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_field(
    out: cython.p_uchar, at: cython.Py_ssize_t, tag: cython.int, word: cython.ulonglong, blob: cython.p_uchar
) -> cython.Py_ssize_t:
    """Position after a field of eight bytes, a varint, or bytes of ``blob``, of which ``word`` is the range."""
    i: cython.int
    begin: cython.Py_ssize_t
    size: cython.Py_ssize_t
    wire_type: cython.int = tag & 7
    out[at] = tag
    at += 1
    if wire_type == 0:
        return put_varint(out, at, word)
    if wire_type == 1:
        for i in range(8):
            out[at + i] = (word >> (8 * i)) & 0xFF
        return at + 8
    begin = word >> 32
    size = word & LENGTH
    at = put_varint(out, at, size)
    copy_bytes(out, at, blob, begin, size)
    return at + size


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def write_all(
    out: cython.p_uchar,
    payload: cython.p_uchar,
    ranges: cython.p_ulonglong,
    count: cython.Py_ssize_t,
    tags: cython.p_int,
    fields: cython.int,
    values: cython.p_ulonglong,
    present: cython.p_uchar,
    blob: cython.p_uchar,
    begins: cython.p_longlong,
    sizes: cython.p_longlong,
) -> cython.Py_ssize_t:
    """The loop of ``rewrite``."""
    i: cython.Py_ssize_t
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    begin: cython.Py_ssize_t
    body: cython.Py_ssize_t
    header: cython.Py_ssize_t
    at: cython.Py_ssize_t = 0
    after: cython.Py_ssize_t
    field: cython.int
    tag: cython.ulonglong
    number: cython.ulonglong
    replaced: cython.ulonglong = 0
    one: cython.ulonglong = 1
    for field in range(fields):
        replaced |= one << (tags[field] >> 3)
    for i in range(count):
        p = ranges[i] >> 32
        e = p + (ranges[i] & LENGTH)
        body = at + HEADER
        after = body
        field = 0
        while p < e:
            begin = p
            p, tag = read_varint(payload, p, e)
            if p >= 0:
                p = skip_field(payload, p, e, tag)
            if p < 0:  # the walker lets no such body through
                break
            number = tag >> 3
            while field < fields and tags[field] >> 3 <= cython.cast(cython.int, number):
                if present[field * count + i]:
                    after = put_field(out, after, tags[field], values[field * count + i], blob)
                field += 1
            if number < 64 and (replaced >> number) & 1:
                continue
            copy_bytes(out, after, payload, begin, p - begin)
            after += p - begin
        while field < fields:
            if present[field * count + i]:
                after = put_field(out, after, tags[field], values[field * count + i], blob)
            field += 1
        sizes[i] = after - body
        header = 1 + varint_size(after - body)
        move_bytes(out, at + header, body, after - body)
        out[at] = 0x0A
        put_varint(out, at + 1, after - body)
        begins[i] = at + header
        at += header + after - body
    return at


@cython.ccall
def rewrite(
    out: object,
    payload: object,
    ranges: object,
    tags: object,
    values: object,
    present: object,
    blob: object,
    begins: object,
    sizes: object,
) -> cython.Py_ssize_t:
    """Write data points as fields of their metric, one after the other, the GIL released.

    Args:
        out: uint8, room for the old bodies, the new fields and ``ROOM_FOR_HEADER`` for each point.
        payload: uint8, not empty.
        ranges: uint64[k], of the bodies in ``payload``: offset << 32 | length.
        tags: int32[m], of the new fields, ascending. Whatever a body has of such fields is left out.
        values: uint64[m, k]: eight bytes, numbers of varints, or ranges in ``blob``, as the tag says.
        present: uint8[m, k], 0: the point has no such field.
        blob: uint8, not empty.
        begins: int64[k], out: where each body begins in ``out``.
        sizes: int64[k], out: its length.
    Returns:
        Bytes written.
    """
    out_at: cython.p_uchar = bytes_at(out)
    payload_at: cython.p_uchar = bytes_at(payload)
    ranges_at: cython.p_ulonglong = words_at(ranges)
    tags_at: cython.p_int = ints_at(tags)
    values_at: cython.p_ulonglong = words_at(values)
    present_at: cython.p_uchar = bytes_at(present)
    blob_at: cython.p_uchar = bytes_at(blob)
    begins_at: cython.p_longlong = longs_at(begins)
    sizes_at: cython.p_longlong = longs_at(sizes)
    count: cython.Py_ssize_t = len(ranges)
    fields: cython.int = len(tags)
    written: cython.Py_ssize_t
    with cython.nogil:
        written = write_all(
            out_at,
            payload_at,
            ranges_at,
            count,
            tags_at,
            fields,
            values_at,
            present_at,
            blob_at,
            begins_at,
            sizes_at,
        )
    return written
