"""The layered detector: what every morning brings is expected, faults are not, and nothing else changes."""

from __future__ import annotations

from collections.abc import Container
from functools import cache, partial
from typing import Any
from zoneinfo import available_timezones

import numpy as np
import pytest

from pipeline.testing import Harness, span_batch
from processors.anomaly import Anomaly
from processors.anomaly.detector import Detector, Matrix, make
from processors.anomaly.evidence import Evidence
from processors.anomaly.history_layer import HISTORY_TICKS
from processors.anomaly.incidents import Incidents
from processors.anomaly.layered import LayeredDetector
from processors.anomaly.local_time import LocalTime
from processors.anomaly.processor import FROZEN_FROM
from processors.anomaly.series_bank import DURATION, Series, SeriesBank
from processors.anomaly.symptoms import Symptoms
from tests.unit.processors.anomaly.shop import Fault, calls, play, send, told

pytestmark = pytest.mark.simulation
STEP_S = 300.0
PER_DAY = 288
DAYS = 12
DAY_S = 86400.0
BERLIN = "Europe/Berlin"
CLOCKS_CHANGE = 11042
"""Days since 1970 of 26 March 2000, when summer time began there."""
FIRST_DAY = CLOCKS_CHANGE - 8
Opened = list[tuple[int, float]]


def tick(bank: SeriesBank, number: int, slower: float, offset_s: float = 0.0, seed: int = 5) -> Matrix:
    """Two operations of a shop, one of them slower by so many decades."""
    rng = np.random.default_rng([seed, number])
    mean, variance, count = np.zeros((3, bank.capacity))
    mean[:2], variance[:2], count[:2] = rng.normal(0.0, 0.05, 2), 0.04, 20.0
    mean[0] += slower
    return Matrix(mean, variance, count, bank.fall, second_of(number), bank, offset_s)


def second_of(number: int) -> float:
    return FIRST_DAY * DAY_S + STEP_S * number


def slower(number: int, fault: bool) -> float:
    """Four times slower between nine and ten, and on the last day between three and half past, if that is a fault."""
    hour = number % PER_DAY / 12
    is_fault = fault and number // PER_DAY == DAYS - 1 and 15 <= hour < 15.5
    return 0.6 if 9 <= hour < 10 or is_fault else 0.0


@cache
def days(
    name: str, fault: bool = True, restarts: Container[int] = (), mornings: str = "UTC", told: str = "UTC"
) -> Opened:
    """Day and hour of each incident that the detector opens, everything as in the processor.

    Args:
        restarts: Ticks before which there is one.
        mornings, told: By whose clocks mornings come, and which ones the detector is told of.
    """
    bank = SeriesBank(100)
    for operation in ("Charge", "Refund"):
        bank.row(Series(DURATION, "payment", operation, "server"), 0)
    detector: Detector = make(name, {})
    evidence, symptoms, incidents = Evidence(), Symptoms(), Incidents(18.0)
    for part in (detector, evidence, symptoms):
        part.resize(bank.capacity)
    opened = []
    for number in range(DAYS * PER_DAY):
        if number in restarts:
            state, detector = detector.state(np.arange(bank.capacity)), make(name, {})
            detector.resize(bank.capacity)
            detector.load(state)
        second = second_of(number)
        local = number + round(LocalTime(mornings).utc_offset_s(second) / STEP_S)
        matrix = tick(bank, number, slower(local, fault), LocalTime(told).utc_offset_s(second))
        ill = evidence.total > FROZEN_FROM
        evidence.add(detector.score(matrix), matrix, bank)
        band = detector.expected()
        assert band is not None
        symptoms.measure(matrix, band)
        goes_on = partial(symptoms.remain, band=band, bank=bank)
        changes = incidents.update(bank.services, evidence.of_services(bank), [], matrix.second, goes_on)
        opened += [(number // PER_DAY, number % PER_DAY / 12) for change in changes if change.what == "opened"]
        still_open = list(incidents.open.values())
        symptoms.note(still_open, evidence, matrix, band, bank)
        detector.learn(symptoms.without(matrix, still_open, band, bank), ill)
    return opened


def test_what_every_morning_brings_raises_nothing_after_some_days_and_a_fault_as_large_at_another_hour_does() -> None:
    alone, layered = days("robust"), days("layered")
    assert [day for day, _ in alone] == [*range(DAYS), DAYS - 1]
    assert [day for day, hour in layered if hour < 12] == [0, 1, 2]
    assert [day for day, hour in layered if hour > 12] == [DAYS - 1]
    assert 15 <= layered[-1][1] <= alone[-1][1]


@pytest.mark.skipif(BERLIN not in available_timezones(), reason="needs time zones: install the package tzdata")
def test_a_change_of_the_clocks_raises_nothing_where_the_time_zone_is_known() -> None:
    unaware = days("layered", fault=False, mornings=BERLIN)
    aware = days("layered", fault=False, mornings=BERLIN, told=BERLIN)
    assert [day for day, _ in aware] == [0, 1, 2]
    assert [day for day, _ in unaware][:4] == [0, 1, 2, CLOCKS_CHANGE - FIRST_DAY]


def test_restarts_on_several_days_change_nothing_of_that() -> None:
    restarts = (PER_DAY, 3 * PER_DAY + 110, 11 * PER_DAY + 181)
    assert days("layered", restarts=restarts) == days("layered")


def test_series_get_a_place_once_they_have_a_history_and_as_long_as_there_is_room() -> None:
    bank = SeriesBank(600)
    for number in range(400):
        bank.row(Series(DURATION, "flood", str(number)), 0)
    detector = LayeredDetector(max_history=50)
    detector.resize(bank.capacity)
    rare = np.arange(bank.capacity) >= 200
    for number in range(int(HISTORY_TICKS) + 2):
        count = np.where(rare & (number % 2 == 0), 0.0, 1.0) * (np.arange(bank.capacity) < 400)
        matrix = Matrix(np.zeros(len(count)), np.zeros(len(count)), count, bank.fall, 10.0 * number, bank)
        young = detector.history.nbytes
        detector.score(matrix)
        detector.learn(matrix, np.zeros(len(count), bool))
        if number < HISTORY_TICKS - 1:
            assert young == 4 * bank.capacity
    assert detector.totals()["history_granted"] == 50
    assert detector.totals()["history_refused"] == 150
    assert detector.history.nbytes < 4 * bank.capacity + 64 * 1600
    detector.clear(np.arange(50))
    assert not (detector.history.places.row_of >= 0).any()


def during(first: int, last: int, fault: Fault) -> Any:
    return lambda tick: fault if first <= tick < last else None


def test_without_history_and_models_the_incidents_are_those_of_the_robust_detector() -> None:
    fault = during(50, 65, {"payment": 4.0})
    plain = told(play(Harness(Anomaly, detector="robust"), range(80), fault))
    assert told(play(Harness(Anomaly), range(80), fault)) == plain != []


def test_with_models_restarts_give_the_same_incidents_and_the_same_evidence() -> None:
    fault = during(90, 100, {"payment": 2.2, "payment!": 0.3})
    running = Harness(Anomaly)
    expected = told(play(running, range(112), fault))
    assert [what for what, _, _ in expected if what != "updated"] == ["opened", "resolved"]
    assert running.own.value("weir_anomaly_detector_events", event="model_made") == 4
    run = Harness(Anomaly)
    assert told(play(run, range(112), fault, restarts=(39, 85, 92))) == expected
    assert np.array_equal(run.processor.evidence.total, running.processor.evidence.total)


def test_with_models_splitting_and_reordering_within_a_tick_give_the_same_evidence() -> None:
    fault = during(90, 100, {"payment": 2.2, "payment!": 0.3})
    whole, shuffled = Harness(Anomaly), Harness(Anomaly)
    opened = []
    for number in range(102):
        spans = calls(number, fault=fault(number))
        send(whole, spans)
        order = np.random.default_rng(number).permutation(len(spans))
        for part in np.array_split(order, 3):
            shuffled.traces(span_batch(spans=[spans[i] for i in part.tolist()]))
        shuffled.advance(10)
        told_by = [told(list(run.processor.take_changes())) for run in (whole, shuffled)]
        assert told_by[0] == told_by[1]
        opened += told_by[0]
    assert opened
    assert np.array_equal(np.sort(whole.processor.evidence.total), np.sort(shuffled.processor.evidence.total))


@pytest.mark.parametrize(
    "part", ["robust.level", "history.sums", "history.index", "services.kept", "services.withheld", "services.history"]
)
def test_a_state_with_a_damaged_part_is_refused(part: str) -> None:
    run = Harness(Anomaly)
    play(run, range(45))
    rows = np.arange(run.processor.bank.capacity)
    state = run.processor._detector.state(rows)
    fresh = LayeredDetector()
    fresh.resize(len(rows))
    fresh.load(state)
    assert all(np.array_equal(array, state[name]) for name, array in fresh.state(rows).items())
    with pytest.raises((KeyError, ValueError)):
        LayeredDetector().load({name: array for name, array in state.items() if name != part})
    with pytest.raises(ValueError, match=part.partition(".")[2]):
        fresh.load(state | {part: np.full((3, *np.shape(state[part])[1:]), np.nan)})
