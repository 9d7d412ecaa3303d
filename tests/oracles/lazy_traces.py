"""An oracle for the span decoder, on the official parser and equally lazy.

The official message classes look into every byte; Weir looks into what is read. To compare the two on damaged input,
the descriptors of ``trace.proto`` are copied with the unread fields taken out (the official parser then skips them by
their length, as Weir does), and with attributes as ``bytes``, of which only those with a wanted key are parsed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

PACKAGE = "weir.oracle"
BYTES, MESSAGE = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES, descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
STRING, UINT64 = descriptor_pb2.FieldDescriptorProto.TYPE_STRING, descriptor_pb2.FieldDescriptorProto.TYPE_UINT64
FIXED64, FIXED32 = descriptor_pb2.FieldDescriptorProto.TYPE_FIXED64, descriptor_pb2.FieldDescriptorProto.TYPE_FIXED32
INT32 = descriptor_pb2.FieldDescriptorProto.TYPE_INT32

SCHEMA: dict[str, list[tuple[str, int, int, bool, str]]] = {
    "Request": [("resource_spans", 1, MESSAGE, True, "ResourceSpans")],
    "ResourceSpans": [("resource", 1, MESSAGE, False, "Resource"), ("scope_spans", 2, MESSAGE, True, "ScopeSpans")],
    "Resource": [("attributes", 1, BYTES, True, "")],
    "ScopeSpans": [("scope", 1, MESSAGE, False, "Scope"), ("spans", 2, MESSAGE, True, "Span")],
    "Scope": [("name", 1, STRING, False, ""), ("version", 2, STRING, False, "")],
    "Span": [
        ("trace_id", 1, BYTES, False, ""),
        ("span_id", 2, BYTES, False, ""),
        ("trace_state", 3, STRING, False, ""),
        ("parent_span_id", 4, BYTES, False, ""),
        ("name", 5, STRING, False, ""),
        ("kind", 6, INT32, False, ""),
        ("start_time_unix_nano", 7, FIXED64, False, ""),
        ("end_time_unix_nano", 8, FIXED64, False, ""),
        ("attributes", 9, BYTES, True, ""),
        ("status", 15, MESSAGE, False, "Status"),
        ("flags", 16, FIXED32, False, ""),
    ],
    "Status": [("message", 2, STRING, False, ""), ("code", 3, INT32, False, "")],
    "Pair": [("key", 1, BYTES, False, ""), ("value", 2, BYTES, True, "")],
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="weir_oracle.proto", package=PACKAGE, syntax="proto3")
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, repeated, type_name in fields:
            label = (
                descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
                if repeated
                else descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
            )
            added = message.field.add(name=field_name, number=number, type=kind, label=label)
            if type_name:
                added.type_name = f".{PACKAGE}.{type_name}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in SCHEMA}


CLASSES = _classes()


@dataclass
class Row:
    """What one span should decode to. ``attributes``: wanted column → AnyValue."""

    span: Any
    scope: Any
    attributes: dict[str, AnyValue] = field(default_factory=dict)

    def defects(self) -> set[str]:
        bad = set()
        if len(self.span.trace_id) != 16 or not any(self.span.trace_id):
            bad.add("invalid_trace_id")
        if len(self.span.span_id) != 8 or not any(self.span.span_id):
            bad.add("invalid_span_id")
        if len(self.span.parent_span_id) not in (0, 8):
            bad.add("invalid_parent_span_id")
        return bad


def decode(payload: bytes, resource_keys: list[str], span_keys: list[str]) -> list[Row] | None:
    """The rows of a request, or None where the official parser refuses what would be read."""
    try:
        request = CLASSES["Request"].FromString(payload)
        rows = []
        for resource_spans in request.resource_spans:
            resource = _attributes("resource.", resource_spans.resource.attributes, resource_keys)
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    own = _attributes("span.", span.attributes, span_keys)
                    rows.append(Row(span, scope_spans.scope, resource | own))
    except DecodeError:
        return None
    else:
        return rows


def _attributes(prefix: str, encoded: list[bytes], wanted: list[str]) -> dict[str, AnyValue]:
    out: dict[str, AnyValue] = {}
    keys = {key.encode(): prefix + key for key in wanted}
    for pair in map(CLASSES["Pair"].FromString, encoded):
        column = keys.get(pair.key)
        if column is not None and column not in out:
            out[column] = AnyValue.FromString(b"".join(pair.value))
    return out
