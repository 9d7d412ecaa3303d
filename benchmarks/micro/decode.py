"""Bytes → columns, against the official parser alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.measure import MICRO, Row, Settings, compare, cpu_in_turns
from benchmarks.micro.steps import UPB, parse_all, process_all
from benchmarks.workload import DIMENSIONS, payloads
from pipeline.codec.otlp_traces import TracesProjection

RED_COLUMNS = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "kind",
    "status_code",
    "duration_nano",
    "resource",
    "resource.service.name",
)
"""What RED metrics and the service graph need without dimensions."""
TWO_ATTRIBUTES = (*RED_COLUMNS, *(f"span.{key}" for key in DIMENSIONS))
FIVE_ATTRIBUTES = (*TWO_ATTRIBUTES, "span.url.path", "span.db.system", "span.peer.service")
LIMIT = 0.3


CASES = (
    (512, TWO_ATTRIBUTES, LIMIT),
    (512, RED_COLUMNS, None),
    (512, FIVE_ATTRIBUTES, None),
    (50, TWO_ATTRIBUTES, None),
)


def group(settings: Settings) -> Iterator[Row]:
    """Decode 64 requests, over and over: 15 MB, more than the caches hold."""
    for spans, attributes, limit in CASES:
        bodies = payloads(spans)
        measured = cpu_in_turns(
            settings.repetitions,
            MICRO / (spans * len(bodies)),
            {
                "weir": partial(process_all, TracesProjection(attributes), bodies),
                "upb": partial(parse_all, bodies),
            },
        )
        name = f"decode/{len(attributes) - len(RED_COLUMNS)} attributes, {spans} spans a request"
        yield compare(name, "µs/span", measured["weir"], measured["upb"], against=UPB, limit=limit)
