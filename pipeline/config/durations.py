"""Durations as the Collector writes them ("1m30s", "200ms"), as a pydantic type that holds float seconds.

    class Config(ComponentConfig):
        check_interval: Duration = 1.0

A bare number is refused, except 0: ``timeout: 5`` does not say whether seconds or nanoseconds are meant.
The Collector reads nanoseconds.
"""

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

# Go's time.ParseDuration; both spellings of "micro" (U+00B5 and U+03BC) are accepted there.
_UNIT_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_WHOLE = re.compile(rf"([+-]?)((?:{_PART.pattern})+)")


def parse_duration(text: str) -> float:
    """Seconds of a Go duration.

    >>> parse_duration("1m30s"), parse_duration("200ms"), parse_duration("0")
    (90.0, 0.2, 0.0)

    Raises:
        ValueError: Not a duration; the message says how one looks.
    """
    text = text.strip()
    if text == "0":
        return 0.0
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise ValueError(f'{text!r} is not a duration; write a number and a unit, like "5m", "1m30s" or "200ms"')
    seconds = math.fsum(float(number) * _UNIT_SECONDS[unit] for number, unit in _PART.findall(match[2]))
    return -seconds if match[1] == "-" else seconds


def format_duration(seconds: float) -> str:
    """The shortest Go duration for ``seconds``.

    >>> format_duration(90.0), format_duration(0.2), format_duration(0)
    ('1m30s', '200ms', '0s')
    """
    nanoseconds = round(abs(seconds) * 1e9)
    if nanoseconds == 0:
        return "0s"
    sign = "-" if seconds < 0 else ""
    for unit, size in (("ns", 1), ("us", 1_000), ("ms", 1_000_000)):
        if nanoseconds < size * 1000:
            return f"{sign}{nanoseconds / size:.9g}{unit}"
    hours, rest = divmod(nanoseconds, 3_600_000_000_000)
    minutes, rest = divmod(rest, 60_000_000_000)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{rest / 1e9:.12g}s" if rest else ""]
    return sign + "".join(parts)


def _to_seconds(value: Any) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError('not a duration; write a number and a unit, like "5m", "1m30s" or "200ms"')
    if value == 0:
        return 0.0
    raise ValueError(f'{value} has no unit; write "{value}s" for seconds or "{value}ms" for milliseconds')


_SCHEMA = WithJsonSchema({"type": "string", "format": "duration", "examples": ["5m", "1m30s", "200ms"]})

SignedDuration = Annotated[
    float, BeforeValidator(_to_seconds), PlainSerializer(format_duration, return_type=str), _SCHEMA
]
"""Float seconds from a Go duration; may be negative."""

Duration = Annotated[SignedDuration, Field(ge=0)]
"""Float seconds from a Go duration; never negative. Defaults are written in seconds: ``timeout: Duration = 0.2``."""
