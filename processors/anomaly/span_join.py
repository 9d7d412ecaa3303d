# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Join of the spans of one tick: for every span its parent, and what its children took.

    words: uint64[n, 7], one row per span     new spans first, then children that still wait for their parent

    +-----------+-----------+---------+--------+-----+----------+------------------------------+
    | trace id  | trace id  | span id | parent | end | duration | flags << 32 | operation      |
    +-----------+-----------+---------+--------+-----+----------+------------------------------+

New spans go into a table (open addressing, seeded hash of trace and span id) and may be parents; then every span looks
its parent up. Sums are integers, and of several children that could name the callee the one with the smallest span id
does, so the order of the rows changes nothing. A span that comes twice counts once.

The service graph's edge store pairs two halves of one call; here a parent has any number of children of any kind, and
all of a tick are there at once, so a table that lives for one call does.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import cython

if cython.compiled:
    from cython.cimports.pipeline.memory import ints_at, words_at
else:
    from pipeline.memory import ints_at, words_at

WORDS = 7
ROOT = -1
"""Parent of a span that has none."""
UNKNOWN = -2
"""Parent of a span whose parent is not among the new spans."""
DUPLICATE = -3
"""Parent of a span that is there twice, on all its rows but one."""

_WIDTH = cython.declare(cython.Py_ssize_t, 7)
_ROOT = cython.declare(cython.int, -1)
_UNKNOWN = cython.declare(cython.int, -2)
_DUPLICATE = cython.declare(cython.int, -3)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def hash_span(
    low: cython.ulonglong, high: cython.ulonglong, span: cython.ulonglong, seed: cython.ulonglong
) -> cython.ulonglong:
    """Hash of a span's identity: three rounds of multiply and shift."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    m: cython.ulonglong = 0x9E3779B97F4A7C15
    h: cython.ulonglong = ((low ^ seed) * m) & full
    h = ((h ^ (h >> 32) ^ high) * m) & full
    h = ((h ^ (h >> 29) ^ span) * m) & full
    return h ^ (h >> 32)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_smaller(base: cython.p_ulonglong, a: cython.Py_ssize_t, b: cython.Py_ssize_t) -> cython.bint:
    """Whether row ``a`` comes before row ``b`` by what it holds."""
    i: cython.Py_ssize_t
    for i in range(_WIDTH):
        if base[a * _WIDTH + i] != base[b * _WIDTH + i]:
            return base[a * _WIDTH + i] < base[b * _WIDTH + i]
    return False


@cython.ccall
def join(
    words: object,
    new: cython.Py_ssize_t,
    table: object,
    seed: cython.ulonglong,
    service_of: object,
    parents: object,
    children_nano: object,
    remote_nano: object,
    callees: object,
) -> cython.void:
    """Find parents and add up children, the GIL released.

    Args:
        words: uint64[n, 7], C-contiguous, n > 0: the ``new`` spans that may be parents, then those that wait.
        table: int32[2^k], zeros, at least twice as long as ``new``.
        seed: Of the hash, 62 random bits, so that a sender cannot choose ids that collide.
        service_of: int32, service by operation.
        parents: int32[n], written: row of the parent, or ``ROOT``, ``UNKNOWN``, ``DUPLICATE``.
        children_nano: uint64[n], zeros; the durations of all children of each span are added.
        remote_nano: uint64[n], zeros; the same for children of other services.
        callees: int32[n], written: row of the child in another service with the smallest span id, or -1.
    """
    n: cython.Py_ssize_t = len(parents)
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    at: cython.Py_ssize_t
    p: cython.ulonglong
    mask: cython.ulonglong = len(table) - 1
    low: cython.ulonglong = 0xFFFFFFFF
    mine: cython.ulonglong
    base: cython.p_ulonglong = words_at(words.reshape(-1))
    slot: cython.p_int = ints_at(table)
    service: cython.p_int = ints_at(service_of)
    parent: cython.p_int = ints_at(parents)
    callee: cython.p_int = ints_at(callees)
    total: cython.p_ulonglong = words_at(children_nano)
    remote: cython.p_ulonglong = words_at(remote_nano)
    with cython.nogil:
        for i in range(n):
            parent[i] = _UNKNOWN
            callee[i] = -1
        for i in range(new):
            at = i * _WIDTH
            p = hash_span(base[at], base[at + 1], base[at + 2], seed) & mask
            while slot[p]:
                j = slot[p] - 1
                if (
                    base[j * _WIDTH + 2] == base[at + 2]
                    and base[j * _WIDTH] == base[at]
                    and base[j * _WIDTH + 1] == base[at + 1]
                ):
                    break
                p = (p + 1) & mask
            if slot[p] == 0:
                slot[p] = cython.cast(cython.int, i + 1)
                continue
            j = slot[p] - 1
            if is_smaller(base, i, j):
                slot[p] = cython.cast(cython.int, i + 1)
                parent[j] = _DUPLICATE
            else:
                parent[i] = _DUPLICATE
        for i in range(n):
            at = i * _WIDTH
            if parent[i] == _DUPLICATE:
                continue
            if base[at + 3] == 0:
                parent[i] = _ROOT
                continue
            if base[at + 3] == base[at + 2]:
                continue
            p = hash_span(base[at], base[at + 1], base[at + 3], seed) & mask
            while slot[p]:
                j = slot[p] - 1
                if (
                    base[j * _WIDTH + 2] == base[at + 3]
                    and base[j * _WIDTH] == base[at]
                    and base[j * _WIDTH + 1] == base[at + 1]
                ):
                    break
                p = (p + 1) & mask
            if slot[p] == 0:
                continue
            j = slot[p] - 1
            parent[i] = cython.cast(cython.int, j)
            total[j] += base[at + 5]
            mine = base[at + 6] & low
            if service[mine] != service[base[j * _WIDTH + 6] & low]:
                remote[j] += base[at + 5]
                if callee[j] < 0 or base[at + 2] < base[callee[j] * _WIDTH + 2]:
                    callee[j] = cython.cast(cython.int, i)
