"""Columns that are made rather than received, put where the decoder would have put them, so that kernels find them.

A derived column is a span attribute of a name that the processor lists in ``reads``: the decoder reserves its words,
and they are overwritten for every span, whatever a sender put there. The changed batch is for looking at only; what
is forwarded is the original.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.api import Column, SpanBatch
from pipeline.model.records import Level, ValueType


def derived_column(name: str) -> str:
    """The column name of something derived."""
    return f"span.weir.derived.{name}"


def with_derived(spans: SpanBatch, columns: Mapping[str, Column]) -> SpanBatch:
    """The batch with these columns, as strings; a code of -1 makes the cell absent. Cost: a copy of the words."""
    records = spans.records
    words = records.words.copy()
    payload = bytearray(records.payload)
    rows = spans.item_rows.astype(np.int64) * records.width[Level.ITEM] + records.first[Level.ITEM]
    for name, column in columns.items():
        field = spans.projection.field(name)
        if field is None:
            raise KeyError(f"column {name!r} is not in this batch: declare it in `reads`")
        kinds, ranges = _cells(column, payload)
        words[rows + field.word] = kinds[column.codes]
        words[rows + field.word + 1] = ranges[column.codes]
    return replaced(spans, words, bytes(payload))


def replaced(spans: SpanBatch, words: npt.NDArray[np.uint64], payload: bytes | None = None) -> SpanBatch:
    """The same spans over other words."""
    old = spans.records
    records = old.replaced(words, old.payload if payload is None else payload, old.edits)
    return SpanBatch(records, spans.projection, spans.rows)


def encoded(values: Iterable[str | None]) -> Column:
    """A Column of these cells; empty texts are absent."""
    code_of: dict[str, int] = {}
    codes = [code_of.setdefault(value, len(code_of)) if value else -1 for value in values]
    return Column(np.array(codes, np.int32), list(code_of))


def _cells(column: Column, payload: bytearray) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Type and value words per code, the texts appended to the payload. The last entry serves code -1."""
    kinds = np.full(len(column.values) + 1, ValueType.STRING, np.uint64)
    ranges = np.zeros(len(column.values) + 1, np.uint64)
    kinds[-1] = ValueType.ABSENT
    for code, value in enumerate(column.values):
        text = value.encode(errors="replace")
        ranges[code] = len(payload) << 32 | len(text)
        payload += text
    return kinds, ranges
