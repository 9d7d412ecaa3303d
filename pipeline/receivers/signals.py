"""What differs between the signals of OTLP, in one table: everything else is the same code for all of them."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces


@dataclass(frozen=True)
class Signal:
    """One signal as OTLP transports it.

    Attributes:
        name: As pipelines call it.
        service: Full name of the gRPC service; its only method is ``Export``.
        request: Message class of a request; only its descriptor is needed, for JSON.
        response: Message class of the answer.
        rejected_field: Where the answer counts items that can never be accepted.
        items: What one calls them.
    """

    name: str
    service: str
    request: type[Message]
    response: type[Message]
    rejected_field: str
    items: str

    @property
    def method(self) -> str:
        """The path of a gRPC call."""
        return f"/{self.service}/Export"

    def success(self, rejected: int, message: str) -> Message:
        """The answer to a request of which something was kept. The field stays unset when there is nothing to say."""
        response = self.response()
        if rejected or message:
            partial = response.partial_success  # type: ignore[attr-defined]  # all three have it
            setattr(partial, self.rejected_field, rejected)
            partial.error_message = message
        return response


SIGNALS = {
    signal.name: signal
    for signal in (
        Signal(
            "traces",
            "opentelemetry.proto.collector.trace.v1.TraceService",
            traces.ExportTraceServiceRequest,
            traces.ExportTraceServiceResponse,
            "rejected_spans",
            "spans",
        ),
        Signal(
            "metrics",
            "opentelemetry.proto.collector.metrics.v1.MetricsService",
            metrics.ExportMetricsServiceRequest,
            metrics.ExportMetricsServiceResponse,
            "rejected_data_points",
            "data points",
        ),
        Signal(
            "logs",
            "opentelemetry.proto.collector.logs.v1.LogsService",
            logs.ExportLogsServiceRequest,
            logs.ExportLogsServiceResponse,
            "rejected_log_records",
            "log records",
        ),
    )
}
