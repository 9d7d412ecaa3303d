"""ValueRows: series whose values stand in one column, and when they were last heard of."""

from __future__ import annotations

from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.model.value_columns import ValueColumn

Int64s = npt.NDArray[np.int64]


class Placed(Protocol):
    """Something that has a row."""

    row: int


S = TypeVar("S", bound=Placed)


class ValueRows(Generic[S]):
    """Rows are dense: the last one takes the place of one that is removed.

    Attributes:
        column: The values.
        series: Whose they are, by row.
        start, time: int64, nanoseconds since 1970 of the newest point; time -1: no point yet.
        seen: int64, monotonic time when it came.
    """

    numbers: ClassVar[tuple[str, ...]] = ("start", "time", "seen")
    """Attributes that hold one int64 per row."""

    def __init__(self, column: ValueColumn) -> None:
        self.column = column
        self.series: list[S] = []
        self.start: Int64s = np.zeros(0, np.int64)
        self.time: Int64s = np.zeros(0, np.int64)
        self.seen: Int64s = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.series)

    def append(self, one: S) -> int:
        """A new series, at the end; its row."""
        row = one.row = len(self.series)
        if row == len(self.start):
            self._resize(max(16, 2 * row))
        self.series.append(one)
        self.time[row] = -1
        return row

    def remove(self, one: S) -> int:
        """Forget a series; the row whose place another one has taken."""
        row, last = one.row, len(self.series) - 1
        moved = self.series[row] = self.series[last]
        for name in self.numbers:
            column = getattr(self, name)
            column[row] = column[last]
        self.column.move(last, row)
        moved.row = row
        del self.series[last]
        return row

    def idle(self, oldest_ns: int) -> list[S]:
        """The series of which no point has come since this monotonic time."""
        rows = np.flatnonzero(self.seen[: len(self.series)] < oldest_ns)
        return [self.series[row] for row in rows.tolist()]

    def _resize(self, room: int) -> None:
        for name in self.numbers:
            longer = np.zeros(room, np.int64)
            longer[: len(self.series)] = getattr(self, name)[: len(self.series)]
            setattr(self, name, longer)
        self.column.resize(room)
