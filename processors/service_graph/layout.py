"""What halves and edges are made of: words and flags that everything between ``halves.py`` and the metrics shares.

A *half* is what one span says of a call: eight 64-bit words, one cache line, without a string in it::

    TRACE  TRACE+1  SPAN  OTHER  START  END  LABEL  WEIGHT
    └ key: the client's ids ┘  │                │      └ float64 bits: calls that the span stands for
                               │                └ flags << 32 | label set + 1, a number of ``HalfReader``'s tables
                               └ client: its parent's span id; server: its own. Unmasks loops.

An *edge* is sixteen words: the client's half, then the server's; the side that is missing is all zero.

Native modules take the same numbers from ``layout.pxd``, where the compiler knows them.
"""

import numpy as np

TRACE, SPAN, OTHER, START, END, LABEL, WEIGHT, HALF = 0, 2, 3, 4, 5, 6, 7, 8
EDGE = 2 * HALF
KEY_WORDS = 3

# Flags of a half. ALONE: needs no partner, is an edge by itself. FILTERED: makes no edge, and neither does its partner.
SERVER, MESSAGING, FAILED, ALONE, FILTERED = 1, 2, 4, 8, 16
# Flags that the store sets. A settled half has its fate already and is kept for partners that may still come.
WAS_PAIRED, SETTLED = 32, 64

KIND = SERVER | MESSAGING
KINDS = ("client", "server", "producer", "consumer")
"""By ``flags & KIND``."""

FLAG_SHIFT = np.uint64(32)
LABEL_BITS = np.uint64(0xFFFF_FFFF)
"""The halves of a label word."""
