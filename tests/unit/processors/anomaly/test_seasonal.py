"""Daily shapes, drift, clock changes and constant series before the seasonal detector."""

from __future__ import annotations

import math

import numpy as np
import pytest

from processors.anomaly.detector import Matrix
from processors.anomaly.robust import RobustDetector
from processors.anomaly.seasonal import DAY_S, MONDAY_S, SeasonalDetector

pytestmark = pytest.mark.simulation
STEP_S = 300.0
DAYS = 12
PER_DAY = int(DAY_S / STEP_S)


def daily(seed: int = 7, days: int = DAYS) -> list[float]:
    rng = np.random.default_rng(seed)
    phase = np.arange(days * PER_DAY) / PER_DAY * 2 * math.pi
    return (100 + 40 * np.sin(phase) + rng.normal(0, 2, len(phase))).tolist()


def surprises(values: list[float], detector: SeasonalDetector | None = None) -> list[float]:
    return surprises_of([values], detector)[0]


def surprises_of(
    series: list[list[float]], detector: SeasonalDetector | None = None, begin_s: float = 1e9
) -> list[list[float]]:
    """The scores of each of several series, which are as long as each other, in one detector."""
    detector = detector or SeasonalDetector()
    n = len(series)
    detector.resize(n)
    found = []
    for tick, values in enumerate(np.array(series).T):
        count = np.where(np.isnan(values), 0.0, 1.0)
        matrix = Matrix(values, np.zeros(n), count, np.ones(n), begin_s + STEP_S * tick)
        found.append(detector.score(matrix).copy())
        detector.learn(matrix, np.zeros(n, bool))
    scores: list[list[float]] = np.array(found).T.tolist()
    return scores


def test_a_daily_shape_is_usual_and_its_absence_is_not() -> None:
    values = daily()
    at = (DAYS - 1) * PER_DAY + PER_DAY // 4
    values[at : at + 12] = [100.0] * 12
    detector = SeasonalDetector()
    found = [abs(value) for value in surprises(values, detector)]
    assert detector.is_proven()[0]
    assert max(found[at : at + 12]) > 3 > max(found[at - PER_DAY : at])


def test_a_peak_in_the_valley_is_found_although_the_day_reaches_as_high() -> None:
    values = daily()
    at = (DAYS - 1) * PER_DAY + 3 * PER_DAY // 4
    values[at] = 130.0
    assert surprises(values)[at] > 3


def test_a_clock_change_of_the_senders_is_learnt_within_days() -> None:
    values = daily(days=20)
    shifted = values[: 10 * PER_DAY] + values[10 * PER_DAY + 12 :]
    late = [abs(value) for value in surprises(shifted)[16 * PER_DAY :]]
    assert sum(value > 4 for value in late) <= 2


def test_slow_drift_is_no_anomaly() -> None:
    rng = np.random.default_rng(3)
    values = (np.linspace(100, 160, 3000) + rng.normal(0, 2, 3000)).tolist()
    assert max(abs(value) for value in surprises(values)[1000:]) < 4.5


@pytest.mark.parametrize("level", [0.0, 5.0])
def test_a_constant_series_is_silent_until_it_moves(level: float) -> None:
    found = surprises([level] * 600 + [level + 10.0])
    assert not any(found[:600])
    assert found[600] > 1


def test_missing_values_are_not_scored_and_teach_nothing() -> None:
    values = daily(days=4)
    found = surprises([*values, *[math.nan] * 50])
    assert found[: len(values)] == surprises(values)
    assert not any(found[len(values) :])


def test_one_event_is_passed_on_once() -> None:
    values = [100 + float(x) for x in np.random.default_rng(2).normal(0, 1, 600)]
    values[500:510] = [150.0] * 10
    found = surprises(values)
    assert sum(value > 3 for value in found[500:520]) <= 3
    assert sum(value > 3 for value in surprises(values, SeasonalDetector(repeat=True))[500:520]) > 3


def robust(values: list[float], count: float = 20.0, detector: RobustDetector | None = None) -> list[float]:
    detector = detector or RobustDetector()
    detector.resize(1)
    found = []
    for tick, value in enumerate(values):
        n = 0.0 if math.isnan(value) else float(count)
        matrix = Matrix(np.array([value]), np.array([0.04]), np.array([n]), np.array([0.5]), 10.0 * tick)
        found.append(float(detector.score(matrix)[0]))
        detector.learn(matrix, np.array([abs(found[-1]) > 2]))
    return found


def test_a_mean_of_few_spans_surprises_less_than_one_of_many() -> None:
    noise = np.random.default_rng(6).normal(0, 0.2, 200)
    few, many = [*noise.tolist(), 0.4], [*(noise / 10).tolist(), 0.4]
    assert 0 <= robust(few, count=1)[-1] < robust(many, count=100)[-1]


def test_a_fault_is_not_learnt_while_it_lasts() -> None:
    values = np.random.default_rng(1).normal(0, 0.05, 400)
    values[300:330] += 1.0
    found = robust(values.tolist())
    assert min(found[300:330]) > 2
    assert max(abs(value) for value in found[335:]) < 3


def test_a_restless_series_surprises_less_by_the_same_burst() -> None:
    calm = np.random.default_rng(1).normal(0, 0.05, 400)
    restless = calm.copy()
    restless[20:400:15] += 0.6
    calm[399], restless[399] = 0.6, 0.6
    assert robust(restless.tolist())[-1] < robust(calm.tolist())[-1]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_never_reaches_the_model(value: float) -> None:
    detector = RobustDetector()
    detector.resize(1)
    for tick in range(40):
        mean = value if tick % 3 == 0 else 1.0
        matrix = Matrix(np.array([mean]), np.zeros(1), np.ones(1), np.ones(1), float(tick))
        assert np.isfinite(detector.score(matrix)).all()
        detector.learn(matrix, np.zeros(1, bool))
    assert all(np.isfinite(array).all() for array in detector.state(np.arange(1)).values())


def weekly(seed: int, weeks: int) -> list[float]:
    """High days from Monday to Friday, flat ones at weekends; the first value is of a Monday."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(weeks * 7 * PER_DAY) * STEP_S
    phase = seconds / DAY_S * 2 * math.pi
    is_weekend = seconds // DAY_S % 7 >= 5
    shape = np.where(is_weekend, 60 + 5 * np.sin(phase), 100 + 40 * np.sin(phase))
    return (shape + rng.normal(0, 2, len(phase))).tolist()


def test_weekends_are_usual_after_some_weeks_and_a_weekday_like_one_is_not() -> None:
    monday = MONDAY_S + 2900 * 7 * DAY_S
    values = weekly(seed=5, weeks=8)
    week = 7 * PER_DAY
    wednesday = 7 * week + 2 * PER_DAY
    idle = values.copy()
    idle[wednesday : wednesday + PER_DAY] = values[wednesday + 3 * PER_DAY : wednesday + 4 * PER_DAY]
    usual, odd = np.abs(surprises_of([values, idle], begin_s=monday))
    assert np.count_nonzero(usual[5 * week :] >= 3.8) <= 2
    assert odd[wednesday : wednesday + PER_DAY].max() >= 3.8
