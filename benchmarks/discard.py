"""The yardsticks of the whole path: servers that read a request and throw it away.

python -m benchmarks.discard grpc 4317      grpcio's synchronous server, messages as raw bytes
python -m benchmarks.discard granian 4318   the cheapest of the known HTTP servers for Python
python -m benchmarks.discard http 4318      Weir's own HTTP server
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from granian.constants import Interfaces
from granian.server.embed import Server as GranianServer

from benchmarks.driver import METHOD
from pipeline.http_server import HttpServer, Request, Response

GRPC_THREADS = 4
MAX_MESSAGE_BYTES = 16 << 20
ACCEPTED = Response(200, b"", "application/x-protobuf")


def serve_grpc(port: int) -> Callable[[], None]:
    """Serve until the returned function is called."""
    service, method = METHOD.strip("/").split("/")
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")  # noqa: ARG005 - signature of a handler
    server = grpc.server(
        ThreadPoolExecutor(GRPC_THREADS),
        handlers=[grpc.method_handlers_generic_handler(service, {method: handler})],
        options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)],
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return lambda: server.stop(1).wait()


def serve_http(port: int) -> Callable[[], None]:
    """Serve until the returned function is called."""

    def discard(request: Request) -> Response:  # noqa: ARG001 - signature of a handler
        return ACCEPTED

    server = HttpServer(f"127.0.0.1:{port}", discard)
    server.start()
    return server.stop


def serve_granian(port: int) -> Callable[[], None]:
    """Serve until the returned function is called."""

    async def discard(scope: object, protocol: Any) -> None:  # noqa: ARG001 - signature of an application
        await protocol()
        protocol.response_empty(200, [])

    loop = asyncio.new_event_loop()
    server = GranianServer(discard, address="127.0.0.1", port=port, interface=Interfaces.RSGI)
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(),))
    thread.start()

    def stop() -> None:
        loop.call_soon_threadsafe(server.stop)
        thread.join()

    return stop


SERVERS = {"grpc": serve_grpc, "granian": serve_granian, "http": serve_http}


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", choices=sorted(SERVERS))
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    stop = SERVERS[arguments.protocol](arguments.port)
    signal.sigwait([signal.SIGTERM])
    stop()


if __name__ == "__main__":
    main()
