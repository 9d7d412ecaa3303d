"""Lists: a column in which each cell is a list of numbers, as one flat array and where each list ends.

Packed repeated fields stay in the payload as ranges until the column is read; then all of them are read at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.model.records import REPEATED, Words

Numbers = npt.NDArray[Any]
Offsets = npt.NDArray[np.int64]

DOUBLES = frozenset({"explicit_bounds"})
"""Columns of doubles; all others have unsigned integers."""
VARINTS = frozenset({"positive.bucket_counts", "negative.bucket_counts"})
"""Columns of varints; all others have eight bytes a number."""


class Lists:
    """n lists of numbers.

    Attributes:
        values: All numbers, float64 or uint64.
        offsets: int64[n + 1]; list i is ``values[offsets[i]:offsets[i + 1]]``.
    """

    __slots__ = ("offsets", "values")

    def __init__(self, values: Numbers, offsets: Offsets) -> None:
        self.values = values
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> Numbers:
        """List i, a view."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def lengths(self) -> Offsets:
        """int64[n]."""
        return np.diff(self.offsets)

    def tolist(self) -> list[list[float]]:
        """All lists as Python objects."""
        return [self[i].tolist() for i in range(len(self))]

    def replace(self, i: int, numbers: Sequence[float]) -> Lists:
        """With another list in place of list i."""
        given = np.array(numbers, self.values.dtype)
        values = np.concatenate((self.values[: self.offsets[i]], given, self.values[self.offsets[i + 1] :]))
        offsets = self.offsets.copy()
        offsets[i + 1 :] += len(given) - len(self[i])
        return Lists(values, offsets)


def read_lists(payload: bytes, words: Words, column: str) -> Lists:
    """The numbers in ranges of the payload; empty where the range is absent or ``REPEATED``.

    Args:
        words: uint64[n], ranges that the decoder has checked.
        column: Decides how the numbers are encoded.
    """
    words = np.where(words == np.uint64(REPEATED), np.uint64(0), words)
    begins = (words >> np.uint64(32)).astype(np.int64)
    sizes = (words & np.uint64(0xFFFF_FFFF)).astype(np.int64)
    data = _gather(payload, begins, sizes)
    ends = np.cumsum(sizes)
    if column not in VARINTS:
        kind = np.float64 if column in DOUBLES else np.uint64
        return Lists(data.view(kind), np.append(0, ends // 8))
    last = np.flatnonzero(data < 0x80)
    return Lists(_varints(data, last), np.append(0, np.searchsorted(last, ends)))


def _gather(payload: bytes, begins: Offsets, sizes: Offsets) -> npt.NDArray[np.uint8]:
    """The bytes of all ranges, joined."""
    total = int(sizes.sum())
    shifts = np.repeat(begins - (np.cumsum(sizes) - sizes), sizes)
    data: npt.NDArray[np.uint8] = np.frombuffer(payload, np.uint8)[np.arange(total) + shifts]
    return data


def _varints(data: npt.NDArray[np.uint8], last: Offsets) -> npt.NDArray[np.uint64]:
    """The numbers whose last bytes are at ``last``, modulo 2^64."""
    if not len(last):
        return np.empty(0, np.uint64)
    begins = np.append(0, last[:-1] + 1)
    places = np.arange(len(data)) - np.repeat(begins, last + 1 - begins)
    parts = (data & np.uint8(0x7F)).astype(np.uint64) << (places * 7).astype(np.uint64)
    numbers: npt.NDArray[np.uint64] = np.add.reduceat(parts, begins)
    return numbers
