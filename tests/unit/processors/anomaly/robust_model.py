"""The robust detector a second time: whole columns of numpy, a formula a line, no thought of speed."""

from __future__ import annotations

from typing import Any

import numpy as np

from processors.anomaly.detector import Matrix

Array = Any
TAIL_FROM, MIN_RATE, MAX_Z, MAX_SURPRISE, OUT_OF_BAND_Z, WINSOR = 2.0, 0.002, 8.0, 8.0, 4.0, 3.0


class RobustModel:
    """State by name, as ``RobustDetector.arrays`` has it."""

    def __init__(self, size: int, detector: Any) -> None:
        self.a: dict[str, Array] = {name: np.full(size, value) for name, value in detector.defaults.items()}
        self.p = detector
        self.z: Array = np.zeros(size)
        self.error2: Array = np.zeros(size)

    def score(self, matrix: Matrix) -> Array:
        a, present = self.a, matrix.present
        new = present & (a["ticks"] == 0)
        a["level"][new] = matrix.mean[new]
        self.error2 = a["between"] + a["within"] / np.maximum(matrix.count, 1.0) + self.p.floor2
        known = present & (a["ticks"] >= self.p.warm_up)
        delta = np.where(known, matrix.mean - a["level"], 0.0)
        self.z = delta / (np.sqrt(self.error2) * np.maximum(np.sqrt(a["inflation2"]), 0.6))
        size = np.minimum(np.abs(self.z), MAX_Z)
        size = np.where(self.z < 0, size * matrix.fall, size)
        over = size - TAIL_FROM
        surprise = over / np.log(10.0) / a["excess"] - np.log10(np.maximum(a["rate"], MIN_RATE))
        return np.where(over > 0, np.copysign(np.minimum(surprise, MAX_SURPRISE), self.z), 0.0)

    def learn(self, matrix: Matrix, frozen: Array) -> None:
        a, p, present = self.a, self.p, matrix.present
        known = present & (a["ticks"] >= p.warm_up)
        slow = np.where(frozen, p.frozen_rate, 1.0)
        size = np.abs(self.z)
        over = known & (size > TAIL_FROM)
        a["rate"] += np.where(known, p.tail_rate * slow, 0.0) * (over - a["rate"])
        a["excesses"] += np.where(over, slow, 0.0)
        excess = np.minimum(size - TAIL_FROM, 3.0 * a["excess"] + 1.0)
        moved = a["excess"] + slow * np.maximum(0.01, 1.0 / a["excesses"]) * (excess - a["excess"])
        a["excess"] = np.where(over, np.maximum(moved, 0.3), a["excess"])
        hot = known & (frozen | (size > OUT_OF_BAND_Z))
        pace = np.where(hot, p.pace * p.frozen_rate, np.maximum(p.pace, 1.0 / (a["ticks"] + 1.0))) * present
        step = np.where(present, matrix.mean - a["level"], 0.0)
        limit = WINSOR * np.sqrt(self.error2)
        step = np.where(known, np.clip(step, -limit, limit), step)
        square = step * step
        within = a["within"].copy()
        a["level"] += pace * step
        a["between"] += pace * (np.maximum(square - within / np.maximum(matrix.count, 1.0), 0.0) - a["between"])
        given = np.minimum(np.where(present, matrix.variance, 0.0), 9.0 * within + 0.01)
        ratio = np.minimum(square / (a["between"] + within + 1e-9), 9.0) - 1.0
        one = present & (matrix.count == 1) & (a["ticks"] >= 1)
        alone = np.where(one, np.maximum(within * (1.0 + pace * ratio), 1e-5), within)
        a["within"] = np.where(present & (matrix.count >= 2), within + pace * (given - within), alone)
        pace = np.where(known, np.where(hot, 0.1, 1.0) * p.pace, 0.0)
        width2 = np.maximum(a["inflation2"], 0.36)
        seen = np.minimum(self.z * self.z * width2, 16.0)
        a["inflation2"] = np.where(
            known, np.maximum(a["inflation2"] + pace * (seen - a["inflation2"]), 0.16), a["inflation2"]
        )
        a["ticks"] += present
