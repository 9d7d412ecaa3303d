"""Bytes of an ``ExportLogsServiceRequest`` → LogBatch.

No log record is rejected: ids of a wrong length mean that it belongs to no trace ("receivers SHOULD assume that the
log record is not associated with a trace", logs.proto), and read as zeros.

Source: opentelemetry-proto v1, ``logs.proto``. Column names are those of ``model/columns.py``.
"""

from __future__ import annotations

from pipeline.codec.projection import Messages, attributes, enum, fixed32, fixed64, identifier, string, value, varint32
from pipeline.codec.signal_projection import SignalProjection, envelope
from pipeline.model.logs import LogBatch

MESSAGES: Messages = {
    **envelope("ExportLogsServiceRequest", "ResourceLogs", "ScopeLogs", "LogRecord"),
    "LogRecord": {
        1: fixed64("time_unix_nano"),
        2: enum("severity_number"),
        3: string("severity_text"),
        5: value("body"),
        6: attributes("log."),
        7: varint32("dropped_attributes_count"),
        8: fixed32("flags"),
        9: identifier("trace_id", 16),
        10: identifier("span_id", 8),
        11: fixed64("observed_time_unix_nano"),
        12: string("event_name"),
    },
}


class LogsProjection(SignalProjection[LogBatch]):
    """Decoder of log records."""

    messages = MESSAGES
    batch = LogBatch
