# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""UTF-8 as RFC 3629 has it: no surrogates, no over-long forms, at most U+10FFFF.

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython

if not cython.compiled:

    def is_utf8(b, p, e):
        """Whether ``b[p:e]`` is UTF-8."""
        return are_sequences(b, p, e)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def sequence_size(b: cython.p_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
    """Length of the well-formed UTF-8 sequence (RFC 3629) that begins at ``at``, not with ASCII; 0 if there is none."""
    lead: cython.uchar = b[at]
    size: cython.int = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    smallest: cython.uchar = 0x80
    largest: cython.uchar = 0xBF
    i: cython.int
    if lead < 0xC2 or lead > 0xF4 or end - at < size:
        return 0
    if lead == 0xE0:
        smallest = 0xA0
    elif lead == 0xED:
        largest = 0x9F
    elif lead == 0xF0:
        smallest = 0x90
    elif lead == 0xF4:
        largest = 0x8F
    if b[at + 1] < smallest or b[at + 1] > largest:
        return 0
    for i in range(2, size):
        if b[at + i] & 0xC0 != 0x80:
            return 0
    return size


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def are_sequences(b: cython.p_uchar, p: cython.Py_ssize_t, e: cython.Py_ssize_t) -> cython.bint:
    """Whether ``b[p:e]`` is ASCII and well-formed sequences."""
    size: cython.int
    while p < e:
        size = 1
        if b[p] >= 0x80:
            size = sequence_size(b, p, e)
            if size == 0:
                return False
        p += size
    return True
