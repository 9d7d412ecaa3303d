"""Muted patterns stay quiet until they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.testing import Harness
from processors.anomaly import Anomaly, names, own_metrics
from processors.anomaly.incidents import Incident
from processors.anomaly.mutes import MAX_MUTES, Mute, Mutes, MutesFullError, Pattern
from tests.unit.processors.anomaly.shop import Fault, calls, send

Faults = Callable[[int], Fault | None]


class Shop:
    """A shop that goes on ticking."""

    def __init__(self, **config: Any) -> None:
        self.run = Harness(Anomaly, differs_by=["span.card.type"], **config)
        self.tick = 0

    def play(self, ticks: int, fault: Fault | None = None) -> list[str]:
        """What is told in the meantime."""
        told = len(self.run.logs())
        for _ in range(ticks):
            send(self.run, calls(self.tick, fault=fault))
            self.tick += 1
        prefix = names.INCIDENT_EVENT
        new = self.run.logs()[told:]
        return [one.event_name.removeprefix(prefix) for one in new if one.event_name.startswith(prefix)]

    @property
    def newest(self) -> Any:
        return max(self.run.processor.list_incidents(), key=lambda one: one["opened_unix_seconds"])

    def mute(self, duration_s: float | None = None) -> str:
        name: str = self.newest["id"]
        self.run.processor.mute_incident(name, duration_s, "known")
        return name

    def active(self) -> list[str]:
        return [
            point.labels["incident"]
            for point in self.run.metrics()
            if point.name == names.INCIDENT_ACTIVE and point.value == 1
        ]


AMEX = {"payment:amex": 8.0}


@pytest.fixture
def shop() -> Shop:
    """A shop that has had one incident, which is over and muted."""
    shop = Shop()
    shop.play(50)
    assert {"opened", "resolved"} <= set(shop.play(12, AMEX) + shop.play(30))
    shop.mute()
    return shop


def test_the_same_fault_again_is_quiet(shop: Shop) -> None:
    assert shop.play(12, AMEX) == []
    assert (shop.newest["state"], shop.newest["root_service"]) == ("muted", "payment")
    assert shop.active() == []
    assert shop.play(30) == []
    assert shop.newest["state"] == "resolved"
    assert shop.run.own.value(own_metrics.QUIET_CHANGES) >= 2
    [mute] = shop.run.processor.list_mutes()
    assert mute["hits"] == 1


def test_another_root_is_told(shop: Shop) -> None:
    assert shop.play(12, {"cart": 4.0})[0] == "opened"
    assert shop.newest["root_service"] == "cart"


def test_a_worse_fault_of_the_same_service_is_told(shop: Shop) -> None:
    assert shop.play(3, AMEX) == []
    assert "opened" in shop.play(12, {"payment": 12.0, "payment!": 0.5})
    assert shop.newest["root_service"] == "payment"


def test_a_mute_ends_with_its_duration(shop: Shop) -> None:
    [mute] = shop.run.processor.list_mutes()
    shop.run.processor.unmute_incident(mute["id"])
    shop.run.processor.mute_incident(mute["id"], 50.0, "")
    assert shop.play(4, AMEX) == []
    assert "opened" in shop.play(8, AMEX)
    assert shop.run.processor.list_mutes() == []


def test_an_open_incident_becomes_quiet_and_speaks_again_when_unmuted() -> None:
    shop = Shop()
    shop.play(50)
    assert "opened" in shop.play(9, AMEX)
    assert len(shop.active()) == 1
    name = shop.mute()
    assert shop.active() == []
    assert shop.run.logs()[-1].event_name == "weir.incident.muted"
    assert shop.play(3, AMEX) == []
    shop.run.processor.unmute_incident(name)
    assert shop.play(1, AMEX) == ["opened"]
    assert shop.active() == [name]
    with pytest.raises(LookupError):
        shop.run.processor.unmute_incident(name)
    detected = next(point.value for point in shop.run.metrics() if point.name == "weir_incident_time_to_detect")
    assert detected["count"] == 1


def test_mutes_and_closed_incidents_survive_a_restart(shop: Shop) -> None:
    before = shop.run.processor.list_incidents(), shop.run.processor.list_mutes()
    shop.run.restart()
    assert (shop.run.processor.list_incidents(), shop.run.processor.list_mutes()) == before
    assert shop.play(12, AMEX) == []


def test_an_incident_that_is_not_known_cannot_be_muted(shop: Shop) -> None:
    with pytest.raises(LookupError):
        shop.run.processor.mute_incident("20000101T000000Z-nobody", None, "")


def incident(**more: Any) -> Incident:
    fields: dict[str, Any] = {"services": ["pay"], "severity": "warning", "signals": ["duration"]} | more
    return Incident(id="i", opened=0.0, updated=0.0, ranking=["pay"], score=20.0, scores=[20.0], **fields)


@pytest.mark.parametrize(
    ("now", "is_quiet"),
    [
        ({}, True),
        ({"signals": []}, True),
        ({"services": ["pay", "shop"]}, False),
        ({"signals": ["duration", "errors"]}, False),
        ({"severity": "critical"}, False),
        ({"differs": [("card", "amex", 0.9, 0.1)]}, True),
        ({"differs": [("card", "visa", 0.9, 0.1)]}, False),
    ],
)
def test_a_pattern_covers_what_shows_nothing_new(now: dict[str, Any], is_quiet: bool) -> None:
    muted = Pattern.of(incident(differs=[("card", "amex", 0.8, 0.2)]))
    assert muted.covers(Pattern.of(incident(**now))) is is_quiet


def test_a_pattern_without_suspects_covers_any() -> None:
    assert Pattern.of(incident()).covers(Pattern.of(incident(differs=[("card", "visa", 0.9, 0.1)])))


def test_mutes_are_bounded() -> None:
    mutes = Mutes()
    for number in range(MAX_MUTES):
        mutes.add(Mute(str(number), Pattern.of(incident()), 0.0))
    mutes.add(Mute("7", Pattern.of(incident()), 1.0))
    with pytest.raises(MutesFullError):
        mutes.add(Mute("one more", Pattern.of(incident()), 0.0))
    assert len(mutes) == MAX_MUTES
    assert mutes.remove("7")
    assert not mutes.remove("7")
