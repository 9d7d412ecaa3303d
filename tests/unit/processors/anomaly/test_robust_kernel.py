"""The native loops of the robust detector against columns of numpy, compiled and uncompiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from processors.anomaly import robust, robust_kernel
from processors.anomaly.detector import Matrix
from processors.anomaly.robust import RobustDetector
from tests.kernels import uncompiled
from tests.unit.processors.anomaly.robust_model import RobustModel

SERIES = 60
TICKS = 120
MODULES = {"compiled": robust_kernel, "uncompiled": uncompiled("processors.anomaly.robust_kernel")}


def ticks(seed: int) -> list[tuple[Matrix, np.ndarray[Any, Any]]]:
    """Series of many kinds: missing values, NaN, jumps, one span or a hundred, some frozen."""
    rng = np.random.default_rng(seed)
    level, spread = rng.normal(0, 1, SERIES), rng.choice([0.0, 0.01, 0.1, 1.0], SERIES)
    fall = rng.choice([0.5, 1.0], SERIES)
    found = []
    for tick in range(TICKS):
        mean = level + spread * rng.standard_t(3, SERIES) + 2.0 * (rng.random(SERIES) < 0.05)
        mean[rng.random(SERIES) < 0.02] = rng.choice([np.nan, np.inf, -np.inf])
        count = rng.choice([0.0, 1.0, 2.0, 7.0, 300.0], SERIES)
        variance = np.where(count > 1, rng.gamma(1.0, 0.05, SERIES), 0.0)
        found.append((Matrix(mean, variance, count, fall, 10.0 * tick), rng.random(SERIES) < 0.1))
    return found


@pytest.mark.parametrize("mode", MODULES)
@pytest.mark.parametrize("seed", range(3))
def test_the_loops_do_what_columns_of_numpy_do(mode: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robust, "score_rows", MODULES[mode].score_rows)
    monkeypatch.setattr(robust, "learn_rows", MODULES[mode].learn_rows)
    detector = RobustDetector(memory=30.0, warm_up=5)
    detector.resize(SERIES)
    model = RobustModel(SERIES, detector)
    surprised = 0
    with np.errstate(invalid="ignore"):
        for matrix, frozen in ticks(seed):
            surprise = detector.score(matrix)
            np.testing.assert_allclose(surprise, model.score(matrix), rtol=1e-9, atol=1e-12)
            surprised += int((surprise != 0).sum())
            detector.learn(matrix, frozen)
            model.learn(matrix, frozen)
    assert surprised > TICKS
    for name, array in model.a.items():
        np.testing.assert_allclose(detector.arrays[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


def test_compiled_and_uncompiled_agree_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    states = []
    for module in MODULES.values():
        monkeypatch.setattr(robust, "score_rows", module.score_rows)
        monkeypatch.setattr(robust, "learn_rows", module.learn_rows)
        detector = RobustDetector()
        detector.resize(SERIES)
        for matrix, frozen in ticks(5):
            detector.score(matrix)
            detector.learn(matrix, frozen)
        states.append(detector.rows)
    assert np.array_equal(states[0], states[1])


def test_more_series_than_rows_are_refused_before_any_is_read() -> None:
    detector = RobustDetector()
    detector.resize(SERIES - 1)
    matrix, frozen = ticks(0)[0]
    with pytest.raises(ValueError, match="60 series for 59 rows"):
        detector.score(matrix)
    with pytest.raises(ValueError, match="60 series learnt, 0 scored"):
        detector.learn(matrix, frozen)


def test_a_relaxed_series_is_surprised_less_and_learns_faster() -> None:
    steady, relaxed = RobustDetector(), RobustDetector()
    rng = np.random.default_rng(2)
    one = np.ones(1)
    for detector in (steady, relaxed):
        detector.resize(1)
    for tick in range(300):
        value = rng.normal(0.0, 0.05, 1) + (0.4 if tick >= 250 else 0.0)
        matrix = Matrix(value, np.full(1, 0.04), np.full(1, 20.0), one, 10.0 * tick)
        if tick == 250:
            relaxed.relax(np.array([0]))
            assert 0 < relaxed.score(matrix)[0] < steady.score(matrix)[0]
        for detector in (steady, relaxed):
            detector.score(matrix)
            detector.learn(matrix, np.zeros(1, bool))
    assert abs(relaxed.arrays["level"][0] - 0.4) < abs(steady.arrays["level"][0] - 0.4)


@pytest.mark.parametrize("name", ["between", "ticks", "excess", "excesses"])
def test_a_negative_quantity_in_a_snapshot_is_refused(name: str) -> None:
    detector = RobustDetector()
    detector.resize(3)
    state = {key: array.copy() for key, array in detector.state(np.arange(3)).items()}
    state[name][1] = -1.0
    with pytest.raises(ValueError, match="negative"):
        detector.load(state)
