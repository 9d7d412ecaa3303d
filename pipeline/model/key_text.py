# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What a label value becomes in a key: control characters replaced, long values shortened, numbers as decimal digits.

Cython in pure Python mode: compiled and uncompiled give the same results. Pointers are base plus index, so that
memoryviews take their place uncompiled.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, copy_bytes, hash_bytes
else:
    from pipeline.memory import bytes_at, copy_bytes, hash_bytes

_hashed = cython.declare(cython.int, 17)  # "~" and 16 hexadecimal digits

OVERFLOW_VALUE = b"__cardinality_overflow__"
"""Value in place of those that a per-label limit keeps out (Tempo's metrics-generator, max_cardinality_per_label)."""
FIXED_TEXTS = b"truefalse"
"""The texts that every plan begins with."""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def replace_controls(dst: cython.p_uchar, d: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.void:
    """Control characters become ``_``: no label can break a line of a log or of an exposition."""
    i: cython.Py_ssize_t
    for i in range(d, d + n):
        if dst[i] < 0x20 or dst[i] == 0x7F:
            dst[i] = 0x5F


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_long(
    dst: cython.p_uchar,
    d: cython.Py_ssize_t,
    src: cython.pointer[cython.const[cython.uchar]],
    s: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
    limit: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """A value above the limit: its beginning up to a UTF-8 boundary, ``~`` and the hash of the whole. Returns the bytes
    written.
    """
    kept: cython.Py_ssize_t = limit - _hashed
    i: cython.Py_ssize_t
    digit: cython.int
    h: cython.ulonglong = hash_bytes(src, s, n, 0)
    while kept > 0 and (src[s + kept] & 0xC0) == 0x80:
        kept -= 1
    copy_bytes(dst, d, src, s, kept)
    replace_controls(dst, d, kept)
    dst[d + kept] = 0x7E
    for i in range(16):
        digit = (h >> (60 - 4 * i)) & 15
        dst[d + kept + 1 + i] = 0x30 + digit if digit < 10 else 0x57 + digit
    return kept + _hashed


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_text(
    dst: cython.p_uchar,
    d: cython.Py_ssize_t,
    src: cython.pointer[cython.const[cython.uchar]],
    s: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
    limit: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Append length and text to a key; returns the new end."""
    if n > limit:
        n = put_long(dst, d + 2, src, s, n, limit)
    else:
        copy_bytes(dst, d + 2, src, s, n)
        replace_controls(dst, d + 2, n)
    dst[d] = n & 0xFF
    dst[d + 1] = n >> 8
    return d + 2 + n


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_absent(b: cython.p_uchar, p: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Append an absent label to a key; returns the new end."""
    b[p] = 0xFF
    b[p + 1] = 0xFF
    return p + 2


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_decimal(
    dst: cython.p_uchar, d: cython.Py_ssize_t, value: cython.ulonglong, signed: cython.bint
) -> cython.Py_ssize_t:
    """Write decimal digits; returns how many bytes they take, at most 20."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    rest: cython.ulonglong
    n: cython.Py_ssize_t = 1
    i: cython.Py_ssize_t
    start: cython.Py_ssize_t = d
    if signed and value >> 63:
        value = ((value ^ full) + 1) & full
        dst[d] = 0x2D
        d += 1
    rest = value // 10
    while rest:
        n += 1
        rest //= 10
    for i in range(n):
        dst[d + n - 1 - i] = 0x30 + value % 10
        value //= 10
    return d + n - start


def label_bytes(text: bytes, limit: int) -> bytes:
    """The bytes that a label value takes in a key: controls replaced, shortened to ``limit`` bytes."""
    room = np.zeros(min(len(text), limit) + 2, np.uint8)
    source = np.frombuffer(text + bytes(1), np.uint8)
    end = put_text(bytes_at(room), 0, bytes_at(source), 0, len(text), limit)
    return room[2:end].tobytes()
