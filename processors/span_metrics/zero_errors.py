"""Error counters that exist at 0 beside their success twin.

A counter that appears with its first error cannot be seen to rise: rate() takes two samples. So when a series without
error comes into being, its twin with STATUS_CODE_ERROR does too, at 0, and lives as long.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.model.resources import Resource
from pipeline.model.series import LabelValues, SeriesTable
from pipeline.model.snapshot import key_values
from processors.span_metrics.names import STATUS_ERROR


class ZeroErrors:
    """Makes the twins of one table.

    Args:
        table: Of the counter.
        status_label: Name of the label that holds the status code.
        expires: Series of the table expire, so twins have to be kept alive.
    """

    def __init__(self, table: SeriesTable, status_label: str, expires: bool) -> None:
        self._table = table
        self._expires = expires
        self._status = [label.name for label in table.labels].index(status_label)
        self._pairs: npt.NDArray[np.int32] = np.empty((0, 2), np.int32)
        self._seq: npt.NDArray[np.int64] = np.empty((0, 2), np.int64)
        self._new: list[tuple[int, int]] = []
        table.on_new_row = self._on_new_row

    def adopt(self) -> None:
        """Make the twins of rows that a checkpoint brought back, or find them."""
        for row in self._table.keys.rows().tolist():
            values = tuple(key_values(self._table.keys.key(row))[:-1])
            self._on_new_row(self._table, row, values, self._table.resource_of(row))

    def keep_alive(self) -> None:
        """Count a twin as updated when its success was. Cost: a few passes of numpy over all pairs."""
        table = self._table
        if self._new:
            pairs = np.array(self._new, np.int32)
            self._new = []
            self._pairs = np.concatenate((self._pairs, pairs))
            self._seq = np.concatenate((self._seq, table.created_seq[pairs]))
        same = (table.created_seq[self._pairs] == self._seq).all(axis=1)  # a freed row has another number, or none
        self._pairs, self._seq = self._pairs[same], self._seq[same]
        np.maximum.at(table.updated, self._pairs[:, 1], table.updated[self._pairs[:, 0]])

    def _on_new_row(self, table: SeriesTable, row: int, values: LabelValues, resource: Resource | None) -> None:
        status = values[self._status]
        if status is None or status == STATUS_ERROR:
            return
        twin = table.ensure_row((*values[: self._status], STATUS_ERROR, *values[self._status + 1 :]), resource)
        if self._expires and twin >= 0:
            self._new.append((row, twin))
