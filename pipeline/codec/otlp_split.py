"""Cut an OTLP request into smaller ones, by the wire format alone: nothing is decoded, unknown fields stay.

The three signals have one shape. What differs is how many items an element of the innermost list counts: a span and a
log record are one each, a metric as many as it has data points, and a metric is not cut.

    request ─ 1: ResourceX* ─ envelope (resource, schema_url …)
                            └ 2: ScopeX* ─ envelope (scope, schema_url …)
                                         └ 2: span, log record or metric *
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from pipeline.codec.otlp_encode import varint
from pipeline.errors import MalformedPayload

RESOURCES, SCOPES, ITEMS = 1, 2, 2
POINTS = 1
METRIC_DATA = frozenset({5, 7, 9, 10, 11})
"""gauge, sum, histogram, exponential_histogram, summary (metrics.proto); data_points is field 1 of each."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class _Field(NamedTuple):
    number: int
    begin: int
    body: int
    end: int


class _Leaf(NamedTuple):
    """One element of the innermost list and the envelopes around it."""

    resource: int
    scope: int
    element: bytes
    items: int


def split(payload: bytes, max_items: int, signal: str) -> list[tuple[bytes, int]]:
    """Parts of a request, in order.

    Args:
        payload: A request that has been decoded before.
        max_items: In each part; a metric with more points makes a part of its own.
        signal: ``traces``, ``metrics`` or ``logs``.
    Returns:
        Encoded requests with their numbers of items. Resources and scopes without items are left out.
    Raises:
        MalformedPayload: Not a protobuf message.
    Cost: Python per item; for requests that are too large, which are rare.
    """
    envelopes: list[bytes] = []
    parts: list[list[_Leaf]] = [[]]
    held = 0
    for leaf in _leaves(payload, envelopes, _points if signal == "metrics" else _one):
        if parts[-1] and held + leaf.items > max_items:
            parts.append([])
            held = 0
        parts[-1].append(leaf)
        held += leaf.items
    return [(_assemble(part, envelopes), sum(leaf.items for leaf in part)) for part in parts if part]


def _leaves(payload: bytes, envelopes: list[bytes], count: Callable[[bytes], int]) -> Iterator[_Leaf]:
    for resource in _fields(payload, 0, len(payload)):
        if resource.number != RESOURCES:
            continue
        scopes, around = _children(payload, resource, SCOPES)
        envelopes.append(around)
        resource_number = len(envelopes) - 1
        for scope in scopes:
            items, around = _children(payload, scope, ITEMS)
            envelopes.append(around)
            scope_number = len(envelopes) - 1
            for item in items:
                body = payload[item.body : item.end]
                yield _Leaf(resource_number, scope_number, payload[item.begin : item.end], count(body))


def _assemble(leaves: list[_Leaf], envelopes: list[bytes]) -> bytes:
    resources: dict[int, dict[int, list[bytes]]] = {}
    for leaf in leaves:
        resources.setdefault(leaf.resource, {}).setdefault(leaf.scope, []).append(leaf.element)
    out = []
    for resource, scopes in resources.items():
        inner = [_element(SCOPES, envelopes[scope] + b"".join(items)) for scope, items in scopes.items()]
        out.append(_element(RESOURCES, envelopes[resource] + b"".join(inner)))
    return b"".join(out)


def _children(payload: bytes, parent: _Field, number: int) -> tuple[list[_Field], bytes]:
    """The elements of a repeated field, and all bytes of the message besides them."""
    children, around = [], []
    for field in _fields(payload, parent.body, parent.end):
        if field.number == number:
            children.append(field)
        else:
            around.append(payload[field.begin : field.end])
    return children, b"".join(around)


def _one(_: bytes) -> int:
    return 1


def _points(metric: bytes) -> int:
    return sum(
        1
        for data in _fields(metric, 0, len(metric))
        if data.number in METRIC_DATA
        for point in _fields(metric, data.body, data.end)
        if point.number == POINTS
    )


def _fields(payload: bytes, at: int, end: int) -> Iterator[_Field]:
    """The fields of a message; ``number`` is 0 for those that are not length-delimited."""
    while at < end:
        begin = at
        tag, at = _varint(payload, at, end)
        kind = tag & 7
        body = at
        if kind == _VARINT:
            _, at = _varint(payload, at, end)
        elif kind == _LENGTH:
            length, body = _varint(payload, at, end)
            at = body + length
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise MalformedPayload("a group or an unknown wire type", begin)
        if at > end:
            raise MalformedPayload("a field is cut off", begin)
        yield _Field(tag >> 3 if kind == _LENGTH else 0, begin, body, at)


def _varint(payload: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = payload[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise MalformedPayload("a varint is cut off", at)


def _element(number: int, body: bytes) -> bytes:
    return varint(number << 3 | _LENGTH) + varint(len(body)) + body
