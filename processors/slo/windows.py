"""Sliding sums over windows from minutes to months, in constant memory.

Every window is a ring of slots; a slot is 1/60 of its window, so a sum covers its window and up to a sixtieth more.

    window  5m: [ 5 s][ 5 s] … 61 slots       30d: [12 h][12 h] … 61 slots
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SLOTS = 60
_RING = SLOTS + 1
Floats = npt.NDArray[np.float64]


class Windows:
    """Sums of all and of bad events.

    Args:
        windows_s: float64[n, w], seconds: each of n objectives has w windows.
        now_s: Unix time.
    """

    def __init__(self, windows_s: Sequence[Sequence[float]], now_s: float) -> None:
        self._slot_s = (
            np.array(windows_s, np.float64).reshape(len(windows_s), max(map(len, windows_s), default=0)) / SLOTS
        )
        self._ring = np.zeros((*self._slot_s.shape, _RING, 2))
        self._now = self._slot_of(now_s)

    def advance(self, now_s: float) -> None:
        """Let go of what is too old. A clock that was set back changes nothing until it has caught up."""
        now = self._slot_of(now_s)
        steps = np.minimum(now - self._now, _RING)
        for objective, window in np.argwhere(steps > 0).tolist():
            first = self._now[objective, window] + 1
            old = (first + np.arange(steps[objective, window])) % _RING
            self._ring[objective, window, old] = 0.0
        self._now = np.maximum(self._now, now)

    def add(self, objective: int, total: float, bad: float) -> None:
        """Count events as of the last ``advance``."""
        windows = np.arange(self._slot_s.shape[1])
        self._ring[objective, windows, self._now[objective] % _RING] += (total, bad)

    def error_ratios(self) -> Floats:
        """float64[n, w]: bad events per event; NaN where there was none."""
        sums = self._ring.sum(axis=2)
        with np.errstate(invalid="ignore"):
            ratios: Floats = sums[..., 1] / np.where(sums[..., 0] > 0, sums[..., 0], np.nan)
        return ratios

    def snapshot(self) -> bytes:
        """All state."""
        file = io.BytesIO()
        np.savez(file, ring=self._ring, now=self._now)
        return file.getvalue()

    def restore(self, state: bytes) -> None:
        """Take up a snapshot of equal windows."""
        with np.load(io.BytesIO(state), allow_pickle=False) as saved:
            self._ring[:], self._now[:] = saved["ring"], saved["now"]

    def _slot_of(self, now_s: float) -> npt.NDArray[np.int64]:
        slots: npt.NDArray[np.int64] = np.floor(now_s / self._slot_s).astype(np.int64)
        return slots
