"""span_metrics and service_graph on decoded batches, against the official parser.

Each turn decodes and processes 64 requests, and decodes the same requests alone: the difference is what the processors
cost on a batch that is as warm in the caches as in real life.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from functools import partial

from benchmarks.measure import MICRO, Row, Settings, compare, cpu_in_turns
from benchmarks.micro.steps import UPB, parse_all, process_all
from benchmarks.workload import DIMENSIONS, payloads
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.testing import Harness
from processors.service_graph import ServiceGraph
from processors.span_metrics import SpanMetrics

STORE_TTL_S = 10
LIMIT = 0.33
"""0.4 µs where the parser takes 1.2."""


def red() -> Harness[SpanMetrics]:
    """RED metrics with two dimensions, otherwise as they come."""
    return Harness(SpanMetrics, dimensions=[{"name": key} for key in DIMENSIONS])


def graph() -> Harness[ServiceGraph]:
    """The service graph; databases are named by the attribute that the payloads have."""
    return Harness(
        ServiceGraph, database_name_attributes=["db.namespace"], store={"ttl": f"{STORE_TTL_S}s", "max_items": 100_000}
    )


def one_turn(
    projection: TracesProjection,
    bodies: Sequence[bytes],
    harnesses: Sequence[Harness[SpanMetrics] | Harness[ServiceGraph]],
) -> None:
    """Process all requests, then let so much time pass that halves of edges expire, which is part of the work."""
    process_all(projection, bodies, [harness.processor for harness in harnesses])
    for harness in harnesses:
        harness.advance(STORE_TTL_S)


def group(settings: Settings) -> Iterator[Row]:
    """Both together at 512 and 50 spans a request, then each alone."""
    cases = (
        ("span_metrics + service_graph", 512, (red(), graph()), LIMIT),
        ("span_metrics + service_graph", 50, (red(), graph()), None),
        ("span_metrics", 512, (red(),), None),
        ("service_graph", 512, (graph(),), None),
    )
    for name, size, harnesses, limit in cases:
        bodies = payloads(size)
        projection = TracesProjection({column for harness in harnesses for column in harness.processor.reads})
        measured = cpu_in_turns(
            settings.repetitions,
            MICRO / (size * len(bodies)),
            {
                "processed": partial(one_turn, projection, bodies, harnesses),
                "decoded": partial(process_all, projection, bodies),
                "upb": partial(parse_all, bodies),
            },
        )
        added = [both - alone for both, alone in zip(measured["processed"], measured["decoded"], strict=True)]
        title = f"processors/{name} after decode, {size} spans a request"
        yield compare(title, "µs/span", added, measured["upb"], against=UPB, limit=limit)
        if limit is not None:
            yield Row(
                f"processors/decode + {name}, {size} spans a request",
                statistics.median(measured["processed"]),
                "µs/span",
            )
