"""Builders of log records for tests: set only the fields that the test is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from pipeline.codec.otlp_logs import LogsProjection
from pipeline.model.any_value import any_value, key_values
from pipeline.model.logs import LogBatch
from pipeline.testing_envelopes import (
    START_UNIX_NANO,
    Envelopes,
    attribute_columns,
    own_fields,
    refuse_unknown,
    rows_of,
)

LOG_COLUMNS = (
    "time_unix_nano",
    "observed_time_unix_nano",
    "severity_number",
    "severity_text",
    "body",
    "event_name",
    "trace_id",
    "span_id",
    "resource.service.name",
)

FIELDS = (
    "body",
    "severity",
    "severity_text",
    "event_name",
    "time_unix_nano",
    "observed_time_unix_nano",
    "trace_id",
    "span_id",
    "attributes",
)
"""What can be said of a log record."""


def log_record(**fields: Any) -> LogRecord:
    """A LogRecord of ``FIELDS``; ``severity`` is a lower-case word, ``body`` any plain value (None: no body)."""
    refuse_unknown(fields, FIELDS, "log record")
    severity = fields.get("severity", "info")
    body = fields.get("body", "hello")
    return LogRecord(
        time_unix_nano=fields.get("time_unix_nano", START_UNIX_NANO),
        observed_time_unix_nano=fields.get("observed_time_unix_nano", START_UNIX_NANO),
        severity_number=SeverityNumber.Value(f"SEVERITY_NUMBER_{severity.upper()}"),
        severity_text=fields.get("severity_text", severity),
        body=None if body is None else any_value(body),
        attributes=key_values(fields.get("attributes", {})),
        trace_id=fields.get("trace_id", b""),
        span_id=fields.get("span_id", b""),
        event_name=fields.get("event_name", ""),
    )


def logs_request(logs: Iterable[Mapping[str, Any]]) -> ExportLogsServiceRequest:
    """A request of records as ``log_record`` takes them; each may also have ``service``, ``resource`` and
    ``scope``.
    """
    request = ExportLogsServiceRequest()
    envelopes = Envelopes(request, "logs")
    for fields in logs:
        envelopes.scope(fields).log_records.append(log_record(**own_fields(fields)))
    return request


def log_batch(
    n: int = 1, *, columns: Sequence[str] = (), logs: Iterable[Mapping[str, Any]] | None = None, **fields: Any
) -> LogBatch:
    """A decoded batch of ``n`` equal records (``log_batch(3, severity="error")``) or of ``logs``, one mapping each.

    ``columns`` are readable besides ``LOG_COLUMNS`` and all attributes that the records have.
    """
    rows = rows_of(n, logs, fields)
    projection = LogsProjection({*LOG_COLUMNS, *columns, *attribute_columns(rows, "log.")})
    return projection.decode(logs_request(rows).SerializeToString())[0]
