"""OTLP in, OTLP out over gRPC: CPU of ``weir run`` beside a grpcio server that discards plus a grpcio client that sends
ready bytes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.configurations import pass_through
from benchmarks.driver import Driver, driving
from benchmarks.measure import MICRO, Row, Settings, compare, in_turns
from benchmarks.processes import Server, cpu_seconds_of, free_port, python, weir

SPANS_PER_TURN = 512 * 1000
SPANS = 512
LIMIT = 2.5
SETTLED_S = 0.1


def settle(server: Server) -> None:
    """Wait until the server does nothing any more: what is queued has been sent."""
    last = -1.0
    while (now := server.cpu_seconds()) - last > SETTLED_S / 20:
        last = now
        time.sleep(SETTLED_S)


def forwarded(weir_server: Server, sink: Server, driver: Driver, requests: int) -> Callable[[], float]:
    """Return a measurement: what Weir used per span, in microseconds, until the last span was handed on."""

    def measure() -> float:
        before = weir_server.cpu_seconds()
        driver.send(requests)
        settle(sink)
        return (weir_server.cpu_seconds() - before) * MICRO / (requests * driver.spans)

    return measure


def discarded(server: Server, driver: Driver, requests: int) -> Callable[[], float]:
    """Return a measurement: what server and client used together."""

    def used() -> float:
        return server.cpu_seconds() + cpu_seconds_of(driver.process.pid)

    def measure() -> float:
        before = used()
        driver.send(requests)
        return (used() - before) * MICRO / (requests * driver.spans)

    return measure


def group(settings: Settings) -> Iterator[Row]:
    """512 spans a request, not compressed."""
    requests = settings.amount(SPANS_PER_TURN // SPANS)
    port, sink_port, discard_port = free_port(), free_port(), free_port()
    scratch: Path = settings.scratch
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        sink = enter(Server(python("benchmarks.discard", "grpc", str(sink_port)), sink_port, scratch / "sink.log"))
        discard = enter(
            Server(python("benchmarks.discard", "grpc", str(discard_port)), discard_port, scratch / "discard.log")
        )
        whole = enter(weir(pass_through(port, sink_port), port, scratch, "pass-through"))
        measured = in_turns(
            settings.server_repetitions,
            {
                "weir": forwarded(whole, sink, enter(driving("grpc", port, SPANS)), requests),
                "yardstick": discarded(discard, enter(driving("grpc", discard_port, SPANS)), requests),
            },
        )
    yield compare(
        f"pass-through/gRPC to gRPC, {SPANS} spans a request",
        "µs/span",
        measured["weir"],
        measured["yardstick"],
        against="grpcio server that discards + grpcio client that sends ready bytes",
        limit=LIMIT,
    )
