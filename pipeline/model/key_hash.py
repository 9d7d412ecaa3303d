"""The hash of a key, which can be computed from the texts where they stand, before there is a key.

The key of a series is a number and its label values with their lengths::

    u32 resource | per label: u16 length, bytes | …          little-endian; length 0xFFFF: absent

Its hash is a sum over the number and the texts, with zeros behind them: each sixteen bytes give the product of two
words to which words of a secret were added (NH over 64-bit words: Krovetz, VMAC, 2006), folded into one word. Each
place in a key has its own secret, so it matters neither where the texts stand nor in which order they are added up.
Keys hold no zero bytes, which makes lengths superfluous. The secret is random per table: without it nobody can choose
labels that collide more often than random ones.

::

    secret   row 0: number, number | row 1 + j: label j absent, its text's words …       uint64[labels + 2, stride]

The first four words of a text are taken without asking how many there are, because a branch that is guessed wrong costs
more than all of them: what lies behind the text is masked with a *window*, 32 bytes of ones and 32 of zeros. So each
text must have ``SPARE`` readable bytes behind its end.

What is compiled stands in ``key_hash.pxd``, so that it can be inlined; here is what runs where it is not.
"""

import cython
import numpy as np

SPARE = 32
"""Bytes that can be read behind each text."""
WINDOW = np.repeat(np.array([0xFF, 0], np.uint8), SPARE)

if not cython.compiled:

    def product(a, b):
        """Both words of the product of two words, folded into one."""
        full = 0xFFFFFFFFFFFFFFFF
        both = (a & full) * (b & full)
        return both & full ^ both >> 64

    def text_sum(b, p, n, secret, s, _window):
        """The summand of a label with the text ``b[p:p+n]``, whose words of the secret begin at ``s``."""
        size = max(SPARE, n)
        text = bytes(b[p : p + n]).ljust(size + 16, b"\0")
        words = [int.from_bytes(text[i : i + 8], "little") for i in range(0, size + 8, 8)]
        pairs = range(0, (size + 7) // 8, 2)
        return sum(product(words[i] + secret[s + 1 + i], words[i + 1] + secret[s + 2 + i]) for i in pairs)

    def finish(h):
        """Of the sum, 32 bits that depend on all of its bits."""
        full = 0xFFFFFFFFFFFFFFFF
        h &= full
        return ((h ^ h >> 32) * 0x9E3779B97F4A7C15 & full) >> 32

    def key_tag(key, p, n, secret, stride, window):
        """The hash of the key ``key[p:p+n]``."""
        h = product(int.from_bytes(key[p : p + 4], "little") + secret[0], secret[1])
        end = p + n
        s = 0
        p += 4
        while p < end:
            s += stride
            size = key[p] | key[p + 1] << 8
            p += 2
            if size == 0xFFFF:
                h += secret[s]
            else:
                h += text_sum(key, p, size, secret, s, window)
                p += size
        return finish(h)

    def differ(a, p, b, q, n, _window):
        """``a[p:p+n] != b[q:q+n]``"""
        return a[p : p + n] != b[q : q + n]
