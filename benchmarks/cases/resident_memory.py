"""Memory of the whole process under load, with about a thousand RED series."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator

from benchmarks.configurations import red_and_graph
from benchmarks.driver import driving
from benchmarks.measure import Row, Settings
from benchmarks.processes import free_port, weir

LIMIT_MIB = 100.0
REQUESTS = 4_000
SPANS = 512
SCRAPES = 4
MIB = 1 << 20


def group(settings: Settings) -> Iterator[Row]:
    """Load over gRPC, scrapes in between, and the highest memory that the kernel saw."""
    port, metrics_port = free_port(), free_port()
    with (
        weir(red_and_graph("grpc", port, metrics_port), port, settings.scratch, "memory") as server,
        driving("grpc", port, SPANS) as load,
    ):
        for _ in range(SCRAPES):
            load.send(settings.amount(REQUESTS // SCRAPES))
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as page:
                series = len(re.findall(rb"^traces_span_metrics_calls_total{", page.read(), re.MULTILINE))
        yield Row(
            f"resident memory/whole process under load, {series:,} RED series",
            server.peak_memory_bytes() / MIB,
            "MiB",
            limit_value=LIMIT_MIB,
            against="peak resident memory, gRPC, 512 spans a request, 8 requests at a time",
        )
