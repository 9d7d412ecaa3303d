"""One step of a river model, whatever its kind: a scaled vector in, a raw score out, the model has learnt it.

anomaly models       score, then learn; scores that end at 1 are taken by how many nines they have
forecasters          distance from what was foretold, single values only
drift detectors      ``DRIFT_SCORE`` where a change is reported, single values only
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from river import anomaly, base, compose, time_series

from processors.anomaly.river_expression import parse

DRIFT_SCORE = 4.0
DRIFT_RANGE = 16.0
"""Drift detectors are shown values of this range, which are spreads, instead of 0 … 1: there, ADWIN finds a shift of
three spreads after hours."""
BOUNDED = ("GaussianScorer", "HalfSpaceTrees", "PredictiveAnomalyDetection")
"""Models whose scores end at 1, where they saturate: between 0.985 and 0.997 lies all that half-space trees can say."""

Step = Callable[[Sequence[float]], float]
"""Takes scaled values, returns the model's raw score of them, higher being stranger, and has the model learn them."""


def new_step(expression: str, width: int = 1) -> Step:
    """A new model of ``river_expression`` for vectors of this width.

    Raises:
        ValueError: It is no such expression; or neither an anomaly, nor a drift, nor a time-series model; or one for
            single values, and these are vectors.
    """
    model = parse(expression)
    last = model[-1] if isinstance(model, compose.Pipeline) else model
    if isinstance(model, base.DriftDetector):
        return _single(_drift, model, width)
    if isinstance(model, time_series.base.Forecaster):
        return _single(_forecast, model, width)
    if not (hasattr(last, "score_one") and hasattr(last, "learn_one")):
        raise ValueError(f"{type(last).__name__} is neither an anomaly, nor a drift, nor a time-series model")
    if "y" in inspect.signature(last.score_one).parameters:
        step = _single(_supervised, model, width)
    else:
        names = [f"value {i}" for i in range(width)]
        step = lambda values: _unsupervised(model, dict(zip(names, values, strict=True)))  # noqa: E731
    return (lambda values: _nines(step(values))) if type(last).__name__ in BOUNDED else step


def window_of(expression: str) -> int | None:
    """Values after which a model forgets by itself, window by window; None for all but half-space trees."""
    model = parse(expression)
    return int(model.window_size) if isinstance(model, anomaly.HalfSpaceTrees) else None


def _single(step: Callable[[Any, float], float], model: Any, width: int) -> Step:
    if width > 1:
        raise ValueError(f"{type(model).__name__} looks at single values, not at vectors")
    return lambda values: step(model, values[0])


def _nines(score: float) -> float:
    """How many nines a score between 0 and 1 has."""
    return -math.log10(max(1.0 - score, 1e-9))


def _unsupervised(model: Any, x: dict[str, float]) -> float:
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
    model.update(DRIFT_RANGE * value)
    return DRIFT_SCORE if model.drift_detected else 0.0


def _forecast(model: Any, value: float) -> float:
    try:
        expected = float(model.forecast(1)[0])
    finally:
        model.learn_one(value)
    return abs(value - expected)
