"""Work at intervals."""

from pipeline.service.schedule import IDLE_S, Schedule
from pipeline.testing import FakeClock


def test_jobs_run_when_they_are_due_and_not_before() -> None:
    clock, done = FakeClock(), []
    schedule = Schedule(clock)
    schedule.every(0.5, lambda: done.append("a"))
    schedule.every(2.0, lambda: done.append("b"))
    assert schedule.seconds_to_next() == 0.5
    for _ in range(8):
        clock.advance(0.25)
        schedule.run_due()
    assert done == ["a", "a", "a", "a", "b"]


def test_missed_runs_are_not_made_up_for() -> None:
    clock, done = FakeClock(), []
    schedule = Schedule(clock)
    schedule.every(1.0, lambda: done.append("a"))
    clock.advance(30.0)
    schedule.run_due()
    schedule.run_due()
    assert done == ["a"]
    assert schedule.seconds_to_next() == 1.0


def test_a_jump_of_the_wall_clock_changes_nothing() -> None:
    clock, done = FakeClock(), []
    schedule = Schedule(clock)
    schedule.every(1.0, lambda: done.append("a"))
    clock.jump(-3600)
    clock.advance(1.0)
    schedule.run_due()
    assert done == ["a"]


def test_a_round_without_jobs_is_a_sign_of_life_too() -> None:
    clock = FakeClock()
    schedule = Schedule(clock)
    clock.advance(100.0)
    schedule.run_due()
    assert schedule.last_run_nano == clock.monotonic_nano()


def test_waiting_never_exceeds_the_heartbeat() -> None:
    clock = FakeClock()
    schedule = Schedule(clock)
    assert schedule.seconds_to_next() == IDLE_S
    schedule.every(3600, lambda: None)
    assert schedule.seconds_to_next() == IDLE_S
    clock.advance(7200)
    assert schedule.seconds_to_next() == 0.0
