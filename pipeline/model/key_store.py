"""KeyStore: numbered rows with unique keys, whose arrays a native loop can search.

Rows that are freed are used again. Keys are appended to an arena; when half of it is garbage the live ones move to a
new arena, so an arena that a snapshot holds is never written where the snapshot reads.
"""

from __future__ import annotations

import secrets
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.model.key_hash import SPARE
from pipeline.model.key_index import KeyIndex
from pipeline.model.records import Words

_Scalar = TypeVar("_Scalar", bound=np.generic)

_FIRST_ROWS = 64
_FIRST_ARENA = 4096
_MAX_LOAD = 0.8
"""Slots in use. Linear probing on 32-bit tags costs 3 look-ups for a hit and 13 for a miss there (Knuth, TAOCP 6.4)."""


def new_secret(labels: int, value_bytes: int) -> Words:
    """Random words for the hash of keys with so many labels (and the overflow label) of so many bytes: uint64[labels +
    2, stride].
    """
    stride = 1 + (max(SPARE, value_bytes) + 15) // 16 * 2
    return np.frombuffer(secrets.token_bytes((labels + 2) * stride * 8), np.uint64).reshape(labels + 2, stride)


def grown(capacity: int, needed: int, most: int | None = None) -> int:
    """The next capacity: half as much again, so that slack stays below a third."""
    larger = max(needed, capacity + capacity // 2)
    return larger if most is None else max(needed, min(larger, most))


def enlarged(array: npt.NDArray[_Scalar], size: int, fill: float = 0) -> npt.NDArray[_Scalar]:
    """A copy of ``array`` with ``size`` entries along the first axis."""
    shape = (size, *array.shape[1:])
    result = np.full(shape, fill, array.dtype) if fill else np.zeros(shape, array.dtype)
    result[: len(array)] = array
    return result


class KeyStore:
    """Keys of rows.

    Attributes:
        arena, offsets, lengths, slots: What ``index`` searches. ``lengths`` is 0 for a free row.
        index: Finds rows, for native loops.
        used: Rows ever used; rows at and above it are untouched.
        live: Rows in use.
        version: Changes whenever one of the arrays was replaced.
    """

    def __init__(self, secret: Words, max_rows: int) -> None:
        self.max_rows = max_rows
        self.arena = np.empty(_FIRST_ARENA, np.uint8)
        self.offsets = np.zeros(min(_FIRST_ROWS, max_rows), np.uint64)
        self.lengths = np.zeros(len(self.offsets), np.uint32)
        self.slots: Words = np.zeros(2 * _FIRST_ROWS, np.uint64)
        self.used = 0
        self.live = 0
        self.version = 0
        self._arena_used = 0
        self._garbage = 0
        self._free: list[int] = []
        self.index = KeyIndex(secret)
        self._bind()

    @property
    def capacity(self) -> int:
        """Rows that fit before the arrays grow."""
        return len(self.offsets)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return self.arena.nbytes + self.offsets.nbytes + self.lengths.nbytes + self.slots.nbytes

    def find(self, key: bytes) -> int:
        """Row of a key, or -1."""
        return self.index.find(key)

    def key(self, row: int) -> bytes:
        """Key of a row."""
        start = int(self.offsets[row])
        return self.arena[start : start + int(self.lengths[row])].tobytes()

    def rows(self) -> npt.NDArray[np.int32]:
        """int32: the live rows, ascending."""
        return np.flatnonzero(self.lengths[: self.used]).astype(np.int32)

    def add(self, key: bytes) -> int:
        """Give a key that is not there a row."""
        row = self._free.pop() if self._free else self.used
        if row == self.used:
            self._make_room(row)
            self.used += 1
        end = self._arena_used + len(key)
        if end + SPARE > len(self.arena):
            self._grow_arena(len(key))
            end = self._arena_used + len(key)
        self.arena[self._arena_used : end] = np.frombuffer(key, np.uint8)
        self.offsets[row] = self._arena_used
        self.lengths[row] = len(key)
        self._arena_used = end
        self.live += 1
        if self.live > _MAX_LOAD * len(self.slots):
            self._grow_slots()
        self.index.insert(row)
        return row

    def remove(self, rows: npt.NDArray[np.int32]) -> None:
        """Free live rows."""
        self.index.remove(rows)
        self._garbage += int(self.lengths[rows].sum())
        self.lengths[rows] = 0
        self.live -= len(rows)
        self._free.extend(rows[::-1].tolist())
        if self._garbage > max(_FIRST_ARENA, self._arena_used // 2):
            self._compact(0)

    def _make_room(self, row: int) -> None:
        if row < self.capacity:
            return
        size = grown(self.capacity, row + 1, self.max_rows)
        self.offsets = enlarged(self.offsets, size)
        self.lengths = enlarged(self.lengths, size)
        self._bind()

    def _grow_arena(self, needed: int) -> None:
        if self._garbage > self._arena_used // 4:
            self._compact(needed)
        needed += self._arena_used + SPARE
        if needed > len(self.arena):
            arena = np.empty(grown(len(self.arena), needed), np.uint8)
            arena[: self._arena_used] = self.arena[: self._arena_used]
            self.arena = arena
            self._bind()

    def _compact(self, needed: int) -> None:
        """Move the live keys to a new arena with a quarter to spare."""
        kept = self._arena_used - self._garbage
        arena = np.empty(max(_FIRST_ARENA, kept + kept // 4 + needed + SPARE), np.uint8)
        self._arena_used = self.index.move(self.rows(), arena)
        self._garbage = 0
        self.arena = arena
        self._bind()

    def _grow_slots(self) -> None:
        old = self.slots
        self.slots = np.zeros(2 * len(old), np.uint64)
        self._bind()
        # the row just added has no slot yet: insert follows
        self.index.refill(old)

    def _bind(self) -> None:
        self.index.bind(self.slots, self.arena, self.offsets, self.lengths)
        self.version += 1
