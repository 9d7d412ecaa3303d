"""OTLP JSON to OTLP protobuf, so that one decoder reads both.

The tables come from the official descriptors, so every signal is covered. What OTLP changes in protobuf's JSON mapping
(opentelemetry-proto ``docs/specification.md``, "JSON Protobuf Encoding"):

- trace and span ids are hex in either case. One that is not hex becomes an id of a wrong length: the span is rejected
  like its protobuf twin, the others are kept.
- Enumerations are integers. Names are refused.
- Keys are lowerCamelCase. Unknown keys are ignored, original names such as ``start_time_unix_nano`` with them, but of
  those the sender is told.

64-bit integers may be strings or numbers. ``null`` is an absent field, but not an element of a list.
"""

from __future__ import annotations

import binascii
import json
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from pipeline.errors import MalformedPayload

HEX_IDS = frozenset({"trace_id", "span_id", "parent_span_id"})
# An id whose text is not hex: one byte, which no decoder takes for an id, nor for an absent one.
INVALID_ID = b"\x00"
# Messages in messages. The decoder's own limit for attribute values is stricter; this one protects the recursion here.
MAX_DEPTH = 64
MAX_INTEGER_DIGITS = 20

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SPECIAL_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_MASK = 0xFFFFFFFFFFFFFFFF
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SMALL = [bytes([n]) for n in range(128)]

Scalar = Callable[[Any], bytes]
Writer = Callable[[Any, list[bytes], "_Run", int], None]


@dataclass(frozen=True)
class Translation:
    """A request as protobuf.

    Attributes:
        payload: The message.
        original_names: Keys that were ignored because they are field names of the schema in their original spelling.
    """

    payload: bytes
    original_names: tuple[str, ...]


def translate(body: bytes, message: type[Message]) -> Translation:
    """The protobuf form of an OTLP JSON body.

    Args:
        body: UTF-8 without a byte order mark.
        message: Class of the request, such as ``ExportTraceServiceRequest``; only its schema is used.
    Raises:
        MalformedPayload: Not JSON, a key twice in one object, or a value that its field cannot have.
    Cost: 10 to 15 µs a span, holding the interpreter lock for some milliseconds at a time. Not for an event loop.
    """
    try:
        document = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
        run = _Run()
        payload = _encode(_plan(cast(Descriptor, message.DESCRIPTOR)), document, run, 0)
    except MalformedPayload:
        raise
    except UnicodeError:
        raise MalformedPayload("the JSON text is not UTF-8") from None
    except RecursionError:
        raise MalformedPayload("the JSON text is nested too deeply") from None
    except ValueError:  # JSONDecodeError, and integers of thousands of digits
        raise MalformedPayload("the body is not JSON") from None
    return Translation(payload, tuple(sorted(run.original_names)))


class _Run:
    """What is learned about one body."""

    __slots__ = ("original_names",)

    def __init__(self) -> None:
        self.original_names: set[str] = set()


class _Plan:
    """How the objects of one message type are written."""

    __slots__ = ("choices", "name", "original_names", "writers")

    def __init__(self, message: Descriptor) -> None:
        self.name = message.name
        self.writers = {field.json_name: _writer(field) for field in message.fields}
        self.original_names = {field.name for field in message.fields} - self.writers.keys()
        # Keys of which at most one may be present; in OTLP no message has two such groups. An `optional` field is alone
        # in a oneof of its own, which the descriptor shows as well.
        self.choices = frozenset(
            field.json_name for oneof in message.oneofs if len(oneof.fields) > 1 for field in oneof.fields
        )


@cache
def _plan(message: Descriptor) -> _Plan:
    return _Plan(message)


def _encode(plan: _Plan, value: Any, run: _Run, depth: int) -> bytes:
    if type(value) is not dict:
        _refuse(plan.name, "an object")
    if depth > MAX_DEPTH:
        raise MalformedPayload("the JSON text is nested too deeply")
    parts: list[bytes] = []
    for key, member in value.items():
        write = plan.writers.get(key)
        if write is None:
            if key in plan.original_names:
                run.original_names.add(key)
        elif member is not None:
            write(member, parts, run, depth)
    if len(value) > 1 and plan.choices and sum(value.get(key) is not None for key in plan.choices) > 1:
        raise MalformedPayload(f'"{plan.name}" has more than one value')
    return b"".join(parts)


def _writer(field: FieldDescriptor) -> Writer:
    if field.message_type is not None:
        return _message_writer(field)
    scalar, wire_type = _scalar(field)
    if not field.is_repeated:
        tag = _tag(field, wire_type)

        def write(value: Any, parts: list[bytes], run: _Run, depth: int) -> None:  # noqa: ARG001
            parts.append(tag + scalar(value))

        return write
    tag = _tag(field, _LENGTH)
    packed = wire_type != _LENGTH

    def write_list(value: Any, parts: list[bytes], run: _Run, depth: int) -> None:  # noqa: ARG001
        elements = [scalar(element) for element in _list(field.json_name, value)]
        if packed:
            content = b"".join(elements)
            parts.append(tag + _varint(len(content)) + content)
        else:
            parts.extend(tag + element for element in elements)

    return write_list


def _message_writer(field: FieldDescriptor) -> Writer:
    tag, message = _tag(field, _LENGTH), field.message_type

    def write(value: Any, parts: list[bytes], run: _Run, depth: int) -> None:
        content = _encode(_plan(message), value, run, depth + 1)
        parts.append(tag + _varint(len(content)) + content)

    def write_list(value: Any, parts: list[bytes], run: _Run, depth: int) -> None:
        plan = _plan(message)
        for element in _list(field.json_name, value):
            content = _encode(plan, element, run, depth + 1)
            parts.append(tag + _varint(len(content)) + content)

    return write_list if field.is_repeated else write


def _scalar(field: FieldDescriptor) -> tuple[Scalar, int]:
    """How a value of a field is written after its tag, and its wire type."""
    name, kind = field.json_name, field.type
    if kind == FieldDescriptor.TYPE_BYTES:
        decode = _hex_id if field.name in HEX_IDS else _base64
        return (lambda value: _with_length(decode(name, value))), _LENGTH
    if kind == FieldDescriptor.TYPE_STRING:
        return (lambda value: _with_length(_string(name, value).encode())), _LENGTH
    if kind == FieldDescriptor.TYPE_BOOL:
        return (lambda value: _SMALL[_boolean(name, value)]), _VARINT
    if kind == FieldDescriptor.TYPE_DOUBLE:
        return (lambda value: struct.pack("<d", _double(name, value))), _FIXED64
    if kind == FieldDescriptor.TYPE_ENUM:
        return (lambda value: _varint(_enumeration(name, value) & _MASK)), _VARINT
    low, high, wire_type = _INTEGERS[kind]
    if kind in {FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SINT64}:
        return (lambda value: _varint(_zigzag(_integer(name, value, low, high)))), wire_type
    if wire_type == _VARINT:
        return (lambda value: _varint(_integer(name, value, low, high) & _MASK)), wire_type
    size = 8 if wire_type == _FIXED64 else 4
    return (lambda value: _integer(name, value, low, high).to_bytes(size, "little", signed=low < 0)), wire_type


_INTEGERS = {
    FieldDescriptor.TYPE_INT32: (-(1 << 31), (1 << 31) - 1, _VARINT),
    FieldDescriptor.TYPE_SINT32: (-(1 << 31), (1 << 31) - 1, _VARINT),
    FieldDescriptor.TYPE_UINT32: (0, (1 << 32) - 1, _VARINT),
    FieldDescriptor.TYPE_INT64: (-(1 << 63), (1 << 63) - 1, _VARINT),
    FieldDescriptor.TYPE_SINT64: (-(1 << 63), (1 << 63) - 1, _VARINT),
    FieldDescriptor.TYPE_UINT64: (0, (1 << 64) - 1, _VARINT),
    FieldDescriptor.TYPE_FIXED32: (0, (1 << 32) - 1, _FIXED32),
    FieldDescriptor.TYPE_SFIXED32: (-(1 << 31), (1 << 31) - 1, _FIXED32),
    FieldDescriptor.TYPE_FIXED64: (0, (1 << 64) - 1, _FIXED64),
    FieldDescriptor.TYPE_SFIXED64: (-(1 << 63), (1 << 63) - 1, _FIXED64),
}


def _string(name: str, value: Any) -> str:
    if type(value) is not str:
        _refuse(name, "a string")
    return value


def _boolean(name: str, value: Any) -> bool:
    if type(value) is not bool:
        _refuse(name, "true or false")
    return value


def _integer(name: str, value: Any, low: int, high: int) -> int:
    if type(value) is str:
        digits = value[1:] if value[:1] == "-" else value
        if digits.isascii() and digits.isdigit() and len(digits) <= MAX_INTEGER_DIGITS:
            value = int(value)
    elif type(value) is float and value.is_integer():  # 1.5e18 is a number without a fraction
        value = int(value)
    if type(value) is not int or not low <= value <= high:
        _refuse(name, f"an integer from {low} to {high}")
    return value


def _enumeration(name: str, value: Any) -> int:
    if type(value) is str:
        _refuse(name, "the number of an enumeration value")
    return _integer(name, value, -(1 << 31), (1 << 31) - 1)


def _double(name: str, value: Any) -> float:
    if type(value) is str:
        if value in _SPECIAL_NUMBERS:
            return _SPECIAL_NUMBERS[value]
        if _NUMBER.fullmatch(value):
            value = float(value)
    try:
        number = float(value) if type(value) in {int, float} else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number):
        _refuse(name, "a number")
    return number


def _hex_id(name: str, value: Any) -> bytes:
    try:
        return binascii.unhexlify(_string(name, value))
    except ValueError:
        return INVALID_ID


def _base64(name: str, value: Any) -> bytes:
    text = _string(name, value).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        _refuse(name, "base64")


def _list(name: str, value: Any) -> list[Any]:
    if type(value) is not list:
        _refuse(name, "a list")
    if None in value:
        _refuse(name, "a list without null")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedPayload("a key is there twice in one JSON object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise MalformedPayload(f"{name} is not JSON; write it as a string")


def _refuse(name: str, expected: str) -> NoReturn:
    raise MalformedPayload(f'"{name}" must be {expected}')


def _tag(field: FieldDescriptor, wire_type: int) -> bytes:
    return _varint(field.number << 3 | wire_type)


def _with_length(data: bytes) -> bytes:
    return _varint(len(data)) + data


def _zigzag(n: int) -> int:
    return (n << 1 ^ n >> 63) & _MASK


def _varint(n: int) -> bytes:
    if n < 128:
        return _SMALL[n]
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)
