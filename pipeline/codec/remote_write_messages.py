"""The parts of remote-write requests that are rare enough for Python: metadata, exemplars, native histograms, and the
way back from 2.0 to 1.0 for a receiver that knows no 2.0.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pipeline.codec.native_histograms import NativeHistogram
from pipeline.codec.prometheus_families import Family
from pipeline.codec.prometheus_labels import utf8, varint
from pipeline.codec.prometheus_names import MetricType
from pipeline.codec.remote_write_rows import Symbols
from pipeline.errors import MalformedPayload
from pipeline.model.snapshot import Exemplars

_TYPES = {MetricType.COUNTER: 1, MetricType.GAUGE: 2, MetricType.HISTOGRAM: 3, MetricType.SUMMARY: 5}
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class Exemplar(NamedTuple):
    """A sample measurement with the ids that lead to its trace, in hex."""

    labels: tuple[tuple[bytes, bytes], ...]
    value: float
    time_ms: int


def exemplars_by_series(exemplars: Exemplars | None, k: int) -> dict[int, list[Exemplar]]:
    """Row * ``k`` + bucket → exemplars. For numbers the bucket is -1, which is series 0."""
    found: dict[int, list[Exemplar]] = {}
    if exemplars is None:
        return found
    for i, (point, bucket) in enumerate(zip(exemplars.point.tolist(), exemplars.bucket.tolist(), strict=True)):
        ids = ((b"trace_id", exemplars.trace_id[i]), (b"span_id", exemplars.span_id[i]))
        labels = tuple(sorted((name, value.tobytes().hex().encode()) for name, value in ids if value.any()))
        time_ms = max(int(exemplars.time_unix_nano[i]), 0) // 1_000_000
        found.setdefault(point * k + max(bucket, 0), []).append(Exemplar(labels, float(exemplars.value[i]), time_ms))
    return found


def encode_exemplar(exemplar: Exemplar, symbols: Symbols | None) -> bytes:
    """As a field of a series; nothing where the symbols have no room."""
    tail = _double(2, exemplar.value) + _uint(3, exemplar.time_ms)
    if symbols is None:
        labels = b"".join(_field(1, _field(1, name) + _field(2, value)) for name, value in exemplar.labels)
        return _field(3, labels + tail)
    refs = [symbols.ref(text) for pair in exemplar.labels for text in pair]
    if min(refs, default=0) < 0:
        return b""
    return _field(4, _field(1, b"".join(map(varint, refs))) + tail)


def encode_metadata(is_v2: bool, kind: MetricType, help_ref: int, unit_ref: int) -> bytes:
    """The body of ``Metadata``; in 1.0 the texts follow instead of the references."""
    if not is_v2:
        return _uint(1, _TYPES[kind])
    return _uint(1, _TYPES[kind]) + _uint(3, help_ref) + _uint(4, unit_ref)


def metadata_request(families: Iterable[Family]) -> bytes:
    """A 1.0 request that holds nothing but the types, helps and units."""
    pieces = []
    for family in families:
        message = encode_metadata(False, family.kind, 0, 0)
        for number, text in ((2, family.name), (4, family.help_text), (5, family.unit)):
            message += _field(number, utf8(text)) if text else b""
        pieces.append(b"\x1a" + varint(len(message)) + message)
    return b"".join(pieces)


def encode_native(one: NativeHistogram, time_ms: int, start_ms: int) -> bytes:
    """A ``Histogram``. ``start_ms`` 0 is left out, as in 1.0."""
    is_whole = one.is_whole
    fields = [
        _uint(1, int(one.total)) if is_whole else _double(2, one.total),
        _double(3, one.sum),
        _uint(4, _zigzag(one.schema)),
        _double(5, one.zero_threshold),
        _uint(6, int(one.zero_count)) if is_whole else _double(7, one.zero_count),
    ]
    for first, side in ((8, one.negative), (11, one.positive)):
        fields += [_field(first, _uint(1, _zigzag(offset)) + _uint(2, length)) for offset, length in side.spans()]
        if not side.counts:
            continue
        if is_whole:
            fields.append(_field(first + 1, b"".join(varint(_zigzag(delta)) for delta in side.deltas())))
        else:
            fields.append(_field(first + 2, struct.pack(f"<{len(side.counts)}d", *side.counts)))
    fields += [_uint(15, time_ms), _uint(17, start_ms)]
    return b"".join(fields)


def stale_histogram(sum_bits: int, time_ms: int, start_ms: int) -> bytes:
    """The native histogram that ends a series: no counts, and the marker as its sum."""
    return b"\x08\x00\x19" + struct.pack("<Q", sum_bits) + _uint(15, time_ms) + _uint(17, start_ms)


def first_version(payload: bytes) -> bytes:
    """A 2.0 request as one of 1.0, with the same samples in the same order. Metadata stays behind."""
    symbols: list[bytes] = []
    series = []
    for number, body in _messages(payload):
        if number == 4:
            symbols.append(body)
        elif number == 5:
            series.append(body)
    return b"".join(_field(1, _first_version_series(body, symbols)) for body in series)


def _first_version_series(body: bytes, symbols: Sequence[bytes]) -> bytes:
    out = []
    for number, inner in _messages(body):
        if number == 1:
            out.append(_labels(inner, symbols))
        elif number == 2:
            out.append(_field(2, inner))
        elif number == 3:
            out.append(_field(4, inner))
        elif number == 4:
            refs = b"".join(_labels(packed, symbols) for at, packed in _messages(inner) if at == 1)
            out.append(_field(3, refs + _without_lengths(inner)))
    return b"".join(out)


def _labels(packed: bytes, symbols: Sequence[bytes]) -> bytes:
    refs = list(_varints(packed))
    pairs = zip(refs[::2], refs[1::2], strict=True)
    return b"".join(_field(1, _field(1, symbols[name]) + _field(2, symbols[value])) for name, value in pairs)


def _without_lengths(message: bytes) -> bytes:
    """The fields of a message that are numbers."""
    return b"".join(message[begin:end] for number, begin, _, end in _fields(message) if number == 0)


def _messages(message: bytes) -> Iterator[tuple[int, bytes]]:
    for number, _, body, end in _fields(message):
        if number:
            yield number, message[body:end]


def _fields(message: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Number (0 for numbers), begin, begin of the body, end of each field."""
    at = 0
    while at < len(message):
        begin = at
        tag, at = _read_varint(message, at)
        kind, body = tag & 7, at
        if kind == _LENGTH:
            size, body = _read_varint(message, at)
            at = body + size
        elif kind == _VARINT:
            _, at = _read_varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise MalformedPayload("an unknown wire type", begin)
        yield (tag >> 3 if kind == _LENGTH else 0), begin, body, at


def _varints(packed: bytes) -> Iterator[int]:
    at = 0
    while at < len(packed):
        value, at = _read_varint(packed, at)
        yield value


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _uint(number: int, value: int) -> bytes:
    return varint(number << 3 | _VARINT) + varint(value) if value else b""


def _double(number: int, value: float) -> bytes:
    if value == 0 and math.copysign(1, value) > 0:
        return b""
    return varint(number << 3 | _FIXED64) + struct.pack("<d", value)


def _field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | _LENGTH) + varint(len(value)) + value
