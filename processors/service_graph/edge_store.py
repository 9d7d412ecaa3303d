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

    index (open addressing, seeded hash of the key) → slot of the oldest half of that key
    waiting: unpaired halves, oldest first   → expire after ttl, or are evicted where the store is full
    paired:  clients that have had a server  → leave after ttl, or where the store is full, before anything else does

Every half that comes in ends as exactly one entry of ``fates()``, or is still among ``waiting``. A trace may have no
more than ``max_items_per_trace`` waiting halves, counted in a table of hashed counters.

Cython in pure Python mode: runs compiled and uncompiled with the same results. The store knows keys, sides and
flags alone, so it can pair other things than calls.
"""

import cython
import numpy as np

# Words of a half.
TRACE = cython.declare(cython.Py_ssize_t, 0)
SPAN = cython.declare(cython.Py_ssize_t, 2)
OTHER = cython.declare(cython.Py_ssize_t, 3)
LABEL = cython.declare(cython.Py_ssize_t, 6)
HALF = cython.declare(cython.Py_ssize_t, 8)
EDGE = cython.declare(cython.Py_ssize_t, 16)

# Flags of a half. The first two number its kind: client, server, producer, consumer.
SERVER = cython.declare(cython.ulonglong, 1)
ALONE = cython.declare(cython.ulonglong, 8)
FILTERED = cython.declare(cython.ulonglong, 16)
PAIRED = cython.declare(cython.ulonglong, 32)
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

# Links of a slot: its neighbours in the queue it stands in, the next younger half of the same key, and, valid on the
# oldest half of a key, the youngest. -1: none.
OLDER = cython.declare(cython.Py_ssize_t, 0)
YOUNGER = cython.declare(cython.Py_ssize_t, 1)
NEXT = cython.declare(cython.Py_ssize_t, 2)
LAST = cython.declare(cython.Py_ssize_t, 3)

MAX_ITEMS = 1 << 26
EXPIRE_AT_ONCE = 1 << 12


@cython.final
@cython.cclass
class EdgeStore:
    """Halves waiting for their partners.

    Args:
        max_items: Halves kept, waiting and paired ones together. Memory is touched only as they come, about 120 bytes
            each.
        ttl_nano: Age at which a half stops waiting.
        max_items_per_trace: Waiting halves of one trace.
        seed: Of the hash: 62 random bits, so that a sender cannot choose ids that collide.
    """

    _keep: object
    _entries: object
    _links: object
    _deadlines: object
    _fates: object
    _out: object
    entries: cython.p_ulonglong
    links: cython.p_int
    deadlines: cython.p_longlong
    hashes: cython.p_ulonglong
    index: cython.p_int
    traces: cython.p_int
    fates_at: cython.p_longlong
    ends: cython.p_int
    out: cython.p_ulonglong
    out_count: cython.Py_ssize_t
    mask: cython.ulonglong
    seed: cython.ulonglong
    ttl: cython.longlong
    max_items: cython.Py_ssize_t
    max_items_per_trace: cython.int
    used: cython.Py_ssize_t
    free: cython.int
    items: cython.Py_ssize_t
    settled: cython.Py_ssize_t
    paired_items: cython.Py_ssize_t

    def __init__(self, max_items, ttl_nano, max_items_per_trace, seed):  # type: ignore[no-untyped-def]
        if not 1 <= max_items <= MAX_ITEMS:
            raise ValueError(f"max_items must be between 1 and {MAX_ITEMS}")
        slots = max_items + 1  # a new half is put down before an old one is taken away
        size = max(4096, 1 << (4 * slots - 1).bit_length())  # places of the index, and hashed counters of traces
        self._entries = np.zeros(slots * HALF, np.uint64)
        self._links = np.zeros(slots * 4, np.int32)
        self._deadlines = np.zeros(slots, np.int64)
        self._fates = np.zeros(len(FATES) * len(KINDS), np.int64)
        hashes = np.zeros(slots * 2, np.uint64)
        ends = np.full(4, -1, np.int32)
        index = np.zeros(size, np.int32)
        traces = np.zeros(size, np.int32)
        self._keep = (ends, hashes, index, traces)
        self.mask = size - 1
        self.seed = seed
        self.ttl = ttl_nano
        self.max_items = max_items
        self.max_items_per_trace = min(max_items_per_trace, MAX_ITEMS)
        self.used = 0
        self.free = -1
        self.items = 0
        self.settled = 0
        self.paired_items = 0
        self.out_count = 0
        self._out = None
        if cython.compiled:
            longs: cython.ulonglong[::1] = self._entries
            self.entries = cython.address(longs[0])
            longs = hashes
            self.hashes = cython.address(longs[0])
            ints: cython.int[::1] = self._links
            self.links = cython.address(ints[0])
            signed: cython.longlong[::1] = self._deadlines
            self.deadlines = cython.address(signed[0])
            signed = self._fates
            self.fates_at = cython.address(signed[0])
            ints = index
            self.index = cython.address(ints[0])
            ints = traces
            self.traces = cython.address(ints[0])
            ints = ends
            self.ends = cython.address(ints[0])
        else:
            self.entries = memoryview(self._entries)
            self.hashes = memoryview(hashes)
            self.links = memoryview(self._links)
            self.deadlines = memoryview(self._deadlines)
            self.fates_at = memoryview(self._fates)
            self.index = memoryview(index)
            self.traces = memoryview(traces)
            self.ends = memoryview(ends)
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
        n: cython.Py_ssize_t = halves.shape[0]
        i: cython.Py_ssize_t
        now: cython.longlong = now_nano
        source: cython.p_ulonglong
        if n == 0:
            return self._out[:0]
        self._make_room(n + self.items)
        self.out_count = 0
        if cython.compiled:
            flat: cython.ulonglong[::1] = halves.reshape(-1)
            source = cython.address(flat[0])
            with cython.nogil:
                for i in range(n):
                    add_half(self, source, i * HALF, now)
        else:
            source = memoryview(halves.reshape(-1))
            for i in range(n):
                add_half(self, source, i * HALF, now)
        return self._out[: self.out_count]

    def expire(self, now_nano):  # type: ignore[no-untyped-def]
        """Let go of the halves whose time is over.

        Returns:
            uint64[k, 16], edges with one side missing, of halves that never met a partner, in order of age. Valid
            until the next call.
        """
        now: cython.longlong = now_nano
        self.out_count = 0
        if self.items == 0:
            return self._out[:0]
        limit: cython.Py_ssize_t = EXPIRE_AT_ONCE
        self._make_room(limit)
        if cython.compiled:
            with cython.nogil:
                expire_halves(self, now, limit)
        else:
            expire_halves(self, now, limit)
        return self._out[: self.out_count]

    def fates(self):  # type: ignore[no-untyped-def]
        """int64[8, 4], halves since the start by ``FATES`` and ``KINDS``."""
        return self._fates.reshape(len(FATES), len(KINDS)).copy()

    @property
    def waiting(self):  # type: ignore[no-untyped-def]
        """Halves that may still be paired and have no fate yet."""
        return self.items - self.settled

    @property
    def held(self):  # type: ignore[no-untyped-def]
        """Halves kept, with paired clients and remembered filtered halves: what ``max_items`` limits."""
        return self.items

    def dump(self, now_nano):  # type: ignore[no-untyped-def]
        """(uint64[k, 8], int64[k]): all halves kept, oldest first, the paired ones last, and the nanoseconds they have
        left."""
        slots = []
        for queue in (0, 1):
            slot = self.ends[queue * 2]
            while slot >= 0:
                slots.append(slot)
                slot = self.links[slot * 4 + YOUNGER]
        where = np.array(slots, np.int64)
        halves = self._entries.reshape(-1, HALF)[where]
        return halves, np.maximum(self._deadlines[where] - now_nano, 0)

    def load(self, halves, left_nano, now_nano):  # type: ignore[no-untyped-def]
        """Take up what ``dump`` gave, into an empty store. Where there are more than fit, the oldest are evicted."""
        n: cython.Py_ssize_t = halves.shape[0]
        i: cython.Py_ssize_t
        source: cython.p_ulonglong
        if self.items:
            raise ValueError("the store is not empty")
        if n == 0:
            return
        deadlines = np.minimum(np.maximum(left_nano, 0), self.ttl) + now_nano
        times: cython.p_longlong
        if cython.compiled:
            flat: cython.ulonglong[::1] = halves.reshape(-1)
            source = cython.address(flat[0])
            signed: cython.longlong[::1] = deadlines
            times = cython.address(signed[0])
        else:
            source = memoryview(halves.reshape(-1))
            times = memoryview(deadlines)
        for i in range(n):
            load_half(self, source, i * HALF, times[i])

    def _make_room(self, edges):  # type: ignore[no-untyped-def]
        """Have an output buffer for ``edges``."""
        if self._out is not None and len(self._out) >= edges:
            return
        size = 1 << (edges - 1).bit_length()
        self._out = np.empty((size, EDGE), np.uint64)
        if cython.compiled:
            longs: cython.ulonglong[::1] = self._out.reshape(-1)
            self.out = cython.address(longs[0])
        else:
            self.out = memoryview(self._out.reshape(-1))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def hash_trace(store: EdgeStore, half: cython.p_ulonglong, at: cython.Py_ssize_t) -> cython.ulonglong:
    """Hash of the trace id: two rounds of multiply and shift."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    m: cython.ulonglong = 0x9E3779B97F4A7C15
    h: cython.ulonglong = ((half[at + TRACE] ^ store.seed) * m) & full
    h = ((h ^ (h >> 32) ^ half[at + TRACE + 1]) * m) & full
    return h ^ (h >> 29)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def hash_key(store: EdgeStore, trace: cython.ulonglong, span: cython.ulonglong) -> cython.ulonglong:
    """Hash of the key, from that of its trace id."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    m: cython.ulonglong = 0xBF58476D1CE4E5B9
    h: cython.ulonglong = ((trace ^ span) * m) & full
    h = ((h ^ (h >> 31) ^ store.seed) * m) & full
    return h ^ (h >> 32)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find(store: EdgeStore, h: cython.ulonglong, half: cython.p_ulonglong, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Place in the index of the key of ``half``; where it is not there, ``~`` of the place where it would be."""
    p: cython.ulonglong = h & store.mask
    entries: cython.p_ulonglong = store.entries
    e: cython.Py_ssize_t
    while store.index[p]:
        e = (store.index[p] - 1) * HALF
        if entries[e + SPAN] == half[at + SPAN] and entries[e] == half[at] and entries[e + 1] == half[at + 1]:
            return cython.cast(cython.Py_ssize_t, p)
        p = (p + 1) & store.mask
    return ~cython.cast(cython.Py_ssize_t, p)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def unindex(store: EdgeStore, place: cython.Py_ssize_t) -> cython.void:
    """Empty a place of the index and move up what probed past it."""
    mask: cython.ulonglong = store.mask
    hole: cython.ulonglong = place
    p: cython.ulonglong = hole
    home: cython.ulonglong
    while True:
        p = (p + 1) & mask
        if store.index[p] == 0:
            break
        home = store.hashes[(store.index[p] - 1) * 2] & mask
        if ((p - home) & mask) >= ((p - hole) & mask):
            store.index[hole] = store.index[p]
            hole = p
    store.index[hole] = 0


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
def raise_flags(store: EdgeStore, slot: cython.int, flags: cython.ulonglong) -> cython.void:
    store.entries[slot * HALF + LABEL] |= flags << 32


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
def emit(store: EdgeStore, half: cython.p_ulonglong, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Begin an edge with one half on its side and the other side empty; the index of its first word."""
    edge: cython.Py_ssize_t = store.out_count * EDGE
    mine: cython.Py_ssize_t = edge + HALF if flags_of(half, at) & SERVER else edge
    i: cython.Py_ssize_t
    for i in range(EDGE):
        store.out[edge + i] = 0
    for i in range(HALF):
        store.out[mine + i] = half[at + i]
    store.out_count += 1
    return edge


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
    """An edge of two halves."""
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
def enqueue(store: EdgeStore, slot: cython.int, queue: cython.int) -> cython.void:
    """Make a slot the youngest of a queue: 0 waiting, 1 paired."""
    youngest: cython.int = store.ends[queue * 2 + 1]
    store.links[slot * 4 + OLDER] = youngest
    store.links[slot * 4 + YOUNGER] = -1
    if youngest >= 0:
        store.links[youngest * 4 + YOUNGER] = slot
    else:
        store.ends[queue * 2] = slot
    store.ends[queue * 2 + 1] = slot
    if queue:
        store.paired_items += 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def dequeue(store: EdgeStore, slot: cython.int, queue: cython.int) -> cython.void:
    """Take a slot out of its queue."""
    older: cython.int = store.links[slot * 4 + OLDER]
    younger: cython.int = store.links[slot * 4 + YOUNGER]
    if older >= 0:
        store.links[older * 4 + YOUNGER] = younger
    else:
        store.ends[queue * 2] = younger
    if younger >= 0:
        store.links[younger * 4 + OLDER] = older
    else:
        store.ends[queue * 2 + 1] = older
    if queue:
        store.paired_items -= 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put(
    store: EdgeStore,
    half: cython.p_ulonglong,
    at: cython.Py_ssize_t,
    trace: cython.ulonglong,
    key: cython.ulonglong,
    place: cython.Py_ssize_t,
    deadline: cython.longlong,
) -> cython.int:
    """Copy a half into a free slot and into the chain of its key. ``place`` is what ``find`` said."""
    slot: cython.int
    oldest: cython.int
    i: cython.Py_ssize_t
    if store.free >= 0:
        slot = store.free
        store.free = store.links[slot * 4 + YOUNGER]
    else:
        slot = cython.cast(cython.int, store.used)
        store.used += 1
    for i in range(HALF):
        store.entries[slot * HALF + i] = half[at + i]
    store.deadlines[slot] = deadline
    store.hashes[slot * 2] = key
    store.hashes[slot * 2 + 1] = trace
    store.links[slot * 4 + NEXT] = -1
    if place < 0:
        store.index[~place] = slot + 1
        store.links[slot * 4 + LAST] = slot
    else:
        oldest = store.index[place] - 1
        store.links[store.links[oldest * 4 + LAST] * 4 + NEXT] = slot
        store.links[oldest * 4 + LAST] = slot
    store.items += 1
    if flags_of(half, at) & SETTLED:
        store.settled += 1
    return slot


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def drop_oldest(store: EdgeStore, place: cython.Py_ssize_t, queue: cython.int) -> cython.void:
    """Free the slot at the head of a chain: the oldest half of its key."""
    slot: cython.int = store.index[place] - 1
    heir: cython.int = store.links[slot * 4 + NEXT]
    flags: cython.ulonglong = flags_of(store.entries, slot * HALF)
    dequeue(store, slot, queue)
    if queue == 0:
        store.traces[store.hashes[slot * 2 + 1] & store.mask] -= 1
    if flags & SETTLED:
        store.settled -= 1
    store.items -= 1
    if heir >= 0:
        store.index[place] = heir + 1
        store.links[heir * 4 + LAST] = store.links[slot * 4 + LAST]
    else:
        unindex(store, place)
    store.links[slot * 4 + YOUNGER] = store.free
    store.free = slot


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def place_of(store: EdgeStore, slot: cython.int) -> cython.Py_ssize_t:
    """Place in the index of a slot that is the oldest of its key."""
    p: cython.ulonglong = store.hashes[slot * 2] & store.mask
    while store.index[p] != slot + 1:
        p = (p + 1) & store.mask
    return cython.cast(cython.Py_ssize_t, p)


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
    if store.ends[2] >= 0:
        drop_oldest(store, place_of(store, store.ends[2]), 1)
        return
    slot = store.ends[0]
    flags = flags_of(store.entries, slot * HALF)
    if not flags & SETTLED:
        count(store, _EVICTED, flags)
    drop_oldest(store, place_of(store, slot), 0)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def wait(
    store: EdgeStore,
    half: cython.p_ulonglong,
    at: cython.Py_ssize_t,
    trace: cython.ulonglong,
    key: cython.ulonglong,
    place: cython.Py_ssize_t,
    now: cython.longlong,
) -> cython.void:
    """Let a half wait for its partner. A filtered one is settled already and only remembered."""
    flags: cython.ulonglong = flags_of(half, at)
    counter: cython.ulonglong = trace & store.mask
    slot: cython.int
    if store.traces[counter] >= store.max_items_per_trace:
        count(store, _FILTERED if flags & FILTERED else _TRACE_LIMIT, flags)
        return
    store.traces[counter] += 1
    slot = put(store, half, at, trace, key, place, now + store.ttl)
    enqueue(store, slot, 0)
    if flags & FILTERED:
        raise_flags(store, slot, SETTLED)
        store.settled += 1
        count(store, _FILTERED, flags)
    keep_limit(store)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def settle(store: EdgeStore, slot: cython.int, fate: cython.Py_ssize_t, now: cython.longlong) -> cython.void:
    """A waiting client has met a server: from here on it is kept for others."""
    at: cython.Py_ssize_t = slot * HALF
    flags: cython.ulonglong = flags_of(store.entries, at)
    if flags & SETTLED:
        return
    count(store, fate, flags)
    raise_flags(store, slot, SETTLED | PAIRED)
    store.settled += 1
    store.traces[store.hashes[slot * 2 + 1] & store.mask] -= 1
    dequeue(store, slot, 0)
    store.deadlines[slot] = now + store.ttl
    enqueue(store, slot, 1)


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
    store: EdgeStore,
    half: cython.p_ulonglong,
    at: cython.Py_ssize_t,
    trace: cython.ulonglong,
    key: cython.ulonglong,
    now: cython.longlong,
) -> cython.void:
    """Pair a server half with its client, or let it wait."""
    place: cython.Py_ssize_t = find(store, key, half, at)
    slot: cython.int
    fate: cython.Py_ssize_t
    if place >= 0:
        slot = store.index[place] - 1
        if not flags_of(store.entries, slot * HALF) & SERVER:
            fate = meet(store, store.entries, slot * HALF, half, at)
            count(store, fate, flags_of(half, at))
            settle(store, slot, fate, now)
            return
    wait(store, half, at, trace, key, place, now)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_client(
    store: EdgeStore,
    half: cython.p_ulonglong,
    at: cython.Py_ssize_t,
    trace: cython.ulonglong,
    key: cython.ulonglong,
    now: cython.longlong,
) -> cython.void:
    """Pair a client half with all servers that wait for it, or let it wait. It takes their place in the index."""
    flags: cython.ulonglong = flags_of(half, at)
    place: cython.Py_ssize_t = find(store, key, half, at)
    theirs: cython.ulonglong
    slot: cython.int
    s: cython.Py_ssize_t
    fate: cython.Py_ssize_t
    best: cython.Py_ssize_t = _LOOP
    if place < 0:
        wait(store, half, at, trace, key, place, now)
        return
    slot = store.index[place] - 1
    if not flags_of(store.entries, slot * HALF) & SERVER:
        count(store, _DUPLICATE, flags)
        return
    while slot >= 0:
        s = slot * HALF
        theirs = flags_of(store.entries, s)
        fate = meet(store, half, at, store.entries, s)
        best = min(best, fate)
        if not theirs & SETTLED:
            count(store, fate, theirs)
        slot = store.links[slot * 4 + NEXT]
        drop_oldest(store, place, 0)
    count(store, best, flags)
    slot = put(store, half, at, trace, key, find(store, key, half, at), now + store.ttl)
    raise_flags(store, slot, SETTLED | PAIRED)
    store.settled += 1
    enqueue(store, slot, 1)
    keep_limit(store)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_half(store: EdgeStore, half: cython.p_ulonglong, at: cython.Py_ssize_t, now: cython.longlong) -> cython.void:
    """Take in one half."""
    flags: cython.ulonglong = flags_of(half, at)
    trace: cython.ulonglong
    key: cython.ulonglong
    if flags & ALONE:
        if flags & FILTERED:
            count(store, _FILTERED, flags)
            return
        count(store, _ALONE, flags)
        emit(store, half, at)
        return
    if half[at + OTHER] == half[at + SPAN]:
        count(store, _LOOP, flags)
        return
    trace = hash_trace(store, half, at)
    key = hash_key(store, trace, half[at + SPAN])
    if flags & SERVER:
        add_server(store, half, at, trace, key, now)
    else:
        add_client(store, half, at, trace, key, now)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def expire_halves(store: EdgeStore, now: cython.longlong, limit: cython.Py_ssize_t) -> cython.void:
    """Empty both queues of what has reached its deadline, until ``limit`` edges have been written."""
    slot: cython.int = store.ends[2]
    flags: cython.ulonglong
    while slot >= 0 and store.deadlines[slot] <= now:
        drop_oldest(store, place_of(store, slot), 1)
        slot = store.ends[2]
    slot = store.ends[0]
    while slot >= 0 and store.deadlines[slot] <= now and store.out_count < limit:
        flags = flags_of(store.entries, slot * HALF)
        if not flags & SETTLED:
            count(store, _EXPIRED, flags)
            emit(store, store.entries, slot * HALF)
        drop_oldest(store, place_of(store, slot), 0)
        slot = store.ends[0]


@cython.cfunc
@cython.exceptval(check=False)
def load_half(
    store: EdgeStore, half: cython.p_ulonglong, at: cython.Py_ssize_t, deadline: cython.longlong
) -> cython.void:
    """Put back a half as it was dumped. One whose key is taken by a half that it cannot stand beside is left out as a
    duplicate."""
    flags: cython.ulonglong = flags_of(half, at)
    trace: cython.ulonglong = hash_trace(store, half, at)
    key: cython.ulonglong = hash_key(store, trace, half[at + SPAN])
    place: cython.Py_ssize_t = find(store, key, half, at)
    queue: cython.int = 1 if flags & PAIRED else 0
    slot: cython.int
    if place >= 0 and not flags & flags_of(store.entries, (store.index[place] - 1) * HALF) & SERVER:
        count(store, _DUPLICATE, flags)
        return
    slot = put(store, half, at, trace, key, place, deadline)
    if queue == 0:
        store.traces[trace & store.mask] += 1
    enqueue(store, slot, queue)
    keep_limit(store)
