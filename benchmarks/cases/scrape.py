"""Does a scrape hold up ingestion? Latency of requests while 50 000 counters and 5 000 histograms are read each second,
and without.
"""

from __future__ import annotations

import contextlib
import threading
import urllib.request
from collections.abc import Callable, Iterator

import grpc

from benchmarks.configurations import many_series
from benchmarks.driver import METHOD, Driver, driving
from benchmarks.measure import Row, Settings, compare, in_turns
from benchmarks.processes import Server, free_port, weir
from benchmarks.workload import one_span_each

LIMIT = 2.0
COUNTERS, HISTOGRAMS = 50_000, 5_000
SPANS_PER_REQUEST = 1_000
SPANS = 50
REQUESTS_PER_TURN = 4_000
REQUESTS_PER_S = 400.0
"""Well below what the pipeline can take, so that latency is not queueing for itself."""
SCRAPE_EVERY_S = 1.0
MILLI = 1e3


def group(settings: Settings) -> Iterator[Row]:
    """The 99th percentile that clients see, with a scrape each second and without."""
    port, metrics_port = free_port(), free_port()
    counters, histograms = settings.amount(COUNTERS), settings.amount(HISTOGRAMS)
    configuration = many_series("grpc", port, metrics_port)
    with (
        weir(configuration, port, settings.scratch, "scrape") as server,
        driving("grpc", port, SPANS) as load,
    ):
        _make_series(port, counters, histograms)
        requests = settings.amount(REQUESTS_PER_TURN)
        measured = in_turns(
            settings.server_repetitions,
            {
                "scraped": lambda: _while_scraped(server, metrics_port, lambda: _p99(load, requests)),
                "alone": lambda: _p99(load, requests),
            },
        )
    yield compare(
        f"scrape/p99 of requests of {SPANS} spans while {counters:,} counters and {histograms:,} histograms are read",
        "ms",
        measured["scraped"],
        measured["alone"],
        against="p99 without scrapes",
        limit=LIMIT,
    )


def _make_series(port: int, counters: int, histograms: int) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        export = channel.unary_unary(METHOD)
        for begin in range(0, counters, SPANS_PER_REQUEST):
            orders = range(begin, min(begin + SPANS_PER_REQUEST, counters))
            export(one_span_each([{"app.order": order, "app.group": order % histograms} for order in orders]))


def _p99(load: Driver, requests: int) -> float:
    return load.send(requests, REQUESTS_PER_S).p99_s * MILLI


def _while_scraped(server: Server, metrics_port: int, measure: Callable[[], float]) -> float:
    end = threading.Event()

    def scrape() -> None:
        while server.process.poll() is None:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as page,
            ):
                page.read()
            if end.wait(SCRAPE_EVERY_S):
                return

    scraper = threading.Thread(target=scrape)
    scraper.start()
    try:
        return measure()
    finally:
        end.set()
        scraper.join()
