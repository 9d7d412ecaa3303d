# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The streams of points that were met before: all of a batch, but for the few that need a closer look.

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython

if cython.compiled:
    from cython.cimports.pipeline.memory import ints_at, longs_at, words_at
else:
    from pipeline.memory import ints_at, longs_at, words_at

LENGTH = cython.declare(cython.ulonglong, 0xFFFFFFFF)
REPEATED = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)


@cython.ccall
def find(
    known: dict,
    families: list,
    points: tuple,
    longest: cython.Py_ssize_t,
    turn: object,
    places: tuple,
    begin: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Find the streams of points, up to the first one that is not to be added to a stream as it is.

    Such a point is of a stream that is new, or not known in this encoding, or has other bounds, or that another point
    of this turn is of; its attributes are longer, its numbers came in several parts, or it says that there is no value.

    Args:
        known: Encoding of family and attributes → ``Stream``.
        families: Per row of the table of metrics, bytes, or None.
        points: (payload bytes, metric rows int32[n], attributes uint64[n], bounds uint64[n], flags uint64[n]).
        longest: Bytes of attributes that are part of a key of ``known``.
        turn: Put into ``stream.turn``.
        places: (dict ``StreamRows`` → number, numbers int32[n], rows int64[n]), out.
        begin: The point to begin with.
    Returns:
        The index of that point; n: there is none.
    """
    payload: bytes = points[0]
    metrics: cython.p_int = ints_at(points[1])
    attributes: cython.p_ulonglong = words_at(points[2])
    bounds: cython.p_ulonglong = words_at(points[3])
    flags: cython.p_ulonglong = words_at(points[4])
    count: cython.Py_ssize_t = len(points[1])
    tables: dict = places[0]
    numbers: cython.p_int = ints_at(places[1])
    rows: cython.p_longlong = longs_at(places[2])
    last: object = None
    number: cython.int = 0
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    size: cython.Py_ssize_t
    for i in range(begin, count):
        at = attributes[i] >> 32
        size = attributes[i] & LENGTH
        if size > longest or bounds[i] == REPEATED or flags[i] & 1:
            return i
        family: bytes = families[metrics[i]]
        stream = known.get(family + payload[at : at + size])
        if stream is None or stream.turn is turn:
            return i
        table = stream.rows
        at = bounds[i] >> 32
        size = bounds[i] & LENGTH
        if table.shape != payload[at : at + size]:
            return i
        if table is not last:
            number = tables.setdefault(table, len(tables))
            last = table
        stream.turn = turn
        numbers[i] = number
        rows[i] = stream.row
    return count
