"""HistoryLayer: layer 2, what a series is at this time of the day and of the week, once it has a history.

    ticks ─→ means of 5 minutes ─→ seasonal detector ─→ what is foretold for now
                                                                   │
    surprise of a series ─┬─ nothing is foretold from experience ──┼──→ as it is
                          ├─ the value is nearer to its level ─────┤
                          └─ nearer by half to what is foretold ───┴──→ that of the distance from there

So every morning's peak is quiet after some days, and as much at another hour is a surprise as ever. The layer never
raises surprise. It has an opinion once a profile has proved its worth, and has seen this hour on two days, or this
quarter of the week twice.

Also the ticks of open incidents are learnt, or no peak that raises incidents would ever be known; a single one moves a
profile of ten days by a tenth.

A series gets a place after ``HISTORY_TICKS`` with a value: 1.4 kB, and 80 ns a tick. Young and rare ones cost 4 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from processors.anomaly.detector import Array, Floats, Matrix
from processors.anomaly.places import Places, Rows
from processors.anomaly.robust_kernel import MAX_Z, TAIL_FROM
from processors.anomaly.seasonal import SeasonalDetector

STEP_S = 300.0
"""For means of this time the seasonal detector is made; 10 s of a day's shape are noise."""
NEARER = 0.5
"""Distance from what is foretold, as a share of that from the level, up to which it explains a value."""
HISTORY_TICKS = 360.0
"""Ticks with a value after which a series has a history: an hour of them at 10 s."""
IDLE_S = 6 * 3600.0


class HistoryLayer:
    """See the module.

    Args:
        max_series: Series with a place.
        parameters: Of ``SeasonalDetector``.

    Attributes:
        places: Of the series.
        ticks: float32[capacity], ticks with a value; enough is enough.
        explained, foretold: int64[k] and float64[k], the rows that the time explained in the last tick, and what it
            foretold.
    """

    def __init__(self, max_series: int, parameters: Mapping[str, float]) -> None:
        if max_series < 0:
            raise ValueError("max_history cannot be negative")
        self.detector = SeasonalDetector(**parameters, repeat=True)  # type: ignore[arg-type]
        self.places = Places(max_series, IDLE_S)
        self.ticks = np.zeros(0, np.float32)
        self.explained: Rows = np.zeros(0, np.int64)
        self.foretold: Floats = np.zeros(0)
        self._sums = np.zeros((2, 0))
        self._step = 0.0

    @property
    def nbytes(self) -> int:
        """Memory of all rows and places."""
        return self.detector.nbytes + self._sums.nbytes + self.ticks.nbytes

    def resize(self, capacity: int) -> None:
        """Have rows for this many series."""
        self.ticks = np.concatenate((self.ticks, np.zeros(capacity - len(self.ticks), np.float32)))

    def clear(self, rows: Array) -> None:
        """Forget these rows."""
        self.ticks[rows] = 0.0
        self.places.release(rows)

    def score(self, matrix: Matrix, level: Floats, distance: Floats, surprise: Floats) -> None:
        """Lower the surprise of a tick where the time explains the value.

        Args:
            level: float64[n], where each series has been of late.
            distance: float64[n], standard errors from there.
            surprise: float64[n], written.
        """
        self.explained, self.foretold = self.explained[:0], self.foretold[:0]
        rows = self.places.row_of
        if not len(rows):
            return
        base, is_known = self.detector.foretold(matrix.local_second)
        away, off = np.abs(matrix.mean[rows] - base), np.abs(matrix.mean[rows] - level[rows])
        explains = np.flatnonzero(is_known & (away <= NEARER * off) & (rows >= 0) & (surprise[rows] != 0))
        self.explained, self.foretold = rows[explains], base[explains]
        before = distance[self.explained]
        now = before * away[explains] / off[explains]
        beyond = (now - TAIL_FROM) / (np.minimum(before, MAX_Z) - TAIL_FROM)
        surprise[self.explained] *= np.clip(beyond, 0.0, 1.0)

    def learn(self, matrix: Matrix) -> None:
        """Take in a tick, and give places to series that have come to a history."""
        present, step = matrix.present, matrix.second // STEP_S
        rows = self.places.row_of
        if len(rows):
            if step != self._step:
                self._learn_step(matrix.utc_offset_s)
            here = np.flatnonzero((rows >= 0) & present[rows])
            self._sums[:, here] += (matrix.mean[rows[here]], np.ones(len(here)))
            self.places.see(here, matrix.second)
        self._step = step
        self.ticks += present
        due = np.flatnonzero(self.ticks >= HISTORY_TICKS)
        due = due[self.places.of(due) < 0]
        self._begin(self.places.grant(due, matrix.second))
        self.ticks[due] = np.where(self.places.of(due) < 0, 0.0, HISTORY_TICKS)  # those refused ask again in an hour

    def expected(self, lower: Floats, upper: Floats) -> None:
        """Move the bands float64[n] of the series that the time explained around what it foretold."""
        shift = self.foretold - (lower[self.explained] + upper[self.explained]) / 2
        lower[self.explained] += shift
        upper[self.explained] += shift

    def state(self, rows: Array) -> dict[str, Array]:
        """What these rows have learnt; ``index``: which of them have a place."""
        places = self.places.of(rows)
        index = np.flatnonzero(places >= 0)
        places = places[index]
        own: dict[str, Array] = {"index": index, "values": self.ticks[rows], "sums": self._sums[:, places]}
        return own | {"step": np.array(self._step)} | self.detector.state(places)

    def load(self, state: Mapping[str, Array]) -> None:
        """Take up what ``state`` gave, rows being numbered in its order. Raises ValueError or KeyError."""
        index, ticks, sums = (np.asarray(state[name]) for name in ("index", "values", "sums"))
        if index.dtype.kind != "i" or index.ndim != 1 or len(np.unique(index)) < len(index):
            raise ValueError("index: not the numbers of rows")
        if ticks.ndim != 1 or ((index < 0) | (index >= len(ticks))).any() or not np.isfinite(ticks).all():
            raise ValueError("values: one number for each row")
        if sums.shape != (2, len(index)) or not np.isfinite(sums).all():
            raise ValueError("sums: two numbers for each place")
        self.ticks[: len(ticks)] = ticks
        self._step = float(state["step"])
        places = self.places.grant(index.astype(np.int64), np.inf)
        self.places.granted = 0
        self._begin(places)
        self._sums[:, places] = sums[:, : len(places)]
        self.detector.load({name: np.asarray(state[name])[: len(places)] for name in self.detector.arrays})

    def _begin(self, places: Rows) -> None:
        """New places know nothing."""
        if not len(places):
            return
        missing = self.places.used - self._sums.shape[1]
        self._sums = np.concatenate((self._sums, np.zeros((2, missing))), 1)
        self._sums[:, places] = 0.0
        self.detector.resize(self.places.used)
        self.detector.clear(places)

    def _learn_step(self, utc_offset_s: float) -> None:
        """The mean of the last five minutes, for those who had values."""
        sums, count = self._sums
        mean = sums / np.maximum(count, 1.0)
        middle = (self._step + 0.5) * STEP_S
        matrix = Matrix(mean, np.zeros(len(mean)), count.copy(), np.ones(len(mean)), middle, utc_offset_s=utc_offset_s)
        self.detector.score(matrix)
        self.detector.learn(matrix, np.zeros(len(mean), bool))
        self._sums[:] = 0.0
