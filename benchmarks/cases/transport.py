"""The whole path, socket to series: CPU of ``weir run`` beside that of a server which reads and discards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.configurations import red_and_graph
from benchmarks.driver import Driver, driving
from benchmarks.measure import MICRO, Row, Settings, compare, in_turns
from benchmarks.processes import Server, free_port, python, weir

SPANS_PER_TURN = 512 * 1000
SIZES = (512, 50)
LIMITED = 512
"""The limits are for this many spans a request."""


@dataclass(frozen=True)
class Yardstick:
    """A server that discards, by its name in ``benchmarks.discard``, and the limit against it."""

    server: str
    words: str
    limit: float | None


YARDSTICKS = {
    "grpc": (Yardstick("grpc", "grpcio server that reads and discards", 1.9),),
    # The limit was set when granian was to be the server; ours costs a third of it, so the same path is more of it.
    "http": (
        Yardstick("granian", "granian that reads and discards", 3.0),
        Yardstick("http", "Weir's HTTP server that reads and discards", None),
    ),
}


def cpu_per_span(server: Server, driver: Driver, requests: int) -> Callable[[], float]:
    """Return a measurement: send so many requests, and say what the server used per span, in microseconds."""

    def measure() -> float:
        before = server.cpu_seconds()
        driver.send(requests)
        return (server.cpu_seconds() - before) * MICRO / (requests * driver.spans)

    return measure


def group(settings: Settings) -> Iterator[Row]:
    """gRPC and HTTP/protobuf, 512 and 50 spans a request."""
    for protocol, yardsticks in YARDSTICKS.items():
        for spans in SIZES:
            yield from _measure(settings, protocol, yardsticks, spans)


def _measure(settings: Settings, protocol: str, yardsticks: Sequence[Yardstick], spans: int) -> Iterator[Row]:
    requests = settings.amount(SPANS_PER_TURN // spans)
    port, metrics_port = free_port(), free_port()
    name = f"{protocol}-{spans}"
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        servers = {"whole": enter(weir(red_and_graph(protocol, port, metrics_port), port, settings.scratch, name))}
        for yardstick in yardsticks:
            discard_port = free_port()
            command = python("benchmarks.discard", yardstick.server, str(discard_port))
            log = settings.scratch / f"discard-{yardstick.server}-{spans}.log"
            servers[yardstick.server] = enter(Server(command, discard_port, log))
        measured = in_turns(
            settings.server_repetitions,
            {
                name: cpu_per_span(server, enter(driving(protocol, server.port, spans)), requests)
                for name, server in servers.items()
            },
        )
    for yardstick in yardsticks:
        yield compare(
            f"transport/{protocol} to RED metrics and service graph, {spans} spans a request",
            "µs/span",
            measured["whole"],
            measured[yardstick.server],
            against=yardstick.words,
            limit=yardstick.limit if spans == LIMITED else None,
        )
