"""Intervals, jitter, Retry-After, and when to give up."""

import random
from email.utils import formatdate
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.exporters.retry import Backoff, RetryConfig, retry_after_seconds

NOW_S = 1_700_000_000
SECOND = 1_000_000_000


def configured(**keys: Any) -> RetryConfig:
    return RetryConfig.model_validate(keys)


def waits(config: RetryConfig, count: int, retry_after_s: float | None = None) -> list[float | None]:
    backoff = Backoff(config, 0, random.Random(1))
    return [backoff.next_wait(0, retry_after_s) for _ in range(count)]


def test_without_jitter_the_intervals_grow_to_their_maximum() -> None:
    config = configured(initial_interval="1s", multiplier=2, max_interval="5s", randomization_factor=0)
    assert waits(config, 5) == [1, 2, 4, 5, 5]


def test_with_jitter_the_whole_range_from_zero_is_used() -> None:
    config = configured(initial_interval="10s", multiplier=1, max_interval="10s", max_elapsed_time=0)
    drawn = [wait for wait in waits(config, 1000) if wait is not None]
    assert min(drawn) < 0.5
    assert 14.5 < max(drawn) < 15


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("1000000000", 300.0),
        ("9" * 5000, 300.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("٣", None),
        (formatdate(NOW_S + 60, usegmt=True), 60.0),
        (formatdate(NOW_S - 60, usegmt=True), 0.0),
        (formatdate(NOW_S + 10**9, usegmt=True), 300.0),
        ("Wed, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_every_form_of_retry_after_is_read_and_clamped(text: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(text, NOW_S * SECOND) == seconds


def test_never_less_is_waited_than_the_destination_asked_for() -> None:
    config = configured(initial_interval="1s", max_elapsed_time=0)
    assert waits(config, 3, retry_after_s=60) == [60, 60, 60]
    assert waits(config, 1, retry_after_s=1e9) == [300]


def test_it_gives_up_rather_than_wait_beyond_the_end() -> None:
    backoff = Backoff(configured(randomization_factor=0), 0, random.Random(1))
    assert backoff.next_wait(295 * SECOND, None) == 5, "which ends with the time"
    assert backoff.next_wait(294 * SECOND, None) is None
    backoff = Backoff(configured(randomization_factor=0), 0, random.Random(1))
    assert backoff.next_wait(295 * SECOND + 1, None) is None


def test_zero_is_for_ever() -> None:
    backoff = Backoff(configured(max_elapsed_time=0), 0, random.Random(1))
    assert backoff.next_wait(10**9 * SECOND, None) is not None


def test_it_can_be_switched_off() -> None:
    assert waits(configured(enabled=False), 1, retry_after_s=1) == [None]


@pytest.mark.parametrize("config", [{"max_elapsed_time": "10s"}, {"multiplier": 0.5}, {"randomization_factor": 2}])
def test_what_makes_no_sense_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        configured(**config)
