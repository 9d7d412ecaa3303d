# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Pairs the two halves of each call: what a client's span says of it, and what the server's span says.

A *half* is eight 64-bit words, one cache line, without a string in it::

    TRACE  TRACE+1  SPAN  OTHER  START  END  LABEL  WEIGHT
    └ key: the client's ids ┘  │                │      └ float64 bits, carried along
                               │                └ flags << 32 | label set, a number that is the caller's
                               └ client: its parent's span id; server: its own. Unmasks loops.

An *edge* is sixteen words: the client's half, then the server's; the side that is missing is all zero.

The key of a client is (trace id, span id), that of a server (trace id, parent span id). **Every server half makes one
edge with the client half of its key**, whichever comes first: servers wait in a chain for their client, and a client
that has been paired stays, without counting as waiting, for further servers (fan-out of a message, retries inside one
client span). So the order of arrival changes nothing, where the originals keep the first server of a client and lose
the others.

    slots (``half_slots.py``): key → the oldest half of that key
    waiting: unpaired halves, oldest first   → expire after ttl, or are evicted where the store is full
    paired:  clients that have had a server  → leave after ttl, or where the store is full, before anything else does

Every half that comes in ends as exactly one entry of ``fates()``, or is still among ``waiting``. A trace may have no
more than ``max_items_per_trace`` waiting halves.

Cython in pure Python mode: runs compiled and uncompiled with the same results. The store knows keys, sides and
flags alone, so it can pair other things than calls.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import longs_at, words_at
    from cython.cimports.processors.service_graph.half_slots import (
        DEADLINE,
        HALF,
        LABEL,
        LINKS,
        NEXT,
        OTHER,
        SLOT,
        SPAN,
        HalfSlots,
        drop_paired,
        drop_waiting,
        fetch,
        find,
        is_crowded,
        move_to_paired,
        place_of,
        put,
        tag_of,
    )
else:
    from pipeline.memory import longs_at, words_at
    from processors.service_graph.half_slots import (
        DEADLINE,
        HALF,
        LABEL,
        LINKS,
        NEXT,
        OTHER,
        SLOT,
        SPAN,
        HalfSlots,
        drop_paired,
        drop_waiting,
        fetch,
        find,
        is_crowded,
        move_to_paired,
        place_of,
        put,
        tag_of,
    )

EDGE = cython.declare(cython.Py_ssize_t, 16)

# Flags of a half. The first two number its kind: client, server, producer, consumer. A settled half has its fate
# already and is kept for the partners that may still come.
SERVER = cython.declare(cython.ulonglong, 1)
ALONE = cython.declare(cython.ulonglong, 8)
FILTERED = cython.declare(cython.ulonglong, 16)
WAS_PAIRED = cython.declare(cython.ulonglong, 32)
SETTLED = cython.declare(cython.ulonglong, 64)
KIND = cython.declare(cython.ulonglong, 3)

FLAGS = {"server": 1, "messaging": 2, "failed": 4, "alone": 8, "filtered": 16}
"""What a caller may set. ``alone``: needs no partner, is an edge by itself. ``filtered``: makes no edge, and neither
does its partner."""
KINDS = ("client", "server", "producer", "consumer")
FATES = ("paired", "alone", "expired", "evicted", "trace_limit", "duplicate", "filtered", "loop")
"""What can become of a half. Duplicate: a second client half with the key of one that is still there. Loop: its own
parent, or client and server are each other's parents."""

_PAIRED = cython.declare(cython.Py_ssize_t, 0)
_ALONE = cython.declare(cython.Py_ssize_t, 1)
_EXPIRED = cython.declare(cython.Py_ssize_t, 2)
_EVICTED = cython.declare(cython.Py_ssize_t, 3)
_TRACE_LIMIT = cython.declare(cython.Py_ssize_t, 4)
_DUPLICATE = cython.declare(cython.Py_ssize_t, 5)
_FILTERED = cython.declare(cython.Py_ssize_t, 6)
_LOOP = cython.declare(cython.Py_ssize_t, 7)

MAX_ITEMS = 1 << 26
EXPIRE_AT_ONCE = 1 << 12


@cython.final
@cython.cclass
class EdgeStore(HalfSlots):
    """Halves waiting for their partners.

    Args:
        max_items: Halves kept, waiting and paired ones together.
        ttl_nano: Age at which a half stops waiting.
        max_items_per_trace: Waiting halves of one trace.
        seed: Of the hash: 62 random bits, so that a sender cannot choose ids that collide.
    """

    _fates: object
    _out: object
    _tags: object
    _nothing: object
    fates_at: cython.p_longlong
    out: cython.p_ulonglong
    tags: cython.p_ulonglong
    out_count: cython.Py_ssize_t
    ttl: cython.longlong
    remembered: cython.Py_ssize_t

    def __init__(self, max_items, ttl_nano, max_items_per_trace, seed):  # type: ignore[no-untyped-def]
        if not 1 <= max_items <= MAX_ITEMS:
            raise ValueError(f"max_items must be between 1 and {MAX_ITEMS}")
        HalfSlots.__init__(self, max_items, max_items_per_trace, seed)
        self._fates = np.zeros(len(FATES) * len(KINDS), np.int64)
        self.fates_at = longs_at(self._fates)
        self.ttl = ttl_nano
        self.remembered = 0
        self.out_count = 0
        self._nothing = np.empty((0, EDGE), np.uint64)
        self._out = self._nothing
        self._tags = np.zeros(0, np.uint64)
        self._make_room(1024)

    def add(self, halves, now_nano):  # type: ignore[no-untyped-def]
        """Take in a batch of halves, the GIL released.

        Call ``expire`` for the same time first: what is too old would still be paired.

        Args:
            halves: uint64[n, 8], C-contiguous, in order of arrival.
            now_nano: Monotonic time.
        Returns:
            uint64[k, 16], the edges that are complete. Valid until the next call.
        """
        n: cython.Py_ssize_t = len(halves)
        i: cython.Py_ssize_t
        now: cython.longlong = now_nano
        if n == 0:
            return self._nothing
        self._make_room(n + self.items)
        self._expect(n)
        if n > len(self._tags):
            self._tags = np.zeros(2 * n, np.uint64)
            self.tags = words_at(self._tags)
        self.out_count = 0
        source: cython.p_ulonglong = words_at(halves.reshape(-1))
        with cython.nogil:
            for i in range(n):
                if not source[i * HALF + LABEL] >> 32 & ALONE:
                    self.tags[i] = tag_of(self, source, i * HALF)
                    fetch(self, self.tags[i])
            for i in range(n):
                add_half(self, source, i * HALF, self.tags[i], now)
        return self._out[: self.out_count]

    def expire(self, now_nano):  # type: ignore[no-untyped-def]
        """Let go of the halves whose time is over.

        Returns:
            uint64[k, 16], edges with one side missing, of halves that never met a partner, in order of age. Valid
            until the next call.
        """
        now: cython.longlong = now_nano
        if self.items == 0:
            return self._nothing
        limit: cython.Py_ssize_t = EXPIRE_AT_ONCE
        self._make_room(limit)
        self.out_count = 0
        with cython.nogil:
            expire_halves(self, now, limit)
        return self._out[: self.out_count] if self.out_count else self._nothing

    def fates(self):  # type: ignore[no-untyped-def]
        """int64[8, 4], halves since the start by ``FATES`` and ``KINDS``."""
        return self._fates.reshape(len(FATES), len(KINDS)).copy()

    @property
    def waiting(self):  # type: ignore[no-untyped-def]
        """Halves that may still be paired and have no fate yet."""
        return self.items - self.paired_items - self.remembered

    @property
    def held(self):  # type: ignore[no-untyped-def]
        """Halves kept, with paired clients and remembered filtered halves: what ``max_items`` limits."""
        return self.items

    def dump(self, now_nano):  # type: ignore[no-untyped-def]
        """(uint64[k, 8], int64[k]): all halves kept, oldest first, the paired ones last, and the nanoseconds they have
        left.
        """
        halves, deadlines = self._contents(self._in_order())
        return halves, np.maximum(deadlines - now_nano, 0)

    def load(self, halves, left_nano, now_nano):  # type: ignore[no-untyped-def]
        """Take up what ``dump`` gave, into an empty store. Where there are more than fit, the oldest are evicted."""
        n: cython.Py_ssize_t = len(halves)
        i: cython.Py_ssize_t
        if self.items:
            raise ValueError("the store is not empty")
        if n == 0:
            return
        self._expect(n)
        deadlines = np.minimum(np.maximum(left_nano, 0), self.ttl) + now_nano
        times: cython.p_longlong = longs_at(deadlines)
        source: cython.p_ulonglong = words_at(halves.reshape(-1))
        for i in range(n):
            load_half(self, source, i * HALF, times[i])

    def _make_room(self, edges):  # type: ignore[no-untyped-def]
        """Have an output buffer for ``edges``."""
        if len(self._out) >= edges:
            return
        self._out = np.empty((1 << (edges - 1).bit_length(), EDGE), np.uint64)
        self.out = words_at(self._out.reshape(-1))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def flags_of(half: cython.p_ulonglong, at: cython.Py_ssize_t) -> cython.ulonglong:
    return half[at + LABEL] >> 32


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def count(store: EdgeStore, fate: cython.Py_ssize_t, flags: cython.ulonglong) -> cython.void:
    """Write down what became of a half."""
    store.fates_at[fate * 4 + cython.cast(cython.Py_ssize_t, flags & KIND)] += 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def emit(store: EdgeStore, half: cython.p_ulonglong, at: cython.Py_ssize_t) -> cython.void:
    """Write an edge with one half on its side and the other side empty."""
    edge: cython.Py_ssize_t = store.out_count * EDGE
    mine: cython.Py_ssize_t = edge + HALF if flags_of(half, at) & SERVER else edge
    i: cython.Py_ssize_t
    for i in range(EDGE):
        store.out[edge + i] = 0
    for i in range(HALF):
        store.out[mine + i] = half[at + i]
    store.out_count += 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def emit_pair(
    store: EdgeStore,
    client: cython.p_ulonglong,
    c: cython.Py_ssize_t,
    server: cython.p_ulonglong,
    s: cython.Py_ssize_t,
) -> cython.void:
    """Write an edge of two halves."""
    edge: cython.Py_ssize_t = store.out_count * EDGE
    i: cython.Py_ssize_t
    for i in range(HALF):
        store.out[edge + i] = client[c + i]
        store.out[edge + HALF + i] = server[s + i]
    store.out_count += 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def forget(store: EdgeStore, place: cython.Py_ssize_t, flags: cython.ulonglong) -> cython.void:
    """Free a waiting half, the oldest of its key, with these flags."""
    if flags & SETTLED:
        store.remembered -= 1
    drop_waiting(store, place)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def keep_limit(store: EdgeStore) -> cython.void:
    """Where one half too many is kept, forget the oldest paired client, else evict the oldest waiting half.

    The oldest of a queue is the oldest of its key: chains hold waiting servers in order of arrival, clients have no
    company.
    """
    slot: cython.int
    flags: cython.ulonglong
    if store.items <= store.max_items:
        return
    if store.paired_items:
        drop_paired(store)
        return
    slot = store.oldest
    flags = flags_of(store.words, slot * SLOT)
    if not flags & SETTLED:
        count(store, _EVICTED, flags)
    forget(store, place_of(store, slot), flags)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def wait(
    store: EdgeStore,
    half: cython.p_ulonglong,
    at: cython.Py_ssize_t,
    tag: cython.ulonglong,
    place: cython.Py_ssize_t,
    now: cython.longlong,
) -> cython.void:
    """Let a half wait for its partner. A filtered one is settled already and only remembered."""
    flags: cython.ulonglong = flags_of(half, at)
    slot: cython.int
    if is_crowded(store, half, at):
        count(store, _FILTERED if flags & FILTERED else _TRACE_LIMIT, flags)
        return
    slot = put(store, half, at, tag, place, False, now + store.ttl)
    if flags & FILTERED:
        store.words[slot * SLOT + LABEL] |= SETTLED << 32
        store.remembered += 1
        count(store, _FILTERED, flags)
    keep_limit(store)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def meet(
    store: EdgeStore,
    client: cython.p_ulonglong,
    c: cython.Py_ssize_t,
    server: cython.p_ulonglong,
    s: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """What becomes of a client and a server with the same key; where they make an edge, it is written out."""
    if (flags_of(client, c) | flags_of(server, s)) & FILTERED:
        return _FILTERED
    if client[c + OTHER] == server[s + OTHER]:
        return _LOOP
    emit_pair(store, client, c, server, s)
    return _PAIRED


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_server(
    store: EdgeStore, half: cython.p_ulonglong, at: cython.Py_ssize_t, tag: cython.ulonglong, now: cython.longlong
) -> cython.void:
    """Pair a server half with its client, which from then on is kept for others, or let it wait."""
    place: cython.Py_ssize_t = find(store, tag, half, at)
    low: cython.ulonglong = 0xFFFFFFFF
    slot: cython.int
    c: cython.Py_ssize_t
    theirs: cython.ulonglong
    fate: cython.Py_ssize_t
    if place >= 0:
        slot = cython.cast(cython.int, store.index[place] & low) - 1
        c = slot * SLOT
        theirs = flags_of(store.words, c)
        if not theirs & SERVER:
            fate = meet(store, store.words, c, half, at)
            count(store, fate, flags_of(half, at))
            if not theirs & SETTLED:
                count(store, fate, theirs)
                store.words[c + LABEL] |= (SETTLED | WAS_PAIRED) << 32
                move_to_paired(store, slot, now + store.ttl)
            return
    wait(store, half, at, tag, place, now)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_client(
    store: EdgeStore, half: cython.p_ulonglong, at: cython.Py_ssize_t, tag: cython.ulonglong, now: cython.longlong
) -> cython.void:
    """Pair a client half with all servers that wait for it, or let it wait. It takes their place in the index."""
    flags: cython.ulonglong = flags_of(half, at)
    place: cython.Py_ssize_t = find(store, tag, half, at)
    low: cython.ulonglong = 0xFFFFFFFF
    theirs: cython.ulonglong
    slot: cython.int
    s: cython.Py_ssize_t
    fate: cython.Py_ssize_t
    best: cython.Py_ssize_t = _LOOP
    if place < 0:
        wait(store, half, at, tag, place, now)
        return
    slot = cython.cast(cython.int, store.index[place] & low) - 1
    if not flags_of(store.words, slot * SLOT) & SERVER:
        count(store, _DUPLICATE, flags)
        return
    while slot >= 0:
        s = slot * SLOT
        theirs = flags_of(store.words, s)
        fate = meet(store, half, at, store.words, s)
        best = min(best, fate)
        if not theirs & SETTLED:
            count(store, fate, theirs)
        slot = store.links[slot * LINKS + NEXT]
        forget(store, place, theirs)
    count(store, best, flags)
    slot = put(store, half, at, tag, find(store, tag, half, at), True, now + store.ttl)
    store.words[slot * SLOT + LABEL] |= (SETTLED | WAS_PAIRED) << 32
    keep_limit(store)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_half(
    store: EdgeStore, half: cython.p_ulonglong, at: cython.Py_ssize_t, tag: cython.ulonglong, now: cython.longlong
) -> cython.void:
    """Take in one half. The tag is not looked at where it needs no partner."""
    flags: cython.ulonglong = flags_of(half, at)
    if flags & ALONE:
        if flags & FILTERED:
            count(store, _FILTERED, flags)
            return
        count(store, _ALONE, flags)
        emit(store, half, at)
    elif half[at + OTHER] == half[at + SPAN]:
        count(store, _LOOP, flags)
    elif flags & SERVER:
        add_server(store, half, at, tag, now)
    else:
        add_client(store, half, at, tag, now)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def expire_halves(store: EdgeStore, now: cython.longlong, limit: cython.Py_ssize_t) -> cython.void:
    """Empty both queues of what has reached its deadline, until ``limit`` edges have been written."""
    slot: cython.int
    flags: cython.ulonglong
    while store.paired_items and store.ring_deadlines[2 * store.ring_first + 1] <= now:
        drop_paired(store)
    slot = store.oldest
    while slot >= 0 and store.deadlines[slot * SLOT + DEADLINE] <= now and store.out_count < limit:
        flags = flags_of(store.words, slot * SLOT)
        if not flags & SETTLED:
            count(store, _EXPIRED, flags)
            emit(store, store.words, slot * SLOT)
        forget(store, place_of(store, slot), flags)
        slot = store.oldest


@cython.cfunc
@cython.exceptval(check=False)
def load_half(
    store: EdgeStore, half: cython.p_ulonglong, at: cython.Py_ssize_t, deadline: cython.longlong
) -> cython.void:
    """Put back a half as it was dumped. One whose key is taken by a half that it cannot stand beside is left out as a
    duplicate.
    """
    flags: cython.ulonglong = flags_of(half, at)
    tag: cython.ulonglong = tag_of(store, half, at)
    low: cython.ulonglong = 0xFFFFFFFF
    place: cython.Py_ssize_t = find(store, tag, half, at)
    at_place: cython.Py_ssize_t
    is_paired: cython.bint
    if place >= 0:
        at_place = (cython.cast(cython.Py_ssize_t, store.index[place] & low) - 1) * SLOT
        if not flags & flags_of(store.words, at_place) & SERVER:
            count(store, _DUPLICATE, flags)
            return
    is_paired = flags & WAS_PAIRED and not flags & SERVER
    put(store, half, at, tag, place, is_paired, deadline)
    if flags & SETTLED and not is_paired:
        store.remembered += 1
    keep_limit(store)
