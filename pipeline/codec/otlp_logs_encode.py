"""Log records that components emit → ``ExportLogsServiceRequest``. Events are few: the official classes do."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogRecordMessage
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from pipeline.model.any_value import any_value, key_values
from pipeline.model.emitted_logs import LogRecord


def encode(records: Sequence[LogRecord], scope: str) -> bytes:
    """Records in their order, those of equal resources that follow each other together.

    Args:
        scope: Name of the instrumentation scope, as of the component's metrics.
    """
    request = ExportLogsServiceRequest()
    resource: Resource | None = None
    for record in records:
        found = Resource(attributes=key_values(record.resource))
        if resource is None or found != resource:
            scope_logs = ScopeLogs(scope=InstrumentationScope(name=scope))
            request.resource_logs.append(ResourceLogs(resource=found, scope_logs=[scope_logs]))
            resource = found
        request.resource_logs[-1].scope_logs[0].log_records.append(_message(record))
    return request.SerializeToString()


def _message(record: LogRecord) -> LogRecordMessage:
    return LogRecordMessage(
        time_unix_nano=record.time_unix_nano,
        observed_time_unix_nano=record.observed_unix_nano,
        severity_number=SeverityNumber.Value(f"SEVERITY_NUMBER_{record.severity.upper()}"),
        severity_text=record.severity.upper(),
        body=any_value(record.body),
        attributes=key_values(record.attributes),
        trace_id=record.trace_id,
        span_id=record.span_id,
        event_name=record.event_name,
    )
