"""What functions take: each parameter turns a value into what the function works on, or says why it cannot.

The Collector calls these getters: ``StringGetter`` takes strings alone, ``StringLikeGetter`` whatever has a text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.ottl.values import Duration, Identifier, Time, ValueFault, text_of, type_name

Get = Callable[[Any], Any]

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_SPECIAL = re.compile(r"[+-]?(?:inf|infinity)|nan", re.ASCII | re.IGNORECASE)
_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_INT64 = 1 << 63

REQUIRED: Any = object()


@dataclass(frozen=True)
class Parameter:
    """One of a function.

    Attributes:
        name: For arguments with names.
        get: Turns a value into what the function works on. Raises ``ValueFault``.
        refuses: Types of which it is known beforehand that ``get`` takes none.
        default: Of an optional parameter.
        constant: The function wants to know the value when it is compiled.
    """

    name: str
    get: Get
    refuses: tuple[type, ...] = ()
    default: Any = REQUIRED
    constant: bool = False


def _exactly(kind: type, name: str) -> Get:
    def get(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueFault(f"expected a value of type {name}, found {type_name(value)}")
        return value

    return get


text = _exactly(str, "string")
integer = _exactly(int, "int")
duration = _exactly(Duration, "duration")
time = _exactly(Time, "time")
a_map = _exactly(dict, "map")
a_list = _exactly(list, "list")


def anything(value: Any) -> Any:
    """Any value as it is."""
    return value


def text_like(value: Any) -> str | None:
    """The text of a value, None for nil."""
    return text_of(value)


def int_like(value: Any) -> int | None:
    """An int; strings that are none become nil, as in the Collector."""
    if value is None or type(value) is int:
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        number = int(value) if _INTEGER.fullmatch(value) and len(value) < 64 else None
        return number if number is not None and -_INT64 <= number < _INT64 else None
    if isinstance(value, float):
        # what Go makes of a double that no int64 holds depends on the processor; on amd64 it is the least int64
        return int(value) if math.isfinite(value) and -_INT64 <= value < _INT64 else -_INT64
    raise ValueFault(f"a value of type {type_name(value)} cannot become an int")


def double_like(value: Any) -> float | None:
    """A double."""
    if value is None or type(value) is float:
        return value
    if isinstance(value, int):  # bool too
        return float(value)
    if isinstance(value, str) and (_FLOAT.fullmatch(value) or _SPECIAL.fullmatch(value)):
        number = float(value)
        if not math.isinf(number) or _SPECIAL.fullmatch(value):
            return number
    raise ValueFault(f"{_this(value)} cannot become a double")


def bool_like(value: Any) -> bool | None:
    """A boolean."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value != 0
    if isinstance(value, str) and value in _BOOLEANS:
        return _BOOLEANS[value]
    raise ValueFault(f"{_this(value)} cannot become a bool")


def identifier(size: int) -> Get:
    """An id from its bytes or their hexadecimal text."""

    def get(value: Any) -> Identifier:
        data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        if not isinstance(data, bytes):
            raise ValueFault(f"an id is made of bytes or text, not of {type_name(value)}")
        if len(data) == size:
            return Identifier(data)
        if len(data) == 2 * size:
            try:
                return Identifier(bytes.fromhex(data.decode("ascii")))
            except ValueError:
                raise ValueFault("this text is not hexadecimal") from None
        raise ValueFault(f"expected {size} bytes, or {2 * size} hexadecimal digits, found {len(data)}")

    return get


def texts(value: Any) -> list[str]:
    """A list of values as texts, nil as Go prints it."""
    found = [text_of(one) for one in a_list(value)]
    return ["<nil>" if one is None else one for one in found]


def _this(value: Any) -> str:
    """Names a value by its type: what it is belongs into no log."""
    return "this text" if isinstance(value, str) else f"a value of type {type_name(value)}"
