"""One connection of the HTTP server: asyncio's side of a ``RequestReader``, with deadlines and answers in order.

Every wait has an absolute deadline, counted in ticks of the loop: a byte now and then does not move it. After a
refusal the connection lingers, discarding what still comes, because closing a socket with unread input destroys the
answer on its way (RFC 9112 section 9.6).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

from pipeline.http_message import Response, encode_head
from pipeline.http_reader import Exchange, RequestReader, Stage

if TYPE_CHECKING:
    from pipeline.http_loop import ServerLoop

SLICE_BYTES = 256 << 10
"""A longer answer is written in slices: asyncio copies what the socket does not take."""


class Connection(asyncio.BufferedProtocol):
    """Everything runs in the thread of the loop."""

    def __init__(self, loop: ServerLoop) -> None:
        self._loop = loop
        self._server = loop.server
        self._transport: asyncio.Transport
        self._reader: RequestReader
        self._handling: Exchange | None = None
        self._blocked = False  # the peer does not read
        self._ended = False  # the peer sends no more
        self._closing = False
        self._rest: deque[memoryview] = deque()  # of the answer under way
        self._send_by = 0  # its deadline, once it got stuck
        self._keep_alive = True  # after it
        self.deadline = 0
        self.since = 0

    # -- asyncio ------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        name = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "local"
        self._reader = RequestReader(self._server.rules, self._loop.buffers, name, self._entered)
        self._wait(self._loop.header_ticks)
        self._loop.register(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Where asyncio receives to."""
        return self._reader.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have arrived."""
        if self._closing:
            return
        self._reader.received(nbytes)
        self._advance()

    def eof_received(self) -> bool:
        """The peer sends no more. Answers under way still go out."""
        self._ended = True
        return self._handling is not None or bool(self._reader.ready)

    def pause_writing(self) -> None:
        """The peer does not take the answer. No more is answered until it does, and it does not get for ever."""
        self._blocked = True
        self._wait(self._loop.send_ticks)
        if self._rest:  # the deadline is that of the whole answer, however often it gets stuck
            self._send_by = self._send_by or self.deadline
            self.deadline = self._send_by

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._blocked = False
        # Not from in here: a transport that is closed by this call and has no more to write says twice that it is lost.
        asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        if self._closing or self._blocked:
            return
        self._wait(self._loop.idle_ticks)
        self._send_rest()
        if not self._rest and not self._closing:
            self._advance()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The socket is gone."""
        self._closing = True
        self._rest.clear()
        self._reader.close()
        self._loop.forget(self)

    # -- what the loop asks for ---------------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """True if the connection could be given up in favour of another one."""
        return self._handling is None and not self._rest and not self._closing

    @property
    def is_idle(self) -> bool:
        """True between requests."""
        return self.waits and self._reader.stage is Stage.IDLE and not self._reader.ready

    def expire(self) -> None:
        """The deadline has passed."""
        if self._closing or self._blocked:
            self._transport.abort()
        elif self._reader.stage is Stage.IDLE:
            self._close()
        else:
            self._reader.fail(408, "the request did not arrive in time")
            self._advance()

    def stop(self) -> None:
        """The server ends: close now if idle, else after the answer."""
        if self.is_idle:
            self._close()

    def abort(self) -> None:
        """Close without ceremony."""
        self._closing = True
        self._transport.abort()

    def handled(self, exchange: Exchange, response: Response) -> None:
        """A worker has the answer."""
        self._handling = None
        self._send(exchange, response)
        self._advance()

    # -- in between ---------------------------------------------------------------------------------------------------

    def _entered(self, stage: Stage) -> None:
        self._wait(self._loop.ticks_of[stage])

    def _wait(self, ticks: int) -> None:
        self.since = self._loop.tick
        self.deadline = self.since + ticks

    def _advance(self) -> None:
        reader = self._reader
        while reader.ready and self._handling is None and not self._blocked and not self._closing:
            self._answer(reader.ready.popleft())
        if self._closing:
            return
        if self._handling is not None or self._blocked:
            self._transport.pause_reading()
        elif self._ended or (self._loop.stopping and reader.stage is Stage.IDLE):
            self._close()
        else:
            if reader.expects_continue:
                reader.expects_continue = False
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._transport.resume_reading()

    def _answer(self, exchange: Exchange) -> None:
        if exchange.answer is not None:
            self._send(exchange, exchange.answer)
        elif self._server.runs_inline(exchange.request):
            self._send(exchange, self._server.respond(exchange.request))
        elif self._loop.submit(self, exchange):
            self._handling = exchange
            self.deadline = self._loop.never
        else:
            self._send(exchange, self._server.rules.refuse(exchange.request, 503, "too many requests are waiting"))

    def _send(self, exchange: Exchange, response: Response) -> None:
        self._reader.release(exchange)
        if self._closing:
            return
        keep_alive = exchange.keep_alive and self._server.keep_alive and not self._loop.stopping
        head_only = exchange.request.method == "HEAD"
        head = encode_head(response, keep_alive=keep_alive, http10=exchange.http10)
        if head_only or not response.size:
            self._transport.write(head)
        elif response.size <= SLICE_BYTES:
            self._transport.write(b"".join((head, response.body, *response.parts)))
        else:
            self._transport.write(head)
            self._rest.extend(map(memoryview, response.parts or (response.body,)))
        self._keep_alive = keep_alive
        self._send_rest()

    def _send_rest(self) -> None:
        """Write the answer under way as far as the peer takes it, and end the exchange with its last byte."""
        while self._rest and not self._blocked:
            part = self._rest.popleft()
            if len(part) > SLICE_BYTES:
                self._rest.appendleft(part[SLICE_BYTES:])
            self._transport.write(part[:SLICE_BYTES])
        if self._rest:
            return
        self._send_by = 0
        if not self._keep_alive:
            self._close(linger=self._reader.broken)
        elif not self._blocked:
            self._wait(self._loop.ticks_of[self._reader.stage])

    def _close(self, *, linger: bool = False) -> None:
        self._closing = True
        self._wait(self._loop.linger_ticks if linger else self._loop.send_ticks)
        if not linger:
            self._transport.close()
        elif self._transport.can_write_eof():
            self._transport.write_eof()
