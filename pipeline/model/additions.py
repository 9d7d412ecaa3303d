"""Additions: attributes that processors put on the items of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from pipeline.model.attribute_text import cell_value
from pipeline.model.column import Bools
from pipeline.model.records import Field, Records, ValueType


@dataclass(frozen=True)
class Addition:
    """An attribute that ``with_column`` put on the batch.

    Attributes:
        field: Where its cells stand.
        key: Attribute key.
        written: bool[item rows], items that got a value.
        replaced: bool[item rows], those of them that had the attribute before.
    """

    field: Field
    key: str
    written: Bools
    replaced: Bools


def encode_cell(value: Any, appended: bytearray, base: int) -> tuple[int, int]:
    """Type and value words; strings are appended to the payload."""
    if isinstance(value, bool):
        return ValueType.BOOL, int(value)
    if isinstance(value, (int, np.integer)):
        return ValueType.INT, int(value) & 0xFFFF_FFFF_FFFF_FFFF
    if isinstance(value, (float, np.floating)):
        return ValueType.DOUBLE, int(np.float64(value).view(np.uint64))
    text = str(value).encode()
    place = base + len(appended)
    appended += text
    return ValueType.STRING, place << 32 | len(text)


def any_value(records: Records, kind: int, word: int) -> AnyValue:
    """A cell that ``with_column`` wrote, as a message."""
    value = cell_value(records, kind, word)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)
