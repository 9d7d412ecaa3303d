"""What values are and how they compare, one at a time: the table "Comparison Rules" of pkg/ottl/LANGUAGE.md.

Values are plain Python: str, bool, int, float, bytes, list, dict, None for ``nil``; and the classes below. Columns are
compared by these functions once per distinct value (``ottl/vectors.py``).
"""

from __future__ import annotations

import base64
import json
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from pipeline.model.attribute_text import double_text, value_text


class Identifier(NamedTuple):
    """A trace id or span id: equal to nothing but the same id."""

    bytes: bytes


class Time(NamedTuple):
    """A point in time."""

    unix_nano: int


class Duration(NamedTuple):
    """A length of time."""

    nanoseconds: int


class Failed(NamedTuple):
    """What an expression gives instead of a value where it cannot be computed; ``error_mode`` says what follows."""

    reason: str


class ValueFault(Exception):  # noqa: N818 - becomes ``Failed``
    """Raised by functions of values; becomes ``Failed``."""


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""``a op b`` is ``b FLIPPED[op] a``."""

_ORDERED = (bool, str, bytes, Time, Duration)
_INT64 = 1 << 63

TYPE_NAMES = {
    type(None): "nil",
    str: "string",
    bool: "bool",
    int: "int",
    float: "double",
    bytes: "bytes",
    list: "list",
    dict: "map",
    Identifier: "id",
    Time: "time",
    Duration: "duration",
}


def type_name(value: Any) -> str:
    """What OTTL's users call the type of a value."""
    return TYPE_NAMES[type(value)]


def named(kind: type | None) -> str:
    """``an int``"""
    name = TYPE_NAMES[kind or type(None)]
    return f"{'an' if name[0] in 'ai' else 'a'} {name}"


def wrapped(value: int) -> int:
    """An integer as 64 bits hold it."""
    return (value + _INT64) % (2 * _INT64) - _INT64


def compare(op: str, left: Any, right: Any) -> bool:
    """``left op right``. Values of different types are unequal and not ordered; ``nil`` equals only ``nil``.

    >>> compare("<", 1, 1.5), compare("==", 1, True), compare("<=", None, None), compare(">", "b", "a")
    (True, False, True, True)
    """
    # an empty byte string is nil for the Collector, which keeps both as a nil slice
    left = None if left == b"" else left
    right = None if right == b"" else right
    if left is None and right is None:
        return op in ("==", "<=", ">=")
    kind = type(left)
    if kind in (int, float):
        if type(right) not in (int, float):
            return op == "!="
        if kind is not type(right):
            left, right = float(left), float(right)
        return bool(COMPARISONS[op](left, right))
    if kind is not type(right):
        return op == "!="
    if kind in _ORDERED:
        return bool(COMPARISONS[op](left, right))
    if op in ("==", "!="):
        return same(left, right) is (op == "==")
    return False


def same(left: Any, right: Any) -> bool:
    """Equality of nested values, with their types: 1, 1.0 and true are three values."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    return bool(left == right)


def go_json(value: Any) -> str:
    """JSON as Go's ``encoding/json`` writes it: keys sorted, ``<``, ``>`` and ``&`` escaped.

    >>> go_json({"b": 1.0, "a": ["<", None]})
    '{"a":["\\\\u003c",null],"b":1}'

    Raises:
        ValueFault: JSON has no NaN and no infinity.
    """
    if isinstance(value, dict):
        return "{" + ",".join(f"{go_json(key)}:{go_json(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(go_json, value)) + "]"
    if isinstance(value, bytes):
        return f'"{base64.b64encode(value).decode()}"'
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueFault("JSON has no NaN and no infinity")
        return _go_float(value)
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        for one, escape in (
            ("<", "\\u003c"),
            (">", "\\u003e"),
            ("&", "\\u0026"),
            ("\u2028", "\\u2028"),
            ("\u2029", "\\u2029"),
        ):
            text = text.replace(one, escape)
    return text


def _go_float(value: float) -> str:
    """Go's JSON drops the leading zero of exponents: 1e-7."""
    text = double_text(value)
    return text.replace("e-0", "e-")


def text_of(value: Any) -> str | None:
    """The string form that functions such as ``IsMatch`` and ``String`` work on; None for nil.

    >>> text_of(b"\\xab"), text_of(True), text_of([1, "a"])
    ('ab', 'true', '[1,"a"]')

    Raises:
        ValueFault: The type has none.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (Identifier, Time, Duration)):
        raise ValueFault(f"a value of type {type_name(value)} has no text")
    return go_json(value)


def body_text(value: Any) -> str:
    """The string form of a log body (``body.string``): as the Collector's ``AsString``.

    >>> body_text(None), body_text(b"hi"), body_text({"a": 1}), body_text(1e21)
    ('', 'aGk=', '{"a":1}', '1e+21')
    """
    if isinstance(value, (list, dict)):
        try:
            return go_json(value)
        except ValueFault:
            return ""
    return value_text(value)
