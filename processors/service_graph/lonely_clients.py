"""Which label sets of clients need no server, because they call a database: a flag by number, for the native scan."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.model.resources import Resource
from pipeline.model.series import LabelValues, SeriesTable
from processors.service_graph.halves import HalfScan
from processors.service_graph.nodes import Half


class LonelyClients:
    """See the module. A column of the table of label sets."""

    def __init__(self, clients: SeriesTable, is_lonely: Callable[[Half], bool], scan: HalfScan) -> None:
        self._is_lonely = is_lonely
        self._scan = scan
        self._flags = np.zeros(0, np.uint8)
        clients.attach(self)
        clients.on_new_row = self._look_at

    def resize(self, capacity: int) -> None:
        """Make room for the flags of new label sets."""
        flags = np.zeros(capacity, np.uint8)
        flags[: len(self._flags)] = self._flags
        self._flags = flags
        self._scan.bind_lonely(flags)

    def clear(self, rows: npt.NDArray[np.int32]) -> None:
        """Forget the flags of freed label sets."""
        self._flags[rows] = 0

    def _look_at(self, table: SeriesTable, row: int, values: LabelValues, resource: Resource | None) -> None:  # noqa: ARG002
        """Flag a new label set."""
        names = (label.name for label in table.labels)
        half = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        self._flags[row] = self._is_lonely(half)
