# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""From an edge (``layout.py``) to the row of its series.

The labels of an edge follow from the label sets of its two halves, its type, and whether it failed. These four are one
64-bit key::

    client label set: 28 bits | server label set: 28 bits | 4 bits 0 | type: 3 bits | failed: 1 bit

There are few of them in a steady state, so a table from key to row answers for all but the first edge of each kind.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import ints_at, words_at
    from cython.cimports.processors.service_graph import layout
else:
    from pipeline.memory import ints_at, words_at
    from processors.service_graph import layout

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


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def key_of(edges: cython.p_ulonglong, at: cython.Py_ssize_t) -> cython.ulonglong:
    """The key of the edge at word ``at``."""
    low: cython.ulonglong = 0xFFFFFFFF
    client: cython.ulonglong = edges[at + layout.LABEL]
    server: cython.ulonglong = edges[at + layout.HALF + layout.LABEL]
    flags: cython.ulonglong = (client | server) >> 32
    failed: cython.ulonglong = 1 if flags & layout.FAILED else 0
    of_type: cython.ulonglong
    if client != 0 and server != 0:
        of_type = _messaging if flags & layout.MESSAGING else _plain
    elif client != 0:
        of_type = _database if flags & layout.ALONE else _virtual_server
    else:
        of_type = _virtual_client if flags & layout.ALONE else _orphan
    return (client & low) << 36 | (server & low) << 8 | of_type << 1 | failed


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

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything: rows or label sets have been given to others."""
        self._count = 0
        self._use(np.zeros(MIN_SIZE, np.uint64), np.zeros(MIN_SIZE, np.int32))

    def put(self, key, row):  # type: ignore[no-untyped-def]
        """Learn a row."""
        if self._count * 2 >= len(self._keys):
            self._grow()
        p = place_of(self.keys, self.mask, key)
        self._keys[p] = key
        self._rows[p] = row
        self._count += 1

    def _grow(self) -> None:
        keys, rows = self._keys, self._rows
        used = np.flatnonzero(keys)
        if len(keys) >= MAX_SIZE:
            self.clear()
            return
        self._use(np.zeros(len(keys) * 2, np.uint64), np.zeros(len(keys) * 2, np.int32))
        self._count = 0
        for at in used.tolist():
            self.put(int(keys[at]), int(rows[at]))

    def _use(self, keys: object, rows: object) -> None:
        self._keys = keys
        self._rows = rows
        self.keys = words_at(keys)
        self.rows = ints_at(rows)
        self.mask = len(keys) - 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def find_rows(
    cache: RowCache, edges: cython.p_ulonglong, n: cython.Py_ssize_t, keys: cython.p_ulonglong, rows: cython.p_int
) -> cython.Py_ssize_t:
    """Write the key and the row of each of n edges, ``UNKNOWN_ROW`` where it is not there; how many are not there."""
    i: cython.Py_ssize_t
    missing: cython.Py_ssize_t = 0
    p: cython.ulonglong
    for i in range(n):
        keys[i] = key_of(edges, i * layout.EDGE)
        p = place_of(cache.keys, cache.mask, keys[i])
        if cache.keys[p] == 0:
            rows[i] = _unknown
            missing += 1
        else:
            rows[i] = cache.rows[p]
    return missing
