"""Values as Grafana writes them: three significant digits, with the unit of the field."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Scale = Sequence[tuple[float, float, str]]
"""From which absolute value on, divided by what, with which suffix; ascending."""

_SECONDS: Scale = (
    (0.0, 1e-9, " ns"),
    (1e-6, 1e-6, " µs"),
    (1e-3, 1e-3, " ms"),
    (1.0, 1.0, " s"),
    (60.0, 60.0, " mins"),
    (3600.0, 3600.0, " hours"),
    (86400.0, 86400.0, " days"),
)
_SHORT: Scale = ((0.0, 1.0, ""), (1e3, 1e3, " K"), (1e6, 1e6, " Mil"), (1e9, 1e9, " Bil"))
_BYTES: Scale = ((0.0, 1.0, " B"), (2**10, 2**10, " KiB"), (2**20, 2**20, " MiB"), (2**30, 2**30, " GiB"))


def text_of(value: float, unit: str, decimals: int | None = None) -> str:
    """A value with its unit.

    Args:
        unit: Grafana's id, of those that the dashboards use.
        decimals: Places after the point; None: as many as three digits need.
    Raises:
        KeyError: A unit that is not known here.
    """
    writer = _WRITERS[unit]
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return writer(value, decimals)


def _number(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    if value == 0:
        return "0"
    places = max(0, min(6, 2 - math.floor(math.log10(abs(value)))))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scaled(scale: Scale, suffix: str = "") -> Callable[[float, int | None], str]:
    def write(value: float, decimals: int | None) -> str:
        if value == 0:
            zero = next((word for _, divisor, word in scale if divisor == 1), "")
            return f"0{zero}{suffix}"
        chosen = scale[0]
        for step in scale:
            if abs(value) >= step[0]:
                chosen = step
        return f"{_number(value / chosen[1], decimals)}{chosen[2]}{suffix}"

    return write


def _percent(value: float, decimals: int | None) -> str:
    return f"{_number(100 * value, decimals)}%"


def _milliseconds(value: float, decimals: int | None) -> str:
    return _scaled(_SECONDS)(value / 1000, decimals)


_WRITERS: dict[str, Callable[[float, int | None], str]] = {
    "short": _scaled(_SHORT),
    "none": _number,
    "percentunit": _percent,
    "reqps": _scaled(_SHORT, " req/s"),
    "cps": _scaled(_SHORT, " c/s"),
    "s": _scaled(_SECONDS),
    "ms": _milliseconds,
    "bytes": _scaled(_BYTES),
}


def ticks(low: float, high: float, unit: str, wanted: int = 4) -> list[float]:
    """Round values between two others for an axis: 1, 2 or 5 times a power of ten, of two for bytes."""
    span = high - low
    if span <= 0:
        return [low]
    base = 2.0 if unit == "bytes" else 10.0
    power = base ** math.floor(math.log(span / wanted, base))
    factors = (1.0, 2.0) if unit == "bytes" else (1.0, 2.0, 2.5, 5.0, 10.0)
    step = next((power * factor for factor in factors if span / (power * factor) <= wanted), power * factors[-1])
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]
