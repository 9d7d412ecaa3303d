# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The rules by which halves (``layout.py``) are paired, and what becomes of those that are not.

The key of a client is (trace id, span id), that of a server (trace id, parent span id). **Every server half makes one
edge with the client half of its key**, whichever comes first: servers wait in a chain for their client, and a client
that has been paired stays, without counting as waiting, for further servers (fan-out of a message, retries inside one
client span). So the order of arrival changes nothing, where the originals keep the first server of a client and lose
the others.

    slots (``half_slots.py``): key → the oldest half of that key
    waiting: unpaired halves, oldest first   → expire after ttl, or are evicted where the store is full
    paired:  clients that have had a server  → leave after ttl, or where the store is full, before anything else does

Every half that comes in ends as exactly one of ``FATES``, or still waits. A trace may have no more than
``max_items_per_trace`` waiting halves.

Cython in pure Python mode: runs compiled and uncompiled with the same results. The rules know keys, sides and flags
alone, so they can pair other things than calls.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import fetch, longs_at
    from cython.cimports.processors.service_graph import half_slots, layout
    from cython.cimports.processors.service_graph.half_slots import HalfSlots
else:
    from pipeline.memory import fetch, longs_at
    from processors.service_graph import half_slots, layout
    from processors.service_graph.half_slots import HalfSlots

from processors.service_graph.layout import KINDS

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


@cython.cclass
class Pairing(HalfSlots):
    """Halves that are kept, what became of the others, and the edges that have been found.

    Args:
        max_items: Halves kept, waiting and paired ones together.
        ttl_nano: Age at which a half stops waiting.
        max_items_per_trace: Waiting halves of one trace.
    """

    def __init__(self, max_items: int, ttl_nano: int, max_items_per_trace: int) -> None:
        HalfSlots.__init__(self, max_items, max_items_per_trace)
        self._fates = np.zeros(len(FATES) * len(KINDS), np.int64)
        self.fates_at = longs_at(self._fates)
        self.ttl = ttl_nano
        self.remembered = 0
        self.out_count = 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def flags_of(half: cython.p_ulonglong, at: cython.Py_ssize_t) -> cython.ulonglong:
    """Flags of a half, wherever it stands."""
    return half[at + layout.LABEL] >> 32


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def flag(store: Pairing, slot: cython.int, flags: cython.ulonglong) -> cython.void:
    """Set flags of a half that is kept."""
    store.words[slot * half_slots.SLOT + layout.LABEL] |= flags << 32


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def count(store: Pairing, fate: cython.Py_ssize_t, flags: cython.ulonglong) -> cython.void:
    """Write down what became of a half."""
    store.fates_at[fate * 4 + cython.cast(cython.Py_ssize_t, flags & layout.KIND)] += 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def emit(store: Pairing, half: cython.p_ulonglong, at: cython.Py_ssize_t) -> cython.void:
    """Write an edge with one half on its side and the other side empty."""
    edge: cython.Py_ssize_t = store.out_count * layout.EDGE
    mine: cython.Py_ssize_t = edge + layout.HALF if flags_of(half, at) & layout.SERVER else edge
    i: cython.Py_ssize_t
    for i in range(layout.EDGE):
        store.out[edge + i] = 0
    for i in range(layout.HALF):
        store.out[mine + i] = half[at + i]
    store.out_count += 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def emit_pair(
    store: Pairing,
    client: cython.p_ulonglong,
    c: cython.Py_ssize_t,
    server: cython.p_ulonglong,
    s: cython.Py_ssize_t,
) -> cython.void:
    """Write an edge of two halves."""
    edge: cython.Py_ssize_t = store.out_count * layout.EDGE
    i: cython.Py_ssize_t
    for i in range(layout.HALF):
        store.out[edge + i] = client[c + i]
        store.out[edge + layout.HALF + i] = server[s + i]
    store.out_count += 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def forget(store: Pairing, place: cython.Py_ssize_t, flags: cython.ulonglong) -> cython.void:
    """Free a waiting half, the oldest of its key, with these flags."""
    if flags & layout.SETTLED:
        store.remembered -= 1
    half_slots.drop_waiting(store, place)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def keep_limit(store: Pairing) -> cython.void:
    """Where one half too many is kept, forget the oldest paired client, else evict the oldest waiting half.

    The oldest of a queue is the oldest of its key: chains hold waiting servers in order of arrival, clients have no
    company.
    """
    slot: cython.int
    flags: cython.ulonglong
    if store.items <= store.max_items:
        return
    if store.paired_items:
        half_slots.drop_paired(store)
        return
    slot = store.oldest
    flags = flags_of(store.words, slot * half_slots.SLOT)
    if not flags & layout.SETTLED:
        count(store, _EVICTED, flags)
    forget(store, half_slots.place_of(store, slot), flags)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def wait(
    store: Pairing,
    half: cython.p_ulonglong,
    at: cython.Py_ssize_t,
    tag: cython.ulonglong,
    place: cython.Py_ssize_t,
    now: cython.longlong,
) -> cython.void:
    """Let a half wait for its partner. A filtered one is settled already and only remembered."""
    flags: cython.ulonglong = flags_of(half, at)
    slot: cython.int
    if half_slots.is_crowded(store, half, at):
        count(store, _FILTERED if flags & layout.FILTERED else _TRACE_LIMIT, flags)
        return
    slot = half_slots.put(store, half, at, tag, place, False, now + store.ttl)
    if flags & layout.FILTERED:
        flag(store, slot, layout.SETTLED)
        store.remembered += 1
        count(store, _FILTERED, flags)
    keep_limit(store)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def meet(
    store: Pairing,
    client: cython.p_ulonglong,
    c: cython.Py_ssize_t,
    server: cython.p_ulonglong,
    s: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """What becomes of a client and a server with the same key; where they make an edge, it is written out."""
    if (flags_of(client, c) | flags_of(server, s)) & layout.FILTERED:
        return _FILTERED
    if client[c + layout.OTHER] == server[s + layout.OTHER]:
        return _LOOP
    emit_pair(store, client, c, server, s)
    return _PAIRED


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_server(
    store: Pairing, half: cython.p_ulonglong, at: cython.Py_ssize_t, tag: cython.ulonglong, now: cython.longlong
) -> cython.void:
    """Pair a server half with its client, which from then on is kept for others, or let it wait."""
    place: cython.Py_ssize_t = half_slots.find(store, tag, half, at)
    slot: cython.int
    c: cython.Py_ssize_t
    theirs: cython.ulonglong
    fate: cython.Py_ssize_t
    if place >= 0:
        slot = half_slots.slot_at(store, place)
        c = slot * half_slots.SLOT
        theirs = flags_of(store.words, c)
        if not theirs & layout.SERVER:
            fate = meet(store, store.words, c, half, at)
            count(store, fate, flags_of(half, at))
            if not theirs & layout.SETTLED:
                count(store, fate, theirs)
                flag(store, slot, layout.SETTLED | layout.WAS_PAIRED)
                half_slots.move_to_paired(store, slot, now + store.ttl)
            return
    wait(store, half, at, tag, place, now)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_client(
    store: Pairing, half: cython.p_ulonglong, at: cython.Py_ssize_t, tag: cython.ulonglong, now: cython.longlong
) -> cython.void:
    """Pair a client half with all servers that wait for it, or let it wait. It takes their place in the index."""
    flags: cython.ulonglong = flags_of(half, at)
    place: cython.Py_ssize_t = half_slots.find(store, tag, half, at)
    theirs: cython.ulonglong
    slot: cython.int
    s: cython.Py_ssize_t
    fate: cython.Py_ssize_t
    best: cython.Py_ssize_t = _LOOP
    if place < 0:
        wait(store, half, at, tag, place, now)
        return
    slot = half_slots.slot_at(store, place)
    if not flags_of(store.words, slot * half_slots.SLOT) & layout.SERVER:
        count(store, _DUPLICATE, flags)
        return
    while slot >= 0:
        s = slot * half_slots.SLOT
        theirs = flags_of(store.words, s)
        fate = meet(store, half, at, store.words, s)
        best = min(best, fate)
        if not theirs & layout.SETTLED:
            count(store, fate, theirs)
        slot = half_slots.next_of(store, slot)
        forget(store, place, theirs)
    count(store, best, flags)
    slot = half_slots.put(store, half, at, tag, half_slots.find(store, tag, half, at), True, now + store.ttl)
    flag(store, slot, layout.SETTLED | layout.WAS_PAIRED)
    keep_limit(store)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_half(
    store: Pairing, half: cython.p_ulonglong, at: cython.Py_ssize_t, tag: cython.ulonglong, now: cython.longlong
) -> cython.void:
    """Take in one half. The tag is not looked at where it needs no partner."""
    flags: cython.ulonglong = flags_of(half, at)
    if flags & layout.ALONE:
        if flags & layout.FILTERED:
            count(store, _FILTERED, flags)
            return
        count(store, _ALONE, flags)
        emit(store, half, at)
    elif half[at + layout.OTHER] == half[at + layout.SPAN]:
        count(store, _LOOP, flags)
    elif flags & layout.SERVER:
        add_server(store, half, at, tag, now)
    else:
        add_client(store, half, at, tag, now)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_halves(
    store: Pairing, halves: cython.p_ulonglong, n: cython.Py_ssize_t, tags: cython.p_ulonglong, now: cython.longlong
) -> cython.void:
    """Take in halves one after the other. The homes of all keys are fetched first; ``tags`` has room for n."""
    i: cython.Py_ssize_t
    for i in range(n):
        if not flags_of(halves, i * layout.HALF) & layout.ALONE:
            tags[i] = half_slots.tag_of(store, halves, i * layout.HALF)
            fetch(store.index, tags[i] & store.mask)
    for i in range(n):
        add_half(store, halves, i * layout.HALF, tags[i], now)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def expire_halves(store: Pairing, now: cython.longlong, limit: cython.Py_ssize_t) -> cython.void:
    """Empty both queues of what has reached its deadline, until ``limit`` edges have been written."""
    slot: cython.int
    flags: cython.ulonglong
    while store.paired_items and store.ring_deadlines[2 * store.ring_first + 1] <= now:
        half_slots.drop_paired(store)
    slot = store.oldest
    while slot >= 0 and half_slots.deadline_of(store, slot) <= now and store.out_count < limit:
        flags = flags_of(store.words, slot * half_slots.SLOT)
        if not flags & layout.SETTLED:
            count(store, _EXPIRED, flags)
            emit(store, store.words, slot * half_slots.SLOT)
        forget(store, half_slots.place_of(store, slot), flags)
        slot = store.oldest


@cython.cfunc
@cython.exceptval(check=False)
def load_half(
    store: Pairing, half: cython.p_ulonglong, at: cython.Py_ssize_t, deadline: cython.longlong
) -> cython.void:
    """Put back a half as it was dumped. One whose key is taken by a half that it cannot stand beside is left out as a
    duplicate.
    """
    flags: cython.ulonglong = flags_of(half, at)
    tag: cython.ulonglong = half_slots.tag_of(store, half, at)
    place: cython.Py_ssize_t = half_slots.find(store, tag, half, at)
    at_place: cython.Py_ssize_t
    is_paired: cython.bint
    if place >= 0:
        at_place = half_slots.slot_at(store, place) * half_slots.SLOT
        if not flags & flags_of(store.words, at_place) & layout.SERVER:
            count(store, _DUPLICATE, flags)
            return
    is_paired = flags & layout.WAS_PAIRED and not flags & layout.SERVER
    half_slots.put(store, half, at, tag, place, is_paired, deadline)
    if flags & layout.SETTLED and not is_paired:
        store.remembered += 1
    keep_limit(store)
