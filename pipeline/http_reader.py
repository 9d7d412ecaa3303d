"""HTTP/1.1 requests out of bytes, without a socket: httptools parses, this file sets the limits and keeps memory in
bounds.

    IDLE ──first byte──▶ HEAD ──head complete──▶ BODY ──body complete──▶ IDLE, and one more exchange in ``ready``
                          └───────── refused ──────┘──▶ an exchange that has its answer already, and ``broken``

Most of the cost of a large request is copying. A body of known length is therefore received straight into a buffer
of its own, behind the parser's back; only its beginning, which came with the head, passes through the parser.
Buffers are kept and used again: fresh memory for each request cost twice as much as everything else together
(docs/decisions/0004).
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import httptools

from pipeline.http_message import Request, Response

MAX_HEADER_FIELDS = 100
# nginx's number; the answer is never sent, but the refusal is counted.
CLIENT_CLOSED_REQUEST = 499
# A refused body up to this size is read and thrown away, which keeps the connection; a larger one costs the connection.
DISCARD_BYTES = 1 << 20
# A body gets a buffer of its full length once this much has arrived: who announces much and sends little holds little.
DIRECT_BYTES = 16 << 10
SCRATCH_BYTES = 64 << 10
POOLED_BYTES = 1 << 20
POOL_BYTES = 4 << 20


class Stage(enum.Enum):
    """What a reader waits for."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


class Budget(Protocol):
    """Bytes of bodies that may be held at once."""

    def reserve(self, n: int) -> bool:
        """Take ``n`` more, or refuse."""

    def release(self, n: int) -> None:
        """Give ``n`` back."""


class Buffers:
    """Memory of one thread for bodies being received. Not safe for several threads."""

    def __init__(self) -> None:
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._free: dict[int, list[bytearray]] = {}
        self._free_bytes = 0

    def take(self, length: int) -> memoryview:
        """A buffer of ``length`` bytes with any content."""
        size = 1 << (length - 1).bit_length()
        free = self._free.get(size)
        if free:
            self._free_bytes -= size
            return memoryview(free.pop())[:length]
        return memoryview(bytearray(size if size <= POOLED_BYTES else length))[:length]

    def give(self, view: memoryview) -> None:
        """Take a buffer back that nobody reads any more."""
        buffer = view.obj
        view.release()
        if not isinstance(buffer, bytearray):
            return
        size = len(buffer)
        if size <= POOLED_BYTES and self._free_bytes + size <= POOL_BYTES:
            self._free_bytes += size
            self._free.setdefault(size, []).append(buffer)


@dataclass(frozen=True)
class ReaderRules:
    """What all readers of a server have in common.

    Attributes:
        max_body_bytes: Bytes of a body as sent.
        max_header_bytes: Request target and header fields together.
        gate: Asked when a head is complete; an answer refuses the body.
        refuse: Gives the answer when the reader itself refuses a request: status and a fixed sentence.
        budget: Counts the bytes that are held.
    """

    max_body_bytes: int
    max_header_bytes: int
    gate: Callable[[Request], Response | None]
    refuse: Callable[[Request, int, str], Response]
    budget: Budget | None


class Exchange:
    """A request, and what is known about answering it."""

    __slots__ = ("answer", "http10", "keep_alive", "request", "reserved")

    def __init__(self, request: Request, keep_alive: bool = False, http10: bool = False) -> None:
        self.request = request
        self.keep_alive = keep_alive
        self.http10 = http10
        self.answer: Response | None = None  # already decided; the body was not kept
        self.reserved = 0  # bytes that the budget knows about


class _StopParsing(Exception):  # noqa: N818 - control flow, no error
    """Raised in the parser's callbacks to stop it."""


class RequestReader:
    """Reads the requests of one connection.

    Attributes:
        stage: What is being waited for.
        ready: Complete requests in the order of arrival. Whoever takes one out calls ``release`` when it is answered.
        broken: The last exchange in ``ready`` ends the connection; what still arrives is of no interest.
        expects_continue: The sender waits for "100 Continue" before it sends the body; reset by whoever sends that.
    """

    def __init__(self, rules: ReaderRules, buffers: Buffers, peer: str, entered: Callable[[Stage], None]) -> None:
        self._rules = rules
        self._buffers = buffers
        self._peer = peer
        self._entered = entered
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self.stage = Stage.IDLE
        self.ready: deque[Exchange] = deque()
        self.broken = False
        self.expects_continue = False
        self._exchange: Exchange | None = None
        self._view: memoryview | None = None
        self._head_bytes = 0
        self._after_upgrade = False
        self._body: bytes | bytearray = b""
        self._begin()

    def get_buffer(self) -> memoryview:
        """Where the next bytes belong."""
        return self._buffers.scratch if self._view is None else self._view[self._position :]

    def received(self, n: int) -> None:
        """``n`` bytes were written to the start of ``get_buffer()``."""
        if self.broken:
            return
        if self._view is None:
            self._parse(self._buffers.scratch[:n])
            return
        self._position += n
        if self._position == len(self._view):
            self._end_direct_body()

    def fail(self, status: int, message: str) -> None:
        """Refuse the request being read, and everything after it."""
        exchange = self._exchange
        self._drop_view()
        if exchange is None:
            exchange = Exchange(Request("", "", "", {}, b"", self._peer))
        exchange.keep_alive = False
        if exchange.answer is None:
            exchange.answer = self._rules.refuse(exchange.request, status, message)
        self.ready.append(exchange)
        self._exchange = None
        self.broken = True

    def release(self, exchange: Exchange) -> None:
        """The exchange is over."""
        if exchange.reserved and self._rules.budget is not None:
            self._rules.budget.release(exchange.reserved)
            exchange.reserved = 0

    def close(self) -> None:
        """Forget everything; a request cut off inside its body is refused, though nobody hears it."""
        if self._exchange is not None and not self.broken:
            self.fail(CLIENT_CLOSED_REQUEST, "the connection was closed inside the body")
        while self.ready:
            self.release(self.ready.popleft())
        self._drop_view()
        self.broken = True
        self._parser = None  # the parser and this object hold each other

    # -- callbacks of httptools ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request line is coming."""
        self._begin()
        self._head_bytes = 0
        self._enter(Stage.HEAD)

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        self._url += url
        if len(self._url) > self._rules.max_header_bytes:
            self._stop(414, "the request target is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field; after the body it is a trailer, which nobody asked for."""
        self._fields += 1
        self._field_bytes += len(name) + len(value) + 4
        if self._fields > MAX_HEADER_FIELDS or self._field_bytes + len(self._url) > self._rules.max_header_bytes:
            self._stop(431, "the header is too large")
        if self._exchange is not None:
            return
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1").strip(" \t")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """The head is complete: decide whether the body is wanted."""
        parser, headers = self._parser, self._headers
        assert parser is not None  # noqa: S101 - it is calling
        path, _, query = _origin_form(self._url.decode("latin-1")).partition("?")
        request = Request(parser.get_method().decode("latin-1"), path, query, headers, b"", self._peer)
        version = parser.get_http_version()
        self._exchange = exchange = Exchange(request, parser.should_keep_alive(), version == "1.0")
        if version not in {"1.0", "1.1"}:
            self._stop(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        coding = headers.get("transfer-encoding")
        if coding is not None and coding.lower() != "chunked":
            self._stop(501, "only the transfer coding chunked is known")
        if request.method == "CONNECT":
            self._stop(405, "this is not a proxy")
        self._chunked = coding is not None
        self._length = int(headers.get("content-length", "0"))
        self._upgrading = parser.should_upgrade()
        self._enter(Stage.BODY)
        expects = "100-continue" in headers.get("expect", "").lower()
        if self._length > self._rules.max_body_bytes:
            self._stop(413, "the body is larger than the limit")
        exchange.answer = self._rules.gate(request)
        if exchange.answer is None:
            self.expects_continue = expects and version == "1.1"
        elif self._chunked or expects or self._length > DISCARD_BYTES:
            self._stop(exchange.answer.status, "")

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self._exchange is None or self._exchange.answer is not None:
            return
        if len(self._body) + len(data) > self._rules.max_body_bytes:
            self._stop(413, "the body is larger than the limit")
        if not self._body:
            self._body = data
            return
        if isinstance(self._body, bytes):
            self._body = bytearray(self._body)
        self._body += data

    def on_message_complete(self) -> None:
        """The request is complete, unless it offers an upgrade: then httptools has skipped the body."""
        if self._exchange is not None and not self._upgrading:
            self._complete(bytes(self._body))

    # -- how bytes become a request -----------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._fields = self._field_bytes = 0
        self._chunked = self._upgrading = False
        self._length = self._position = 0
        self._body = b""

    def _enter(self, stage: Stage) -> None:
        self.stage = stage
        self._entered(stage)

    def _stop(self, status: int, message: str) -> None:
        self.fail(status, message)
        raise _StopParsing

    def _parse(self, data: memoryview) -> None:
        parser, was_head = self._parser, self.stage is Stage.HEAD
        if parser is None:
            return
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            if not self.broken:
                self.fail(400, "malformed HTTP")
            return
        if self.stage is Stage.BODY:
            self._account()
        elif self._after_upgrade:
            self._after_upgrade = False
            self._parser = httptools.HttpRequestParser(self)
        elif was_head and self.stage is Stage.HEAD:
            # The parser keeps an unfinished field to itself, so what it was given is counted too.
            self._head_bytes += len(data)
            if self._head_bytes > self._rules.max_header_bytes:
                self.fail(431, "the header is too large")

    def _ignore_upgrade(self, rest: memoryview) -> None:
        """Stay with HTTP/1.1 when somebody offers to switch, as Java's client does (RFC 9110 section 7.8).

        httptools takes the body for bytes of the other protocol, so a new parser is shown a head without the offer.
        """
        framing = "transfer-encoding: chunked" if self._chunked else f"content-length: {self._length}"
        self._upgrading, self._after_upgrade = False, True
        self._parser = httptools.HttpRequestParser(_BodyCallbacks(self))
        self._parse(memoryview(f"POST / HTTP/1.1\r\n{framing}\r\n\r\n".encode()))
        if rest and not self.broken:
            self._parse(rest)

    def _account(self) -> None:
        exchange = self._exchange
        if exchange is None or exchange.answer is not None:
            return
        received = len(self._body)
        direct = received >= DIRECT_BYTES and not self._chunked
        if not self._reserve(exchange, self._length if direct else received):
            self.fail(503, "too many bytes are being received")
        elif direct:
            self._view = self._buffers.take(self._length)
            self._view[:received] = self._body
            self._position, self._body = received, b""

    def _reserve(self, exchange: Exchange, wanted: int) -> bool:
        budget = self._rules.budget
        if budget is not None and wanted > exchange.reserved:
            if not budget.reserve(wanted - exchange.reserved):
                return False
            exchange.reserved = wanted
        return True

    def _end_direct_body(self) -> None:
        body = bytes(self._view or b"")
        self._drop_view()
        self._parser = httptools.HttpRequestParser(self)  # the old one still waits for the body
        self._complete(body)

    def _drop_view(self) -> None:
        if self._view is not None:
            self._buffers.give(self._view)
            self._view = None

    def _complete(self, body: bytes) -> None:
        exchange = self._exchange
        if exchange is not None:
            exchange.request.body = body
            self.ready.append(exchange)
        self._exchange = None
        self._enter(Stage.IDLE)


class _BodyCallbacks:
    """Lets a second parser report one body and nothing else."""

    def __init__(self, reader: RequestReader) -> None:
        self._reader = reader
        self.on_body = reader.on_body
        self.on_message_complete = reader.on_message_complete

    def on_message_begin(self) -> None:
        """The head that was made up; or a request sent ahead together with the upgrade, which nobody does."""
        if self._reader.stage is not Stage.BODY:
            self._reader.fail(400, "a request was sent ahead of an upgrade")
            raise _StopParsing


def _origin_form(target: str) -> str:
    """Path and query of a request target, which proxies send with scheme and host in front (RFC 9112 section 3.2.2)."""
    if target.startswith("/"):
        return target
    scheme, separator, rest = target.partition("://")
    if separator and scheme.lower() in {"http", "https"}:
        slash = rest.find("/")
        return rest[slash:] if slash >= 0 else "/"
    return target
