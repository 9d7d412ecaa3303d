"""The randomness of items: 56 bits of the trace id, or a hash of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.model.records import Words

Bytes = npt.NDArray[np.uint8]

_FNV_OFFSET, _FNV_PRIME = 2_166_136_261, 16_777_619
"""FNV-1a of 32 bits."""
_LOW_56 = np.uint64((1 << 56) - 1)
_LOW_14 = 0x3FFF


def of_trace_ids(trace_ids: Bytes) -> Words:
    """uint64[n]: the last seven bytes of uint8[n, 16] (W3C Trace Context level 2, "random trace id")."""
    halves = np.ascontiguousarray(trace_ids[:, 8:]).view(">u8")[:, 0]
    return halves.astype(np.uint64) & _LOW_56


def of_hashes(texts: Bytes, seed: int) -> Words:
    """uint64[n]: from the hash of a seed and each row of uint8[n, w].

    The Collector decided by the lower 14 bits of the hash before there were thresholds, small ones first. They are
    turned round, so that the same decision is "not below a threshold"; the rest keeps all bits that the hash has.
    """
    state = _FNV_OFFSET
    for byte in seed.to_bytes(4, "little"):
        state = (state ^ byte) * _FNV_PRIME & 0xFFFF_FFFF
    hashes = np.full(len(texts), state, np.uint32)
    for column in texts.T:
        hashes ^= column
        hashes *= np.uint32(_FNV_PRIME)
    wide = hashes.astype(np.uint64)
    low, high = wide & np.uint64(_LOW_14), wide >> np.uint64(18)
    mixed = high ^ (high << np.uint64(10))
    values: Words = (np.uint64(_LOW_14) - low) << np.uint64(42) | mixed << np.uint64(14) | low
    return values
