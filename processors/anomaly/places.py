"""Places: which rows have one of a bounded number of places, for models that are too large for every row.

A row keeps its place until it is released. Where all are taken, one whose row has had no value for ``idle_s`` is given
to the next that asks; where there is none, the row is refused and may ask again.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
NONE = -1


class Places:
    """See the module.

    Args:
        limit: Number of places.
        idle_s: Seconds without a value after which a place can be taken away.

    Attributes:
        row_of: int64[used], the row of each place that was ever given; -1: free again.
        used: Places that were ever given.
        granted, evicted, refused: How often.
    """

    def __init__(self, limit: int, idle_s: float) -> None:
        self.limit = limit
        self.idle_s = idle_s
        self.granted = self.evicted = self.refused = 0
        self._row_of = np.zeros(0, np.int64)
        self._seen = np.zeros(0)
        self._place_of = np.zeros(0, np.int64)
        self.used = 0
        self._free: list[int] = []

    @property
    def row_of(self) -> Rows:
        """See the class."""
        return self._row_of[: self.used]

    def of(self, rows: Rows) -> Rows:
        """The places of rows; -1 for those that have none."""
        known = rows < len(self._place_of)
        return np.where(known, self._place_of[np.where(known, rows, 0)], NONE) if len(self._place_of) else rows * 0 - 1

    def see(self, places: Rows, second: float) -> None:
        """These places have a value at a Unix time."""
        self._seen[places] = second

    def grant(self, rows: Rows, second: float) -> Rows:
        """Give places to rows that have none, in order; returns the places that are new, of which models must forget
        what they hold."""
        wanting = rows[self.of(rows) < 0]
        if not len(wanting):
            return wanting
        missing = len(wanting) - (self.limit - self.used) - len(self._free)
        if missing > 0:
            self._evict(missing, second)
        given = wanting[: self.limit - self.used + len(self._free)]
        self.refused += len(wanting) - len(given)
        places = np.array([self._next() for _ in range(len(given))], np.int64)
        self._reach(int(given.max()) + 1 if len(given) else 0)
        self._row_of[places], self._place_of[given], self._seen[places] = given, places, second
        self.granted += len(given)
        return places

    def release(self, rows: Rows) -> None:
        """These rows need no place any more."""
        places = self.of(rows)
        places = places[places >= 0]
        self._place_of[self._row_of[places]] = NONE
        self._row_of[places] = NONE
        self._free += sorted(places.tolist(), reverse=True)

    def _evict(self, number: int, second: float) -> None:
        idle = np.flatnonzero((self.row_of >= 0) & (self._seen[: self.used] < second - self.idle_s))
        chosen = idle[np.argsort(self._seen[idle], kind="stable")][:number]
        self.release(self.row_of[chosen].copy())
        self.evicted += len(chosen)

    def _next(self) -> int:
        if self._free:
            return self._free.pop()
        if self.used == len(self._row_of):
            more = min(max(64, self.used), self.limit - self.used)
            self._row_of = np.concatenate((self._row_of, np.full(more, NONE, np.int64)))
            self._seen = np.concatenate((self._seen, np.zeros(more)))
        self.used += 1
        return self.used - 1

    def _reach(self, rows: int) -> None:
        missing = max(rows - len(self._place_of), 0)
        more = max(missing, len(self._place_of)) if missing else 0
        self._place_of = np.concatenate((self._place_of, np.full(more, NONE, np.int64)))
