"""RobustDetector: layer 1, every series: how far a tick's mean is from the recent level, given how few spans it is of.

    z = (mean - level) / √(between-tick variance + within-tick variance / count + floor²) / inflation

Level and variances are exponential averages of winsorised innovations, learnt a hundred times slower while a series is
out of band, so that a fault does not become normal. What an excess of z means differs between series: some throw z of
ten every few minutes. So each keeps how often z passes ``TAIL_FROM`` and by how much on average, and the surprise is
that of an exponential tail, which begins from a prior.

About 100 passes of numpy over the series, no Python per series; 64 bytes a series.
"""

from __future__ import annotations

import numpy as np

from processors.anomaly.detector import Array, Bools, Floats, Matrix, RowArrays

LOG10_E = 0.4342944819032518
TAIL_FROM = 2.0
"""Where the tail begins, in standard errors."""
MIN_RATE = 0.002
"""Lowest rate of excesses that a series can claim: it has not been seen long enough for less."""
MAX_Z = 12.0
"""Beyond it, z says nothing more: it would be the shape of the tail that speaks."""
MAX_SURPRISE = 8.0
OUT_OF_BAND_Z = 4.0
WINSOR = 3.0
"""Innovations count as this many standard errors at most."""


class RobustDetector(RowArrays):
    """See the module.

    Args:
        memory: Ticks after which the weight of a tick has fallen to 1/e.
        warm_up: Ticks with a value before a series is scored.
        floor: Smallest standard error, in the unit of the values: for log10 of a duration, 0.03 is 7 %.
        frozen_rate: Speed of learning out of band.
        tail_rate: Speed at which a series learns how often it exceeds.
        tail_prior: Mean excess that a new series is taken to have.
        tail_weight: Excesses that the prior is worth.
    """

    def __init__(
        self,
        memory: float = 80.0,
        warm_up: int = 12,
        floor: float = 0.03,
        frozen_rate: float = 0.02,
        tail_rate: float = 1 / 200,
        tail_prior: float = 0.9,
        tail_weight: float = 50.0,
    ) -> None:
        if memory < 1 or warm_up < 1 or floor <= 0 or not 0 <= frozen_rate <= 1:
            raise ValueError("memory and warm_up must be at least 1, floor above 0, frozen_rate between 0 and 1")
        self.defaults = {
            "level": 0.0,
            "between": 0.01,
            "within": 0.05,
            "ticks": 0.0,
            "inflation": 1.0,
            "rate": 0.07,
            "excess": tail_prior,
            "excesses": tail_weight,
        }
        super().__init__()
        self.pace = 1.0 / memory
        self.warm_up = warm_up
        self.floor2 = floor * floor
        self.frozen_rate = frozen_rate
        self.tail_rate = tail_rate
        self._z = np.zeros(0)
        self._error2 = np.zeros(0)

    def score(self, matrix: Matrix) -> Floats:
        """As in ``Detector``."""
        a = self.arrays
        present = matrix.present
        new = present & (a["ticks"] == 0)
        a["level"][new] = matrix.mean[new]
        n = np.maximum(matrix.count, 1.0)
        self._error2 = a["between"] + a["within"] / n + self.floor2
        known = present & (a["ticks"] >= self.warm_up)
        delta = np.where(known, matrix.mean - a["level"], 0.0)
        self._z = delta / (np.sqrt(self._error2) * np.maximum(a["inflation"], 0.6))
        size = np.minimum(np.abs(self._z), MAX_Z)
        size = np.where(self._z < 0, size * matrix.fall, size)
        excess = size - TAIL_FROM
        surprise = excess * LOG10_E / a["excess"] - np.log10(np.maximum(a["rate"], MIN_RATE))
        surprise = np.minimum(surprise, MAX_SURPRISE)
        return np.where(excess > 0, np.copysign(surprise, self._z), 0.0)

    def learn(self, matrix: Matrix, frozen: Bools) -> None:
        """As in ``Detector``."""
        a = self.arrays
        present = matrix.present
        known = present & (a["ticks"] >= self.warm_up)
        slow = np.where(frozen, self.frozen_rate, 1.0)
        self._learn_tail(known, slow)
        hot = known & (frozen | (np.abs(self._z) > OUT_OF_BAND_Z))
        pace = np.maximum(self.pace, 1.0 / (a["ticks"] + 1.0))
        pace = np.where(hot, self.pace * self.frozen_rate, pace) * present
        step = np.where(present, matrix.mean - a["level"], 0.0)
        limit = WINSOR * np.sqrt(self._error2)
        step = np.where(known, np.clip(step, -limit, limit), step)
        n = np.maximum(matrix.count, 1.0)
        square = step * step
        a["level"] += pace * step
        a["between"] += pace * (np.maximum(square - a["within"] / n, 0.0) - a["between"])
        self._learn_within(matrix, pace, square, present)
        self._learn_inflation(known, hot)
        a["ticks"] += present

    def expected(self) -> tuple[Floats, Floats]:
        """Level ± 3 standard errors of a tick with as many spans as the last one."""
        a = self.arrays
        if len(self._error2) != len(a["level"]):
            unknown = np.full(len(a["level"]), np.nan)
            return unknown, unknown
        width = WINSOR * np.sqrt(self._error2) * np.maximum(a["inflation"], 0.6)
        level = np.where(a["ticks"] >= self.warm_up, a["level"], np.nan)
        return level - width, level + width

    def _learn_tail(self, known: Bools, slow: Floats) -> None:
        a = self.arrays
        size = np.abs(self._z)
        over = known & (size > TAIL_FROM)
        a["rate"] += np.where(known, self.tail_rate * slow, 0.0) * (over - a["rate"])
        rows = np.flatnonzero(over)
        slow, mean = slow[rows], a["excess"][rows]
        a["excesses"][rows] += slow
        excess = np.minimum(size[rows] - TAIL_FROM, 3.0 * mean + 1.0)
        pace = slow * np.maximum(0.01, 1.0 / a["excesses"][rows])
        a["excess"][rows] = np.maximum(mean + pace * (excess - mean), 0.3)

    def _learn_within(self, matrix: Matrix, pace: Array, square: Array, present: Bools) -> None:
        """From the variance inside a tick where it has several values, else from how well both variances together
        explain the step."""
        a = self.arrays
        within = a["within"]
        several = matrix.count >= 2
        given = np.minimum(np.where(several & present, matrix.variance, 0.0), 9.0 * within + 0.01)
        one = present & (matrix.count == 1) & (a["ticks"] >= 1)
        ratio = np.minimum(square / (a["between"] + within + 1e-9), 9.0) - 1.0
        alone = np.maximum(within * (1.0 + pace * ratio), 1e-5)
        a["within"] = np.where(several, within + pace * (given - within), np.where(one, alone, within))

    def _learn_inflation(self, known: Bools, hot: Bools) -> None:
        """How much wider z is than it should be: what the two variances do not explain."""
        a = self.arrays
        square = a["inflation"] ** 2
        pace = np.where(known, np.where(hot, 0.1, 1.0) * self.pace, 0.0)
        width2 = np.maximum(a["inflation"], 0.6) ** 2
        seen = np.minimum(self._z * self._z * width2, 16.0)
        a["inflation"] = np.sqrt(np.maximum(square + pace * (seen - square), 0.16))
