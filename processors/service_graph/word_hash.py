"""NH (Black et al., UMAC, 1999): a hash of 64-bit words under secret ones, a sum of one product per word.

Nobody who does not know the secret words can choose words that collide more often than random ones. The products do not
depend on each other, so a processor computes several at a time.

What is compiled stands in ``word_hash.pxd``, so that it can be inlined; here is what runs where it is not.
"""

import cython
import numpy as np

_FULL = 0xFFFFFFFFFFFFFFFF

if not cython.compiled:

    def product(word, secret):
        """The summand of one word."""
        return ((word + secret) & 0xFFFFFFFF) * (((word >> 32) + (secret >> 32)) & 0xFFFFFFFF)

    def finish(h):
        """32 bits of the sum."""
        h &= _FULL
        return ((h ^ (h >> 32)) * 0x9E3779B97F4A7C15 & _FULL) >> 32


def secret_words(seed, count):
    """uint64[count], made of 62 random bits (SplitMix64)."""
    made = []
    for i in range(1, count + 1):
        word = seed + i * 0x9E3779B97F4A7C15 & _FULL
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & _FULL
        word = (word ^ word >> 27) * 0x94D049BB133111EB & _FULL
        made.append(word ^ word >> 31)
    return np.array(made, np.uint64)
