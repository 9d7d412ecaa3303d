# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""From edges (``edge_store.py``) to what instruments take: the row of each edge's series, and its numbers as columns.

The labels of an edge follow from the label sets of its two halves, its type, and whether it failed. These four are one
64-bit key::

    client label set: 28 bits | server label set: 28 bits | 4 bits 0 | type: 3 bits | failed: 1 bit

There are few of them in a steady state, so a table from key to row answers for all but the first edge of each kind.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import doubles_at, ints_at, longs_at, words_at
else:
    from pipeline.memory import doubles_at, ints_at, longs_at, words_at

_plain = cython.declare(cython.ulonglong, 0)
_messaging = cython.declare(cython.ulonglong, 1)
_database = cython.declare(cython.ulonglong, 2)
_virtual_server = cython.declare(cython.ulonglong, 3)
_virtual_client = cython.declare(cython.ulonglong, 4)
_orphan = cython.declare(cython.ulonglong, 5)

TYPES = ("plain", "messaging", "database", "virtual_server", "virtual_client", "orphan")
"""Types of an edge. A virtual node is the side that sent no span; a database sends none either, but is known by its
client's attributes. An orphan is a server whose parent never came: no edge."""
MAX_LABEL_SETS = 1 << 28
UNKNOWN_ROW = -2

_unknown = cython.declare(cython.int, -2)

MIN_SIZE = 1 << 10
MAX_SIZE = 1 << 18
"""Places of the table: beyond half of them it is emptied and learns again. It is a cache."""

TIME_PROBLEMS = ("missing_time", "negative_duration", "duration_range")
"""What can be wrong with the times of a half."""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def key_of(edges: cython.p_ulonglong, at: cython.Py_ssize_t) -> cython.ulonglong:
    """The key of the edge at word ``at``."""
    low: cython.ulonglong = 0xFFFFFFFF
    client: cython.ulonglong = edges[at + 6]
    server: cython.ulonglong = edges[at + 14]
    flags: cython.ulonglong = (client | server) >> 32
    of_type: cython.ulonglong
    if client != 0 and server != 0:
        of_type = _messaging if flags & 2 else _plain
    elif client != 0:
        of_type = _database if flags & 8 else _virtual_server
    else:
        of_type = _virtual_client if flags & 8 else _orphan
    return (client & low) << 36 | (server & low) << 8 | of_type << 1 | ((flags >> 2) & 1)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def place_of(keys: cython.p_ulonglong, mask: cython.ulonglong, key: cython.ulonglong) -> cython.ulonglong:
    """Where a key stands or would stand; 0 in the table is an empty place and no key."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    m: cython.ulonglong = 0x9E3779B97F4A7C15
    p: cython.ulonglong = (key * m) & full
    p = (p ^ (p >> 32)) & mask
    while keys[p] != 0 and keys[p] != key:
        p = (p + 1) & mask
    return p


@cython.final
@cython.cclass
class RowCache:
    """Key of an edge → row of its series, or any number below 0 that is not ``UNKNOWN_ROW``."""

    _keys: object
    _rows: object
    _count: cython.Py_ssize_t

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything: rows or label sets have been given to others."""
        self._count = 0
        self._keys = np.zeros(MIN_SIZE, np.uint64)
        self._rows = np.zeros(MIN_SIZE, np.int32)

    def find(self, edges, keys, rows):  # type: ignore[no-untyped-def]
        """Look up a batch.

        Args:
            edges: uint64[n, 16], n > 0.
            keys: uint64[n], the keys are written to it.
            rows: int32[n], the rows are written to it, ``UNKNOWN_ROW`` for keys that are not there.
        Returns:
            How many are not there.
        """
        n: cython.Py_ssize_t = len(rows)
        i: cython.Py_ssize_t
        missing: cython.Py_ssize_t = 0
        p: cython.ulonglong
        key: cython.ulonglong
        edge: cython.p_ulonglong = words_at(edges.reshape(-1))
        out_keys: cython.p_ulonglong = words_at(keys)
        out: cython.p_int = ints_at(rows)
        table: cython.p_ulonglong = words_at(self._keys)
        values: cython.p_int = ints_at(self._rows)
        mask: cython.ulonglong = len(self._keys) - 1
        with cython.nogil:
            for i in range(n):
                key = key_of(edge, i * 16)
                out_keys[i] = key
                p = place_of(table, mask, key)
                if table[p] == 0:
                    out[i] = _unknown
                    missing += 1
                else:
                    out[i] = values[p]
        return missing

    def put(self, key, row):  # type: ignore[no-untyped-def]
        """Learn a row."""
        if self._count * 2 >= len(self._keys):
            self._grow()
        p = place_of(words_at(self._keys), len(self._keys) - 1, key)
        self._keys[p] = key
        self._rows[p] = row
        self._count += 1

    def _grow(self) -> None:
        keys, rows = self._keys, self._rows
        used = np.flatnonzero(keys)
        if len(keys) >= MAX_SIZE:
            self.clear()
            return
        self._keys = np.zeros(len(keys) * 2, np.uint64)
        self._rows = np.zeros(len(keys) * 2, np.int32)
        self._count = 0
        for at in used.tolist():
            self.put(int(keys[at]), int(rows[at]))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def seconds_of(
    edges: cython.p_ulonglong,
    half: cython.Py_ssize_t,
    longest: cython.ulonglong,
    wrong: cython.p_longlong,
) -> cython.double:
    """Duration of a half: 0 where it ends before it starts, -1 where nothing can be said. ``wrong`` counts by
    ``TIME_PROBLEMS``."""
    start: cython.ulonglong = edges[half + 4]
    end: cython.ulonglong = edges[half + 5]
    if start == 0 or end == 0:
        wrong[0] += 1
        return -1.0
    if end < start:
        wrong[1] += 1
        return 0.0
    if end - start > longest:
        wrong[2] += 1
        return -1.0
    return cython.cast(cython.double, end - start) / 1e9


@cython.ccall
def measure(
    edges: object,
    longest_nano: cython.ulonglong,
    weights: object,
    failed: object,
    client_s: object,
    server_s: object,
    problems: object,
) -> tuple:
    """Write the numbers of each edge.

    Args:
        edges: uint64[n, 16], n > 0.
        longest_nano: Durations above are taken for a wrong clock.
        weights: float64[n]. Calls that the edge stands for: the larger of its halves' weights, because with consistent
            sampling both are kept exactly when the rarer one is.
        failed: float64[n]. The weight where either half failed, else 0.
        client_s, server_s: float64[n]. Durations; -1: do not observe. A virtual node's is 0, a database's is its
            client's.
        problems: int64[3], added to, by ``TIME_PROBLEMS``.
    Returns:
        How many durations are -1, how many edges failed, and how many have another weight than 1.
    """
    n: cython.Py_ssize_t = len(weights)
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    client: cython.ulonglong
    server: cython.ulonglong
    weight: cython.double
    unknown: cython.Py_ssize_t = 0
    failures: cython.Py_ssize_t = 0
    weighted: cython.Py_ssize_t = 0
    edge: cython.p_ulonglong = words_at(edges.reshape(-1))
    number: cython.p_double = doubles_at(edges.reshape(-1).view(np.float64))
    to_weight: cython.p_double = doubles_at(weights)
    to_failed: cython.p_double = doubles_at(failed)
    to_client: cython.p_double = doubles_at(client_s)
    to_server: cython.p_double = doubles_at(server_s)
    wrong: cython.p_longlong = longs_at(problems)
    with cython.nogil:
        for i in range(n):
            at = i * 16
            client = edge[at + 6]
            server = edge[at + 14]
            weight = 0.0
            to_client[i] = 0.0
            to_server[i] = 0.0
            if client != 0:
                weight = number[at + 7]
                to_client[i] = seconds_of(edge, at, longest_nano, wrong)
            if server != 0:
                if number[at + 15] > weight:
                    weight = number[at + 15]
                to_server[i] = seconds_of(edge, at + 8, longest_nano, wrong)
            elif (client >> 32) & 8:
                to_server[i] = to_client[i]
            to_weight[i] = weight
            if weight != 1.0:
                weighted += 1
            to_failed[i] = 0.0
            if ((client | server) >> 32) & 4:
                failures += 1
                to_failed[i] = weight
            if to_client[i] < 0:
                unknown += 1
            if to_server[i] < 0:
                unknown += 1
    return unknown, failures, weighted


@cython.ccall
def messaging_latency(edges: object, seconds: object) -> cython.Py_ssize_t:
    """Write the time between the end of the producer and the start of the consumer, for messaging edges with both
    sides.

    Args:
        seconds: float64[n]; -1 for other edges, and where there is no time or the consumer starts no later than the
            producer ends: the clocks disagree, or the producer's span waits for the consumer.
    Returns:
        How many had a latency that is not above 0.
    """
    n: cython.Py_ssize_t = len(seconds)
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    not_positive: cython.Py_ssize_t = 0
    edge: cython.p_ulonglong = words_at(edges.reshape(-1))
    to: cython.p_double = doubles_at(seconds)
    with cython.nogil:
        for i in range(n):
            at = i * 16
            to[i] = -1.0
            if edge[at + 6] == 0 or edge[at + 14] == 0 or not ((edge[at + 6] | edge[at + 14]) >> 32) & 2:
                continue
            if edge[at + 5] == 0 or edge[at + 12] == 0:
                continue
            if edge[at + 12] <= edge[at + 5]:
                not_positive += 1
            else:
                to[i] = cython.cast(cython.double, edge[at + 12] - edge[at + 5]) / 1e9
    return not_positive
