"""Memory of pages of metrics, used again for the next page.

A page of 55 000 series has 36 MB. Fresh memory for it cost as much as writing it (a page fault per 4 KiB, with locks
of the kernel that other threads wait for), and one growing block was copied again and again with the GIL held.
"""

from __future__ import annotations

import weakref

import numpy as np
import numpy.typing as npt

PIECE_BYTES = 256 * 1024


class PageBuffers:
    """Lends buffers of ``PIECE_BYTES``. Safe from any thread.

    A buffer is free again when nobody holds the lent array or a memoryview of it, whoever that is: a connection, or
    asyncio, which keeps what the socket does not take.
    """

    def __init__(self) -> None:
        self._free: list[npt.NDArray[np.uint8]] = []
        self._limit = 0

    def lend(self, room: int = PIECE_BYTES) -> npt.NDArray[np.uint8]:
        """uint8[max(room, PIECE_BYTES)], not cleared. Hand on its ``.data``: views by numpy do not keep it lent."""
        if room > PIECE_BYTES:
            return np.empty(room, dtype=np.uint8)
        try:
            buffer = self._free.pop()
        except IndexError:
            buffer = np.empty(PIECE_BYTES, dtype=np.uint8)
        lent = buffer.view()
        weakref.finalize(lent, self._take_back, buffer).atexit = False
        return lent

    def keep(self, buffers: int) -> None:
        """Keep no more than so many: what the last page needed."""
        self._limit = buffers
        del self._free[buffers:]

    @property
    def free(self) -> int:
        """Buffers that wait for the next page."""
        return len(self._free)

    def _take_back(self, buffer: npt.NDArray[np.uint8]) -> None:
        if len(self._free) < self._limit:
            self._free.append(buffer)
