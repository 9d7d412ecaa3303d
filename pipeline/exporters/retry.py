"""When to try again: exponential intervals with full jitter, a word of the destination, and an end.

Keys and defaults are the Collector's ``retry_on_failure``. One thing is stricter: the wait is drawn from 0 up to
``interval * (1 + randomization_factor)`` instead of from ``interval * (1 - randomization_factor)``, so that many
senders that lost the same destination at the same moment do not come back as a herd ("full jitter": M. Brooker,
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015). A factor of 0 switches the jitter off.
"""

from __future__ import annotations

import datetime
import random
from email.utils import parsedate_to_datetime
from typing import Self

from pydantic import Field, model_validator

from pipeline.api import ComponentConfig
from pipeline.config.durations import Duration

MAX_RETRY_AFTER_S = 300.0
"""Longest wait that a destination can ask for: a broken clock or a zero too many must not silence us for years."""

MAX_SECONDS_DIGITS = 12


class RetryConfig(ComponentConfig):
    """``retry_on_failure``."""

    enabled: bool = True
    initial_interval: Duration = 5.0
    randomization_factor: float = Field(default=0.5, ge=0, le=1)
    multiplier: float = Field(default=1.5, ge=1)
    max_interval: Duration = 30.0
    max_elapsed_time: Duration = 300.0
    """After this much time a batch is dropped; 0: never."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if 0 < self.max_elapsed_time < self.max_interval:
            raise ValueError("max_elapsed_time must not be less than max_interval")
        return self


class Backoff:
    """The waits of one batch.

    Args:
        config: See there.
        started_nano: Monotonic time of the first attempt.
        random_unit: Uniform in [0, 1).
    """

    def __init__(self, config: RetryConfig, started_nano: int, random_unit: random.Random) -> None:
        self._config = config
        self._started_nano = started_nano
        self._random = random_unit
        self._interval = config.initial_interval

    def next_wait(self, now_nano: int, retry_after_s: float | None) -> float | None:
        """Seconds to wait before the next attempt; None to give up.

        Args:
            now_nano: Monotonic time.
            retry_after_s: What the destination asked for, or None. Never waited less than that.
        """
        config = self._config
        if not config.enabled:
            return None
        factor = config.randomization_factor
        wait = self._interval
        if factor:
            wait = self._random.random() * self._interval * (1 + factor)
        self._interval = min(self._interval * config.multiplier, config.max_interval)
        if retry_after_s is not None:
            wait = max(wait, min(retry_after_s, MAX_RETRY_AFTER_S))
        elapsed = (now_nano - self._started_nano) / 1e9
        if config.max_elapsed_time and elapsed + wait > config.max_elapsed_time:
            return None
        return wait


def retry_after_seconds(text: str | None, now_unix_nano: int) -> float | None:
    """The ``Retry-After`` header in seconds (RFC 9110 section 10.2.3): a number or a date.

    >>> retry_after_seconds("120", 0), retry_after_seconds("1000000000", 0), retry_after_seconds("-5", 0)
    (120.0, 300.0, None)
    >>> retry_after_seconds("Thu, 01 Jan 1970 00:01:00 GMT", 0)
    60.0

    Returns:
        Between 0 and ``MAX_RETRY_AFTER_S``; None where there is no header or no sense in it.
    """
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:MAX_SECONDS_DIGITS]), MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text[:64])
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return clamped(moment.timestamp() - now_unix_nano / 1e9)


def clamped(seconds: float) -> float:
    """A delay that somebody asked for, as far as we follow."""
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
