"""The functions of conditions that look at values alone. Those that look at the item are in ``ottl/item_functions.py``.

Each is an ordinary function of plain values; the compiler calls it once per distinct combination of arguments.
Source: pkg/ottl/ottlfuncs/README.md of the Collector.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.ottl import arguments as take
from pipeline.ottl.arguments import Parameter
from pipeline.ottl.re2 import compile_re2
from pipeline.ottl.values import Duration, Identifier, Time, ValueFault, compare, type_name, wrapped

_UNIT_NANO = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_DURATION_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)
_INT64 = 1 << 63
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)  # noqa: UP017 - the alias hides what it is


@dataclass(frozen=True)
class Function:
    """A function.

    Attributes:
        parameters: In order.
        call: Takes what the parameters made of the arguments.
        kind: Type of the result, nil aside; None: only the data tells.
        make: For functions with ``constant`` parameters: from their values to ``call``, which takes the others.
    """

    parameters: tuple[Parameter, ...]
    call: Callable[..., Any] | None
    kind: type | None
    make: Callable[..., Callable[..., Any]] | None = None


def _matcher(pattern: str) -> Callable[[str | None], bool]:
    search = compile_re2(pattern).search
    return lambda value: value is not None and search(value) is not None


def _case(to_case: str) -> Callable[[str], str]:
    if to_case not in ("lower", "upper"):
        raise ValueFault(f'cannot convert to case "{to_case}"; supported: lower, upper')
    return str.lower if to_case == "lower" else str.upper


def _substring(value: str, start: int, length: int) -> str:
    data = value.encode("utf-8", "surrogateescape")
    if start < 0 or length <= 0 or start + length > len(data):
        raise ValueFault(f"no {length} bytes from byte {start} on in a text of {len(data)}")
    return data[start : start + length].decode("utf-8", "surrogateescape")


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, (bytes, list, dict)):
        return len(value)
    raise ValueFault(f"a value of type {type_name(value)} has no length")


def _index(value: Any, wanted: Any) -> int:
    if isinstance(value, str):
        if not isinstance(wanted, str):
            raise ValueFault("what is looked for in a text must be a text")
        at = value.find(wanted)
        return at if at < 0 else len(value[:at].encode("utf-8", "surrogateescape"))
    return next((i for i, one in enumerate(take.a_list(value)) if compare("==", one, wanted)), -1)


def _parse_json(value: str) -> Any:
    def refuse(name: str) -> Any:
        raise ValueError(name)

    try:
        parsed = json.loads(value, parse_int=float, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise ValueFault("not JSON") from None
    if not isinstance(parsed, (dict, list)):
        raise ValueFault("the JSON is neither an object nor an array")
    return parsed


def _parse_int(value: str, base: int) -> int:
    if base < 0 or base == 1 or base > 36 or value != value.strip() or (base and "_" in value):
        raise ValueFault(f"this text is no int of base {base}")
    try:
        number = int(value, base)
    except ValueError:
        raise ValueFault(f"this text is no int of base {base}") from None
    if not -_INT64 <= number < _INT64:
        raise ValueFault("integers have 64 bits")
    return number


def parse_duration(text: str) -> Duration:
    """A duration as Go's ``time.ParseDuration`` reads it, exactly.

    >>> parse_duration("-1m0.5s").nanoseconds
    -60500000000

    Raises:
        ValueFault: It is none.
    """
    body = text[1:] if text[:1] in ("-", "+") else text
    total = at = 0
    while at < len(body):
        match = _DURATION_PART.match(body, at)
        if match is None or not (match[1] or match[2]):
            break
        unit = _UNIT_NANO[match[3]]
        total += int(match[1] or 0) * unit
        if match[2]:
            total += int(match[2]) * unit // 10 ** len(match[2])
        at = match.end()
    if body == "0":
        return Duration(0)
    if not body or at < len(body) or total >= _INT64:
        raise ValueFault('not a duration; write a number and a unit, like "5m", "1m30s" or "200ms"')
    return Duration(-total if text[0] == "-" else total)


def _moment(of: Callable[[datetime.datetime], int]) -> Callable[[Time], int]:
    """A part of the date in UTC."""
    return lambda moment: of(_EPOCH + datetime.timedelta(microseconds=moment.unix_nano // 1000))


def _truncated(divisor: int) -> Callable[[Duration], int]:
    def divide(value: Duration) -> int:
        whole = abs(value.nanoseconds) // divisor
        return -whole if value.nanoseconds < 0 else whole

    return divide


def _is(kind: type) -> Function:
    return Function((Parameter("target", take.anything),), lambda value: type(value) is kind, bool)


def _of_text(call: Callable[..., Any], kind: type, *more: str) -> Function:
    """A function of a text and more texts."""
    parameters = (Parameter("target", take.text, _NO_TEXT), *(Parameter(name, take.text, _NO_TEXT) for name in more))
    return Function(parameters, call, kind)


def _of_duration(call: Callable[[Duration], Any], kind: type) -> Function:
    return Function((Parameter("duration", take.duration, _NO_DURATION),), call, kind)


def _of_time(call: Callable[[Time], Any]) -> Function:
    return Function((Parameter("time", take.time, _NO_TIME),), call, int)


_NO_TEXT = (bool, int, float, bytes, list, dict, Identifier, Time, Duration)
_NO_LIKE = (Identifier, Time, Duration)
_NO_DURATION = (str, bool, int, float, bytes, list, dict, Identifier, Time)
_NO_TIME = (str, bool, int, float, bytes, list, dict, Identifier, Duration)
_TEXT = Parameter("target", take.text, _NO_TEXT)

FUNCTIONS: dict[str, Function] = {
    "Bool": Function((Parameter("target", take.bool_like, _NO_LIKE),), lambda value: value, bool),
    "Concat": Function(
        (Parameter("vals", take.texts), Parameter("delimiter", take.text, _NO_TEXT)),
        lambda values, delimiter: delimiter.join(values),
        str,
    ),
    "ContainsValue": Function(
        (Parameter("target", take.a_list), Parameter("item", take.anything)),
        lambda values, item: any(compare("==", one, item) for one in values),
        bool,
    ),
    "ConvertCase": Function((_TEXT, Parameter("to_case", take.text, constant=True)), None, str, _case),
    "Day": _of_time(_moment(lambda at: at.day)),
    "Double": Function((Parameter("target", take.double_like, _NO_LIKE),), lambda value: value, float),
    "Duration": _of_text(parse_duration, Duration),
    "HasPrefix": _of_text(str.startswith, bool, "prefix"),
    "HasSuffix": _of_text(str.endswith, bool, "suffix"),
    "Hour": _of_time(_moment(lambda at: at.hour)),
    "Hours": _of_duration(lambda value: value.nanoseconds / 3.6e12, float),
    "Index": Function((Parameter("target", take.anything), Parameter("value", take.anything)), _index, int),
    "Int": Function((Parameter("target", take.int_like, _NO_LIKE),), lambda value: value, int),
    "IsBool": _is(bool),
    "IsDouble": _is(float),
    "IsInt": _is(int),
    "IsList": _is(list),
    "IsMap": _is(dict),
    "IsMatch": Function(
        (Parameter("target", take.text_like, _NO_LIKE), Parameter("pattern", take.text, constant=True)),
        None,
        bool,
        _matcher,
    ),
    "IsString": _is(str),
    "Keys": Function((Parameter("target", take.a_map),), list, list),
    "Len": Function((Parameter("target", take.anything, (bool, int, float, *_NO_LIKE)),), _length, int),
    "Microseconds": _of_duration(_truncated(1_000), int),
    "Milliseconds": _of_duration(_truncated(1_000_000), int),
    "Minute": _of_time(_moment(lambda at: at.minute)),
    "Minutes": _of_duration(lambda value: value.nanoseconds / 6e10, float),
    "Month": _of_time(_moment(lambda at: at.month)),
    "Nanosecond": _of_time(lambda moment: moment.unix_nano % 1_000_000_000),
    "Nanoseconds": _of_duration(lambda value: value.nanoseconds, int),
    "ParseInt": Function((_TEXT, Parameter("base", take.integer)), _parse_int, int),
    "ParseJSON": Function((_TEXT,), _parse_json, None),
    "Second": _of_time(_moment(lambda at: at.second)),
    "Seconds": _of_duration(lambda value: value.nanoseconds / 1e9, float),
    "SpanID": Function((Parameter("target", take.identifier(8)),), lambda value: value, Identifier),
    "Split": _of_text(lambda value, delimiter: value.split(delimiter) if delimiter else list(value), list, "delimiter"),
    "String": Function((Parameter("target", take.text_like, _NO_LIKE),), lambda value: value, str),
    "Substring": Function(
        (_TEXT, Parameter("start", take.integer), Parameter("length", take.integer)), _substring, str
    ),
    "ToLowerCase": _of_text(str.lower, str),
    "ToUpperCase": _of_text(str.upper, str),
    "TraceID": Function((Parameter("target", take.identifier(16)),), lambda value: value, Identifier),
    "Trim": Function(
        (_TEXT, Parameter("replacement", take.text, default=" ")), lambda value, cutset: value.strip(cutset), str
    ),
    "TrimPrefix": _of_text(str.removeprefix, str, "prefix"),
    "TrimSuffix": _of_text(str.removesuffix, str, "suffix"),
    "UnixMicro": _of_time(lambda moment: moment.unix_nano // 1_000),
    "UnixMilli": _of_time(lambda moment: moment.unix_nano // 1_000_000),
    "UnixNano": _of_time(lambda moment: moment.unix_nano),
    "UnixSeconds": _of_time(lambda moment: moment.unix_nano // 1_000_000_000),
    "Values": Function((Parameter("target", take.a_map),), lambda values: list(values.values()), list),
    "Weekday": _of_time(_moment(lambda at: at.isoweekday() % 7)),
    "Year": _of_time(_moment(lambda at: at.year)),
}


def add(operator: str, left: Any, right: Any) -> Any:
    """``left operator right`` of numbers, times and durations.

    >>> add("/", -7, 2), add("-", Time(5), Time(3)), add("*", 2, 1.5)
    (-3, Duration(nanoseconds=2), 3.0)

    Raises:
        ValueFault: Types that do not go together, or a division by zero.
    """
    kinds = type(left), type(right)
    if set(kinds) <= {int, float}:
        return _calculate(operator, left, right)
    if operator in "+-":
        sign = 1 if operator == "+" else -1
        if kinds == (Duration, Duration):
            return Duration(wrapped(left[0] + sign * right[0]))
        if kinds == (Time, Duration):
            return Time(left[0] + sign * right[0])
        if kinds == (Duration, Time) and sign > 0:
            return Time(left[0] + right[0])
        if kinds == (Time, Time) and sign < 0:
            return Duration(min(max(left[0] - right[0], -_INT64), _INT64 - 1))
    raise ValueFault(f"cannot work out {type_name(left)} {operator} {type_name(right)}")


def _calculate(operator: str, left: float, right: float) -> float:
    ints = type(left) is int and type(right) is int
    if operator == "/":
        if right == 0:
            raise ValueFault("division by zero")
        if not ints:
            return float(left) / float(right)
        whole = abs(left) // abs(right)
        return wrapped(int(whole if (left < 0) == (right < 0) else -whole))
    if not ints:
        left, right = float(left), float(right)
    result = left + right if operator == "+" else left - right if operator == "-" else left * right
    return wrapped(int(result)) if ints else result


def negate(value: Any) -> Any:
    """``-value`` of a number."""
    if type(value) is int:
        return wrapped(-value)
    if type(value) is float:
        return -value
    raise ValueFault(f"cannot work out - {type_name(value)}")


def look_into(value: Any, key: Any, *, strict: bool) -> Any:
    """An element of a map or list.

    Args:
        strict: A key that a map does not have is a fault, as in what functions return, rather than nil, as in paths.
    Raises:
        ValueFault: An index that a list does not have; a key of the wrong type; a value that has no elements.
    """
    if isinstance(value, dict):
        if not isinstance(key, str):
            raise ValueFault("maps are indexed with strings")
        if strict and key not in value:
            raise ValueFault(f'there is no key "{key}"')
        return value.get(key)
    if isinstance(value, list):
        if type(key) is not int:
            raise ValueFault("lists are indexed with ints")
        if not 0 <= key < len(value):
            raise ValueFault(f"index {key} is out of bounds")
        return value[key]
    raise ValueFault(f"a value of type {type_name(value)} cannot be indexed")
