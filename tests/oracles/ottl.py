"""OTTL conditions one row at a time, on official protobuf messages. Shares no code with Weir.

An expression here is its text and a function of one row, built together: what is compared with Weir's compiler never
goes through a parser. Written after pkg/ottl/LANGUAGE.md, "Comparison Rules" and "Math Expressions", and
ottlfuncs/README.md.

    same = compared("==", path("name"), literal("GET"))
    same.text               # name == "GET"
    same.of(row)            # True, False, or Fault raised
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

NIL = None
INT64 = 2**64


class Fault(Exception):  # noqa: N818 - the condition cannot be evaluated for this row
    """The row has no verdict."""


@dataclass(frozen=True)
class Row:
    """One thing that a condition is about, and what it is in.

    Attributes:
        item: Span, log record, metric or data point; None for conditions about scopes and resources.
        event: For span events.
        metric: For data points.
    """

    resource: Any
    scope: Any = None
    item: Any = None
    event: Any = None
    metric: Any = None


@dataclass(frozen=True)
class Written:
    """An expression: its text, and its value in a row."""

    text: str
    of: Callable[[Row], Any]


class Moment(int):
    """A time in nanoseconds."""


class Span(int):
    """A duration in nanoseconds."""


class Id(bytes):
    """A trace or span id."""


def rows(context: str, request: Any) -> Iterator[Row]:
    """The rows of a request for a context, in order."""
    envelopes = next(iter(request.ListFields()), (None, ()))[1]
    for envelope in envelopes:
        if context == "resource":
            yield Row(envelope.resource)
            continue
        for group in getattr(envelope, envelope.DESCRIPTOR.fields_by_number[2].name):
            if context == "scope":
                yield Row(envelope.resource, group)
                continue
            for item in getattr(group, group.DESCRIPTOR.fields_by_number[2].name):
                if context == "spanevent":
                    yield from (Row(envelope.resource, group, item, event) for event in item.events)
                elif context == "datapoint":
                    yield from (Row(envelope.resource, group, point, metric=item) for point in points(item))
                else:
                    yield Row(envelope.resource, group, item, metric=item if context == "metric" else None)


def points(metric: Any) -> Any:
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind else ()


def plain(value: Any) -> Any:
    """An AnyValue as str, bool, int, float, bytes, list, dict or NIL."""
    match value.WhichOneof("value"):
        case None:
            return NIL
        case "array_value":
            return [plain(one) for one in value.array_value.values]
        case "kvlist_value":
            found: dict[str, Any] = {}
            for pair in value.kvlist_value.values:
                found.setdefault(pair.key, plain(pair.value))
            return found
        case name:
            return getattr(value, name)


def attribute(pairs: Any, key: str) -> Any:
    return next((plain(pair.value) for pair in pairs if pair.key == key), NIL)


def signed(number: int) -> int:
    """A number as 64 bits hold it."""
    number %= INT64
    return number - INT64 if number >= INT64 // 2 else number


def literal(value: Any) -> Written:
    return Written(literal_text(value), lambda _: value)


def literal_text(value: Any) -> str:
    if value is NIL:
        return "nil"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal_text, value))}]"
    return '"' + "".join(escape(one) for one in value) + '"'


def escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def equal(left: Any, right: Any) -> bool:
    """Equality with types."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(equal(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return type(left) is type(right) and bool(left == right)


def compares(op: str, left: Any, right: Any) -> bool:
    """The table of LANGUAGE.md."""
    left, right = (NIL if side == b"" and not isinstance(side, Id) else side for side in (left, right))
    numbers = (int, float)
    if left is NIL or right is NIL:
        both = left is NIL and right is NIL
        return {"==": both, "!=": not both, "<=": both, ">=": both}.get(op, False)
    if type(left) in numbers and type(right) in numbers:
        if isinstance(left, float) or isinstance(right, float):
            left, right = float(left), float(right)
    elif type(left) is not type(right):
        return op == "!="
    elif isinstance(left, (list, dict, Id)):
        return {"==": equal(left, right), "!=": not equal(left, right)}.get(op, False)
    return bool(
        {
            "==": lambda: left == right,
            "!=": lambda: left != right,
            "<": lambda: left < right,
            "<=": lambda: left <= right,
            ">": lambda: left > right,
            ">=": lambda: left >= right,
        }[op]()
    )


def compared(op: str, left: Written, right: Written) -> Written:
    def of(row: Row) -> bool:
        a = left.of(row)
        return compares(op, a, right.of(row))

    return Written(f"{left.text} {op} {right.text}", of)


def negated(one: Written) -> Written:
    return Written(f"not ({one.text})", lambda row: not one.of(row))


def joined(word: str, operands: list[Written]) -> Written:
    function = all if word == "and" else any
    text = f" {word} ".join(f"({one.text})" for one in operands)
    return Written(text, lambda row: function(one.of(row) for one in operands))


def calculated(op: str, left: Written, right: Written) -> Written:
    def of(row: Row) -> Any:
        a = left.of(row)
        b = right.of(row)
        kinds = type(a), type(b)
        if kinds == (Moment, Moment) and op == "-":
            return Span(min(max(a - b, -(2**63)), 2**63 - 1))
        if kinds == (Span, Span) and op in "+-":
            return Span(signed(a + b if op == "+" else a - b))
        if not set(kinds) <= {int, float} or (op == "/" and b == 0):
            raise Fault
        if kinds == (int, int):
            if op == "/":
                quotient = abs(a) // abs(b)
                return signed(quotient if (a < 0) == (b < 0) else -quotient)
            return signed({"+": a + b, "-": a - b, "*": a * b}[op])
        a, b = float(a), float(b)
        return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b}[op]()

    return Written(f"({left.text} {op} {right.text})", of)


def called(name: str, *arguments: Written) -> Written:
    function = FUNCTIONS[name]
    text = f"{name}({', '.join(one.text for one in arguments)})"
    return Written(text, lambda row: function(*(one.of(row) for one in arguments)))


def must_be(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise Fault
    return value


def as_text(value: Any) -> str | None:
    """What StringLikeGetter gives."""
    if value is NIL or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes) and not isinstance(value, Id):
        return value.hex()
    if isinstance(value, (Moment, Span, Id)):
        raise Fault
    return as_json(value)


def as_json(value: Any) -> str:
    """Go's JSON of values that need no exponent and hold no character that HTML gives a meaning."""
    match value:
        case dict():
            return "{" + ",".join(f"{as_json(key)}:{as_json(value[key])}" for key in sorted(value)) + "}"
        case list():
            return "[" + ",".join(map(as_json, value)) + "]"
        case bytes():
            return json.dumps(base64.b64encode(value).decode())
        case float():
            if not math.isfinite(value):
                raise Fault
            return str(int(value)) if value == int(value) else str(value)
    return json.dumps(value, ensure_ascii=False)


def is_match(value: Any, pattern: str) -> bool:
    found = as_text(value)
    return found is not None and re.search(pattern, found) is not None


def length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, (list, dict)) or (isinstance(value, bytes) and not isinstance(value, Id)):
        return len(value)
    raise Fault


def substring(value: Any, start: int, count: int) -> str:
    data = must_be(str, value).encode()
    if start < 0 or count <= 0 or start + count > len(data):
        raise Fault
    return data[start : start + count].decode("utf-8", "surrogateescape")


def to_int(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"[+-]?[0-9]{1,18}", value, re.ASCII) else NIL
    if value is NIL:
        return NIL
    if not isinstance(value, (bool, int, float)) or isinstance(value, (Moment, Span)):
        raise Fault
    if isinstance(value, float) and not -(2.0**63) <= value < 2.0**63:
        return -(2**63)
    return int(value)


def to_double(value: Any) -> float | None:
    if isinstance(value, (bool, int, float)) and not isinstance(value, (Moment, Span)):
        return float(value)
    if value is NIL:
        return NIL
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", value, re.ASCII):
        return float(value)
    raise Fault


def concat(values: list[Any], delimiter: str) -> str:
    return delimiter.join("<nil>" if text is None else text for text in map(as_text, values))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "IsMatch": is_match,
    "Len": length,
    "Substring": substring,
    "Int": to_int,
    "Double": to_double,
    "String": as_text,
    "Concat": concat,
    "HasPrefix": lambda value, prefix: must_be(str, value).startswith(must_be(str, prefix)),
    "HasSuffix": lambda value, suffix: must_be(str, value).endswith(must_be(str, suffix)),
    "ToUpperCase": lambda value: must_be(str, value).upper(),
    "IsString": lambda value: type(value) is str,
    "IsInt": lambda value: type(value) is int,
    "IsDouble": lambda value: type(value) is float,
    "IsBool": lambda value: type(value) is bool,
    "IsMap": lambda value: type(value) is dict,
    "IsList": lambda value: type(value) is list,
}


def listed(items: list[Written]) -> Written:
    return Written(f"[{', '.join(one.text for one in items)}]", lambda row: [one.of(row) for one in items])


def key_text(key: Any) -> str:
    return f"[{literal_text(key)}]"


def element(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return value.get(key) if isinstance(key, str) else fail()
    if isinstance(value, list):
        return value[key] if type(key) is int and 0 <= key < len(value) else fail()
    return fail()


def fail() -> Any:
    raise Fault


def attributes(prefix: str, pairs: Callable[[Row], Any], key: str, *more: Any) -> Written:
    """``attributes["key"]["more"]``; what a map does not have is nil."""

    def of(row: Row) -> Any:
        value = attribute(pairs(row), key)
        for one in more:
            if value is NIL:
                return NIL
            value = element(value, one)
        return value

    return Written(f"{prefix}attributes{key_text(key)}{''.join(map(key_text, more))}", of)


def field(text: str, of: Callable[[Row], Any]) -> Written:
    return Written(text, of)


def identifier(data: bytes, size: int) -> Id:
    return Id(data if len(data) == size else bytes(size))


KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
TYPES = ("gauge", "sum", "histogram", "exponential_histogram", "summary")

SPAN_PATHS = [
    field("name", lambda row: row.item.name),
    field("kind", lambda row: int(row.item.kind)),
    field("kind.string", lambda row: KINDS[row.item.kind]),
    field("status.code", lambda row: int(row.item.status.code)),
    field("status.message", lambda row: row.item.status.message),
    field("trace_id", lambda row: Id(row.item.trace_id)),
    field("trace_id.string", lambda row: row.item.trace_id.hex()),
    field("span_id.string", lambda row: row.item.span_id.hex()),
    field("parent_span_id", lambda row: identifier(row.item.parent_span_id, 8)),
    field("trace_state", lambda row: row.item.trace_state),
    field("start_time", lambda row: Moment(signed(row.item.start_time_unix_nano))),
    field("end_time", lambda row: Moment(signed(row.item.end_time_unix_nano))),
    field("start_time_unix_nano", lambda row: signed(row.item.start_time_unix_nano)),
    field("end_time_unix_nano", lambda row: signed(row.item.end_time_unix_nano)),
    field("dropped_events_count", lambda row: row.item.dropped_events_count),
]
EVENT_PATHS = [
    field("name", lambda row: row.event.name),
    field("spanevent.time_unix_nano", lambda row: signed(row.event.time_unix_nano)),
    field("span.name", lambda row: row.item.name),
    field("span.status.code", lambda row: int(row.item.status.code)),
]
LOG_PATHS = [
    field("body", lambda row: plain(row.item.body)),
    field("severity_number", lambda row: int(row.item.severity_number)),
    field("severity_text", lambda row: row.item.severity_text),
    field("log.event_name", lambda row: row.item.event_name),
    field("trace_id", lambda row: identifier(row.item.trace_id, 16)),
    field("time", lambda row: Moment(signed(row.item.time_unix_nano))),
]


def data_of(row: Row) -> Any:
    return getattr(row.metric, row.metric.WhichOneof("data"))


def of_type(*types: str) -> Callable[[Callable[[Row], Any]], Callable[[Row], Any]]:
    """NIL for metrics of other types."""

    def wrap(of: Callable[[Row], Any]) -> Callable[[Row], Any]:
        return lambda row: of(row) if row.metric.WhichOneof("data") in types else NIL

    return wrap


def metric_paths(prefix: str) -> list[Written]:
    temporal = of_type("sum", "histogram", "exponential_histogram")
    return [
        field(f"{prefix}name", lambda row: row.metric.name),
        field(f"{prefix}unit", lambda row: row.metric.unit),
        field(f"{prefix}type", lambda row: 1 + TYPES.index(row.metric.WhichOneof("data"))),
        field(f"{prefix}is_monotonic", of_type("sum")(lambda row: data_of(row).is_monotonic)),
        field(f"{prefix}aggregation_temporality", temporal(lambda row: int(data_of(row).aggregation_temporality))),
    ]


POINT_PATHS = [
    *metric_paths("metric."),
    field("value_int", of_type("gauge", "sum")(lambda row: row.item.as_int)),
    field("value_double", of_type("gauge", "sum")(lambda row: row.item.as_double)),
    field("count", of_type(*TYPES[2:])(lambda row: signed(row.item.count))),
    field("sum", of_type(*TYPES[2:])(lambda row: row.item.sum)),
    field("flags", lambda row: row.item.flags),
    field("datapoint.time_unix_nano", lambda row: signed(row.item.time_unix_nano)),
]


def body_at(*keys: Any) -> Written:
    """``body["key"]``: the body itself must be a map or a list."""

    def of(row: Row) -> Any:
        value = element(plain(row.item.body), keys[0])
        for key in keys[1:]:
            if value is NIL:
                return NIL
            value = element(value, key)
        return value

    return Written(f"body{''.join(map(key_text, keys))}", of)


ENVELOPE_PATHS = [
    field("instrumentation_scope.name", lambda row: row.scope.scope.name),
    field("scope.version", lambda row: row.scope.scope.version),
]


def verdicts(condition: Written, context: str, request: Any) -> list[bool | None]:
    """One per row: None where it cannot be evaluated."""
    found: list[bool | None] = []
    for row in rows(context, request):
        try:
            found.append(bool(condition.of(row)))
        except Fault:
            found.append(None)
    return found
