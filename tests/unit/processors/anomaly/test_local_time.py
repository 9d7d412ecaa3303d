"""Whose clocks mornings follow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

import pytest

from pipeline.testing import Harness
from processors.anomaly import Anomaly
from processors.anomaly.config import Config
from processors.anomaly.local_time import LocalTime
from tests.unit.processors.anomaly.shop import play

needs_zones = pytest.mark.skipif(len(available_timezones()) < 2, reason="needs time zones: install the package tzdata")


def test_without_a_setting_it_is_utc() -> None:
    assert LocalTime().utc_offset_s(1e9) == 0.0


@needs_zones
def test_summer_and_winter_differ_by_an_hour() -> None:
    berlin = LocalTime("Europe/Berlin")
    summer, winter = (datetime(2026, month, 1, tzinfo=UTC).timestamp() for month in (7, 12))
    assert (berlin.utc_offset_s(summer), berlin.utc_offset_s(winter)) == (7200.0, 3600.0)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "/etc/passwd", "../x", "Europe"])
def test_what_is_no_time_zone_is_a_mistake_of_the_configuration(name: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        Config.model_validate({"timezone": name})


@needs_zones
def test_detectors_are_told_what_local_clocks_show(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Harness(Anomaly, timezone="Asia/Kolkata")
    score, told = run.processor._detector.score, []

    def noting(matrix: Any) -> Any:
        told.append(matrix.local_second - matrix.second)
        return score(matrix)

    monkeypatch.setattr(run.processor._detector, "score", noting)
    play(run, range(3))
    assert told
    assert set(told) == {5.5 * 3600}
