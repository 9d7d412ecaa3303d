"""Recorded spans → OTLP requests, as agents would have sent them: once a second, what ended in it.

Spans of one service, pod, operation, kind and status are encoded alike but for ids and times, so each kind is one
matrix of bytes whose rows are messages. The protobuf classes make one message of each kind, and the rest is filled in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

UInt64s = npt.NDArray[np.uint64]
BATCH_NANO = 1_000_000_000
_TRACE, _SPAN, _PARENT = b"\xa1" * 16, b"\xa2" * 8, b"\xa3" * 8
_START, _END = 0xA4A4A4A4A4A4A4A4, 0xA5A5A5A5A5A5A5A5
_MIX = np.uint64(0x9E37_79B9_7F4A_7C15)


def requests(columns: dict[str, Any]) -> Iterator[tuple[int, bytes]]:
    """(Unix time of arrival in ns, encoded ExportTraceServiceRequest), in order of time."""
    starts = columns["start_unix_nano"].astype(np.uint64)
    ends = starts + columns["duration_ns"].astype(np.uint64)
    second = (ends // np.uint64(BATCH_NANO)).astype(np.int64) + 1
    ids = _identities(columns)
    kinds, examples, which = _kinds(columns)
    resource_of = kinds[:, 0] * (len(columns["pod"][1]) + 1) + kinds[:, 1]
    order = np.lexsort((which, resource_of[which], second))
    bounds = np.flatnonzero(np.diff(np.stack((second[order], which[order])), axis=1).any(0)) + 1
    runs = np.split(order, bounds)
    templates = [_template(columns, int(example)) for example in examples]
    parts: dict[int, list[bytes]] = {}
    now = -1
    for rows in runs:
        kind = int(which[rows[0]])
        if int(second[rows[0]]) != now:
            if parts:
                yield now * BATCH_NANO, _request(parts, columns, len(columns["pod"][1]) + 1)
            parts, now = {}, int(second[rows[0]])
        encoded = _filled(templates[kind], ids, starts, ends, rows)
        parts.setdefault(int(resource_of[kind]), []).append(encoded)
    if parts:
        yield now * BATCH_NANO, _request(parts, columns, len(columns["pod"][1]) + 1)


def _kinds(columns: dict[str, Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The kinds of messages, a row of each, and the kind of each span."""
    keys = np.stack(
        (
            columns["service"][0],
            columns["pod"][0],
            columns["operation"][0],
            columns["kind"].astype(np.int64),
            columns["status_code"].astype(np.int64),
            (columns["parent_idx"] >= 0).astype(np.int64),
        ),
        1,
    )
    kinds, examples, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return kinds, examples, which.reshape(-1)


def _identities(columns: dict[str, Any]) -> npt.NDArray[np.uint8]:
    """uint8[n, 32]: trace id, span id, parent id. Span ids are a mixture of trace id and position in the trace."""
    codes, names = columns["trace_id"]
    traces = np.frombuffer(bytes.fromhex("".join(names)), np.uint64).reshape(-1, 2)[codes]
    out = np.empty((len(codes), 4), np.uint64)
    out[:, :2] = traces
    base = traces[:, 0] ^ (traces[:, 1] * _MIX)
    for at, name in ((2, "span_idx"), (3, "parent_idx")):
        mixed = (base ^ columns[name].astype(np.int64).astype(np.uint64)) * _MIX
        out[:, at] = (mixed ^ (mixed >> np.uint64(29))) | np.uint64(1)
    return out.view(np.uint8)


def _template(columns: dict[str, Any], row: int) -> tuple[npt.NDArray[np.uint8], dict[bytes, int]]:
    """One encoded ``ScopeSpans.spans`` entry with marks, and where the marks stand."""
    codes, names = columns["operation"]
    has_parent = columns["parent_idx"][row] >= 0
    span = Span(
        trace_id=_TRACE,
        span_id=_SPAN,
        parent_span_id=_PARENT if has_parent else b"",
        name=names[codes[row]],
        kind=cast(Any, int(columns["kind"][row])),
        start_time_unix_nano=_START,
        end_time_unix_nano=_END,
        status=Status(code=cast(Any, int(columns["status_code"][row]))),
    )
    encoded = ScopeSpans(spans=[span]).SerializeToString()
    marks = (_TRACE, _SPAN, _PARENT, _START.to_bytes(8, "little"), _END.to_bytes(8, "little"))
    places = {mark: encoded.index(mark) for mark in marks if mark in encoded}
    return np.frombuffer(encoded, np.uint8), places


def _filled(
    template: tuple[npt.NDArray[np.uint8], dict[bytes, int]],
    ids: npt.NDArray[np.uint8],
    starts: UInt64s,
    ends: UInt64s,
    rows: npt.NDArray[np.int64],
) -> bytes:
    message, places = template
    out = np.tile(message, (len(rows), 1))
    values = (
        (_TRACE, ids[rows, :16]),
        (_SPAN, ids[rows, 16:24]),
        (_PARENT, ids[rows, 24:]),
        (_START.to_bytes(8, "little"), starts[rows].view(np.uint8).reshape(-1, 8)),
        (_END.to_bytes(8, "little"), ends[rows].view(np.uint8).reshape(-1, 8)),
    )
    for mark, value in values:
        if mark in places:
            out[:, places[mark] : places[mark] + value.shape[1]] = value
    return out.tobytes()


def _request(parts: dict[int, list[bytes]], columns: dict[str, Any], pods: int) -> bytes:
    out = []
    for resource, spans in parts.items():
        service, pod = columns["service"][1][resource // pods], resource % pods
        attributes = [_attribute("service.name", service)]
        if pod < len(columns["pod"][1]):
            attributes.append(_attribute("k8s.pod.name", columns["pod"][1][pod]))
        encoded = Resource(attributes=attributes).SerializeToString()
        body = _field(1, encoded) + _field(2, b"".join(spans))
        out.append(_field(1, body))
    return b"".join(out)


def _attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _field(number: int, body: bytes) -> bytes:
    size, length = len(body), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((number << 3 | 2, *length, size)) + body
