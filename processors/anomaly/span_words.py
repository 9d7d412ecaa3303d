# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""From decoded spans to the seven words that ``SpanStore`` keeps of each, without a column in between.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, ints_at, words_at
else:
    from pipeline.memory import bytes_at, ints_at, words_at

COLUMNS = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "start_time_unix_nano",
    "end_time_unix_nano",
    "kind",
    "status_code",
)
"""In the order of ``fields``."""
MAX_NANO = 1 << 42
"""Longer durations (73 minutes) are cut, so that no sum overflows."""

_NO_ROWS = np.zeros(1, np.int32)
_width = cython.declare(cython.Py_ssize_t, 7)
_max_nano = cython.declare(cython.ulonglong, 1 << 42)
_multiplier = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)
_ERROR = cython.declare(cython.ulonglong, 2)


@cython.ccall
def sample(
    words: object,
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    fields: tuple,
    rows: object,
    n: cython.Py_ssize_t,
    thinning: cython.int,
    kept: object,
) -> cython.Py_ssize_t:
    """Choose the spans of one trace in 2^thinning, by a hash of the trace id.

    Args:
        words: The records' words; row r begins at ``first + r * width``.
        fields: The words of ``COLUMNS`` in a row.
        rows: int32[n], the rows to look at; None: rows 0 to n - 1.
        n: Above 0.
        thinning: From 1 to 63.
        kept: uint8[n], written: 1 where a span is kept.
    Returns:
        How many are kept.
    """
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    found: cython.Py_ssize_t = 0
    mixed: cython.ulonglong
    shift: cython.int = 64 - thinning
    trace: cython.Py_ssize_t = fields[0]
    chosen: cython.bint = rows is not None
    base: cython.p_ulonglong = words_at(words)
    to: cython.p_uchar = bytes_at(kept)
    row: cython.p_int = ints_at(rows if chosen else _NO_ROWS)
    with cython.nogil:
        for i in range(n):
            at = first + (row[i] if chosen else i) * width + trace
            mixed = ((base[at] ^ base[at + 1]) * _multiplier) & full
            to[i] = 1 if mixed >> shift == 0 else 0
            found += to[i]
    return found


@cython.ccall
def fill(
    out: object,
    words: object,
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    fields: tuple,
    rows: object,
    operations: object,
    begin: cython.ulonglong,
    until: cython.ulonglong,
    keep_late: cython.bint,
) -> tuple:
    """Write the words of spans that end in an open tick.

    Args:
        out: uint64[n, 7], C-contiguous, n > 0; as many rows are written as spans are kept.
        words, first, width, fields, rows: As for ``sample``.
        operations: int32[n].
        begin, until: Unix nanoseconds, of the oldest open tick and of what is too far in the future.
        keep_late: Move spans that end before ``begin`` there, instead of leaving them out.
    Returns:
        How many spans were written, how many came late, and how many end in the future; then the first and the last
        end of all, Unix nanoseconds.
    """
    n: cython.Py_ssize_t = len(operations)
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    k: cython.Py_ssize_t = 0
    late: cython.Py_ssize_t = 0
    future: cython.Py_ssize_t = 0
    earliest: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    latest: cython.ulonglong = 0
    trace: cython.Py_ssize_t
    span: cython.Py_ssize_t
    parent: cython.Py_ssize_t
    start: cython.Py_ssize_t
    end: cython.Py_ssize_t
    kind: cython.Py_ssize_t
    status: cython.Py_ssize_t
    ended: cython.ulonglong
    nano: cython.ulonglong
    flags: cython.ulonglong
    operation: cython.ulonglong
    chosen: cython.bint = rows is not None
    base: cython.p_ulonglong = words_at(words)
    to: cython.p_ulonglong = words_at(out.reshape(-1))
    number: cython.p_int = ints_at(operations)
    row: cython.p_int = ints_at(rows if chosen else operations)
    trace, span, parent, start, end, kind, status = fields
    with cython.nogil:
        for i in range(n):
            at = first + (row[i] if chosen else i) * width
            ended = base[at + end]
            if ended < earliest:
                earliest = ended
            if ended > latest:
                latest = ended
            if ended >= until:
                future += 1
                continue
            nano = ended - base[at + start] if ended > base[at + start] else 0
            if nano > _max_nano:
                nano = _max_nano
            if ended < begin:
                late += 1
                if not keep_late:
                    continue
                ended = begin
            flags = (base[at + kind] & 0xFF) << 8
            if base[at + status] == _ERROR:
                flags |= 1
            operation = number[i]
            to[k] = base[at + trace]
            to[k + 1] = base[at + trace + 1]
            to[k + 2] = base[at + span]
            to[k + 3] = base[at + parent]
            to[k + 4] = ended
            to[k + 5] = nano
            to[k + 6] = flags << 32 | operation
            k += _width
    return k // _width, late, future, earliest, latest


@cython.ccall
def split(words: object, n: cython.Py_ssize_t, until: cython.ulonglong, out: object) -> cython.Py_ssize_t:
    """Move the spans that end before a time, and close the gaps that they leave.

    Args:
        words: uint64[m, 7], C-contiguous, of which the first n rows are looked at; written.
        n: Above 0.
        until: Unix nanoseconds.
        out: uint64[k, 7], C-contiguous, k at least n; written.
    Returns:
        How many were moved; those that stay are the first rows of ``words``, both in their order.
    """
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    moved: cython.Py_ssize_t = 0
    left: cython.Py_ssize_t = 0
    base: cython.p_ulonglong = words_at(words.reshape(-1))
    to: cython.p_ulonglong = words_at(out.reshape(-1))
    j: cython.Py_ssize_t
    with cython.nogil:
        for i in range(n):
            at = i * _width
            if base[at + 4] < until:
                for j in range(_width):
                    to[moved + j] = base[at + j]
                moved += _width
            else:
                if left != at:
                    for j in range(_width):
                        base[left + j] = base[at + j]
                left += _width
    return moved // _width
