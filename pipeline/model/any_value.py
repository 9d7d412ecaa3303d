"""Plain Python values as OTLP's AnyValue: what ``attribute_text.py`` reads, the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


def any_value(value: Any) -> AnyValue:
    """Plain Python → AnyValue; None gives an empty one. Raises TypeError for what has no form there."""
    out = AnyValue()
    if isinstance(value, bool):
        out.bool_value = value
    elif isinstance(value, int):
        out.int_value = value
    elif isinstance(value, float):
        out.double_value = value
    elif isinstance(value, str):
        out.string_value = value
    elif isinstance(value, bytes):
        out.bytes_value = value
    elif isinstance(value, Mapping):
        out.kvlist_value.values.extend(key_values(value))
        out.kvlist_value.SetInParent()
    elif value is not None:
        if not isinstance(value, (list, tuple)):
            raise TypeError(
                f"an attribute is str, bool, int, float, bytes, list, dict or None, not {type(value).__name__}"
            )
        out.array_value.values.extend(any_value(inner) for inner in value)
        out.array_value.SetInParent()
    return out


def key_values(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Attributes as messages."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]
