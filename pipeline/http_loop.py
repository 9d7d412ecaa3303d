"""The thread of the HTTP server: its event loop, the connections that live in it, and the clock that their deadlines
are counted in.

Deadlines are whole ticks, and one sweep per tick looks at all connections. That keeps timers off the path of a
request: asyncio's would cost more there than parsing the head.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from pipeline.http_connection import Connection
from pipeline.http_message import Response
from pipeline.http_reader import Buffers, Exchange, Stage

if TYPE_CHECKING:
    from pipeline.http_server import HttpServer

MIN_TICK_S, MAX_TICK_S = 0.01, 0.5
TICKS_PER_TIMEOUT = 20
LINGER_S = 2.0
ACCEPT_PAUSE_S = 0.5
ACCEPT_BATCH = 64
LOG_INTERVAL_S = 10.0
# What accept() reports about a connection that died in the queue; everything else means that we have run out of
# something.
_PEER_IS_GONE = {errno.ECONNABORTED, errno.EPROTO, errno.EINTR}
_LOG = logging.getLogger("weir.http_server")


class ServerLoop:
    """Receives, in its own thread. Only the methods marked so may be called from others."""

    def __init__(self, server: HttpServer) -> None:
        self.server = server
        self.buffers = Buffers()
        self.connections: set[Connection] = set()
        self.stopping = False
        self.tick = 0
        self.never = 1 << 62
        timeouts = server.timeouts
        shortest = min(*timeouts.values(), server.send_timeout_s)
        self._tick_s = min(MAX_TICK_S, max(MIN_TICK_S, shortest / TICKS_PER_TIMEOUT))
        self.ticks_of = {stage: self._ticks(seconds) for stage, seconds in timeouts.items()}
        self.header_ticks = self.ticks_of[Stage.HEAD]
        self.idle_ticks = self.ticks_of[Stage.IDLE]
        self.send_ticks = self._ticks(server.send_timeout_s)
        self.linger_ticks = self._ticks(LINGER_S)
        self._pending = 0
        self._logged: dict[str, int] = {}
        self._listener: socket.socket | None = None
        self._openings: set[asyncio.Task[None]] = set()
        self._empty = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._on_error)
        self._thread = threading.Thread(target=self._run, name=f"weir-{server.name}", daemon=True)

    # -- from the thread that owns the server -------------------------------------------------------------------------

    def start(self, listener: socket.socket) -> None:
        """Begin, and accept from ``listener``. From any thread."""
        self._listener = listener
        self._thread.start()

    def begin_stop(self) -> None:
        """Accept nothing new, close what is idle. From any thread."""
        self._loop.call_soon_threadsafe(self._begin_stop)

    def end(self, grace_s: float) -> None:
        """Wait until the last connection is closed or the time is up, then end the thread. From any thread."""
        if not self._empty.wait(max(0.0, grace_s)):
            self._loop.call_soon_threadsafe(self._abort_all)
            self._empty.wait(LINGER_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def may_log(self, reason: str) -> bool:
        """True once per reason per ten seconds. From any thread."""
        last = self._logged.get(reason)
        if last is not None and (self.tick - last) * self._tick_s < LOG_INTERVAL_S:
            return False
        self._logged[reason] = self.tick
        return True

    # -- from connections ---------------------------------------------------------------------------------------------

    def register(self, connection: Connection) -> None:
        """The connection is open."""
        if len(self.connections) >= self.server.max_connections:
            self._evict()
        self.connections.add(connection)

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""
        self.connections.discard(connection)
        if self.stopping and not self.connections:
            self._empty.set()

    def submit(self, connection: Connection, exchange: Exchange) -> bool:
        """Have a worker answer; False if too many requests wait already."""
        workers = self.server.workers
        if workers is None or self._pending >= self.server.max_pending:
            return False
        self._pending += 1

        def done(future: Future[Response]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits for the answer
                self._loop.call_soon_threadsafe(self._handled, connection, exchange, future)

        workers.submit(self.server.respond, exchange.request).add_done_callback(done)
        return True

    # -- in the thread of the loop ------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._resume_accepting()
        self._loop.call_later(self._tick_s, self._sweep)
        try:
            self._loop.run_forever()
        finally:
            for opening in self._openings:
                opening.cancel()
            self._loop.run_until_complete(asyncio.gather(*self._openings, return_exceptions=True))
            self._loop.close()

    def _ticks(self, seconds: float) -> int:
        return max(1, round(seconds / self._tick_s)) if math.isfinite(seconds) else self.never

    def _sweep(self) -> None:
        self.tick += 1
        for connection in [each for each in self.connections if each.deadline <= self.tick]:
            connection.expire()
        self._loop.call_later(self._tick_s, self._sweep)

    def _handled(self, connection: Connection, exchange: Exchange, future: Future[Response]) -> None:
        self._pending -= 1
        if not future.cancelled():
            connection.handled(exchange, future.result())

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _PEER_IS_GONE:
                    self._pause_accepting(listener, error)
                    return
                continue
            self._adopt(sock)

    def _pause_accepting(self, listener: socket.socket, error: OSError) -> None:
        """Out of file descriptors or memory: accepting again at once would only burn CPU."""
        if self.may_log("accept"):
            _LOG.error("%s: cannot accept connections for now: %s", self.server.name, error.strerror)
        self._evict()
        self._loop.remove_reader(listener)
        self._loop.call_later(ACCEPT_PAUSE_S, self._resume_accepting)

    def _resume_accepting(self) -> None:
        if self._listener is not None:
            self._loop.add_reader(self._listener, self._accept, self._listener)

    def _adopt(self, sock: socket.socket) -> None:
        if self.stopping or len(self._openings) >= max(ACCEPT_BATCH, self.server.max_connections):
            sock.close()
            return
        opening = self._loop.create_task(self._open(sock))
        self._openings.add(opening)
        opening.add_done_callback(self._openings.discard)

    async def _open(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        try:
            tls = self.server.tls_context()
            await self._loop.connect_accepted_socket(
                lambda: Connection(self),
                sock,
                ssl=tls,
                ssl_handshake_timeout=self.server.timeouts[Stage.HEAD] if tls else None,
            )
        except OSError:  # also TimeoutError: a failed handshake is the peer's problem
            sock.close()

    def _evict(self) -> None:
        """Close the connection that has kept us waiting longest: one inside a request, or else an idle one."""
        waiting = [each for each in self.connections if each.waits]
        if not waiting:
            return
        min(waiting, key=lambda each: (each.is_idle, each.since)).abort()
        if self.may_log("evict"):
            _LOG.warning("%s: too many connections, closing those that wait longest", self.server.name)

    def _begin_stop(self) -> None:
        self.stopping = True
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for connection in list(self.connections):
            connection.stop()
        if not self.connections:
            self._empty.set()

    def _abort_all(self) -> None:
        for connection in list(self.connections):
            connection.abort()

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG002
        error = context.get("exception")
        if self.may_log("loop"):
            _LOG.error("%s: %s: %s", self.server.name, context.get("message"), type(error).__name__)
