"""RobustDetector: layer 1, every series: how far a tick's mean is from the recent level, given how few spans it is of.

    z = (mean - level) / √(between-tick variance + within-tick variance / count + floor²) / inflation

Level and variances are exponential averages of winsorised innovations, learnt fifty times slower while a series is
out of band, so that a fault does not become normal. What an excess of z means differs between series: some throw z of
ten every few minutes. So each keeps how often z passes ``TAIL_FROM`` and by how much on average, and the surprise is
that of an exponential tail, which begins from a prior.

Two native passes over the series (``robust_kernel.py``); 64 bytes a series, and 16 for the last tick.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from processors.anomaly.detector import Array, Bools, Floats, Matrix, RowArrays
from processors.anomaly.robust_kernel import COLUMNS, MIN_INFLATION2, WINSOR2, learn_rows, score_rows

RELAXED_INFLATION2 = 2.0
"""After a deployment a series is scored as if it were this much more variable than before."""


class RobustDetector(RowArrays):
    """See the module.

    Args:
        memory: Ticks after which the weight of a tick has fallen to 1/e.
        warm_up: Ticks with a value before a series is scored.
        floor: Smallest standard error, in the unit of the values: for log10 of a duration, 0.05 is 12 %.
        frozen_rate: Speed of learning out of band.
        tail_rate: Speed at which a series learns how often it exceeds.
        tail_prior: Mean excess that a new series is taken to have.
        tail_weight: Excesses that the prior is worth.
    """

    def __init__(
        self,
        memory: float = 100.0,
        warm_up: int = 10,
        floor: float = 0.05,
        frozen_rate: float = 0.02,
        tail_rate: float = 0.015,
        tail_prior: float = 0.6,
        tail_weight: float = 50.0,
    ) -> None:
        if memory < 1 or warm_up < 1 or floor <= 0 or not 0 <= frozen_rate <= 1:
            raise ValueError("memory and warm_up must be at least 1, floor above 0, frozen_rate between 0 and 1")
        if tail_prior <= 0 or tail_weight <= 0:
            raise ValueError("tail_prior and tail_weight must be above 0")
        first = (0.0, 0.01, 0.05, 0.0, 1.0, 0.07, tail_prior, tail_weight)
        self.defaults = dict(zip(COLUMNS, first, strict=True))
        self.rows = np.zeros((0, len(COLUMNS)))
        super().__init__()
        self.pace = 1.0 / memory
        self.warm_up = float(warm_up)
        self.floor2 = floor * floor
        self.frozen_rate = frozen_rate
        self.tail_rate = tail_rate
        self._first = np.array(first)
        self._squares, self._surprise = np.zeros((2, 0))
        self._count = np.zeros(0)

    def resize(self, capacity: int) -> None:
        """As in ``Detector``."""
        kept = self.rows[:capacity]
        self.rows = np.concatenate((kept, np.tile(self._first, (capacity - len(kept), 1))))
        self.arrays = {name: self.rows[:, i] for i, name in enumerate(COLUMNS)}

    def relax(self, rows: Array) -> None:
        """As in ``Detector``: as much memory as after the warm-up, and a wider band."""
        ticks, inflation2 = self.arrays["ticks"], self.arrays["inflation2"]
        ticks[rows] = np.minimum(ticks[rows], self.warm_up)
        inflation2[rows] = np.maximum(inflation2[rows], RELAXED_INFLATION2)

    def score(self, matrix: Matrix) -> Floats:
        """As in ``Detector``; what is returned holds until the next call.

        Raises:
            ValueError: There are more or fewer series than rows.
        """
        if not len(matrix) == len(matrix.fall) == len(self.rows):
            raise ValueError(f"{len(matrix)} series for {len(self.rows)} rows")
        if len(self._squares) != len(matrix):
            self._squares, self._surprise = np.empty((2, len(matrix)))
        self._count = matrix.count
        score_rows(
            matrix.mean,
            matrix.variance,
            matrix.count,
            matrix.fall,
            self.rows,
            self._squares,
            self._surprise,
            self.warm_up,
            self.floor2,
        )
        return self._surprise

    def learn(self, matrix: Matrix, frozen: Bools) -> None:
        """As in ``Detector``.

        Raises:
            ValueError: It is not the tick that was scored last.
        """
        if not len(matrix) == len(frozen) == len(self._squares) == len(self.rows):
            raise ValueError(f"{len(matrix)} series learnt, {len(self._squares)} scored")
        learn_rows(
            matrix.mean,
            matrix.variance,
            matrix.count,
            frozen.view(np.uint8),
            self.rows,
            self._squares,
            self.warm_up,
            self.floor2,
            self.pace,
            self.frozen_rate,
            self.tail_rate,
        )

    def distance(self) -> Floats:
        """float64[n]: standard errors between each value of the tick that was scored last and its level."""
        return np.sqrt(self._squares)

    def expected(self) -> tuple[Floats, Floats]:
        """Level ± 3 standard errors of a tick with as many spans as the last one."""
        a = self.arrays
        if len(self._count) != len(self.rows):
            unknown = np.full(len(self.rows), np.nan)
            return unknown, unknown
        error2 = a["between"] + a["within"] / np.maximum(self._count, 1.0) + self.floor2
        width = np.sqrt(WINSOR2 * error2 * np.maximum(a["inflation2"], MIN_INFLATION2))
        level = np.where(a["ticks"] >= self.warm_up, a["level"], np.nan)
        return level - width, level + width

    def load(self, state: Mapping[str, Array]) -> None:
        """As in ``Detector``."""
        super().load(state)
        if (self.rows[:, 1:] < 0).any() or (self.rows[:, COLUMNS.index("excess") :] <= 0).any():
            raise ValueError("variances, ticks, rates and excesses cannot be negative")
