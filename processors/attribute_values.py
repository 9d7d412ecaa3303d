"""What actions make of values: hashes, and values of other types, as the Collector computes them.

Source: opentelemetry-collector-contrib, ``internal/coreinternal/attraction`` (hasher.go, type_converter.go); Go's
``strconv`` for what counts as a number.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Callable
from typing import Any, Final

from pipeline.model.attribute_text import value_text


class _Unchanged:
    """Type of ``Unchanged``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Unchanged"


Unchanged: Final = _Unchanged()
"""In place of a value: it stays as it is."""

_INTEGER = re.compile(r"[+-]?[0-9]+\Z", re.ASCII)
_DIGITS, _HEX = r"[0-9](?:_?[0-9])*", r"[0-9a-f](?:_?[0-9a-f])*"
_DECIMAL = re.compile(rf"[+-]?(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:e[+-]?{_DIGITS})?\Z", re.IGNORECASE)
_HEXADECIMAL = re.compile(rf"[+-]?0x_?(?:{_HEX}(?:\.(?:{_HEX})?)?|\.{_HEX})p[+-]?{_DIGITS}\Z", re.IGNORECASE)
_SPECIAL = re.compile(r"(?:[+-]?inf(?:inity)?|nan)\Z", re.ASCII | re.IGNORECASE)
_INT64 = 1 << 63
_MAX_DIGITS = 100
"""No 64-bit integer has more, and Python refuses to parse very long ones."""


def hashed(value: Any) -> str:
    """SHA-256 in hexadecimal of a text, of a boolean as one byte, of a number as eight bytes, little-endian. What is of
    another type becomes an empty text, so that nothing of it is left.

    >>> hashed("a")[:16], hashed(True)[:16], hashed(["a"])
    ('ca978112ca1bbdca', '4bf5122f344554c5', '')
    """
    if isinstance(value, str):
        data = value.encode(errors="replace")
    elif isinstance(value, bool):
        data = bytes([value])
    elif isinstance(value, int):
        data = struct.pack("<q", value)
    elif isinstance(value, float):
        data = struct.pack("<d", value)
    else:
        return ""
    return hashlib.sha256(data).hexdigest()


def to_int(value: Any) -> Any:
    """An integer; fractions are cut off. A number that is too large stays as it is, where the Collector makes of it
    whatever its processor gives.

    >>> [to_int(v) for v in ("-12", 3.9, True, 1)], to_int("1.0") is Unchanged, to_int(1e300) is Unchanged
    ([-12, 3, 1, Unchanged], True, True)
    """
    if isinstance(value, str):
        if len(value) > _MAX_DIGITS or _INTEGER.match(value) is None:
            return Unchanged
        number = int(value)
    elif isinstance(value, bool):
        return int(value)
    elif isinstance(value, float) and math.isfinite(value):
        number = int(value)
    else:
        return Unchanged
    return number if -_INT64 <= number < _INT64 else Unchanged


def to_double(value: Any) -> Any:
    """A floating-point number.

    >>> [to_double(v) for v in ("1e3", "1_0", "0x1p-1", "-Inf", 3, False)], to_double("1e999") is Unchanged
    ([1000.0, 10.0, 0.5, -inf, 3.0, 0.0], True)
    """
    if isinstance(value, (bool, int)):
        return float(value)
    if not isinstance(value, str):
        return Unchanged
    if _SPECIAL.match(value) is not None:
        return float(value)
    try:
        if _DECIMAL.match(value) is not None:
            number = float(value)
        elif _HEXADECIMAL.match(value) is not None:
            number = float.fromhex(value.replace("_", ""))
        else:
            return Unchanged
    except OverflowError:
        return Unchanged
    return number if math.isfinite(number) else Unchanged


def to_string(value: Any) -> Any:
    """Text: JSON of arrays and maps, base64 of bytes.

    >>> to_string(2.5), to_string([1, "a"]), to_string("a") is Unchanged
    ('2.5', '[1,"a"]', True)
    """
    return Unchanged if isinstance(value, str) else value_text(value)


CONVERTERS: dict[str, Callable[[Any], Any]] = {"int": to_int, "double": to_double, "string": to_string}
"""``converted_type`` → function."""
