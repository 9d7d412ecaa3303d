# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What the spans of a tick add up to, in one pass: per operation, and per operation and callee.

    sums:  int64[6, operations]   calls │ failed │ to other services │ count │ sum │ sum of squares
    pairs: int64[k, 6]            operation │ callee's service │ count │ sum │ sum of squares │ next of the operation

Count, sum and squares are of logarithms, those of ``sums`` of the time without children, those of ``pairs`` of the time
without the callee. Spans that failed, or called another service, are in no logarithm of ``sums``; spans that failed or
called nobody are in no pair. Logarithms are whole multiples of 2^-12 decades of milliseconds, so all sums are exact,
and no order of the spans changes them. A call looks through the callees that its operation has had in the tick, the
newest first.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import math

import cython

if cython.compiled:
    from cython.cimports.libc.math import log2, rint
    from cython.cimports.pipeline.memory import ints_at, longs_at, words_at
else:
    from pipeline.memory import ints_at, longs_at, words_at

    log2 = math.log2
    rint = round  # half to even, as the other

UNIT = 4096.0
"""Steps per decade of the rounded logarithms: 0.06 %."""
KEPT = 6
"""Numbers of an operation, and of a pair."""

_shortest = cython.declare(cython.longlong, 10_000)
_per_octave = cython.declare(cython.double, UNIT * math.log10(2.0))
_millisecond = cython.declare(cython.double, UNIT * 6.0)
_duplicate = cython.declare(cython.int, -3)
_width = cython.declare(cython.Py_ssize_t, 7)
_kept = cython.declare(cython.Py_ssize_t, 6)

SHORTEST_NANO = _shortest
"""Shorter times are taken as this: below, clocks and rounding speak."""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def logarithm(nano: cython.longlong) -> cython.longlong:
    """log10 of milliseconds, in steps."""
    if nano < _shortest:
        nano = _shortest
    return cython.cast(cython.longlong, rint(log2(nano) * _per_octave - _millisecond))


@cython.ccall
def add_up(
    words: object,
    new: cython.Py_ssize_t,
    parents: object,
    children_nano: object,
    remote_nano: object,
    callees: object,
    service_of: object,
    sums: object,
    heads: object,
    pairs: object,
) -> cython.Py_ssize_t:
    """Add up the spans of a tick, the GIL released.

    Args:
        words, new, parents, children_nano, remote_nano, callees, service_of: As ``span_join.join`` left them; spans
            that are there twice count once.
        sums: int64[6, operations], zeros, written.
        heads: int32[operations], -1, written: first pair of each operation, newest first.
        pairs: int64[k, 6], written; k: at least as many as there are callees.
    Returns:
        Pairs that were written.
    """
    low: cython.ulonglong = 0xFFFFFFFF
    n: cython.Py_ssize_t = len(heads)
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    pair: cython.Py_ssize_t
    number: cython.Py_ssize_t
    other: cython.longlong
    found: cython.Py_ssize_t = 0
    flags: cython.ulonglong
    kind: cython.ulonglong
    duration: cython.longlong
    value: cython.longlong
    base: cython.p_ulonglong = words_at(words.reshape(-1))
    parent: cython.p_int = ints_at(parents)
    callee: cython.p_int = ints_at(callees)
    service: cython.p_int = ints_at(service_of)
    children: cython.p_ulonglong = words_at(children_nano)
    remote: cython.p_ulonglong = words_at(remote_nano)
    total: cython.p_longlong = longs_at(sums.reshape(-1))
    head: cython.p_int = ints_at(heads)
    of_pair: cython.p_longlong = longs_at(pairs.reshape(-1))
    with cython.nogil:
        for i in range(new):
            if parent[i] == _duplicate:
                continue
            at = i * _width
            number = base[at + 6] & low
            flags = base[at + 6] >> 32
            kind = flags >> 8
            total[number] += 1
            if callee[i] >= 0 and (kind == 3 or kind == 4):
                total[2 * n + number] += 1
            if flags & 1:
                total[n + number] += 1
                continue
            duration = base[at + 5]
            if callee[i] < 0 or (kind != 3 and kind != 4):
                value = logarithm(duration - cython.cast(cython.longlong, children[i]))
                total[3 * n + number] += 1
                total[4 * n + number] += value
                total[5 * n + number] += value * value
                continue
            value = logarithm(duration - cython.cast(cython.longlong, remote[i]))
            other = service[base[callee[i] * _width + 6] & low]
            pair = head[number]
            while pair >= 0 and of_pair[pair * _kept + 1] != other:
                pair = of_pair[pair * _kept + 5]
            if pair < 0:
                pair = found
                found += 1
                of_pair[pair * _kept] = number
                of_pair[pair * _kept + 1] = other
                of_pair[pair * _kept + 2] = 0
                of_pair[pair * _kept + 3] = 0
                of_pair[pair * _kept + 4] = 0
                of_pair[pair * _kept + 5] = head[number]
                head[number] = cython.cast(cython.int, pair)
            of_pair[pair * _kept + 2] += 1
            of_pair[pair * _kept + 3] += value
            of_pair[pair * _kept + 4] += value * value
    return found
