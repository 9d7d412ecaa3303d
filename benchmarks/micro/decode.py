"""Bytes → columns of all three signals, against the official parser alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.logs_workload import logs_payloads
from benchmarks.measure import MICRO, Row, Settings, compare, cpu_in_turns
from benchmarks.metrics_workload import metrics_payloads
from benchmarks.micro.steps import UPB, decode_all, parse_all
from benchmarks.workload import DIMENSIONS, payloads
from pipeline.codec.otlp_logs import LogsProjection
from pipeline.codec.otlp_metrics import MetricsProjection
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.codec.signal_projection import SignalProjection
from pipeline.model.columns import LOG_COLUMNS
from pipeline.model.last_values import READS

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
SPANS_LIMIT = 0.3
POINTS_LIMIT = 0.35


class Signal(NamedTuple):
    """What a case decodes.

    Attributes:
        item: In the unit of its rows.
        payloads: Requests of so many items.
    """

    item: str
    request: type[Message]
    projection: type[SignalProjection[Any]]
    payloads: Callable[[int], Sequence[bytes]]


SPANS = Signal("span", ExportTraceServiceRequest, TracesProjection, payloads)
POINTS = Signal("point", ExportMetricsServiceRequest, MetricsProjection, metrics_payloads)
RECORDS = Signal("record", ExportLogsServiceRequest, LogsProjection, logs_payloads)

CASES = (
    (SPANS, 512, "2 attributes", TWO_ATTRIBUTES, SPANS_LIMIT),
    (SPANS, 512, "0 attributes", RED_COLUMNS, None),
    (SPANS, 512, "5 attributes", FIVE_ATTRIBUTES, None),
    (SPANS, 50, "2 attributes", TWO_ATTRIBUTES, None),
    (POINTS, 500, "all that /metrics needs", READS, POINTS_LIMIT),
    (POINTS, 100, "all that /metrics needs", READS, None),
    (POINTS, 500, "forwarded, and checked for that", (), None),
    (RECORDS, 512, "all columns, 2 attributes", (*LOG_COLUMNS, "log.http.route", "log.thread.name"), None),
    (RECORDS, 512, "forwarded", (), None),
)


def group(settings: Settings) -> Iterator[Row]:
    """Decode 64 requests, over and over: 15 MB of spans, more than the caches hold."""
    for signal, items, name, columns, limit in CASES:
        bodies = signal.payloads(items)
        measured = cpu_in_turns(
            settings.repetitions,
            MICRO / (items * len(bodies)),
            {
                "weir": partial(decode_all, signal.projection(columns), bodies),
                "upb": partial(parse_all, bodies, signal.request),
            },
        )
        title = f"decode/{name}, {items} {signal.item}s a request"
        yield compare(title, f"µs/{signal.item}", measured["weir"], measured["upb"], against=UPB, limit=limit)
