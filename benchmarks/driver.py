"""The load: a child process that sends ready bytes as fast as they are answered.

    python -m benchmarks.driver grpc 127.0.0.1:4317 512

It answers each line ``N`` or ``N R`` on standard input (N requests; with R, at most R requests a second) with a line of
JSON about them.
Clients are as cheap as can be, so that the server is what limits: raw bytes over grpcio, or a plain socket with
requests built beforehand.
"""

from __future__ import annotations

import argparse
import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from benchmarks.processes import python
from benchmarks.workload import payloads

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
CHANNELS = 4
SENDERS = 8

Send = Callable[[int], None]
"""Send the payload of this number and wait for the answer."""


@dataclass(frozen=True)
class Sent:
    """What a driver reports."""

    requests: int
    seconds: float
    p50_s: float
    p99_s: float


class Driver:
    """The load as the measuring process sees it."""

    def __init__(self, protocol: str, port: int, spans: int) -> None:
        self.spans = spans
        self.process = subprocess.Popen(
            python("benchmarks.driver", protocol, f"127.0.0.1:{port}", str(spans)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, requests: int, per_second: float | None = None) -> Sent:
        """Send and wait until all are answered."""
        self.begin(requests, per_second)
        return self.end()

    def begin(self, requests: int, per_second: float | None = None) -> None:
        """Start sending."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{requests} {per_second or 0}\n")
        self.process.stdin.flush()

    def end(self) -> Sent:
        """Wait for what ``begin`` started."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the load driver ended early")
        return Sent(**json.loads(line))

    def close(self) -> None:
        """End the process."""
        self.process.communicate(timeout=30)


@contextmanager
def driving(protocol: str, port: int, spans: int) -> Iterator[Driver]:
    """Run a driver until the block ends."""
    driver = Driver(protocol, port, spans)
    try:
        yield driver
    finally:
        driver.close()


def grpc_senders(address: str, bodies: tuple[bytes, ...]) -> list[Send]:
    """Return senders over gRPC that share a few channels."""
    calls = []
    for number in range(CHANNELS):
        options = [("grpc.use_local_subchannel_pool", 1), ("weir.channel", number)]
        calls.append(grpc.insecure_channel(address, options).unary_unary(METHOD))

    def sender(number: int) -> Send:
        call = calls[number % CHANNELS]
        return lambda index: call(bodies[index % len(bodies)], timeout=60)

    return [sender(number) for number in range(SENDERS)]


def http_senders(address: str, bodies: tuple[bytes, ...]) -> list[Send]:
    """Return senders over HTTP, each with a connection of its own that is kept."""
    host, port = address.rsplit(":", 1)
    head = "POST /v1/traces HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n"
    requests = [head.format(address, len(body)).encode() + body for body in bodies]

    def sender() -> Send:
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def send(index: int) -> None:
            connection.sendall(requests[index % len(requests)])
            _read_answer(connection)

        return send

    return [sender() for _ in range(CHANNELS)]


def _read_answer(connection: socket.socket) -> None:
    answer = b""
    while b"\r\n\r\n" not in answer:
        received = connection.recv(65536)
        if not received:
            raise ConnectionError("the server closed the connection")
        answer += received
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.decode().lower().split("\r\n")
    if " 200" not in status:
        raise ConnectionError(f"the server answered {status}")
    length = next((int(line.split(":")[1]) for line in headers if line.startswith("content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)


SENDERS_OF = {"grpc": grpc_senders, "http": http_senders}


def _run(senders: list[Send], requests: int, per_second: float) -> Sent:
    numbers = itertools.count()
    lock = threading.Lock()
    begin = time.perf_counter()

    def work(send: Send) -> list[float]:
        latencies: list[float] = []
        while True:
            with lock:
                number = next(numbers)
            if number >= requests:
                return latencies
            if per_second:
                time.sleep(max(begin + number / per_second - time.perf_counter(), 0))
            sent_at = time.perf_counter()
            send(number)
            latencies.append(time.perf_counter() - sent_at)

    with ThreadPoolExecutor(len(senders)) as pool:
        latencies = sorted(itertools.chain.from_iterable(pool.map(work, senders)))
    seconds = time.perf_counter() - begin
    return Sent(requests, seconds, latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)])


def main() -> None:
    """Serve commands until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", choices=sorted(SENDERS_OF))
    parser.add_argument("address")
    parser.add_argument("spans", type=int)
    arguments = parser.parse_args()
    senders = SENDERS_OF[arguments.protocol](arguments.address, payloads(arguments.spans))
    for line in sys.stdin:
        requests, per_second = line.split()
        print(json.dumps(vars(_run(senders, int(requests), float(per_second)))), flush=True)


if __name__ == "__main__":
    main()
