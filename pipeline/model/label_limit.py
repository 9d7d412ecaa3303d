"""LabelLimit: how many values one label may have in a table.

Values are counted exactly and freed with the last series that has them. While a label is full, values that no series
has are replaced by ``OVERFLOW_VALUE``, by the native loop itself; totals stay exact, the other labels stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.model.key_store import KeyStore
from pipeline.model.key_text import OVERFLOW_VALUE
from pipeline.model.records import Words


class LabelLimit:
    """The values of the labels of live series.

    Args:
        labels: Number of labels.
        limit: Values per label.
        secret: Of the table's hash.

    Attributes:
        full: uint8 per label (and one for the overflow label, never full): the limit is reached.
        store: Its keys are those of series with one label, and with the number of the label for that of the resource.
    """

    def __init__(self, labels: int, limit: int, secret: Words) -> None:
        self.limit = limit
        self.full = np.zeros(labels + 1, np.uint8)
        self.store = KeyStore(secret, labels * (limit + 1))
        self._counts = [0] * labels
        self._series: dict[int, int] = {}

    @property
    def any_full(self) -> bool:
        """Some label is full."""
        return bool(self.full.any())

    def replace(self, values: Sequence[bytes | None]) -> list[bytes | None]:
        """The values under which a series with these may be created."""
        return [
            OVERFLOW_VALUE if value is not None and self.full[j] and self.store.find(_key(j, value)) < 0 else value
            for j, value in enumerate(values)
        ]

    def add(self, values: Iterable[bytes | None]) -> None:
        """A series with these values was created."""
        for j, value in enumerate(values):
            if value is None:
                continue
            key = _key(j, value)
            row = self.store.find(key)
            if row < 0:
                row = self.store.add(key)
                self._count(j, value, 1)
            self._series[row] = self._series.get(row, 0) + 1

    def remove(self, values: Iterable[bytes | None]) -> None:
        """A series with these values is gone."""
        for j, value in enumerate(values):
            if value is None:
                continue
            row = self.store.find(_key(j, value))
            self._series[row] -= 1
            if not self._series[row]:
                del self._series[row]
                self.store.remove(np.array([row], np.int32))
                self._count(j, value, -1)

    def _count(self, label: int, value: bytes, change: int) -> None:
        if value != OVERFLOW_VALUE:
            self._counts[label] += change
            self.full[label] = self._counts[label] >= self.limit


def _key(label: int, value: bytes) -> bytes:
    return label.to_bytes(4, "little") + len(value).to_bytes(2, "little") + value
