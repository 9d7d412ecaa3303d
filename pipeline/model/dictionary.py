# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Dictionary encoding of one column of a batch: equal cells get equal codes.

Cells are compared by their bytes, never by their hash alone. The hash is seeded per process, so that a sender cannot
choose cells that collide. Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import secrets

import cython

if cython.compiled:
    from cython.cimports.pipeline.memory import hash_bytes, mix, same_bytes
else:
    from pipeline.memory import hash_bytes, mix, same_bytes

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
        row = rows[i]
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
    typed: cython.bint,
    slots: object,
    codes: object,
    examples: object,
) -> cython.Py_ssize_t:
    """Give equal cells equal codes, the GIL released.

    Args:
        payload: What ranges point into.
        words: uint64, the records.
        first: Index of the cell of row 0.
        width: Words per row.
        rows: int32[n], the rows to encode.
        typed: Cells are attributes (two words, -1 where absent) rather than strings (a range; an empty one is a value).
        slots: int32, zeros, scratch; its length a power of two of at least 2 n.
        codes: int32[n], out.
        examples: int32[n], out: per code the first row that has it.
    Returns:
        Number of codes.
    """
    n: cython.Py_ssize_t = len(rows)
    if n == 0:
        return 0
    mask: cython.ulonglong = len(slots) - 1
    if cython.compiled:
        b: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, payload))
        words_view: cython.ulonglong[::1] = words
        rows_view: cython.int[::1] = rows
        slots_view: cython.int[::1] = slots
        codes_view: cython.int[::1] = codes
        examples_view: cython.int[::1] = examples
        distinct: cython.Py_ssize_t
        seed: cython.ulonglong = _seed
        with cython.nogil:
            distinct = encode_rows(
                b,
                cython.address(words_view[0]),
                first,
                width,
                cython.address(rows_view[0]),
                n,
                typed,
                cython.address(slots_view[0]),
                mask,
                seed,
                cython.address(codes_view[0]),
                cython.address(examples_view[0]),
            )
        return distinct
    return encode_rows(
        payload, memoryview(words), first, width, memoryview(rows), n, typed, memoryview(slots), mask, _seed,
        memoryview(codes), memoryview(examples),
    )  # fmt: skip
