"""Files of OTLP requests: one JSON object a line, or protobuf messages behind their length.

    json    {"resourceSpans":[…]}\\n                              any signal, told apart by its first key
    proto   u32 length, big-endian | ExportTraceServiceRequest    one signal per file: the bytes do not say which

Both are what the Collector's ``file`` exporter writes. A record that is cut off at the end of a file, as a crash leaves
it, is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from google.protobuf.message import DecodeError

from pipeline.codec.otlp_json import translate
from pipeline.codec.otlp_json_encode import encode_json
from pipeline.errors import MalformedPayload
from pipeline.receivers.signals import SIGNALS

Format = Literal["json", "proto"]
MAX_RECORD_BYTES = 256 << 20
"""A length that is none must not make us read a file into memory."""
LENGTH_BYTES = 4
KEYS = {b"resourceSpans": "traces", b"resourceMetrics": "metrics", b"resourceLogs": "logs"}
_FIRST_KEY = re.compile(rb'\s*\{\s*"(resource(?:Spans|Metrics|Logs))"')


class Record(NamedTuple):
    """One request of a file; ``end``: the position behind it. ``error``: why it cannot be read, else ""."""

    signal: str
    payload: bytes
    end: int
    error: str = ""


class Content(NamedTuple):
    """How much is in a request, and when the newest of it happened; 0 if it does not say."""

    items: int
    unix_nano: int


def encode_record(payload: bytes, signal: str, form: Format) -> bytes:
    """A request as one record."""
    if form == "proto":
        return len(payload).to_bytes(LENGTH_BYTES, "big") + payload
    return encode_json(payload, SIGNALS[signal].request) + b"\n"


def read_records(path: Path, form: Format, signal: str = "traces") -> Iterator[Record]:
    """The records of a file, one after another.

    Args:
        path: The file.
        form: How it is written.
        signal: What a ``proto`` file holds.
    Raises:
        OSError: The file cannot be read.
        MalformedPayload: A length is none; where the next record begins is then unknown.
    """
    with path.open("rb") as file:
        yield from _messages(file, signal) if form == "proto" else _lines(file)


def format_of(path: Path) -> Format:
    """What a file seems to be: JSON begins with a brace."""
    with path.open("rb") as file:
        return "json" if file.read(64).lstrip()[:1] in (b"{", b"") else "proto"


def content_of(payload: bytes, signal: str) -> Content:
    """Number and time of what a request holds.

    Raises:
        MalformedPayload: Not a request.
    """
    try:
        request: Any = SIGNALS[signal].request.FromString(payload)
    except DecodeError as error:
        raise MalformedPayload("not an export request") from error
    times = list(_TIMES[signal](request))
    return Content(len(times), max(times, default=0))


def _span_times(request: Any) -> Iterator[int]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from (span.end_time_unix_nano for span in scope.spans)


def _point_times(request: Any) -> Iterator[int]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                data = metric.WhichOneof("data")
                if data is not None:
                    yield from (point.time_unix_nano for point in getattr(metric, data).data_points)


def _log_times(request: Any) -> Iterator[int]:
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            yield from (record.time_unix_nano or record.observed_time_unix_nano for record in scope.log_records)


_TIMES = {"traces": _span_times, "metrics": _point_times, "logs": _log_times}


def _lines(file: IO[bytes]) -> Iterator[Record]:
    while line := file.readline(MAX_RECORD_BYTES):
        if not line.endswith(b"\n") and len(line) == MAX_RECORD_BYTES:
            raise MalformedPayload("a line is longer than 256 MiB", file.tell())
        if not line.strip():
            continue
        key = _FIRST_KEY.match(line)
        if key is None:
            if line.endswith(b"\n"):
                yield Record("", b"", file.tell(), "not an OTLP request")
            continue
        signal = KEYS[key[1]]
        try:
            payload = translate(line, SIGNALS[signal].request).payload
        except MalformedPayload as error:
            if line.endswith(b"\n"):
                yield Record(signal, b"", file.tell(), str(error))
            continue
        yield Record(signal, payload, file.tell())


def _messages(file: IO[bytes], signal: str) -> Iterator[Record]:
    while len(head := file.read(LENGTH_BYTES)) == LENGTH_BYTES:
        length = int.from_bytes(head, "big")
        if length > MAX_RECORD_BYTES:
            raise MalformedPayload("a length is larger than 256 MiB; is this a file of format proto?", file.tell())
        payload = file.read(length)
        if len(payload) < length:
            return
        yield Record(signal, payload, file.tell())
