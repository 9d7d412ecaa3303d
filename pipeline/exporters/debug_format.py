"""How the debug exporter writes names, attributes, times."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from pipeline.model.attribute_text import plain_value, value_text

_TYPE_NAMES: dict[type, str] = {
    str: "Str",
    bool: "Bool",
    int: "Int",
    float: "Double",
    bytes: "Bytes",
    list: "Slice",
    dict: "Map",
    type(None): "Empty",
}


def printable(text: str) -> str:
    """The text in one line, without characters that act on a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as plain Python values."""
    return {pair.key: plain_value(pair.value) for pair in attributes}


def pairs(attributes: Mapping[str, Any]) -> list[str]:
    """``key=value`` of each."""
    return [f"{printable(key)}={printable(value_text(value))}" for key, value in attributes.items()]


def attribute_lines(title: str, attributes: Mapping[str, Any]) -> Iterator[str]:
    """A title and a line for each attribute, with its type."""
    if attributes:
        yield f"{title}:"
    for key, value in attributes.items():
        yield f"     -> {printable(key)}: {typed(value)}"


def typed(value: Any) -> str:
    """A plain value with its type.

    >>> typed(3), typed("a")
    ('Int(3)', 'Str(a)')
    """
    return f"{_TYPE_NAMES[type(value)]}({printable(value_text(value))})"


def field(name: str, value: str) -> str:
    """A line of a span or log record."""
    return f"    {name:<15}: {value}".rstrip()


def enum(kind: Any, number: int, prefix: str) -> str:
    """``SPAN_KIND_SERVER`` as ``Server``; numbers that we do not know as they are."""
    names = {value: name for name, value in kind.items()}
    return names[number].removeprefix(prefix).title() if number in names else str(number)


def time(unix_nano: int) -> str:
    """As Go prints a UTC time."""
    seconds, nanos = divmod(unix_nano, 1_000_000_000)
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (OverflowError, ValueError):
        return f"{unix_nano} ns"
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"
