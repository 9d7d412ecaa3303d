"""HTTP/1.1 requests to one destination, with bounds on everything that the destination controls.

Below is urllib3's connection, not its pool or its ``PoolManager``: those follow redirects and retry by themselves, and
their time-outs are per read, so a destination that answers one byte a second holds a thread for ever. Here a redirect
is an answer like any other (so credentials never follow one), and a watchdog closes the socket when the time of the
whole attempt is over. Connections are kept for the next request; there are never more than requests at a time.

urllib3 was chosen because it is what most of Python's HTTP stands on, is quick to fix its holes, and lets the response
be read in bounded pieces (httpx brings an event-loop abstraction that nothing here needs).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError

from pipeline.exporters.verdict import Verdict, retry

if TYPE_CHECKING:
    from pipeline.api import Clock

MAX_RESPONSE_BYTES = 4 << 20
"""The OTLP specification bounds what a client reads of a response; CVE-2026-39882 and its siblings are about this."""

_POOL = "each of the consumers of the queue keeps a connection of its own"
_BUFFERS = "the operating system chooses its buffers"
CLIENT_KEYS_WITHOUT_EFFECT: Mapping[str, str] = {
    "compression_params": "compression is as fast as it can be, which finds nearly all that there is in telemetry",
    "disable_keep_alives": "connections are kept",
    "force_attempt_http2": "it speaks HTTP/1.1",
    "http2_ping_timeout": "it speaks HTTP/1.1",
    "http2_read_idle_timeout": "it speaks HTTP/1.1",
    "idle_conn_timeout": _POOL,
    "max_conns_per_host": _POOL,
    "max_idle_conns": _POOL,
    "max_idle_conns_per_host": _POOL,
    "proxy_url": "no proxy is asked; the endpoint must be reachable",
    "read_buffer_size": _BUFFERS,
    "write_buffer_size": _BUFFERS,
}
"""Keys of the Collector's HTTP clients that tune what is not here, with the reason."""

PIECE_BYTES = 64 << 10
NO_TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class Answer:
    """A response. ``body`` is at most ``MAX_RESPONSE_BYTES``; ``is_whole`` is False where there was more."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True


class Place(NamedTuple):
    """What a connection leads to."""

    scheme: str
    host: str
    port: int | None


class HttpClient:
    """Sends requests. Safe from any thread.

    Args:
        tls: For ``https`` addresses.
        server_name: Overrides the name in the certificate; "" for the host of the address.
        clock: Time.
    """

    def __init__(self, tls: ssl.SSLContext | None, server_name: str, clock: Clock) -> None:
        self._tls = tls
        self._server_name = server_name
        self._lock = threading.Lock()
        self._idle: dict[Place, list[HTTPConnection]] = {}
        self._is_closed = False
        self._watchdog = Watchdog(clock)
        self._clock = clock

    def send(
        self, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float, method: str = "POST"
    ) -> Answer | Verdict:
        """One attempt: the answer, or why there is none."""
        timeout_s = timeout_s or NO_TIMEOUT_S
        parts = urlsplit(url)
        place = Place(parts.scheme, parts.hostname or "", parts.port)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        end = self._clock.monotonic_nano() + round(timeout_s * 1e9)
        while True:
            connection = self._kept(place)
            is_new = connection is None
            if connection is None:
                connection = self._new(place)
            try:
                answer = self._exchange(connection, method, target, body, headers, end)
            except (HTTPError, OSError, ValueError) as error:
                connection.close()
                if self._clock.monotonic_nano() >= end:
                    return retry("timeout", f"no answer within {timeout_s:g} s")
                # The other side may close a kept connection at any time; only a new one says something about it.
                if is_new or not isinstance(error, (ConnectionError, HTTPError)):
                    return _failure(error, timeout_s)
            else:
                self._keep(place, connection)
                return answer

    def close(self) -> None:
        """Cut what is under way, close what is kept."""
        self._watchdog.close()
        with self._lock:
            self._is_closed = True
            kept = [connection for connections in self._idle.values() for connection in connections]
            self._idle.clear()
        for connection in kept:
            connection.close()

    def _exchange(
        self, connection: HTTPConnection, method: str, target: str, body: bytes, headers: Mapping[str, str], end: int
    ) -> Answer:
        left_s = max((end - self._clock.monotonic_nano()) / 1e9, 0.001)
        connection.timeout = left_s
        if connection.sock is None:
            connection.connect()
        sock = connection.sock
        sock.settimeout(left_s)
        with self._watchdog.watching(sock, end):
            connection.request(method, target, body, headers, preload_content=False, decode_content=False)
            response = connection.getresponse()
            pieces: list[bytes] = []
            size = 0
            while size <= MAX_RESPONSE_BYTES and (piece := response.read(PIECE_BYTES, decode_content=False)):
                pieces.append(piece)
                size += len(piece)
        if self._clock.monotonic_nano() >= end:
            raise TimeoutError  # http.client takes headers that the watchdog has cut off for complete ones
        is_whole = size <= MAX_RESPONSE_BYTES
        if not is_whole or response.headers.get("connection", "").lower() == "close":
            connection.close()
        answer_headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, answer_headers, b"".join(pieces)[:MAX_RESPONSE_BYTES], is_whole)

    def _kept(self, place: Place) -> HTTPConnection | None:
        """A connection from before that the other side has not closed."""
        with self._lock:
            connections = self._idle.get(place, [])
            while connections:
                connection = connections.pop()
                if connection.is_connected:
                    return connection
                connection.close()
        return None

    def _keep(self, place: Place, connection: HTTPConnection) -> None:
        with self._lock:
            if connection.sock is not None and not self._is_closed:
                self._idle.setdefault(place, []).append(connection)
                return
        connection.close()

    def _new(self, place: Place) -> HTTPConnection:
        if place.scheme != "https":
            return HTTPConnection(place.host, place.port)
        name = self._server_name or None
        return HTTPSConnection(
            place.host,
            place.port,
            ssl_context=self._tls,
            server_hostname=name,
            assert_hostname=_assert_hostname(self._tls, name),
        )


def _assert_hostname(tls: ssl.SSLContext | None, name: str | None) -> str | Literal[False] | None:
    return False if tls is not None and not tls.check_hostname else name


class Watchdog:
    """Closes sockets whose time is over. One thread, started with the first socket."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._ends: dict[socket.socket, int] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextlib.contextmanager
    def watching(self, sock: socket.socket, end_nano: int) -> Iterator[None]:
        """Cut the connection if the block lasts beyond ``end_nano``."""
        with self._changed:
            is_earliest = not self._ends or end_nano < min(self._ends.values())
            self._ends[sock] = end_nano
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="weir-http-watchdog", daemon=True)
                self._thread.start()
            elif is_earliest:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._ends.pop(sock, None)

    def close(self) -> None:
        """Cut everything and end the thread."""
        with self._changed:
            self._closed = True
            for sock in self._ends:
                _cut(sock)
            self._changed.notify()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(1.0)

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = self._clock.monotonic_nano()
                for sock in [sock for sock, end in self._ends.items() if end <= now]:
                    _cut(sock)
                    del self._ends[sock]
                next_end = min(self._ends.values(), default=None)
                self._changed.wait(None if next_end is None else (next_end - now) / 1e9)


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _failure(error: Exception, timeout_s: float) -> Verdict:
    """What went wrong before there was an answer. All of it may pass: names come back, certificates are renewed."""
    cause = error.__cause__ or error
    if isinstance(error, NameResolutionError) or isinstance(cause, socket.gaierror):
        return retry("dns", str(cause))
    if isinstance(cause, ssl.SSLError) or isinstance(error, ssl.SSLError):
        return retry("tls", str(error))
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return retry("timeout", f"no answer within {timeout_s:g} s")
    if isinstance(error, ConnectionRefusedError) or "refused" in str(error):
        return retry("refused", str(error))
    return retry("connection", f"{type(error).__name__}: {error}")
