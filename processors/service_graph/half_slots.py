# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Where halves of calls (``layout.py``) are kept: slots, an index over their keys, and two queues.

::

    index (open addressing): tag << 32 | slot + 1, of the oldest half of each key
    slot:    the half's eight words │ deadline │ tag │ older, younger │ next, last │ four words to spare
    waiting: a list through the slots, since any of them may be paired
    paired:  a ring of index word │ deadline, since only the oldest leaves; to let go of it no slot is looked at

A slot is two cache lines. The tag is 32 bits of a hash of the key and also says where the key's home in the index is,
so that searching past other keys, growing and removing touch no slots. Probing is linear, removal shifts back. The
index grows with what is kept and is at most half full, so it stays in the caches.

Waiting halves of a trace are counted (``trace_counters.py``) only while so many wait that one could have too many.

Cython in pure Python mode: runs compiled and uncompiled with the same results. Functions in place of methods, so that
``pairing.py`` calls them without a look into a table.
"""

import secrets

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import ints_at, longs_at, words_at
    from cython.cimports.pipeline.model.key_hash import finish, product
    from cython.cimports.processors.service_graph import layout
    from cython.cimports.processors.service_graph.trace_counters import TraceCounters
else:
    from pipeline.memory import ints_at, longs_at, words_at
    from pipeline.model.key_hash import finish, product
    from processors.service_graph import layout
    from processors.service_graph.trace_counters import TraceCounters

    # Words of a slot; the half's own come first.
    DEADLINE, SLOT = 8, 16
    # 32-bit links of a slot: a neighbour among the waiting, and the next younger half of the same key. -1: none.
    YOUNGER, NEXT, LINKS = 21, 22, 32

    def slot_at(slots, place):
        """The slot that a place of the index names."""
        return (slots.index[place] & 0xFFFFFFFF) - 1

    def next_of(slots, slot):
        """The next younger waiting half of the same key, or -1."""
        return slots.links[slot * LINKS + NEXT]

    def deadline_of(slots, slot):
        """When the half in a slot stops waiting."""
        return slots.deadlines[slot * SLOT + DEADLINE]


_TAG = cython.declare(cython.Py_ssize_t, 9)
_OLDER = cython.declare(cython.Py_ssize_t, 20)
# Of the oldest half of a key: the youngest.
_LAST = cython.declare(cython.Py_ssize_t, 23)

_LINE_WORDS = 8
_FIRST_PLACES = 1 << 10


@cython.cclass
class HalfSlots:
    """See the module.

    Args:
        max_items: Halves kept, in both queues together. Memory is touched only as they come, about 170 bytes each.
        max_items_per_trace: Waiting halves of one trace.
    """

    def __init__(self, max_items: int, max_items_per_trace: int) -> None:
        slots = max_items + 1  # a new half is put down before an old one is taken away
        self._slots = _aligned(slots * SLOT)
        unused = np.zeros(slots, np.int32)
        ring = np.zeros(slots * 2, np.uint64)
        secret = np.frombuffer(secrets.token_bytes(32), np.uint64)  # so that nobody can choose ids that collide
        self._keep = (unused, secret)
        self._ring = ring
        self.words = words_at(self._slots)
        self.links = ints_at(self._slots.view(np.int32))
        self.deadlines = longs_at(self._slots.view(np.int64))
        self.ring = words_at(ring)
        self.ring_deadlines = longs_at(ring.view(np.int64))
        self.ring_size = slots
        self.ring_first = 0
        self.unused = ints_at(unused)
        self.unused_count = 0
        self.oldest = -1
        self.youngest = -1
        self.traces = TraceCounters(slots)
        self.is_counting = False
        self.secret = words_at(secret)
        self.max_items = max_items
        self.max_items_per_trace = max_items_per_trace
        self.used = 0
        self.items = 0
        self.paired_items = 0
        self._index = np.zeros(_FIRST_PLACES, np.uint64)
        self.index = words_at(self._index)
        self.mask = _FIRST_PLACES - 1

    def _expect(self, more: int) -> None:
        """Have an index in which so many more halves have room."""
        most = min(self.items + more, self.max_items + 1)
        if 2 * most <= len(self._index):
            return
        old = self._index
        self._index = np.zeros(1 << (2 * most - 1).bit_length(), np.uint64)
        self.mask = len(self._index) - 1
        self.index = words_at(self._index)
        refill(self, words_at(old), len(old))


def _aligned(words: int) -> np.ndarray:
    """uint64 zeros that begin at a cache line."""
    room = np.zeros(words + _LINE_WORDS, np.uint64)
    skip = -(room.ctypes.data // 8) % _LINE_WORDS
    return room[skip : skip + words]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def refill(slots: HalfSlots, old: cython.p_ulonglong, size: cython.Py_ssize_t) -> cython.void:
    """Enter what stands in another index."""
    i: cython.Py_ssize_t
    p: cython.ulonglong
    for i in range(size):
        if old[i]:
            p = (old[i] >> 32) & slots.mask
            while slots.index[p]:
                p = (p + 1) & slots.mask
            slots.index[p] = old[i]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def tag_of(slots: HalfSlots, half: cython.p_ulonglong, at: cython.Py_ssize_t) -> cython.ulonglong:
    """32-bit hash of the key of a half (``pipeline/model/key_hash.py``)."""
    secret: cython.p_ulonglong = slots.secret
    h: cython.ulonglong = product(half[at] + secret[0], half[at + 1] + secret[1])
    return finish(h + product(half[at + layout.SPAN] + secret[2], secret[3]))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_key(a: cython.p_ulonglong, p: cython.Py_ssize_t, b: cython.p_ulonglong, q: cython.Py_ssize_t) -> cython.bint:
    """Whether two halves have the same key."""
    return a[p + layout.SPAN] == b[q + layout.SPAN] and a[p] == b[q] and a[p + 1] == b[q + 1]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def find(slots: HalfSlots, tag: cython.ulonglong, half: cython.p_ulonglong, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Place in the index of the key of ``half``; where it is not there, ``~`` of the place where it would be."""
    low: cython.ulonglong = 0xFFFFFFFF
    p: cython.ulonglong = tag & slots.mask
    words: cython.p_ulonglong = slots.words
    e: cython.Py_ssize_t
    while slots.index[p]:
        if slots.index[p] >> 32 == tag:
            e = ((slots.index[p] & low) - 1) * SLOT
            if is_key(words, e, half, at):
                return cython.cast(cython.Py_ssize_t, p)
        p = (p + 1) & slots.mask
    return ~cython.cast(cython.Py_ssize_t, p)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def place_of_word(slots: HalfSlots, wanted: cython.ulonglong) -> cython.Py_ssize_t:
    """Where a word stands in the index."""
    p: cython.ulonglong = (wanted >> 32) & slots.mask
    while slots.index[p] != wanted:
        p = (p + 1) & slots.mask
    return cython.cast(cython.Py_ssize_t, p)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def word_of(slots: HalfSlots, slot: cython.int) -> cython.ulonglong:
    """What the index has for a slot."""
    return (slots.words[slot * SLOT + _TAG] << 32) | cython.cast(cython.ulonglong, slot + 1)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def place_of(slots: HalfSlots, slot: cython.int) -> cython.Py_ssize_t:
    """Place in the index of a slot that is the oldest of its key."""
    return place_of_word(slots, word_of(slots, slot))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def unindex(slots: HalfSlots, place: cython.Py_ssize_t) -> cython.void:
    """Empty a place of the index and move up what probed past it."""
    mask: cython.ulonglong = slots.mask
    hole: cython.ulonglong = place
    p: cython.ulonglong = hole
    home: cython.ulonglong
    while True:
        p = (p + 1) & mask
        if slots.index[p] == 0:
            break
        home = (slots.index[p] >> 32) & mask
        if ((p - home) & mask) >= ((p - hole) & mask):
            slots.index[hole] = slots.index[p]
            hole = p
    slots.index[hole] = 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def enqueue(slots: HalfSlots, slot: cython.int) -> cython.void:
    """Make a slot the youngest that waits."""
    youngest: cython.int = slots.youngest
    slots.links[slot * LINKS + _OLDER] = youngest
    slots.links[slot * LINKS + YOUNGER] = -1
    if youngest >= 0:
        slots.links[youngest * LINKS + YOUNGER] = slot
    else:
        slots.oldest = slot
    slots.youngest = slot
    if slots.is_counting:
        slots.traces.add(slots.words, slot * SLOT, 1)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def dequeue(slots: HalfSlots, slot: cython.int) -> cython.void:
    """A slot waits no longer."""
    older: cython.int = slots.links[slot * LINKS + _OLDER]
    younger: cython.int = slots.links[slot * LINKS + YOUNGER]
    if older >= 0:
        slots.links[older * LINKS + YOUNGER] = younger
    else:
        slots.oldest = younger
    if younger >= 0:
        slots.links[younger * LINKS + _OLDER] = older
    else:
        slots.youngest = older
    if slots.is_counting:
        slots.traces.add(slots.words, slot * SLOT, -1)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def push_paired(slots: HalfSlots, slot: cython.int, deadline: cython.longlong) -> cython.void:
    """Make a slot the youngest of the paired ones."""
    at: cython.Py_ssize_t = slots.ring_first + slots.paired_items
    if at >= slots.ring_size:
        at -= slots.ring_size
    slots.ring[2 * at] = word_of(slots, slot)
    slots.ring_deadlines[2 * at + 1] = deadline
    slots.paired_items += 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put(
    slots: HalfSlots,
    half: cython.p_ulonglong,
    at: cython.Py_ssize_t,
    tag: cython.ulonglong,
    place: cython.Py_ssize_t,
    is_paired: cython.bint,
    deadline: cython.longlong,
) -> cython.int:
    """Copy a half into a free slot, a queue, and the chain of its key; ``place`` is what ``find`` said. The slot."""
    slot: cython.int
    oldest: cython.int
    i: cython.Py_ssize_t
    if slots.unused_count:
        slots.unused_count -= 1
        slot = slots.unused[slots.unused_count]
    else:
        slot = cython.cast(cython.int, slots.used)
        slots.used += 1
    for i in range(layout.HALF):
        slots.words[slot * SLOT + i] = half[at + i]
    slots.deadlines[slot * SLOT + DEADLINE] = deadline
    slots.words[slot * SLOT + _TAG] = tag
    slots.links[slot * LINKS + NEXT] = -1
    if place < 0:
        slots.index[~place] = (tag << 32) | cython.cast(cython.ulonglong, slot + 1)
        slots.links[slot * LINKS + _LAST] = slot
    else:
        oldest = slot_at(slots, place)
        slots.links[slots.links[oldest * LINKS + _LAST] * LINKS + NEXT] = slot
        slots.links[oldest * LINKS + _LAST] = slot
    slots.items += 1
    if is_paired:
        push_paired(slots, slot, deadline)
    else:
        enqueue(slots, slot)
    return slot


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def move_to_paired(slots: HalfSlots, slot: cython.int, deadline: cython.longlong) -> cython.void:
    """Let a waiting half stand in the other queue, with a new deadline."""
    dequeue(slots, slot)
    slots.deadlines[slot * SLOT + DEADLINE] = deadline
    push_paired(slots, slot, deadline)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def free_slot(slots: HalfSlots, slot: cython.int) -> cython.void:
    """A slot may be used again."""
    slots.unused[slots.unused_count] = slot
    slots.unused_count += 1
    slots.items -= 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def drop_waiting(slots: HalfSlots, place: cython.Py_ssize_t) -> cython.void:
    """Free the slot at the head of a chain: the oldest waiting half of its key."""
    slot: cython.int = slot_at(slots, place)
    heir: cython.int = next_of(slots, slot)
    dequeue(slots, slot)
    if heir >= 0:
        slots.index[place] = word_of(slots, heir)
        slots.links[heir * LINKS + _LAST] = slots.links[slot * LINKS + _LAST]
    else:
        unindex(slots, place)
    free_slot(slots, slot)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def drop_paired(slots: HalfSlots) -> cython.void:
    """Free the slot of the oldest paired half, which has its key for itself."""
    low: cython.ulonglong = 0xFFFFFFFF
    word: cython.ulonglong = slots.ring[2 * slots.ring_first]
    unindex(slots, place_of_word(slots, word))
    free_slot(slots, cython.cast(cython.int, word & low) - 1)
    slots.paired_items -= 1
    slots.ring_first += 1
    if slots.ring_first == slots.ring_size:
        slots.ring_first = 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def count_all(slots: HalfSlots) -> cython.void:
    """Begin to count the waiting halves of each trace, with those that wait already."""
    slot: cython.int = slots.oldest
    slots.traces.clear()
    while slot >= 0:
        slots.traces.add(slots.words, slot * SLOT, 1)
        slot = slots.links[slot * LINKS + YOUNGER]
    slots.is_counting = True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_crowded(slots: HalfSlots, half: cython.p_ulonglong, at: cython.Py_ssize_t) -> cython.bint:
    """Whether a trace has as many waiting halves as it may have. Where all traces together have fewer, no counter is
    looked at; counting ends when they are down to half of that, so that it does not begin over and over again.
    """
    waiting: cython.Py_ssize_t = slots.items - slots.paired_items
    if waiting < slots.max_items_per_trace:
        if 2 * waiting < slots.max_items_per_trace:
            slots.is_counting = False
        return False
    if not slots.is_counting:
        count_all(slots)
    return slots.traces.add(half, at, 0) >= slots.max_items_per_trace
