"""OTLP over gRPC: grpcio's synchronous server with handlers that take the bytes of a message as they are.

All methods are registered as taking a stream of requests, though each takes one: only so does the handler run before
the message has arrived, which is what lets ``GrpcWorkers`` put a deadline on it. On the wire there is no difference.
"""

from __future__ import annotations

import contextlib
import math
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from google.rpc.code_pb2 import Code
from grpc_health.v1 import health, health_pb2
from grpc_status import rpc_status

from pipeline.authentication import ServerAuthenticator
from pipeline.codec.compression import decompress
from pipeline.endpoint import listen, split_endpoint, unusable
from pipeline.errors import MalformedPayload
from pipeline.receivers.answers import Answer, status_of
from pipeline.receivers.delivery import NO_SIGNAL, Delivery
from pipeline.receivers.grpc_workers import GrpcWorkers
from pipeline.receivers.otlp_config import GrpcConfig
from pipeline.receivers.signals import SIGNALS, Signal
from pipeline.tls import ServerTls

TRANSPORT = "grpc"
HANDSHAKE_TIMEOUT_MS = 20_000
MAX_RESPONSE_BYTES = 4 << 20
GZIP_MAGIC = b"\x1f\x8b"
ZLIB_FIRST_BYTE = b"\x78"
_ZERO_HAS_MEANING = {"grpc.so_reuseport", "grpc.per_message_decompression", "grpc.keepalive_permit_without_calls"}


class OtlpGrpc:
    """The gRPC side of a receiver.

    Args:
        config: Address and limits.
        delivery: Where requests go.
        tls: Certificates, loaded; None for plain text.
        authenticator: Judges calls; None: all may send. Health is open to all.
    """

    def __init__(
        self,
        config: GrpcConfig,
        delivery: Delivery,
        tls: ServerTls | None = None,
        authenticator: ServerAuthenticator | None = None,
    ) -> None:
        self._config = config
        self._authenticator = authenticator
        self._delivery = delivery
        self._tls = tls
        self._workers = GrpcWorkers(config.receive_timeout or math.inf)
        self._health = health.HealthServicer()
        self._watchers: set[Any] = set()
        self._server: grpc.Server | None = None
        self.address: tuple[str, int] = ("", 0)

    def start(self) -> None:
        """Bind and serve.

        Raises:
            ConfigError: The endpoint cannot be used, with the address and what to do about it.
        """
        server = grpc.server(self._workers, handlers=[_Methods(self)], options=_options(self._config))
        host, _ = split_endpoint(self._config.endpoint)
        self.address = (host, self._bind(server))
        self._workers.start()
        self._report_serving()
        server.start()
        self._server = server

    def drain(self, timeout_s: float) -> None:
        """Accept no further calls, wait for those under way, cancel them after ``timeout_s``."""
        server, self._server = self._server, None
        if server is None:
            return
        self._health.enter_graceful_shutdown()
        stopped = server.stop(timeout_s)
        for watcher in list(self._watchers):
            watcher.cancel()  # a watch never ends by itself
        stopped.wait()
        self._workers.shutdown()

    def export(self, signal: Signal, requests: Any, context: Any) -> bytes:
        """Answer one call."""
        if self._authenticator is not None and (reason := self._authenticator.refusal(_headers(context))):
            _abort(context, self._delivery.refuse_status(401, reason, signal.name, TRANSPORT))
        payload = self._receive(requests, context, signal.name)
        if payload is None:
            return b""
        try:
            message = _decompressed(payload, self._config.max_message_bytes)
            outcome = self._delivery.deliver(signal.name, message, TRANSPORT)
        except Exception as error:
            answer = self._delivery.refuse_error(error, signal.name, TRANSPORT)
        else:
            if not outcome.rejected and not outcome.message:
                return b""
            return signal.success(outcome.rejected, outcome.message).SerializeToString()
        return _abort(context, answer)

    def check_health(self, requests: Any, context: Any) -> bytes:
        """``grpc.health.v1.Health/Check``."""
        request = self._health_request(requests, context)
        return self._health.Check(request, context).SerializeToString() if request is not None else b""

    def watch_health(self, requests: Any, context: Any, send_response_callback: Callable[[Any], None]) -> None:
        """``grpc.health.v1.Health/Watch``, without a thread for each watcher."""
        request = self._health_request(requests, context)
        if request is None:
            return
        if context.add_callback(lambda: self._watchers.discard(context)):
            self._watchers.add(context)
            self._health.Watch(request, context, send_response_callback)

    # This is how grpcio is told to call with ``send_response_callback``; its own health servicer does the same.
    watch_health.experimental_non_blocking = True  # type: ignore[attr-defined]

    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        """All methods that are there, by path."""
        export = {
            signal.method: grpc.stream_unary_rpc_method_handler(partial(self.export, signal))
            for signal in SIGNALS.values()
            if signal.name in self._delivery.intakes
        }
        to_bytes = health_pb2.HealthCheckResponse.SerializeToString
        return {
            **export,
            f"/{health.SERVICE_NAME}/Check": grpc.stream_unary_rpc_method_handler(self.check_health),
            f"/{health.SERVICE_NAME}/Watch": grpc.stream_stream_rpc_method_handler(self.watch_health, None, to_bytes),
        }

    def refuse_method(self, method: str) -> None:
        """Note a call of a method that is not there; grpcio answers UNIMPLEMENTED by itself."""
        signal = next((signal.name for signal in SIGNALS.values() if signal.method == method), NO_SIGNAL)
        self._delivery.refuse_status(404, "no such method, or no pipeline for its signal", signal, TRANSPORT)

    def _receive(self, requests: Any, context: Any, signal: str) -> bytes | None:
        try:
            payload = self._workers.receive(requests, context)
        except TimeoutError:
            self._delivery.refuse_status(408, "the message did not arrive in time", signal, TRANSPORT)
            return None
        except ConnectionAbortedError:
            self._delivery.refuse_status(499, "the call ended before its message had arrived", signal, TRANSPORT)
            return None
        if payload is None:
            # Also how grpcio reports a message above the limit, at times; then gRPC has answered already.
            answer = self._delivery.refuse_status(499, "the call ended without a message", signal, TRANSPORT)
            _abort(context, replace(answer, code=Code.UNIMPLEMENTED))
        return payload

    def _health_request(self, requests: Any, context: Any) -> health_pb2.HealthCheckRequest | None:
        try:
            return health_pb2.HealthCheckRequest.FromString(self._workers.receive(requests, context) or b"")
        except (TimeoutError, ConnectionAbortedError):
            return None
        except DecodeError:
            _abort(context, Answer("malformed", Code.INVALID_ARGUMENT, 400, "malformed message"))

    def _bind(self, server: grpc.Server) -> int:
        config = self._config
        host, port = split_endpoint(config.endpoint)
        if port:
            listen(config.endpoint).close()  # grpcio says only that it failed, and says it on stderr too
        address = config.endpoint if host else f"{'[::]' if socket.has_dualstack_ipv6() else '0.0.0.0'}:{port}"  # noqa: S104
        try:
            if self._tls is None:
                return int(server.add_insecure_port(address))
            return int(server.add_secure_port(address, self._tls.grpc_credentials()))
        except RuntimeError as error:
            raise unusable(config.endpoint, error) from None

    def _report_serving(self) -> None:
        for service in ("", *(SIGNALS[name].service for name in self._delivery.intakes)):
            self._health.set(service, health_pb2.HealthCheckResponse.SERVING)


class _Methods(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """Finds the handler of a call. Runs in the thread that polls, so it must not wait for anything."""

    def __init__(self, server: OtlpGrpc) -> None:
        self._server = server
        self._handlers = server.handlers()

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler | None:
        """The handler, or None for UNIMPLEMENTED."""
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None:
            self._server.refuse_method(method)
        return handler


def _decompressed(message: bytes, limit_bytes: int) -> bytes:
    """What a message holds, if it is compressed; gRPC has checked that the encoding is known but not said which it is.

    No OTLP message begins like gzip: wire type 7 does not exist. The two bytes of zlib could be an unknown field, so if
    the rest does not fit, they are.
    """
    if message.startswith(GZIP_MAGIC):
        return decompress(message, "gzip", limit_bytes)
    if message.startswith(ZLIB_FIRST_BYTE) and int.from_bytes(message[:2], "big") % 31 == 0:
        with contextlib.suppress(MalformedPayload):
            return decompress(message, "deflate", limit_bytes)
    return message


def _headers(context: Any) -> dict[str, str]:
    """The metadata of a call that are text."""
    return {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}


def _abort(context: Any, answer: Answer) -> NoReturn:
    context.abort_with_status(rpc_status.to_status(status_of(answer)))
    raise AssertionError("abort_with_status returned")


def _options(config: GrpcConfig) -> list[tuple[str, int]]:
    server, client = config.keepalive.server_parameters, config.keepalive.enforcement_policy
    options = {
        "grpc.so_reuseport": 0,  # on by default, and then a second process shares the port without anybody noticing
        "grpc.per_message_decompression": 0,  # our own gunzip takes half the CPU time, and bounds the ratio too
        "grpc.max_receive_message_length": config.max_message_bytes,
        "grpc.max_send_message_length": MAX_RESPONSE_BYTES,
        "grpc.server_handshake_timeout_ms": HANDSHAKE_TIMEOUT_MS,
        "grpc.max_concurrent_streams": config.max_concurrent_streams,
        "grpc.max_connection_idle_ms": _milliseconds(server.max_connection_idle),
        "grpc.max_connection_age_ms": _milliseconds(server.max_connection_age),
        "grpc.max_connection_age_grace_ms": _milliseconds(server.max_connection_age_grace),
        "grpc.keepalive_time_ms": _milliseconds(server.time),
        "grpc.keepalive_timeout_ms": _milliseconds(server.timeout),
        "grpc.http2.ping_timeout_ms": _milliseconds(server.timeout),  # else a minute
        "grpc.http2.min_recv_ping_interval_without_data_ms": _milliseconds(client.min_time),
        "grpc.keepalive_permit_without_calls": int(client.permit_without_stream),
    }
    # 0 means "no limit" in the configuration and "at once" to gRPC.
    return [(key, value) for key, value in options.items() if value or key in _ZERO_HAS_MEANING]


def _milliseconds(seconds: float) -> int:
    return min(round(seconds * 1000), (1 << 31) - 1)
