# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The hash table over the keys of an arena.

Keys are laid out as ``key_hash`` says. A slot of the table is ``tag << 32 | row + 1``; the tag is the hash of the key
and also says where the slot's home is, so that growing never touches the keys. Probing is linear and removal shifts
back, so there are no tombstones. Keys are compared byte by byte.

Cython in pure Python mode: compiled and uncompiled give the same results. Pointers are base plus index, so that
memoryviews take their place uncompiled.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import (
        bytes_at,
        copy_bytes,
        ints_at,
        same_bytes,
        uints_at,
        words_at,
    )
    from cython.cimports.pipeline.model.key_hash import key_tag
else:
    from pipeline.memory import bytes_at, copy_bytes, ints_at, same_bytes, uints_at, words_at
    from pipeline.model.key_hash import key_tag

from pipeline.model.key_hash import SPARE, WINDOW


@cython.final
@cython.cclass
class KeyIndex:
    """Finds rows by keys. The caller owns the arrays and says when they are replaced; ``SPARE`` bytes of the arena
    behind its last key can be read.
    """

    def __init__(self, secret: object) -> None:
        """``secret``: uint64[labels + 2, stride], see ``key_hash``."""
        flat = secret.reshape(-1)
        self._kept = [flat, ()]
        self.secret = words_at(flat)
        self.stride = secret.shape[1]
        self.window = bytes_at(WINDOW)

    def bind(self, slots: object, arena: object, offsets: object, lengths: object) -> None:
        """Use these arrays: uint64[power of two], uint8, uint64[rows], uint32[rows]."""
        self._kept[1] = (slots, arena, offsets, lengths)
        self.slots = words_at(slots)
        self.mask = len(slots) - 1
        self.arena = bytes_at(arena)
        self.offsets = words_at(offsets)
        self.lengths = uints_at(lengths)

    def find(self, key: bytes) -> int:
        """Row of a key, or -1."""
        spared = np.frombuffer(key + bytes(SPARE), np.uint8)
        return self.row_of(bytes_at(spared), len(key))

    def insert(self, row: cython.Py_ssize_t) -> None:
        """Enter a row whose key stands in the arena and is not in the table. A slot must be free."""
        self._enter(self._tag(row), row)

    def remove(self, rows: object) -> None:
        """Take rows (int32) out. Their keys must still stand in the arena."""
        wanted: cython.p_int = ints_at(rows)
        i: cython.Py_ssize_t
        n: cython.Py_ssize_t = len(rows)
        for i in range(n):
            self._leave(wanted[i])

    def refill(self, old: object) -> None:
        """Enter every slot of an older table."""
        slots: cython.p_ulonglong = words_at(old)
        low: cython.ulonglong = 0xFFFFFFFF
        i: cython.Py_ssize_t
        n: cython.Py_ssize_t = len(old)
        for i in range(n):
            if slots[i]:
                self._enter(slots[i] >> 32, (slots[i] & low) - 1)

    def move(self, rows: object, arena: object) -> int:
        """Copy the keys of these rows (int32) to the start of another arena and note their new places; returns the
        bytes used.
        """
        wanted: cython.p_int = ints_at(rows)
        target: cython.p_uchar = bytes_at(arena)
        i: cython.Py_ssize_t
        n: cython.Py_ssize_t = len(rows)
        used: cython.Py_ssize_t = 0
        length: cython.Py_ssize_t
        for i in range(n):
            length = self.lengths[wanted[i]]
            copy_bytes(target, used, self.arena, self.offsets[wanted[i]], length)
            self.offsets[wanted[i]] = used
            used += length
        return used

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def row_of(self, key: cython.pointer[cython.const[cython.uchar]], n: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Row of a key of n bytes and ``SPARE`` more, or -1."""
        tag: cython.ulonglong = key_tag(key, 0, n, self.secret, self.stride, self.window)
        at: cython.ulonglong = tag & self.mask
        slot: cython.ulonglong = self.slots[at]
        row: cython.Py_ssize_t
        low: cython.ulonglong = 0xFFFFFFFF
        while slot:
            if slot >> 32 == tag:
                row = (slot & low) - 1
                if self.lengths[row] == n and same_bytes(self.arena, self.offsets[row], key, 0, n):
                    return row
            at = (at + 1) & self.mask
            slot = self.slots[at]
        return -1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _tag(self, row: cython.Py_ssize_t) -> cython.ulonglong:
        """Hash of the key of a row."""
        return key_tag(self.arena, self.offsets[row], self.lengths[row], self.secret, self.stride, self.window)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter(self, tag: cython.ulonglong, row: cython.Py_ssize_t) -> cython.void:
        at: cython.ulonglong = tag & self.mask
        number: cython.ulonglong = row + 1
        while self.slots[at]:
            at = (at + 1) & self.mask
        self.slots[at] = tag << 32 | number

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _leave(self, row: cython.Py_ssize_t) -> cython.void:
        """Take a row out and move back what stood behind it because its home was taken (Knuth, TAOCP 6.4, algorithm
        R).
        """
        number: cython.ulonglong = row + 1
        hole: cython.ulonglong
        at: cython.ulonglong
        home: cython.ulonglong
        number |= self._tag(row) << 32
        hole = (number >> 32) & self.mask
        while self.slots[hole] != number:
            if self.slots[hole] == 0:
                return
            hole = (hole + 1) & self.mask
        at = (hole + 1) & self.mask
        while self.slots[at]:
            home = (self.slots[at] >> 32) & self.mask
            if ((at - home) & self.mask) >= ((at - hole) & self.mask):
                self.slots[hole] = self.slots[at]
                hole = at
            at = (at + 1) & self.mask
        self.slots[hole] = 0
