"""Sliding sums against all events kept in a list."""

from __future__ import annotations

import math
import random

import pytest

from processors.slo.windows import Windows

WINDOWS_S = (60.0, 300.0)


def ratio(events: list[tuple[float, float, float]], window_s: float, now_s: float) -> float:
    """Bad events per event since the begin of the slot that a window ago was in."""
    slot_s = window_s / 60
    since = (now_s // slot_s - 60) * slot_s
    found = [(total, bad) for at, total, bad in events if at >= since]
    total, bad = (sum(one) for one in zip(*found, strict=True)) if found else (0.0, 0.0)
    return bad / total if total else math.nan


@pytest.mark.parametrize("longest_step_s", [2, 90, 400])
def test_a_sum_covers_its_window_and_the_slot_that_began_before_it(longest_step_s: int) -> None:
    chance = random.Random(longest_step_s)
    now = 1_000_000.0
    windows = Windows([WINDOWS_S], now)
    events: list[tuple[float, float, float]] = []
    for _ in range(500):
        now += chance.randrange(longest_step_s)
        windows.advance(now)
        total = chance.randrange(1, 10)
        bad = chance.randint(0, total)
        if chance.random() < 0.8:
            windows.add(0, total, bad)
            events.append((now, total, bad))
        expected = [ratio(events, window, now) for window in WINDOWS_S]
        assert windows.error_ratios()[0].tolist() == pytest.approx(expected, nan_ok=True)


def test_a_clock_that_was_set_back_forgets_nothing() -> None:
    windows = Windows([WINDOWS_S], 1_000.0)
    windows.add(0, 10.0, 1.0)
    windows.advance(500.0)
    windows.add(0, 10.0, 3.0)
    assert windows.error_ratios()[0].tolist() == [0.2, 0.2]
