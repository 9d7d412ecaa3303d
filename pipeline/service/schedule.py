"""Work that is due at intervals: ticks, expiry, flushes.

Plain bookkeeping without a thread, so that a test with a fake clock runs exactly what would run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.api import Clock

IDLE_S = 1.0
"""The longest wait; also the heartbeat that liveness is judged by."""


@dataclass
class Job:
    """Something to do again and again. A late run is not made up for: the next one is due an interval after it."""

    action: Callable[[], None]
    interval_nano: int
    due_nano: int


class Schedule:
    """Jobs in the order in which they were added."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: list[Job] = []
        self.last_run_nano = clock.monotonic_nano()

    def every(self, interval_s: float, action: Callable[[], None]) -> None:
        """Run ``action`` every ``interval_s``, the first time after one interval. ``action`` must not raise."""
        interval = max(1_000_000, round(interval_s * 1e9))
        self._jobs.append(Job(action, interval, self._clock.monotonic_nano() + interval))

    def run_due(self) -> None:
        """Run what is due now."""
        self.last_run_nano = self._clock.monotonic_nano()
        for job in self._jobs:
            now = self._clock.monotonic_nano()
            if now >= job.due_nano:
                job.due_nano = now + job.interval_nano
                job.action()

    def seconds_to_next(self) -> float:
        """How long to wait until something is due, at most ``IDLE_S``."""
        now = self._clock.monotonic_nano()
        return min([IDLE_S, *(max(0, job.due_nano - now) / 1e9 for job in self._jobs)])
