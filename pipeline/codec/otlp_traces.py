"""Bytes of an ``ExportTraceServiceRequest`` → SpanBatch.

Source: opentelemetry-proto v1, ``trace.proto``, ``common.proto``, ``resource.proto``. Column names are those of
    ``model/columns.py``.
"""

from __future__ import annotations

from pipeline.codec.projection import (
    COUNTED,
    DEFAULT_LIMITS,
    Limits,
    Messages,
    attributes,
    enum,
    fixed32,
    fixed64,
    identifier,
    message,
    rows,
    string,
    varint32,
)
from pipeline.codec.signal_projection import SignalProjection, envelope
from pipeline.codec.span_events import without_events
from pipeline.model.column import Bools
from pipeline.model.records import Defect, Level, Records
from pipeline.model.spans import SpanBatch

__all__ = ["DEFAULT_LIMITS", "MESSAGES", "Limits", "TracesProjection"]

MESSAGES: Messages = {
    **envelope("ExportTraceServiceRequest", "ResourceSpans", "ScopeSpans", "Span"),
    "Span": {
        1: identifier("trace_id", 16, Defect.INVALID_TRACE_ID, required=True),
        2: identifier("span_id", 8, Defect.INVALID_SPAN_ID, required=True),
        3: string("trace_state"),
        4: identifier("parent_span_id", 8, Defect.INVALID_PARENT_SPAN_ID),
        5: string("name"),
        6: enum("kind"),
        7: fixed64("start_time_unix_nano"),
        8: fixed64("end_time_unix_nano"),
        9: attributes("span."),
        10: varint32("dropped_attributes_count"),
        11: rows(Level.EVENT, "Event", optional=True),
        12: varint32("dropped_events_count"),
        13: COUNTED,
        14: varint32("dropped_links_count"),
        15: message("Status"),
        16: fixed32("flags"),
    },
    "Status": {2: string("status_message"), 3: enum("status_code")},
    "Event": {
        1: fixed64("event.time_unix_nano"),
        2: string("event.name"),
        3: attributes("event.attributes."),
        4: varint32("event.dropped_attributes_count"),
    },
}


class TracesProjection(SignalProjection[SpanBatch]):
    """Decoder of spans.

    >>> spans, rejected = TracesProjection(["name", "duration_nano"]).decode(b"")
    >>> len(spans), rejected
    (0, {})
    """

    messages = MESSAGES
    batch = SpanBatch
    defects = Defect

    def without_events(self, spans: SpanBatch, drop: Bools) -> Records:
        """The records of a batch without some of its events."""
        return without_events(spans, drop)
