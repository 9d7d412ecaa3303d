"""Go durations."""

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.config.durations import Duration, SignedDuration, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300.0),
        ("200ms", 0.2),
        ("1h30m", 5400.0),
        ("1m30s", 90.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("100us", 1e-4),
        ("100µs", 1e-4),
        ("7ns", 7e-9),
        ("-10s", -10.0),
        ("0", 0.0),
        ("0s", 0.0),
    ],
)
def test_a_go_duration_becomes_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "5d", "1e3s", "1s2", "--1s", "١s"])
def test_what_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


def test_a_bare_number_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValidationError, match='write "5s" for seconds'):
        TypeAdapter(Duration).validate_python(5)


def test_zero_needs_no_unit() -> None:
    assert TypeAdapter(Duration).validate_python(0) == 0.0


def test_negative_durations_need_the_signed_type() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python("-1s")
    assert TypeAdapter(SignedDuration).validate_python("-1s") == -1.0


@pytest.mark.parametrize("text", ["5m", "200ms", "1h30m", "1m30s", "15us", "7ns", "0s", "-10s", "1h0.5s"])
def test_formatting_and_parsing_are_inverse(text: str) -> None:
    assert parse_duration(format_duration(parse_duration(text))) == parse_duration(text)
