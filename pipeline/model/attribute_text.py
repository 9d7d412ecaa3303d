"""The string form of attribute values, as the Collector and Prometheus translation write them into labels."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

from pipeline.model.records import Records, ValueType

_STRING = int(ValueType.STRING)  # members of enums are slow to look up


def double_text(value: float) -> str:
    """A float as Go's encoding/json writes it: shortest digits, exponent below 1e-6 and from 1e21 on, no trailing
    ``.0``.

    >>> [double_text(v) for v in (1.0, 0.5, 1e21, 1e-7, float("nan"), float("-inf"))]
    ['1', '0.5', '1e+21', '1e-7', 'NaN', '-Inf']
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value != 0 and not 1e-6 <= abs(value) < 1e21:
        return repr(value).replace("e-0", "e-")  # Go has no leading zero there
    text = repr(value)
    if "e" in text:
        text = f"{value:.20f}".rstrip("0") if abs(value) < 1 else f"{value:.0f}"
    return text.removesuffix(".0")


def plain_value(value: AnyValue) -> Any:
    """An AnyValue as plain Python: str, bool, int, float, list, dict, bytes, or None where it is empty."""
    kind = value.WhichOneof("value")
    if kind is None or kind == "string_value_strindex":
        return None
    if kind == "array_value":
        return [plain_value(element) for element in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain_value(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind)


def value_text(value: Any) -> str:
    """The label text of a plain value: JSON for arrays and maps, base64 for bytes, empty for none.

    >>> [value_text(v) for v in ("a", True, 3, 2.5, None, b"hi", ["x", 1], {"k": False})]
    ['a', 'true', '3', '2.5', '', 'aGk=', '["x",1]', '{"k":false}']
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return double_text(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return json.dumps(_json_ready(value), ensure_ascii=False, separators=(",", ":"))


def _json_ready(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_ready(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_json_ready(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return double_text(value)
    return value


def cell_value(records: Records, kind: int, word: int) -> Any:
    """The plain value of an attribute cell (``Kind.ATTRIBUTE``). Damaged nested values, which the decoder skips, read
    as None.
    """
    match kind:
        case ValueType.STRING:
            return records.slice(word).decode()
        case ValueType.BOOL:
            return bool(word)
        case ValueType.INT:
            return word - (1 << 64) if word >> 63 else word
        case ValueType.DOUBLE:
            return struct.unpack("<d", struct.pack("<Q", word))[0]
        case ValueType.BYTES:
            return records.slice(word)
        case ValueType.ARRAY | ValueType.KVLIST:
            return _nested_value(kind, records.slice(word))
    return None


def _nested_value(kind: int, body: bytes) -> Any:
    from google.protobuf.message import DecodeError

    value = AnyValue()
    try:
        if kind == ValueType.ARRAY:
            value.array_value.CopyFrom(ArrayValue.FromString(body))
        else:
            value.kvlist_value.CopyFrom(KeyValueList.FromString(body))
    except DecodeError:
        return None
    return plain_value(value)


def cell_text(records: Records, kind: int, word: int) -> str:
    """The label text of an attribute cell."""
    if kind == _STRING:
        return records.slice(word).decode()
    return value_text(cell_value(records, kind, word))
