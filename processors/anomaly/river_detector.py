"""RiverDetector: any anomaly, drift or time-series model of river, one per series, with its traps fenced.

    value → robust scale, squeezed into 0 … 1 → model → score → surprise against the scores that this series had before

- Missing and NaN values never reach a model (half-space trees score NaN as the strangest of all).
- A series that has not varied is not asked (a Gaussian scorer gives 1.0 on a constant one, and half-space trees 0 for a
  45-fold jump after one); if it moves, that is a surprise of its own.
- Nothing is scored before the warm-up (half-space trees give 0, Holt-Winters raises).
- Values are scaled here and the scale forgets (``MinMaxScaler`` never does).
- A saturated score says only "far out": what it means follows from the scores the series had before.

A model costs 10 to 500 µs and up to 1 MB a series, so the first ``max_models`` series get one and others score 0. Its
state could only be pickled, so a restart begins with new models.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from river import base, compose, time_series

from processors.anomaly.detector import Array, Bools, Floats, Matrix, RowArrays
from processors.anomaly.river_expression import parse

LOG10_E = 0.4342944819032518
MAX_SURPRISE = 8.0
DRIFT_SURPRISE = 4.0
"""Of a drift that a detector reports."""
MOVED_SURPRISE = 4.0
"""Of a series that moves after it has been constant, of which no model can say anything."""
MAX_DEVIATION = 8.0
"""Scaled deviations are clipped here."""

BOUNDED = ("GaussianScorer", "HalfSpaceTrees", "PredictiveAnomalyDetection")
"""Models whose scores end at 1, where they saturate: between 0.985 and 0.997 lies all that half-space trees can say."""

Step = Callable[[float], float]
"""Takes a scaled value, returns the model's raw score of it, higher being stranger, and has the model learn it."""


class RiverDetector(RowArrays):
    """See the module.

    Args:
        model: Expression of ``river_expression``.
        max_models: Series with a model.
        warm_up: Values before a series is scored.
        memory: Ticks of the scale, and of the usual score.
    """

    def __init__(
        self,
        model: str = "anomaly.HalfSpaceTrees(n_trees=5, height=5, window_size=60, seed=1)",
        max_models: int = 2000,
        warm_up: int = 120,
        memory: float = 120.0,
    ) -> None:
        if max_models < 1 or warm_up < 1 or memory < 1:
            raise ValueError("max_models, warm_up and memory must be at least 1")
        self.defaults = dict.fromkeys(("values", "level", "spread", "score", "score_spread"), 0.0)
        super().__init__()
        self._expression = model
        self._step_of(parse(model))
        self.max_models = max_models
        self.warm_up = warm_up
        self.pace = 1.0 / memory
        self.failures = 0
        self._steps: dict[int, Step] = {}
        self._born: dict[int, int] = {}
        self._scored: tuple[Array, Array] = (np.zeros(0, np.int64), np.zeros(0))

    def clear(self, rows: Array) -> None:
        """As in ``Detector``."""
        super().clear(rows)
        for row in rows.tolist():
            self._steps.pop(row, None)
            self._born.pop(row, None)

    def score(self, matrix: Matrix) -> Floats:
        """As in ``Detector``. Models learn in the same step: asking them twice would cost twice."""
        a = self.arrays
        out = np.zeros(len(matrix))
        size = np.abs(a["level"]) + 1e-9
        varied = matrix.present & (a["spread"] > 1e-9 * size)
        moved = (
            matrix.present & ~varied & (a["values"] > self.warm_up) & (np.abs(matrix.mean - a["level"]) > 1e-6 * size)
        )
        out[moved] = np.copysign(MOVED_SURPRISE, matrix.mean - a["level"])[moved]
        rows = np.flatnonzero(varied & (a["values"] >= 2))
        deviation = (matrix.mean[rows] - a["level"][rows]) / np.maximum(a["spread"][rows], 1e-300)
        deviation = np.clip(deviation, -MAX_DEVIATION, MAX_DEVIATION)
        scaled = 0.5 + deviation / (2 * MAX_DEVIATION)
        raw = np.array([self._one(row, value) for row, value in zip(rows.tolist(), scaled.tolist(), strict=True)])
        known = np.array([self._born.get(row, 0) > self.warm_up for row in rows.tolist()], bool)
        usual, spread = a["score"][rows], np.maximum(a["score_spread"][rows], 1e-3)
        excess = (raw - usual) / spread - 2.0 if len(rows) else raw
        surprise = np.minimum(1.0 + excess * LOG10_E, MAX_SURPRISE)
        out[rows] = np.where(known & (excess > 0), np.copysign(surprise, deviation), 0.0)
        self._scored = rows, raw
        return out

    def learn(self, matrix: Matrix, frozen: Bools) -> None:
        """As in ``Detector``: the scales. What is out of band moves them little."""
        a = self.arrays
        present = matrix.present
        seen = np.maximum(a["values"], 1.0)
        pace = np.where(frozen, 0.05 * self.pace, np.maximum(self.pace, 1.0 / (seen + 1.0))) * present
        first = present & (a["values"] == 0)
        a["level"][first] = matrix.mean[first]
        step = np.where(present, matrix.mean - a["level"], 0.0)
        limit = np.where(a["spread"] > 0, 4.0 * a["spread"], np.abs(step))
        step = np.clip(step, -limit, limit)
        a["level"] += pace * step
        a["spread"] += pace * (np.abs(step) - a["spread"])
        a["values"] += present
        rows, raw = self._scored
        pace = pace[rows]
        off = raw - a["score"][rows]
        a["score"][rows] += pace * off
        a["score_spread"][rows] += pace * (np.abs(off) - a["score_spread"][rows])
        self._scored = rows[:0], raw[:0]

    def expected(self) -> tuple[Floats, Floats] | None:
        """None: a score has no band."""
        return None

    def load(self, state: Mapping[str, Array]) -> None:
        """The scales; models begin anew."""
        super().load(state)
        self._steps.clear()
        self._born.clear()

    def _one(self, row: int, value: float) -> float:
        step = self._steps.get(row)
        if step is None:
            if len(self._steps) >= self.max_models:
                return 0.0
            step = self._steps[row] = self._step_of(parse(self._expression))
        self._born[row] = self._born.get(row, 0) + 1
        try:
            raw = step(value)
        except (ArithmeticError, ValueError, IndexError, KeyError, AttributeError, TypeError):
            self.failures += 1  # a model that is not ready yet, or hit a case of its own
            return 0.0
        return min(raw, 1e6) if math.isfinite(raw) else 0.0

    @staticmethod
    def _step_of(model: Any) -> Step:
        """What to do with a model of its kind.

        Raises:
            ValueError: It is neither an anomaly, nor a drift, nor a time-series model.
        """
        last = model[-1] if isinstance(model, compose.Pipeline) else model
        if isinstance(model, base.DriftDetector):
            return lambda value: _drift(model, value)
        if isinstance(model, time_series.base.Forecaster):
            return lambda value: _forecast(model, value)
        if hasattr(last, "score_one") and hasattr(last, "learn_one"):
            is_supervised = "y" in inspect.signature(last.score_one).parameters
            step = _supervised if is_supervised else _unsupervised
            if type(last).__name__ in BOUNDED:
                return lambda value: _nines(step(model, value))
            return lambda value: step(model, value)
        raise ValueError(f"{type(last).__name__} is neither an anomaly, nor a drift, nor a time-series model")


def _nines(score: float) -> float:
    """How many nines a score between 0 and 1 has."""
    return -math.log10(max(1.0 - score, 1e-9))


def _unsupervised(model: Any, value: float) -> float:
    x = {"value": value}
    score = float(model.score_one(x))
    model.learn_one(x)
    return score


def _supervised(model: Any, value: float) -> float:
    try:
        score = float(model.score_one({}, value))
    finally:
        model.learn_one({}, value)
    return score


def _drift(model: Any, value: float) -> float:
    model.update(value)
    return DRIFT_SURPRISE if model.drift_detected else 0.0


def _forecast(model: Any, value: float) -> float:
    try:
        expected = float(model.forecast(1)[0])
    finally:
        model.learn_one(value)
    return abs(value - expected)
