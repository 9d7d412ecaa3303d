# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""One look at a column of words, where numpy would need several passes and as many arrays.

At 512 spans a request a numpy call costs as much as the loop that it saves. Cython in pure Python mode: runs compiled
and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, ints_at, longs_at, same_bytes, words_at
else:
    from pipeline.memory import bytes_at, ints_at, longs_at, same_bytes, words_at

_no_rows = np.zeros(1, np.int32)


@cython.ccall
def any_set(words: object, at: cython.Py_ssize_t, width: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.bint:
    """Whether any of the n words ``words[at::width]`` is not 0."""
    i: cython.Py_ssize_t
    if n == 0:
        return False
    base: cython.p_ulonglong = words_at(words)
    for i in range(n):
        if base[at + i * width] != 0:
            return True
    return False


@cython.ccall
def any_empty(words: object, at: cython.Py_ssize_t, width: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.bint:
    """Whether any of the n ranges ``words[at::width]`` has no bytes."""
    i: cython.Py_ssize_t
    length: cython.ulonglong = 0xFFFFFFFF
    if n == 0:
        return False
    base: cython.p_ulonglong = words_at(words)
    for i in range(n):
        if base[at + i * width] & length == 0:
            return True
    return False


@cython.ccall
def all_texts(words: object, at: cython.Py_ssize_t, width: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.bint:
    """Whether all of the n attribute cells that begin at ``words[at::width]`` are strings, none of them empty."""
    i: cython.Py_ssize_t
    length: cython.ulonglong = 0xFFFFFFFF
    if n == 0:
        return True
    base: cython.p_ulonglong = words_at(words)
    for i in range(n):
        if base[at + i * width] != 1 or base[at + i * width + 1] & length == 0:
            return False
    return True


@cython.ccall
def differences(
    words: object,
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    start: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    rows: object,
    n: cython.Py_ssize_t,
    out: object,
) -> tuple:
    """``out[i] = words[end] - words[start]`` of each row, modulo 2^64.

    Args:
        words: The records' words; row r begins at ``first + r * width``.
        rows: int32[n], the rows; None: rows 0 to n - 1.
        n: Above 0.
        out: uint64[n].
    Returns:
        The least end, the greatest end, the greatest difference.
    """
    base: cython.p_ulonglong = words_at(words)
    to: cython.p_ulonglong = words_at(out)
    chosen: cython.bint = rows is not None
    row: cython.p_int = ints_at(rows if chosen else _no_rows)
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    least: cython.ulonglong = full
    greatest: cython.ulonglong = 0
    longest: cython.ulonglong = 0
    until: cython.ulonglong
    taken: cython.ulonglong
    at: cython.Py_ssize_t
    i: cython.Py_ssize_t
    for i in range(n):
        at = first + (row[i] if chosen else i) * width
        until = base[at + end]
        taken = (until - base[at + start]) & full
        to[i] = taken
        if until < least:
            least = until
        if until > greatest:
            greatest = until
        if taken > longest:
            longest = taken
    return least, greatest, longest


@cython.ccall
def codes(
    words: object,
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    rows: object,
    n: cython.Py_ssize_t,
    known: cython.ulonglong,
    out: object,
) -> cython.void:
    """Numbers of an enum: ``out[i]`` is the word of row i, 0 where it is not below ``known``.

    Args:
        words: The records' words; the word of row r is ``words[first + r * width]``.
        rows: int32[n], the rows; None: rows 0 to n - 1.
        n: Above 0.
        out: int32[n].
    """
    base: cython.p_ulonglong = words_at(words)
    to: cython.p_int = ints_at(out)
    chosen: cython.bint = rows is not None
    row: cython.p_int = ints_at(rows if chosen else _no_rows)
    word: cython.ulonglong
    i: cython.Py_ssize_t
    for i in range(n):
        word = base[first + (row[i] if chosen else i) * width]
        to[i] = word if word < known else 0


@cython.ccall
def equal_cells(
    payload: bytes,
    words: object,
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    rows: object,
    n: cython.Py_ssize_t,
    typed: cython.bint,
    wanted: bytes,
    out: object,
) -> cython.void:
    """Which cells are a given text: ``out[i] = 1`` where the cell of row i has exactly the bytes of ``wanted``, else 0.

    Args:
        payload: What ranges point into.
        words: The records' words; the cell of row r begins at ``first + r * width``.
        rows: int32[n], the rows; None: rows 0 to n - 1.
        n: Above 0.
        typed: Cells are attributes (type, then value) rather than texts.
        out: uint8[n].
    """
    base: cython.p_ulonglong = words_at(words)
    to: cython.p_uchar = bytes_at(out)
    chosen: cython.bint = rows is not None
    row: cython.p_int = ints_at(rows if chosen else _no_rows)
    low32: cython.ulonglong = 0xFFFFFFFF
    length: cython.ulonglong = len(wanted)
    value: cython.ulonglong
    at: cython.Py_ssize_t
    i: cython.Py_ssize_t
    if cython.compiled:
        b: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, payload))
        w: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, wanted))
    else:
        b, w = payload, wanted
    for i in range(n):
        at = first + (row[i] if chosen else i) * width
        to[i] = 0
        if typed:
            if base[at] != 1:
                continue
            at += 1
        value = base[at]
        if value & low32 == length and same_bytes(b, value >> 32, w, 0, length):
            to[i] = 1


@cython.ccall
def spread(
    words: object,
    steps: object,
    levels: cython.Py_ssize_t,
    rows: object,
    n: cython.Py_ssize_t,
    hits: object,
    out: object,
) -> cython.void:
    """What is known of the rows of a table, for the rows below: ``out[i] = hits[ancestor of row i]``.

    Args:
        words: The records' words.
        steps: int64[levels * 2]; first word and width of the table of the rows, then of the tables above it, up to
            the one below that of ``hits``. The first word of a row names its parent.
        rows: int32[n], the rows; None: rows 0 to n - 1.
        n: Above 0.
        hits: uint8, one per row of the upper table.
        out: uint8[n].
    """
    base: cython.p_ulonglong = words_at(words)
    table: cython.p_longlong = longs_at(steps)
    known: cython.p_uchar = bytes_at(hits)
    to: cython.p_uchar = bytes_at(out)
    chosen: cython.bint = rows is not None
    row: cython.p_int = ints_at(rows if chosen else _no_rows)
    place: cython.Py_ssize_t
    i: cython.Py_ssize_t
    level: cython.Py_ssize_t
    for i in range(n):
        place = row[i] if chosen else i
        for level in range(levels):
            place = base[table[2 * level] + place * table[2 * level + 1]]
        to[i] = known[place]
