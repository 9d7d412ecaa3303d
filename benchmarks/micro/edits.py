"""Spans changed or sampled on the way, and what is sent on afterwards, against the official parser alone.

Each turn decodes 64 requests, processes them and sends them on; decoding alone, of the same columns, is taken off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchmarks.measure import MICRO, Row, Settings, compare, cpu_in_turns
from benchmarks.micro.decode import TWO_ATTRIBUTES
from benchmarks.micro.steps import UPB, decode_all, parse_all
from benchmarks.workload import payloads
from pipeline.api import Processor
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.model.columns import of_signal
from pipeline.testing import Harness
from processors.attributes import Attributes
from processors.probabilistic_sampler import ProbabilisticSampler
from processors.resource import Resource

SPANS = 512
LIMIT = 0.5

UPSERT = {"key": "deployment.environment", "action": "upsert", "value": "production"}
COPY = {"key": "user_agent", "action": "insert", "from_attribute": "user_agent.original"}
QUARTER = {"sampling_percentage": 25}
CASES: tuple[tuple[str, type[Processor], dict[str, Any], bool, float | None], ...] = (
    ("an attribute upserted on every span, sent on", Attributes, {"actions": [UPSERT]}, True, LIMIT),
    ("the same, nobody sends it on", Attributes, {"actions": [UPSERT]}, False, None),
    (
        "upsert, copy, hash and delete, sent on",
        Attributes,
        {
            "actions": [
                UPSERT,
                COPY,
                {"key": "client.address", "action": "hash"},
                {"key": "user_agent.original", "action": "delete"},
            ]
        },
        True,
        None,
    ),
    (
        "attributes deleted by pattern, sent on",
        Attributes,
        {"actions": [{"pattern": "^user", "action": "delete"}]},
        True,
        None,
    ),
    ("an attribute upserted on every resource, sent on", Resource, {"attributes": [UPSERT]}, True, None),
    ("a quarter sampled, sent on", ProbabilisticSampler, {**QUARTER, "mode": "proportional"}, True, None),
    ("a quarter sampled by hash, sent on", ProbabilisticSampler, QUARTER, True, None),
)


def edit_all(projection: TracesProjection, bodies: Sequence[bytes], processor: Processor, sent: bool) -> None:
    """Decode, process, and encode where it is sent on."""
    for body in bodies:
        spans = processor.process_traces(projection.decode(body)[0])
        if sent:
            spans.to_otlp()


def group(settings: Settings) -> Iterator[Row]:
    """One case after the other, at 512 spans a request."""
    bodies = payloads(SPANS)
    for name, cls, config, sent, limit in CASES:
        processor = Harness(cls, **config).processor
        projection = TracesProjection({*TWO_ATTRIBUTES, *of_signal(processor.reads, "traces")})
        measured = cpu_in_turns(
            settings.repetitions,
            MICRO / (SPANS * len(bodies)),
            {
                "edited": partial(edit_all, projection, bodies, processor, sent),
                "decoded": partial(decode_all, projection, bodies),
                "upb": partial(parse_all, bodies),
            },
        )
        added = [both - alone for both, alone in zip(measured["edited"], measured["decoded"], strict=True)]
        yield compare(f"edits/{name}", "µs/span", added, measured["upb"], against=UPB, limit=limit)
