"""Bytes of an ``ExportTraceServiceRequest`` → SpanBatch.

Source: opentelemetry-proto v1, ``trace.proto``, ``common.proto``, ``resource.proto``. Column names are those of
    ``model/columns.py``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipeline.codec import otlp_encode
from pipeline.codec.projection import (
    COUNTED,
    DEFAULT_LIMITS,
    Limits,
    Messages,
    Projection,
    attributes,
    enum,
    fixed32,
    fixed64,
    identifier,
    message,
    raw,
    rows,
    string,
)
from pipeline.model.columns import DERIVED
from pipeline.model.records import HEADER, Defect, Level
from pipeline.model.spans import SpanBatch

MESSAGES: Messages = {
    "ExportTraceServiceRequest": {1: rows(Level.RESOURCE, "ResourceSpans")},
    "ResourceSpans": {1: raw("resource", "Resource"), 2: rows(Level.SCOPE, "ScopeSpans")},
    "Resource": {1: attributes("resource.")},
    "ScopeSpans": {1: message("InstrumentationScope"), 2: rows(Level.ITEM, "Span")},
    "InstrumentationScope": {1: string("scope.name"), 2: string("scope.version"), 3: attributes("scope.attributes.")},
    "Span": {
        1: identifier("trace_id", 16, Defect.INVALID_TRACE_ID, required=True),
        2: identifier("span_id", 8, Defect.INVALID_SPAN_ID, required=True),
        3: string("trace_state"),
        4: identifier("parent_span_id", 8, Defect.INVALID_PARENT_SPAN_ID, required=False),
        5: string("name"),
        6: enum("kind"),
        7: fixed64("start_time_unix_nano"),
        8: fixed64("end_time_unix_nano"),
        9: attributes("span."),
        11: COUNTED,
        13: COUNTED,
        15: message("Status"),
        16: fixed32("flags"),
    },
    "Status": {2: string("status_message"), 3: enum("status_code")},
}


class TracesProjection(Projection):
    """Decoder of spans for a set of columns, shared by all threads that receive.

    >>> spans, rejected = TracesProjection(["name", "duration_nano"]).decode(b"")
    >>> len(spans), rejected
    (0, {})
    """

    def __init__(self, columns: Iterable[str], limits: Limits = DEFAULT_LIMITS) -> None:
        wanted = set(columns)
        self.readable = frozenset(wanted)
        wire_columns = {need for column in wanted for need in DERIVED.get(column, (column,))}
        super().__init__(MESSAGES, wire_columns, limits)

    def decode(self, payload: bytes) -> tuple[SpanBatch, dict[str, int]]:
        """Decode one request.

        Args:
            payload: Uncompressed protobuf. The caller has already enforced the limit on its size.
        Returns:
            The spans that can be accepted, and how many cannot be, by reason.
        Raises:
            MalformedPayload: Truncated field, invalid tag, invalid UTF-8 in a column, nesting. Carries the byte offset.
            PayloadTooLarge: More items than ``Limits`` allow.
        Cost: one pass over the bytes with the GIL released; a second one where the guess of the number of spans was too
            low.
        """
        records, defects = self.walk(payload)
        spans = SpanBatch(records, self)
        if not defects:
            return spans, {}
        return self._without_defects(spans)

    def encode(self, spans: SpanBatch) -> bytes:
        """The spans as an ``ExportTraceServiceRequest`` of the original bytes."""
        return otlp_encode.encode(spans)

    def _without_defects(self, spans: SpanBatch) -> tuple[SpanBatch, dict[str, int]]:
        header = spans.records.column(Level.ITEM, HEADER)
        rejected: dict[str, int] = {}
        counted = np.zeros(len(header), bool)
        for defect in Defect:
            bad = ((header & np.uint64(defect)) != 0) & ~counted
            if bad.any():
                rejected[defect.name.lower()] = int(bad.sum())
                counted |= bad
        return spans.where(~counted), rejected
