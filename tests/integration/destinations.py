"""OTLP destinations that misbehave by script, and keep the ids of the items that they acknowledged.

The oracle is set algebra: ids that were handed to the exporter, against ids that a destination acknowledged.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial as partial_of
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pipeline.receivers.signals import SIGNALS
from tests.oracles.otlp_requests import items_of


@dataclass
class Reply:
    """What to answer one request with; ``keeps``: whether its items count as acknowledged."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    keeps: bool = False
    act: Callable[[Any], None] | None = None
    """Instead of answering: gets the HTTP handler."""


OK = Reply(keeps=True)


def ids(payload: bytes, signal: str = "traces") -> list[str]:
    """What tells the items of a request from each other: span ids; times of points and log records, as hex."""
    request = SIGNALS[signal].request.FromString(payload)
    items = [holder[index] for holder, index in items_of(signal, request)]
    return [item.span_id.hex() if signal == "traces" else f"{item.time_unix_nano:016x}" for item in items]


class Ledger:
    """What a destination saw and acknowledged."""

    def __init__(self, script: list[Any]) -> None:
        self.script = script
        self.acknowledged: Counter[str] = Counter()
        self.requests: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.is_closed = False

    def close(self) -> None:
        """What comes on connections that are still open finds nobody."""
        with self.lock:
            self.is_closed = True

    def next(self, payload: bytes, **about: Any) -> Any:
        with self.lock:
            if self.is_closed:
                return Reply(act=void)
            self.requests.append({"payload": payload, **about})
            return self.script.pop(0) if self.script else OK

    def acknowledge(self, payload: bytes, signal: str) -> None:
        """Where the payload is OTLP at all."""
        with self.lock, contextlib.suppress(DecodeError, KeyError):
            self.acknowledged.update(ids(payload, signal))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        ledger: Ledger = self.server.ledger
        reply: Reply = ledger.next(body, path=self.path, headers=headers)
        if reply.act is not None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                reply.act(self)
            return
        if reply.keeps:
            ledger.acknowledge(body, self.path.rpartition("/")[2])
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def http_destination(*script: Reply, port: int = 0) -> Iterator[tuple[str, Ledger]]:
    """A server that answers by script, then takes everything. Gives its address."""
    server = _Server(("127.0.0.1", port), _Handler)
    ledger = Ledger(list(script))
    server.ledger = ledger  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", ledger
    finally:
        ledger.close()
        server.shutdown()
        server.server_close()
        thread.join(10)


def reset(handler: Any) -> None:
    """Half an answer, then a reset."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def endless(handler: Any) -> None:
    """An answer of 1 GiB."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
    piece = bytes(1 << 20)
    for _ in range(1024):
        handler.wfile.write(piece)


def dripping(stop: threading.Event) -> Callable[[Any], None]:
    """An answer of which a byte comes every 50 ms, for ever."""

    def act(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        while not stop.wait(0.05):
            handler.wfile.write(b"a")

    return act


def silent(stop: threading.Event) -> Callable[[Any], None]:
    """No answer at all."""
    return lambda handler: void(stop.wait(60))


def void(_: object) -> None:
    pass


@dataclass
class Failure:
    """A gRPC status; ``details``: the bytes of ``grpc-status-details-bin``."""

    code: grpc.StatusCode
    text: str = ""
    details: bytes | None = None


def busy(seconds: float, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> Failure:
    """A status with RetryInfo."""
    status = Status(code=code.value[0])
    info = RetryInfo()
    info.retry_delay.FromNanoseconds(int(seconds * 1e9))
    status.details.add().Pack(info)
    return Failure(code, "busy", status.SerializeToString())


def partial(rejected: int, message: str) -> bytes:
    """A response with a partial success: the same bytes for all signals."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    return response.SerializeToString()


@contextlib.contextmanager
def grpc_destination(*script: Failure | bytes, port: int = 0, **options: int) -> Iterator[tuple[str, Ledger]]:
    """The same over gRPC: a failure, or the bytes of a response; then success."""
    ledger = Ledger(list(script))

    def export(signal: str, payload: bytes, context: grpc.ServicerContext) -> bytes:
        reply = ledger.next(payload, headers=dict(context.invocation_metadata()))
        if isinstance(reply, Failure):
            if reply.details is not None:
                context.set_trailing_metadata((("grpc-status-details-bin", reply.details),))
            context.abort(reply.code, reply.text)
        ledger.acknowledge(payload, signal)
        return reply if isinstance(reply, bytes) else b""

    pool = ThreadPoolExecutor(8)
    server = grpc.server(pool, options=[("grpc.so_reuseport", 0), *((f"grpc.{k}", v) for k, v in options.items())])
    for signal in SIGNALS.values():
        handlers = {"Export": grpc.unary_unary_rpc_method_handler(partial_of(export, signal.name))}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(signal.service, handlers),))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{bound}", ledger
    finally:
        server.stop(0).wait(10)
        pool.shutdown()
