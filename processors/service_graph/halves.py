# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""From spans to halves (``edge_store.py``): which spans are one side of a call, and their eight words each.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import cython

if cython.compiled:
    from cython.cimports.pipeline.memory import ints_at, words_at
    from cython.cimports.pipeline.wire_format import read_varint, skip_field
else:
    from pipeline.memory import ints_at, words_at
    from pipeline.wire_format import read_varint, skip_field

# Numbers of SpanKind and StatusCode in trace.proto.
_SERVER = cython.declare(cython.ulonglong, 2)
_CLIENT = cython.declare(cython.ulonglong, 3)
_PRODUCER = cython.declare(cython.ulonglong, 4)
_CONSUMER = cython.declare(cython.ulonglong, 5)
_ERROR = cython.declare(cython.ulonglong, 2)

LINKS_FIELD = cython.declare(cython.ulonglong, 13)
"""``Span.links`` in trace.proto."""


@cython.ccall
def split(
    words: object,
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    kind: cython.Py_ssize_t,
    rows: object,
    n: cython.Py_ssize_t,
    positions: object,
) -> tuple:
    """Find the two sides: clients and producers, servers and consumers.

    Args:
        words: The records' words; row r begins at ``first + r * width``, its kind at word ``kind``.
        rows: int32[n], the rows to look at; None: rows 0 to n - 1.
        n: Above 0.
        positions: int32[2 * n]. Positions in ``rows`` are written to it, of clients from 0 on, of servers from n on.
    Returns:
        Clients, servers, and how many of the servers are consumers.
    """
    i: cython.Py_ssize_t
    c: cython.Py_ssize_t = 0
    s: cython.Py_ssize_t = n
    consumers: cython.Py_ssize_t = 0
    of_kind: cython.ulonglong
    chosen: cython.bint = rows is not None
    base: cython.p_ulonglong = words_at(words)
    to: cython.p_int = ints_at(positions)
    row: cython.p_int = ints_at(rows if chosen else positions)
    with cython.nogil:
        for i in range(n):
            of_kind = base[first + (row[i] if chosen else i) * width + kind]
            if of_kind == _CLIENT or of_kind == _PRODUCER:
                to[c] = cython.cast(cython.int, i)
                c += 1
            elif of_kind == _SERVER or of_kind == _CONSUMER:
                to[s] = cython.cast(cython.int, i)
                s += 1
                if of_kind == _CONSUMER:
                    consumers += 1
    return c, s - n, consumers


@cython.ccall
def fill(
    out: object,
    words: object,
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    fields: tuple,
    rows: object,
    labels: object,
    alone: object,
    is_server: cython.bint,
) -> cython.void:
    """Write one half per row, with weight 1.

    Args:
        out: uint64[n, 8], C-contiguous, n > 0.
        words, first, width: As for ``split``.
        fields: Words of trace id, span id, parent span id, kind, status code, start and end.
        rows: int32[n].
        labels: int32[n], label set of each half, from 0.
        alone: uint8 by label set: not 0 where a client half needs no server (a database). Not looked at for servers.
        is_server: The side. A server without a parent needs no client.
    """
    n: cython.Py_ssize_t = len(rows)
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    half: cython.Py_ssize_t
    flags: cython.ulonglong
    label: cython.ulonglong
    trace: cython.Py_ssize_t
    span: cython.Py_ssize_t
    parent: cython.Py_ssize_t
    kind: cython.Py_ssize_t
    status: cython.Py_ssize_t
    start: cython.Py_ssize_t
    end: cython.Py_ssize_t
    one: cython.ulonglong = 0x3FF0000000000000
    base: cython.p_ulonglong = words_at(words)
    to: cython.p_ulonglong = words_at(out.reshape(-1))
    row: cython.p_int = ints_at(rows)
    label_of: cython.p_int = ints_at(labels)
    lonely: cython.p_uchar
    bytes_view: cython.uchar[::1] = alone
    trace, span, parent, kind, status, start, end = fields
    lonely = cython.address(bytes_view[0]) if cython.compiled else memoryview(alone)
    with cython.nogil:
        for i in range(n):
            at = first + row[i] * width
            half = i * 8
            flags = 4 if base[at + status] == _ERROR else 0
            to[half] = base[at + trace]
            to[half + 1] = base[at + trace + 1]
            if is_server:
                flags |= 1
                if base[at + kind] == _CONSUMER:
                    flags |= 2
                if base[at + parent] == 0:
                    flags |= 8
                to[half + 2] = base[at + parent]
                to[half + 3] = base[at + span]
            else:
                if base[at + kind] == _PRODUCER:
                    flags |= 2
                if lonely[label_of[i]]:
                    flags |= 8
                to[half + 2] = base[at + span]
                to[half + 3] = base[at + parent]
            to[half + 4] = base[at + start]
            to[half + 5] = base[at + end]
            label = label_of[i] + 1  # 0 is the label set of a side that is missing
            to[half + 6] = flags << 32 | label
            to[half + 7] = one


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def has_field(b: cython.p_uchar, p: cython.Py_ssize_t, e: cython.Py_ssize_t, field: cython.ulonglong) -> cython.bint:
    """Whether the message ``b[p:e]`` has the length-delimited field, looking at tags and lengths alone. Damage ends
    the search."""
    tag: cython.ulonglong
    while p < e:
        p, tag = read_varint(b, p, e)
        if p < 0:
            return False
        if tag == (field << 3 | 2):
            return True
        p = skip_field(b, p, e, tag)
        if p < 0:
            return False
    return False


@cython.ccall
def linked(
    payload: bytes,
    words: object,
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    kind: cython.Py_ssize_t,
    rows: object,
    out: object,
) -> cython.Py_ssize_t:
    """Find the consumers among ``rows`` whose span has links.

    Args:
        out: int32[n], positions in ``rows`` are written to it.
    Returns:
        How many there are.
    """
    n: cython.Py_ssize_t = len(rows)
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    found: cython.Py_ssize_t = 0
    place: cython.ulonglong
    low: cython.ulonglong = 0xFFFFFFFF
    base: cython.p_ulonglong = words_at(words)
    row: cython.p_int = ints_at(rows)
    to: cython.p_int = ints_at(out)
    size: cython.Py_ssize_t = len(payload)
    b: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, payload)) if cython.compiled else payload
    with cython.nogil:
        for i in range(n):
            at = first + row[i] * width
            if base[at + kind] != _CONSUMER:
                continue
            place = base[at + 1]
            p = cython.cast(cython.Py_ssize_t, place >> 32)
            e = p + cython.cast(cython.Py_ssize_t, place & low)
            if e <= size and has_field(b, p, e, LINKS_FIELD):
                to[found] = cython.cast(cython.int, i)
                found += 1
    return found
