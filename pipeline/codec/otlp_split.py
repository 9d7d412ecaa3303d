"""Cut an OTLP request into smaller ones, by the wire format alone: nothing is decoded, unknown fields stay.

request ─ 1: ResourceX* ─ envelope (resource, schema_url …)
                        └ 2: ScopeX* ─ envelope (scope, schema_url …)
                                     ├ 2: span or log record *
                                     └ 2: metric* ─ envelope (name, unit …)
                                                  └ 5, 7, 9, 10 or 11: data ─ envelope (temporality …)
                                                                            └ 1: data point *
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from pipeline.codec.otlp_encode import varint
from pipeline.errors import MalformedPayload

RESOURCES, SCOPES, ITEMS = 1, 2, 2
POINTS = 1
METRIC_DATA = frozenset({5, 7, 9, 10, 11})
"""gauge, sum, histogram, exponential_histogram, summary (metrics.proto); data_points is field 1 of each."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class WireField(NamedTuple):
    number: int
    begin: int
    body: int
    end: int


class _Envelope(NamedTuple):
    """A message around items: its field number in the message around it, and its bytes besides what it encloses."""

    number: int
    around: bytes


class _Leaf(NamedTuple):
    """What is not cut: as a rule one item, and the numbers of the envelopes around it, the outermost first."""

    path: tuple[int, ...]
    element: bytes
    items: int


def split(payload: bytes, max_items: int, signal: str) -> list[tuple[bytes, int]]:
    """Parts of a request, in order.

    Args:
        payload: A request that has been decoded before.
        max_items: In each part. A metric whose data came in several parts, which no encoder writes, is not cut.
        signal: ``traces``, ``metrics`` or ``logs``.
    Returns:
        Encoded requests with their numbers of items. Resources and scopes without items are left out.
    Raises:
        MalformedPayload: Not a protobuf message.
    Cost: Python per item; for requests that are too large, which are rare.
    """
    envelopes: list[_Envelope] = []
    parts: list[list[_Leaf]] = [[]]
    held = 0
    resources, around = _children(payload, WireField(0, 0, 0, len(payload)), RESOURCES)
    for leaf in _leaves(payload, resources, envelopes, signal == "metrics"):
        if parts[-1] and held + leaf.items > max_items:
            parts.append([])
            held = 0
        parts[-1].append(leaf)
        held += leaf.items
    return [(around + _assemble(part, envelopes), sum(leaf.items for leaf in part)) for part in parts if part]


def _leaves(
    payload: bytes, resources: Iterable[WireField], envelopes: list[_Envelope], of_metrics: bool
) -> Iterator[_Leaf]:
    for resource in resources:
        scopes, path = _open(payload, resource, SCOPES, envelopes, ())
        for scope in scopes:
            items, inner = _open(payload, scope, ITEMS, envelopes, path)
            for item in items:
                if of_metrics:
                    yield from _points(payload, item, envelopes, inner)
                else:
                    yield _Leaf(inner, payload[item.begin : item.end], 1)


def _points(payload: bytes, metric: WireField, envelopes: list[_Envelope], path: tuple[int, ...]) -> Iterator[_Leaf]:
    """The points of a metric; the metric as it is where it has none, or its data came in several parts."""
    members = [field for field in fields(payload, metric.body, metric.end) if field.number in METRIC_DATA]
    whole = payload[metric.begin : metric.end]
    if len(members) != 1:
        points = (field for data in members for field in fields(payload, data.body, data.end))
        yield _Leaf(path, whole, sum(field.number == POINTS for field in points))
        return
    _, path_of_metric = _open(payload, metric, members[0].number, envelopes, path)
    found, inner = _open(payload, members[0], POINTS, envelopes, path_of_metric)
    for point in found:
        yield _Leaf(inner, payload[point.begin : point.end], 1)
    if not found:
        yield _Leaf(path, whole, 0)


def _assemble(leaves: Sequence[_Leaf], envelopes: list[_Envelope], depth: int = 0) -> bytes:
    out = []
    for number, group in groupby(leaves, lambda leaf: leaf.path[depth] if depth < len(leaf.path) else -1):
        if number < 0:
            out += [leaf.element for leaf in group]
        else:
            envelope = envelopes[number]
            out.append(_element(envelope.number, envelope.around + _assemble(list(group), envelopes, depth + 1)))
    return b"".join(out)


def _open(
    payload: bytes, parent: WireField, number: int, envelopes: list[_Envelope], path: tuple[int, ...]
) -> tuple[list[WireField], tuple[int, ...]]:
    """The elements ``number`` of a message, which becomes an envelope, and the path of what is inside it."""
    children, around = _children(payload, parent, number)
    envelopes.append(_Envelope(parent.number, around))
    return children, (*path, len(envelopes) - 1)


def _children(payload: bytes, parent: WireField, number: int) -> tuple[list[WireField], bytes]:
    """The elements of a repeated field, and all bytes of the message besides them."""
    children, around = [], []
    for field in fields(payload, parent.body, parent.end):
        if field.number == number:
            children.append(field)
        else:
            around.append(payload[field.begin : field.end])
    return children, b"".join(around)


def fields(payload: bytes, at: int, end: int) -> Iterator[WireField]:
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
        yield WireField(tag >> 3 if kind == _LENGTH else 0, begin, body, at)


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
