"""The steps that measurements in this process are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.api import Processor
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.codec.signal_projection import SignalProjection

UPB = "official parser (upb) FromString alone"


def parse_all(bodies: Sequence[bytes], request: type[Message] = ExportTraceServiceRequest) -> None:
    """The yardstick of all rows in process: parse with the official classes and forget."""
    for body in bodies:
        request.FromString(body)


def decode_all(projection: SignalProjection[Any], bodies: Sequence[bytes]) -> None:
    """Decode each request, of any signal."""
    for body in bodies:
        projection.decode(body)


def process_all(projection: TracesProjection, bodies: Sequence[bytes], processors: Sequence[Processor] = ()) -> None:
    """Decode each request and pass it through the processors."""
    for body in bodies:
        spans, _ = projection.decode(body)
        for processor in processors:
            spans = processor.process_traces(spans)
