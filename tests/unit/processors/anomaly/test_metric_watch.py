"""Watched metrics: told when they become anomalous and when they are usual again, across restarts; limited."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.testing import START_UNIX_NANO, Harness, metric_batch
from processors.anomaly import Anomaly
from processors.anomaly.names import ANOMALY_OPENED, ANOMALY_RESOLVED

Told = list[tuple[int, str, str]]
BURST = range(200, 206)
SECONDS = 212
USUAL = 10.0 + np.arange(SECONDS) % 3
FAR = np.where(np.isin(np.arange(SECONDS), BURST), 500.0, USUAL)
VALUES = {"queue.length": FAR.tolist(), "queue.total": np.cumsum(FAR).tolist()}
"""A gauge of about ten, and a counter that grows by about ten a second."""


def story(name: str, stop: int = -1) -> tuple[Harness[Anomaly], Told]:
    """What is told, by second; with a restart before the second ``stop``."""
    run = Harness(Anomaly, metrics=["queue.*"])
    for second, value in enumerate(VALUES[name]):
        if second == stop:
            run.restart()
        stamp = START_UNIX_NANO + second * 10**9
        kind = {"kind": "sum", "monotonic": True} if name == "queue.total" else {}
        point = {"name": name, "value": value, "service": "cart", "time_unix_nano": stamp, **kind}
        run.process(metric_batch(points=[point]), then_advance_s=1)
    told = [one for one in run.logs() if one.event_name.startswith("weir.anomaly")]
    return run, [((one.time_unix_nano - START_UNIX_NANO) // 10**9, one.event_name, one.body) for one in told]


@pytest.mark.parametrize("name", VALUES)
def test_an_anomaly_is_resolved_after_three_usual_points_also_if_there_is_a_restart(name: str) -> None:
    run, told = story(name)
    assert [(second, what) for second, what, _ in told] == [
        (BURST[0], ANOMALY_OPENED),
        (BURST[-1] + 3, ANOMALY_RESOLVED),
    ]
    assert [point.value for point in run.metrics() if point.name == "weir_anomaly_active"] == [0.0]
    assert sum(point.value for point in run.metrics() if point.name == "weir_anomaly_onsets") == 1
    for stop in (100, BURST[0], BURST[3], BURST[-1] + 2):
        assert story(name, stop)[1] == told


def test_series_that_are_gone_make_room_and_what_finds_none_is_counted() -> None:
    run = Harness(Anomaly, metrics=["queue.*"], max_series=2)

    def send(*names: str) -> None:
        stamp = run.clock.unix_nano()
        points = [{"name": name, "value": 1.0, "service": "cart", "time_unix_nano": stamp} for name in names]
        run.process(metric_batch(points=points), then_advance_s=1)

    send("queue.a", "queue.b", "queue.c")
    assert run.own.value("weir_anomaly_series_refused") == 1
    run.advance(6 * 3600 + 60)
    send("queue.c", "queue.d")
    assert run.own.value("weir_anomaly_series_refused") == 1
    assert run.processor.watch.bank.live == 2


@pytest.mark.parametrize("name", ["seen", "last", "active", "detector.level"])
def test_a_damaged_state_is_refused_and_nothing_of_it_taken(name: str) -> None:
    run, _ = story("queue.length")
    names, state = run.processor.watch.state()
    fresh = Harness(Anomaly, metrics=["queue.*"]).processor.watch
    with pytest.raises((ValueError, KeyError)):
        fresh.load(names, state | {name: np.full((3, 4), np.nan)})
    assert fresh.bank.live == 0
    fresh.load(names, state)
    assert fresh.bank.live == 1
