# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Dictionary encoding of one column of a batch: equal cells get equal codes.

Cells are compared by their bytes, never by their hash alone. The hash is seeded per process, so that a sender cannot
choose cells that collide. Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import secrets

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import hash_bytes, ints_at, mix, same_bytes, words_at
else:
    from pipeline.memory import hash_bytes, ints_at, mix, same_bytes, words_at

_no_rows = np.zeros(1, np.int32)
_seed = cython.declare(cython.ulonglong, secrets.randbits(63))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def encode_rows(
    b: cython.p_uchar,
    words: cython.p_ulonglong,
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    rows: cython.p_int,
    chosen: cython.bint,
    n: cython.Py_ssize_t,
    typed: cython.bint,
    slots: cython.p_int,
    mask: cython.ulonglong,
    seed: cython.ulonglong,
    codes: cython.p_int,
    examples: cython.p_int,
) -> cython.Py_ssize_t:
    """The loop of ``encode``; returns the number of distinct cells."""
    distinct: cython.Py_ssize_t = 0
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    other: cython.Py_ssize_t
    row: cython.Py_ssize_t
    code: cython.Py_ssize_t
    kind: cython.ulonglong
    value: cython.ulonglong
    length: cython.ulonglong
    h: cython.ulonglong
    low32: cython.ulonglong = 0xFFFFFFFF
    for i in range(n):
        row = rows[i] if chosen else i
        at = first + row * width
        kind = 1
        value = words[at]
        if typed:
            kind = value
            value = words[at + 1]
            if kind == 0:
                codes[i] = -1
                continue
        length = value & low32
        if kind == 1 or 5 <= kind <= 7:
            h = hash_bytes(b, value >> 32, length, seed ^ kind)
        else:
            h = mix(seed ^ kind, value)
            h ^= h >> 47
        while True:
            code = slots[h & mask]
            if code == 0:
                examples[distinct] = row
                distinct += 1
                slots[h & mask] = distinct
                codes[i] = distinct - 1
                break
            other = examples[code - 1]
            other = first + other * width
            if typed:
                if words[other] != kind:
                    h += 1
                    continue
                other += 1
            if words[other] == value or (
                (kind == 1 or 5 <= kind <= 7)
                and (words[other] & low32) == length
                and same_bytes(b, value >> 32, b, words[other] >> 32, length)
            ):
                codes[i] = code - 1
                break
            h += 1
    return distinct


@cython.ccall
def encode(
    payload: bytes,
    words: object,
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    rows: object,
    n: cython.Py_ssize_t,
    typed: cython.bint,
) -> tuple:
    """Give equal cells equal codes, the GIL released.

    Args:
        payload: What ranges point into.
        words: uint64, the records; the cell of row r begins at ``first + r * width``.
        rows: int32[n], the rows to encode; None: rows 0 to n - 1.
        typed: Cells are attributes (two words, -1 where absent) rather than texts (a range; an empty one is a value).
    Returns:
        codes int32[n], and of each code's cell the ``ValueType`` (of texts: STRING) and the value word, as lists.
    """
    codes = np.empty(n, np.int32)
    kinds: list = []
    cells: list = []
    if n == 0:
        return codes, kinds, cells
    size: cython.Py_ssize_t = 4
    while size < 2 * n:
        size *= 2
    slots = np.zeros(size, np.int32)
    examples = np.empty(n, np.int32)
    base: cython.p_ulonglong = words_at(words)
    chosen: cython.bint = rows is not None
    row: cython.p_int = ints_at(rows if chosen else _no_rows)
    slot: cython.p_int = ints_at(slots)
    out: cython.p_int = ints_at(codes)
    example: cython.p_int = ints_at(examples)
    seed: cython.ulonglong = _seed
    distinct: cython.Py_ssize_t
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    if cython.compiled:
        b: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, payload))
    else:
        b = payload
    with cython.nogil:
        distinct = encode_rows(b, base, first, width, row, chosen, n, typed, slot, size - 1, seed, out, example)
    for i in range(distinct):
        at = first + example[i] * width
        kinds.append(base[at] if typed else 1)
        cells.append(base[at + typed])
    return codes, kinds, cells
