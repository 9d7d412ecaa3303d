# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""How many waiting halves each trace has: hashed counters, so many that few traces share one.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import secrets

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import ints_at, words_at
    from cython.cimports.pipeline.model.key_hash import finish, product
else:
    from pipeline.memory import ints_at, words_at
    from pipeline.model.key_hash import finish, product


@cython.final
@cython.cclass
class TraceCounters:
    """See the module.

    Args:
        halves: How many can wait at a time.
    """

    def __init__(self, halves: int) -> None:
        size = max(4096, 1 << (4 * halves - 1).bit_length())
        secret = np.frombuffer(secrets.token_bytes(16), np.uint64)
        self._counts = np.zeros(size, np.int32)
        self._secret = secret
        self.counts = ints_at(self._counts)
        self.secret = words_at(secret)
        self.mask = size - 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def clear(self) -> cython.void:
        """Nothing waits."""
        i: cython.ulonglong
        for i in range(self.mask + 1):
            self.counts[i] = 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def add(self, half: cython.p_ulonglong, at: cython.Py_ssize_t, by: cython.int) -> cython.int:
        """Count halves of a trace more or less; returns how many there are now."""
        place: cython.ulonglong = finish(product(half[at] + self.secret[0], half[at + 1] + self.secret[1])) & self.mask
        self.counts[place] += by
        return self.counts[place]
