"""HTTP/2 frames by hand, for calls that no client library would make.

Header blocks use literals without indexing and without Huffman coding (RFC 7541 section 6.2.2), which every peer must
read. Answers are read as frames only; what they mean is asked of the server's own counters.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass
from types import TracebackType

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
WAIT_S = 20.0


@dataclass(frozen=True)
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def ends_stream(self) -> bool:
        return self.kind in {RST_STREAM, GOAWAY} or (self.kind in {HEADERS, DATA} and bool(self.flags & END_STREAM))


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header_block(fields: list[tuple[str, str]]) -> bytes:
    block = b""
    for name, value in fields:
        block += b"\x00" + _string(name) + _string(value)
    return block


def _string(text: str) -> bytes:
    data = text.encode("latin-1")
    if len(data) < 127:
        return bytes([len(data)]) + data
    length, rest = bytearray([127]), len(data) - 127
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*length, rest]) + data


def call_fields(path: str = EXPORT, **changed: str | None) -> list[tuple[str, str]]:
    """The header of a call; ``changed`` replaces fields (``_`` for ``-``), None removes them."""
    fields: dict[str, str | None] = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    fields.update({name.replace("_", "-"): value for name, value in changed.items()})
    return [(name, value) for name, value in fields.items() if value is not None]


def message(payload: bytes, compressed: int = 0, length: int | None = None) -> bytes:
    """A message with its five bytes in front, which may lie."""
    return struct.pack(">BI", compressed, len(payload) if length is None else length) + payload


class RawGrpc:
    """One HTTP/2 connection, past the exchange of settings."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=WAIT_S)
        self._input = self.socket.makefile("rb")
        self.send(PREFACE + frame(SETTINGS, 0, 0))

    def __enter__(self) -> RawGrpc:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._input.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def call(self, fields: list[tuple[str, str]], body: bytes | None, stream: int = 1) -> None:
        """Begin a call; a body ends it, None leaves it open."""
        self.send(frame(HEADERS, END_HEADERS, stream, header_block(fields)))
        if body is not None:
            self.send(frame(DATA, END_STREAM, stream, body))

    def read(self) -> Frame | None:
        """The next frame; None when the connection is closed."""
        try:
            head = self._input.read(9)
            if len(head) < 9:
                return None
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            return Frame(kind, flags, stream, self._input.read(int.from_bytes(head[:3], "big")))
        except ConnectionResetError:
            return None

    def read_end(self) -> Frame | None:
        """Wait until the server ends a stream or the connection."""
        while (found := self.read()) is not None and not found.ends_stream:
            if found.kind == SETTINGS and not found.flags & ACK:
                self.send(frame(SETTINGS, ACK, 0))
        return found
