"""The layered detector: what every morning brings is expected, faults are not, and nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.testing import Harness
from processors.anomaly import Anomaly
from processors.anomaly.detector import Matrix
from processors.anomaly.layered import LayeredDetector
from processors.anomaly.robust import RobustDetector
from tests.unit.processors.anomaly.shop import Fault, play, told

STEP_S = 300.0
PER_DAY = 288
DAYS = 14


def mornings(seed: int = 3) -> np.ndarray[Any, Any]:
    """Times that double between nine and ten every day."""
    hour = np.arange(DAYS * PER_DAY) % PER_DAY / 12
    values: np.ndarray[Any, Any] = np.where((hour >= 9) & (hour < 10), 0.6, 0.0)
    return values + np.random.default_rng(seed).normal(0, 0.05, len(values))


def surprises(detector: Any, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    detector.resize(1)
    one = np.ones(1)
    found = []
    for tick, value in enumerate(values):
        matrix = Matrix(np.array([value]), np.array([0.04]), np.array([20.0]), one, 1e9 + STEP_S * tick)
        found.append(abs(float(detector.score(matrix)[0])))
        detector.learn(matrix, np.zeros(1, bool))
    return np.array(found)


def test_what_every_morning_brings_surprises_less_and_less() -> None:
    alone, layered = surprises(RobustDetector(), mornings()), surprises(LayeredDetector(), mornings())
    first, last = slice(0, PER_DAY), slice((DAYS - 3) * PER_DAY, None)
    assert np.array_equal(alone[first], layered[first])
    assert layered[last].sum() < 0.6 * alone[last].sum()


def test_a_fault_at_another_hour_surprises_as_much_as_ever() -> None:
    values = mornings()
    at = (DAYS - 1) * PER_DAY + 15 * 12
    values[at : at + 6] += 2.0
    alone, layered = surprises(RobustDetector(), values), surprises(LayeredDetector(), values)
    assert layered[at] == alone[at] > 1.5


def test_without_a_history_the_incidents_are_those_of_the_robust_detector() -> None:
    def fault(tick: int) -> Fault | None:
        return {"payment": 4.0} if 50 <= tick < 65 else None

    plain = told(play(Harness(Anomaly), range(80), fault))
    run = Harness(Anomaly, detector="layered")
    changes = play(run, range(52), fault)
    run.restart()
    changes += play(run, range(52, 80), fault)
    assert told(changes) == plain != []


def test_a_snapshot_of_another_detector_is_refused() -> None:
    detector = LayeredDetector()
    detector.resize(2)
    state = detector.state()
    fresh = LayeredDetector()
    fresh.resize(2)
    fresh.load(state)
    assert all(np.array_equal(array, state[name]) for name, array in fresh.state().items())
    with pytest.raises(KeyError, match=r"robust\.level"):
        fresh.load(RobustDetector().state())
