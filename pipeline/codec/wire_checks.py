# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Checks of bytes that the walker (``codec/wire.py``) passes over: how deeply values are nested, whether packed numbers
are whole.

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython

if cython.compiled:
    from cython.cimports.pipeline.memory import load
    from cython.cimports.pipeline.wire_format import read_length, read_varint, skip_field
else:
    from pipeline.memory import load
    from pipeline.wire_format import read_length, read_varint, skip_field

FITS = cython.declare(cython.int, 0)
DAMAGED = cython.declare(cython.int, 1)
TOO_DEEP = cython.declare(cython.int, 2)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_too_deep(b: cython.p_uchar, p: cython.Py_ssize_t, e: cython.Py_ssize_t, most: cython.int) -> cython.bint:
    """Whether the AnyValue ``b[p:e]`` holds more than ``most`` levels of arrays and key-value lists. Damage ends the
    search: where it matters, whoever reads the value finds it.
    """
    return depth_of(b, p, e, most) == TOO_DEEP


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def depth_of(b: cython.p_uchar, p: cython.Py_ssize_t, e: cython.Py_ssize_t, left: cython.int) -> cython.int:
    """Whether the AnyValue ``b[p:e]`` holds more than ``left`` levels of arrays and key-value lists: ``TOO_DEEP``,
    ``FITS``, or ``DAMAGED`` where damage comes before the answer.
    """
    tag: cython.ulonglong
    length: cython.Py_ssize_t
    found: cython.int
    while p < e:
        p, tag = read_varint(b, p, e)
        if p < 0:
            return DAMAGED
        if tag == 0x2A or tag == 0x32:
            p, length = read_length(b, p, e)
            if p < 0:
                return DAMAGED
            if left == 0:
                return TOO_DEEP
            found = depth_of_list(b, p, p + length, left - 1, tag == 0x32)
            if found != FITS:
                return found
            p += length
        else:
            p = skip_field(b, p, e, tag)
            if p < 0:
                return DAMAGED
    return FITS


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def depth_of_list(
    b: cython.p_uchar, p: cython.Py_ssize_t, e: cython.Py_ssize_t, left: cython.int, pairs: cython.bint
) -> cython.int:
    """``depth_of`` for each element of an ArrayValue, or for each value of a KeyValueList."""
    tag: cython.ulonglong
    length: cython.Py_ssize_t
    q: cython.Py_ssize_t
    size: cython.Py_ssize_t
    found: cython.int
    while p < e:
        p, tag = read_varint(b, p, e)
        if p < 0:
            return DAMAGED
        if tag != 0x0A:
            p = skip_field(b, p, e, tag)
            if p < 0:
                return DAMAGED
            continue
        p, length = read_length(b, p, e)
        if p < 0:
            return DAMAGED
        if not pairs:
            found = depth_of(b, p, p + length, left)
            if found != FITS:
                return found
        else:
            q = p
            while q < p + length:
                q, tag = read_varint(b, q, p + length)
                if q < 0:
                    return DAMAGED
                if tag == 0x12:
                    q, size = read_length(b, q, p + length)
                    if q < 0:
                        return DAMAGED
                    found = depth_of(b, q, q + size, left)
                    if found != FITS:
                        return found
                    q += size
                else:
                    q = skip_field(b, q, p + length, tag)
                    if q < 0:
                        return DAMAGED
        p += length
    return FITS


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def packed_ok(b: cython.p_uchar, p: cython.Py_ssize_t, e: cython.Py_ssize_t, size: cython.int) -> cython.bint:
    """Whether ``b[p:e]`` is a sequence of numbers of 8 bytes, or of varints (1).

    Varints are right where the last one ends and none is too long. One of more than ten bytes would fill at least one
    whole half of the words that are looked at here.
    """
    tops: cython.ulonglong = 0x8080808080808080
    low32: cython.ulonglong = 0xFFFFFFFF
    half: cython.ulonglong = 0x80808080
    word: cython.ulonglong
    at: cython.Py_ssize_t = p
    if size == 8:
        return (e - p) & 7 == 0
    if p < e and b[e - 1] >= 0x80:
        return False
    while e - at >= 8:
        word = load(b, at) & tops
        if word & low32 == half or word >> 32 == half:
            return varints_ok(b, p, e)
        at += 8
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def varints_ok(b: cython.p_uchar, p: cython.Py_ssize_t, e: cython.Py_ssize_t) -> cython.bint:
    """``packed_ok`` of long varints."""
    value: cython.ulonglong
    while p < e:
        p, value = read_varint(b, p, e)
        if p < 0:
            return False
    return True
