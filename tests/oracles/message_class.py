"""Protobuf classes from a table of their fields, where no package with generated ones is at hand."""

from __future__ import annotations

from typing import Any, Literal

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Field = descriptor_pb2.FieldDescriptorProto

Messages = dict[str, dict[int, tuple[str, str]]]
"""Message → field number → name and type; ``*`` marks repeated fields, a capital the type of a message."""

_KINDS = {
    "string": Field.TYPE_STRING,
    "double": Field.TYPE_DOUBLE,
    "uint64": Field.TYPE_UINT64,
    "int64": Field.TYPE_INT64,
    "sint32": Field.TYPE_SINT32,
    "sint64": Field.TYPE_SINT64,
    "uint32": Field.TYPE_UINT32,
    "int32": Field.TYPE_INT32,
}


def message_class(package: str, messages: Messages, wanted: str, syntax: Literal["proto2", "proto3"] = "proto3") -> Any:
    """The class of one of these messages."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax=syntax)
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, (field_name, kind) in fields.items():
            field = message.field.add(name=field_name, number=number)
            field.label = Field.LABEL_REPEATED if kind.startswith("*") else Field.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            if kind in _KINDS:
                field.type = _KINDS[kind]
            else:
                field.type, field.type_name = Field.TYPE_MESSAGE, f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{wanted}"))
