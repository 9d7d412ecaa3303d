# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The halves that wait for their partners: arrays of halves in, arrays of edges out (``layout.py``).

By which rules they are paired is said in ``pairing.py``, and how they are kept in ``half_slots.py``.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import longs_at, words_at
    from cython.cimports.processors.service_graph import half_slots, layout
    from cython.cimports.processors.service_graph.pairing import Pairing, add_halves, expire_halves, load_half
else:
    from pipeline.memory import longs_at, words_at
    from processors.service_graph import half_slots, layout
    from processors.service_graph.pairing import Pairing, add_halves, expire_halves, load_half

from processors.service_graph.layout import KINDS
from processors.service_graph.pairing import FATES

MAX_ITEMS = (1 << 26) - 1  # words of slots are found with 32-bit numbers
EXPIRE_AT_ONCE = 1 << 12


@cython.final
@cython.cclass
class EdgeStore(Pairing):
    """See the module.

    Args:
        max_items: Halves kept, waiting and paired ones together.
        ttl_nano: Age at which a half stops waiting.
        max_items_per_trace: Waiting halves of one trace.
    """

    _out: object
    _tags: object
    _nothing: object
    tags: cython.p_ulonglong

    def __init__(self, max_items: int, ttl_nano: int, max_items_per_trace: int) -> None:
        if not 1 <= max_items <= MAX_ITEMS:
            raise ValueError(f"max_items must be between 1 and {MAX_ITEMS}")
        Pairing.__init__(self, max_items, ttl_nano, max_items_per_trace)
        self._nothing = np.empty((0, layout.EDGE), np.uint64)
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
            add_halves(self, source, n, self.tags, now)
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
            load_half(self, source, i * layout.HALF, times[i])

    def _make_room(self, edges):  # type: ignore[no-untyped-def]
        """Have an output buffer for ``edges``."""
        if len(self._out) >= edges:
            return
        self._out = np.empty((1 << (edges - 1).bit_length(), layout.EDGE), np.uint64)
        self.out = words_at(self._out.reshape(-1))

    def _in_order(self) -> list[int]:
        """The slots in use: waiting halves, oldest first, then paired ones likewise."""
        found = []
        slot = self.oldest
        while slot >= 0:
            found.append(slot)
            slot = self.links[slot * half_slots.LINKS + half_slots.YOUNGER]
        places = (self.ring_first + np.arange(self.paired_items)) % self.ring_size
        paired = self._ring[::2][places] & np.uint64(0xFFFF_FFFF)
        return found + (paired.astype(np.int64) - 1).tolist()

    def _contents(self, slots: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """uint64[k, 8] and int64[k]: halves and deadlines of slots."""
        rows = self._slots.reshape(-1, half_slots.SLOT)[np.array(slots, np.int64)]
        return np.ascontiguousarray(rows[:, : layout.HALF]), rows[:, half_slots.DEADLINE].view(np.int64)
