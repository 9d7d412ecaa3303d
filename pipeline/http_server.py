"""A small HTTP/1.1 server inside our process: asyncio for sockets, httptools for parsing, one thread.

    accept ──▶ ServerLoop (thread) ──▶ Connection ──▶ admit (head) ──▶ handle (body) ──▶ answer
                                                               └─ in a worker, when it takes long

Made for few hosts and many requests: telemetry in, metrics pages and health out. What it guards against, and why it
is not one of the well-known servers, is in docs/decisions/0004.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath

from pipeline.endpoint import listen
from pipeline.http_loop import ServerLoop
from pipeline.http_message import Request, Response
from pipeline.http_reader import Budget, ReaderRules, Stage

__all__ = ["Budget", "HttpServer", "Request", "Response"]

Tls = ssl.SSLContext | Callable[[], ssl.SSLContext]

_LOG = logging.getLogger("weir.http_server")


def _plain_refusal(request: Request, status: int, message: str) -> Response:  # noqa: ARG001
    return Response(status, message.encode() + b"\n")


class HttpServer:
    """Serves one endpoint.

    Args:
        endpoint: ``host:port``; port 0 lets the system choose.
        handle: Answers a complete request. An exception is logged and answered with 500 and a fixed text.
        max_body_bytes: Larger bodies are refused with 413, unread.
        header_timeout_s, body_timeout_s, idle_timeout_s, send_timeout_s: From the first byte of a request to the end
            of its head; of the body; between requests; for a peer to take an answer. Absolute: trickling bytes do
            not extend them.
        threads: Worker threads for ``handle``; 0 runs it in the loop, which costs least and is right for what takes
            milliseconds.
        keep_alive: False closes each connection after one answer.
        tls: A context, or what gives one for each new connection (so that certificates can be replaced).
        admit: Asked when the head is complete: None to read the body, or an answer instead of it. Runs in the loop.
        refuse: Gives the answer for what the server refuses by itself: status and a fixed sentence. Called once per
            refused request, also when nobody hears the answer any more, so it is the place to count.
        inline: With ``threads``, which requests are handled in the loop all the same.
        budget: Bytes of bodies that may be held; 503 beyond it.
        max_connections: Beyond it the connection that has kept us waiting longest is closed in favour of the new one.
        max_pending: Requests that may wait for a worker; 503 beyond it.
        max_header_bytes: Request target and header fields together; 431 beyond it.
        name: For thread names.
    """

    def __init__(
        self,
        endpoint: str,
        handle: Callable[[Request], Response],
        *,
        max_body_bytes: int = 16 << 20,
        header_timeout_s: float = 10.0,
        body_timeout_s: float = 30.0,
        idle_timeout_s: float = 60.0,
        send_timeout_s: float = 30.0,
        threads: int = 0,
        keep_alive: bool = True,
        tls: Tls | None = None,
        admit: Callable[[Request], Response | None] | None = None,
        refuse: Callable[[Request, int, str], Response] = _plain_refusal,
        inline: Callable[[Request], bool] | None = None,
        budget: Budget | None = None,
        max_connections: int = 1024,
        max_pending: int = 256,
        max_header_bytes: int = 16 << 10,
        name: str = "http",
    ) -> None:
        self.endpoint = endpoint
        self.name = name
        self.timeouts = {Stage.HEAD: header_timeout_s, Stage.BODY: body_timeout_s, Stage.IDLE: idle_timeout_s}
        self.send_timeout_s = send_timeout_s
        self.max_pending = max_pending
        self.max_connections = max_connections
        self.rules = ReaderRules(max_body_bytes, max_header_bytes, self._gate, refuse, budget)
        self.keep_alive = keep_alive
        self._handle = handle
        self._admit = admit
        self._inline = inline
        self._tls = tls
        self._threads = threads
        self._loop: ServerLoop | None = None
        self._address: tuple[str, int] | None = None
        self.workers: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Bind and serve.

        Raises:
            ConfigError: The endpoint cannot be used, with the address and what to do about it.
        """
        listener = listen(self.endpoint)
        listener.setblocking(False)
        self._address = listener.getsockname()[:2]
        if self._threads:
            self.workers = ThreadPoolExecutor(self._threads, thread_name_prefix=f"weir-{self.name}-worker")
        self._loop = ServerLoop(self)
        self._loop.start(listener)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that the socket is, or was, bound to."""
        if self._address is None:
            raise RuntimeError("the server has not been started")
        return self._address

    def connections(self) -> int:
        """How many connections are open, as of now."""
        loop = self._loop
        return len(loop.connections) if loop is not None else 0

    def stop(self, grace_s: float = 5.0) -> None:
        """Accept nothing new, answer what has begun for at most ``grace_s``, close everything. Works twice and
        without a start.
        """
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.begin_stop()
            loop.end(grace_s)
        if self.workers is not None:
            self.workers.shutdown(wait=False, cancel_futures=True)
            self.workers = None

    def tls_context(self) -> ssl.SSLContext | None:
        """What a new connection is to be encrypted with."""
        return self._tls() if callable(self._tls) else self._tls

    def runs_inline(self, request: Request) -> bool:
        """True if the loop answers by itself."""
        return self.workers is None or (self._inline is not None and self._inline(request))

    def respond(self, request: Request) -> Response:
        """The answer to a complete request, whatever happens."""
        try:
            return self._handle(request)
        except Exception as error:
            return self._internal_error(request, error)

    def _gate(self, request: Request) -> Response | None:
        try:
            return None if self._admit is None else self._admit(request)
        except Exception as error:
            return self._internal_error(request, error)

    def _internal_error(self, request: Request, error: Exception) -> Response:
        loop = self._loop
        if loop is None or loop.may_log("internal error"):
            _LOG.error("%s: answering failed: %s", self.name, _place(error))
        return self.rules.refuse(request, 500, "internal error")


def _place(error: BaseException) -> str:
    """Type and origin of an error, without its text, which may hold data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" in {PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
    return type(error).__name__ + where
