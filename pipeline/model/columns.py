"""The columns of spans: what a processor can read, and under which name.

A column name is a field of ``trace.proto`` (``name``, ``kind``, ``trace_id`` …), something derived from one
(``duration_nano``), or an attribute in its scope with the key untouched: ``resource.service.name``,
``span.http.route``, ``scope.name``.
"""

from __future__ import annotations

from typing import NamedTuple

SPAN_KINDS = (
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
)
STATUS_CODES = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")

ENUM_NAMES: dict[str, tuple[str, ...]] = {"kind": SPAN_KINDS, "status_code": STATUS_CODES}
"""Names by number; a number beyond the table reads as the first name (proto3 enums are open)."""


class ColumnInfo(NamedTuple):
    """One line of the table of columns."""

    dtype: str
    meaning: str


SPAN_COLUMNS: dict[str, ColumnInfo] = {
    "name": ColumnInfo("Column of str", "Span.name"),
    "kind": ColumnInfo("Column of str", "Span.kind as SPAN_KIND_…"),
    "status_code": ColumnInfo("Column of str", "Span.status.code as STATUS_CODE_…"),
    "status_message": ColumnInfo("Column of str", "Span.status.message"),
    "trace_id": ColumnInfo("uint8[n, 16]", "Span.trace_id"),
    "span_id": ColumnInfo("uint8[n, 8]", "Span.span_id"),
    "parent_span_id": ColumnInfo("uint8[n, 8]", "Span.parent_span_id, zeros for a root"),
    "trace_state": ColumnInfo("Column of str", "Span.trace_state, W3C tracestate"),
    "flags": ColumnInfo("uint64[n]", "Span.flags"),
    "start_time_unix_nano": ColumnInfo("uint64[n], ns", "Span.start_time_unix_nano"),
    "end_time_unix_nano": ColumnInfo("uint64[n], ns", "Span.end_time_unix_nano"),
    "duration_nano": ColumnInfo("int64[n], ns", "end minus start; 0 where end precedes start"),
    "span_bytes": ColumnInfo("uint64[n], By", "size of the encoded Span message"),
    "events": ColumnInfo("list of Span.Event lists", "decoded on demand with the official classes: slow"),
    "links": ColumnInfo("list of Span.Link lists", "decoded on demand with the official classes: slow"),
    "resource": ColumnInfo("Column of bytes", "the encoded Resource message, an identity"),
    "scope.name": ColumnInfo("Column of str", "InstrumentationScope.name"),
    "scope.version": ColumnInfo("Column of str", "InstrumentationScope.version"),
}
"""Columns besides the attributes ``resource.<key>``, ``span.<key>`` and ``scope.attributes.<key>``."""

DERIVED: dict[str, tuple[str, ...]] = {
    "duration_nano": ("start_time_unix_nano", "end_time_unix_nano"),
    "span_bytes": (),
    "events": (),
    "links": (),
}
"""Columns that are computed, and the wire columns they need."""

ATTRIBUTE_PREFIXES = ("resource.", "span.", "scope.attributes.")


def is_column(name: str) -> bool:
    """Whether a processor may ask for ``name``."""
    return name in SPAN_COLUMNS or any(
        name.startswith(prefix) and len(name) > len(prefix) for prefix in ATTRIBUTE_PREFIXES
    )
