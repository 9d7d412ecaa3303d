"""Waiting for something to become true, with an end, and with the reason when it does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from pipeline.service.clock import SystemClock

T = TypeVar("T")


def eventually(check: Callable[[], T], within_s: float = 30.0, pause_s: float = 0.05) -> T:
    """Call ``check`` until it raises no AssertionError any more, and return what it gives; the last error is the
    reason of a failure.
    """
    clock, pause = SystemClock(), threading.Event()
    end = clock.monotonic_nano() + round(within_s * 1e9)
    while True:
        try:
            return check()
        except AssertionError:
            if clock.monotonic_nano() > end:
                raise
        pause.wait(pause_s)
