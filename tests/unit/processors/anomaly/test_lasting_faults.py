"""A fault that lasts is one incident from its beginning to its end, however long that is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.testing import Harness
from processors.anomaly import Anomaly
from processors.anomaly.detector import Matrix
from processors.anomaly.evidence import Evidence
from processors.anomaly.incidents import MAX_OPEN, SETTLED_TICKS, Change, Incident, Incidents
from processors.anomaly.series_bank import DURATION, Series, SeriesBank
from processors.anomaly.symptoms import FORGOTTEN_TICKS, MATURE_TICKS, Symptoms
from tests.unit.processors.anomaly.shop import Fault, calls, play, send, told

pytestmark = pytest.mark.simulation
FIRST, LAST = 130, 310
"""Ticks of a fault of half an hour."""
START = 1_767_225_600


def lasting(fault: Fault) -> Any:
    return lambda tick: fault if FIRST <= tick < LAST else None


def turns(changes: list[Change]) -> list[str]:
    return [change.what for change in changes if change.what != "updated"]


def tick_of(change: Change) -> float:
    return (change.second - START) / 10


@pytest.mark.parametrize("traces", [3, 12], ids=["little traffic", "much traffic"])
@pytest.mark.parametrize(
    "fault", [{"payment": 3.0}, {"payment>": 20.0}, {"cart": 3.0}], ids=["slow service", "slow network", "slow leaf"]
)
def test_half_an_hour_of_a_slow_service_is_one_incident_that_ends_when_the_fault_ends(
    fault: Fault, traces: int
) -> None:
    changes = play(Harness(Anomaly), range(LAST + 60), lasting(fault), traces=traces)
    assert turns(changes) == ["opened", "resolved"]
    assert changes[0].incident.root == next(iter(fault)).rstrip(">")
    assert LAST + 6 <= tick_of(changes[-1]) <= LAST + 18


def test_half_an_hour_of_failing_calls_is_one_incident() -> None:
    changes = play(Harness(Anomaly), range(LAST + 60), lasting({"payment!": 0.3}), traces=25)
    assert turns(changes) == ["opened", "resolved"]
    assert LAST + 6 <= tick_of(changes[-1]) <= LAST + 18


def test_a_fault_that_becomes_milder_is_not_over() -> None:
    def fault(tick: int) -> Fault | None:
        return {"payment": 5.0 if tick < FIRST + 20 else 2.5} if FIRST <= tick < LAST else None

    changes = play(Harness(Anomaly), range(LAST + 40), fault)
    assert turns(changes) == ["opened", "resolved"]
    assert tick_of(changes[-1]) > LAST


def test_restarts_during_a_lasting_fault_and_after_it_give_the_same_events() -> None:
    fault = lasting({"payment": 3.0})
    running = told(play(Harness(Anomaly), range(LAST + 30), fault))
    restarts = (FIRST + 10, FIRST + 100, LAST + 3)
    assert told(play(Harness(Anomaly), range(LAST + 30), fault, restarts=restarts)) == running


def test_telemetry_that_is_away_for_some_minutes_does_not_end_an_incident() -> None:
    run = Harness(Anomaly)
    fault = lasting({"payment": 3.0})
    changes = play(run, range(FIRST + 20), fault)
    run.advance(200)
    changes += play(run, range(FIRST + 40, LAST + 30), fault)
    assert turns(changes) == ["opened", "resolved"]


def test_an_incident_that_nobody_can_see_any_more_is_closed_as_unseen() -> None:
    run = Harness(Anomaly, unseen_ticks=30)
    changes = play(run, range(FIRST + 20), lasting({"payment": 3.0}))
    run.advance(320)
    changes += run.processor.take_changes()
    assert turns(changes) == ["opened", "unseen"]


def test_a_deliberate_change_ends_as_lasting_and_is_not_raised_again() -> None:
    run = Harness(Anomaly, lasting_ticks=60)
    changes = play(run, range(FIRST + 150), lambda tick: {"cart": 2.0} if tick >= FIRST else None)
    assert turns(changes) == ["opened", "lasting"]
    assert tick_of(changes[-1]) == tick_of(changes[0]) + 60 - 1


def test_a_service_that_was_taken_away_ends_as_lasting_and_is_not_missed_again() -> None:
    run = Harness(Anomaly, lasting_ticks=40)
    changes: list[Change] = []
    for tick in range(160):
        spans = calls(tick, traces=25)
        send(run, [span for span in spans if tick < 50 or span["service"] != "cart"])
        changes += run.processor.take_changes()
    assert turns(changes) == ["opened", "lasting"]
    assert changes[0].incident.root == "cart"


def test_what_an_incident_is_about_is_not_learnt_and_the_rest_is() -> None:
    bank = SeriesBank(10)
    for service in ("ill", "well", "ill", "ill"):
        bank.row(Series(DURATION, service, f"operation {bank.live}"), 0)
    ones = np.ones(bank.capacity)
    band = np.zeros(bank.capacity), np.full(bank.capacity, 2.0)
    band[0][2] = np.nan
    symptoms = Symptoms()
    symptoms.resize(bank.capacity)
    symptoms.values[4] = MATURE_TICKS
    symptoms.values[4, 3] -= 1
    kept = symptoms.without(Matrix(ones, ones, 5 * ones, ones, 0.0), [incident("ill")], band, bank)
    assert kept.count[:4].tolist() == [0.0, 5.0, 5.0, 5.0], "of the last two too little is known yet"


def test_a_series_that_is_hardly_known_is_no_symptom() -> None:
    watched = Watched()
    watched.symptoms.values[4] = 0
    watched.ticks([1.0] * 5)
    assert not watched.remain()


def alarms(**scores: float) -> tuple[list[str], np.ndarray[Any, Any]]:
    return list(scores), np.array(list(scores.values()))


def test_what_begins_near_a_young_incident_belongs_to_it_and_near_an_old_one_does_not() -> None:
    edges = [("checkout", "payment")]
    for age, expected in ((SETTLED_TICKS - 1, ["updated"]), (SETTLED_TICKS, ["opened"])):
        incidents = Incidents(10.0)
        for tick in range(age):
            incidents.update(*alarms(payment=30.0), edges, 10.0 * tick)
        changes = incidents.update(*alarms(payment=30.0, checkout=20.0), edges, 10.0 * age)
        assert [change.what for change in changes] == expected
        assert len(incidents.open) == (1 if expected == ["updated"] else 2)
    assert changes[0].incident.ranking == ["checkout"], "the old cause has its own incident"


def test_no_more_incidents_are_open_at_a_time_than_the_limit_and_when_one_ends_there_is_room() -> None:
    incidents = Incidents(10.0)
    names = [f"service {number:02}" for number in range(MAX_OPEN + 1)]
    ill, well = dict.fromkeys(names, 30.0), dict.fromkeys(names[:1], 0.0)
    for tick in range(incidents.close_ticks + 3):
        incidents.update(*alarms(**ill | (well if tick else {})), [], 10.0 * tick)
        assert len(incidents.open) <= MAX_OPEN
        assert incidents.refused == min(tick, incidents.close_ticks) + 1, "each tick, until there is room"
    roots = {one.root for one in incidents.open.values()}
    assert roots == set(names[1:])


def test_symptoms_remain_until_they_are_near_the_level_before() -> None:
    watched = Watched()
    watched.ticks([1.0] * 5)
    assert watched.remain()
    watched.ticks([0.6] * 20)
    assert watched.remain()
    watched.ticks([0.1] * 20)
    assert not watched.remain()


def test_one_usual_tick_among_bad_ones_is_no_return_and_a_swing_to_the_other_side_is() -> None:
    watched = Watched()
    watched.ticks([1.0, 1.0, 0.0, 1.0])
    assert watched.remain()
    watched.ticks([-1.0] * 10)
    assert not watched.remain()


def test_a_series_without_values_is_a_symptom_for_some_time_only() -> None:
    watched = Watched()
    watched.ticks([1.0] * 5)
    watched.ticks([np.nan] * int(FORGOTTEN_TICKS - 1))
    assert watched.remain()
    watched.ticks([np.nan])
    assert not watched.remain()


def test_what_is_within_the_noise_is_no_distance() -> None:
    watched = Watched(half_band=9.0)
    watched.ticks([1.0] * 5)
    assert not watched.remain()


class Watched:
    """Symptoms of one series whose usual value is 0, in an incident of its service."""

    def __init__(self, half_band: float = 0.3) -> None:
        self.bank = SeriesBank(4)
        self.row = self.bank.row(Series(DURATION, "payment", "Charge"), 0)
        capacity = self.bank.capacity
        self.band = np.full(capacity, -half_band), np.full(capacity, half_band)
        self.evidence = Evidence()
        self.evidence.resize(capacity)
        self.evidence.total[self.row] = 30.0
        self.symptoms = Symptoms()
        self.symptoms.resize(capacity)
        self.symptoms.values[4] = MATURE_TICKS
        self.incident = incident("payment")

    def ticks(self, values: list[float]) -> None:
        for value in values:
            mean, variance, count, fall = np.zeros((4, self.bank.capacity))
            mean[self.row], count[self.row] = value, 1.0 if np.isfinite(value) else 0.0
            matrix = Matrix(mean, variance, count, fall, 0.0)
            self.symptoms.measure(matrix, self.band)
            self.symptoms.note([self.incident], self.evidence, matrix, self.band, self.bank)

    def remain(self) -> bool:
        return self.symptoms.remain(self.incident, self.band, self.bank)


def incident(root: str) -> Incident:
    return Incident("one", 0.0, 0.0, [root], [root], 20.0, "warning", scores=[20.0])
