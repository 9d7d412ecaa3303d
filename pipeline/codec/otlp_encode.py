"""SpanBatch → bytes of an ``ExportTraceServiceRequest``, without decoding what is passed on.

A batch that nobody changed *is* its payload. Otherwise each ResourceSpans and ScopeSpans is written as an *envelope*,
all bytes of its body besides the repeated children (resource, scope, schema_url and whatever a newer protocol adds),
followed by the children that remain. Empty envelopes are left out, which the specification allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.model.records import HEADER, PARENT, RANGE, Level, Records
from pipeline.model.spans import any_value

if TYPE_CHECKING:
    from pipeline.model.spans import SpanBatch

RESOURCE_SPANS, SCOPE_SPANS, SPANS, SPAN_ATTRIBUTES = b"\x0a", b"\x12", b"\x12", b"\x4a"
"""Tags of the repeated fields that are written anew (trace.proto)."""


def encode(spans: SpanBatch) -> bytes:
    """See the module. Cost: nothing where no span was dropped and no column added, else one copy of what remains."""
    if spans.rows is None and not spans.added:
        return spans.records.payload
    kept = _elements(spans)
    scopes = _wrap(spans.records, Level.SCOPE, kept, Level.ITEM, SCOPE_SPANS)
    resources = _wrap(spans.records, Level.RESOURCE, scopes, Level.SCOPE, RESOURCE_SPANS)
    return b"".join(resources.values())


def varint(value: int) -> bytes:
    """Protobuf's base-128 form of a non-negative number.

    >>> varint(300)
    b'\\xac\\x02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _elements(spans: SpanBatch) -> dict[int, bytes]:
    """Per scope row, the encoded span elements (tag, length, body) that remain."""
    out: dict[int, list[bytes]] = {}
    payload = spans.records.payload
    rows = spans.item_rows
    begin, end = _extents(spans.records, Level.ITEM)
    parts = zip(rows.tolist(), spans.scope_rows.tolist(), begin[rows].tolist(), end[rows].tolist(), strict=True)
    for row, scope, start, stop in parts:
        changed = any(addition.written[row] for addition in spans.added)
        element = _element(SPANS, _with_additions(spans, row)) if changed else payload[start:stop]
        out.setdefault(scope, []).append(element)
    return {scope: b"".join(elements) for scope, elements in out.items()}


def _with_additions(spans: SpanBatch, row: int) -> bytes:
    """The body of a span with the added attributes; an attribute that was there before is replaced."""
    records = spans.records
    body = records.body(Level.ITEM, row)
    base = records.first[Level.ITEM] + row * records.width[Level.ITEM]
    for addition in spans.added:
        if not addition.written[row]:
            continue
        if addition.replaced[row]:
            body = _without_attribute(body, addition.key)
        kind, word = records.words[base + addition.field.word : base + addition.field.word + 2].tolist()
        pair = KeyValue(key=addition.key, value=any_value(records, kind, word)).SerializeToString()
        body += _element(SPAN_ATTRIBUTES, pair)
    return body


def _without_attribute(body: bytes, key: str) -> bytes:
    span = Span.FromString(body)
    kept = [pair for pair in span.attributes if pair.key != key]
    del span.attributes[:]
    span.attributes.extend(kept)
    return span.SerializeToString()


def _wrap(
    records: Records, level: Level, children: dict[int, bytes], child_level: Level, tag: bytes
) -> dict[int, bytes]:
    """Per row of the enclosing table, the encoded elements of ``level`` that have children."""
    out: dict[int, list[bytes]] = {}
    parents = records.column(level, PARENT).tolist()
    begin, end = _extents(records, child_level)
    owners = records.column(child_level, PARENT)
    for row, inner in children.items():
        mine = np.flatnonzero(owners == row)
        envelope = _envelope(records, level, row, begin[mine].tolist(), end[mine].tolist())
        out.setdefault(parents[row], []).append(_element(tag, envelope + inner))
    return {parent: b"".join(elements) for parent, elements in out.items()}


def _envelope(records: Records, level: Level, row: int, begins: list[int], ends: list[int]) -> bytes:
    """The body of a row without its children, whose extents are given in order."""
    word = int(records.words[records.first[level] + row * records.width[level] + RANGE])
    at = word >> 32
    stop = at + (word & 0xFFFF_FFFF)
    parts = []
    for child_begin, child_end in zip(begins, ends, strict=True):
        if child_begin > at:
            parts.append(records.payload[at:child_begin])
        at = child_end
    parts.append(records.payload[at:stop])
    return b"".join(parts)


def _extents(records: Records, level: Level) -> tuple[np.ndarray, np.ndarray]:
    """int64[rows] begin and end of each element of a table in the payload, tag and length included."""
    word = records.column(level, RANGE)
    body = (word >> np.uint64(32)).astype(np.int64)
    header = (records.column(level, HEADER) >> np.uint64(8)).astype(np.int64)
    return body - header, body + (word & np.uint64(0xFFFF_FFFF)).astype(np.int64)


def _element(tag: bytes, body: bytes) -> bytes:
    return tag + varint(len(body)) + body
