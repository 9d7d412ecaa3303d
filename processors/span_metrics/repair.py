"""Spans that do not say who or what they are.

A resource without a usable ``service.name`` (absent, empty, or no string) counts as ``unknown_service``: the Collector
skips such resources without a word. A span without a name counts as ``unknown``: trace.proto calls the two equivalent,
and the empty label that the Collector makes of it is the same as no label to Prometheus, which looks like a total.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.api import SpanBatch
from pipeline.model import scan
from pipeline.model.records import Field, Level, ValueType
from processors.span_metrics.derived import replaced
from processors.span_metrics.names import UNKNOWN_SPAN

SERVICE_COLUMN = "resource.service.name"

_LENGTH = 0xFFFF_FFFF
_STRING = int(ValueType.STRING)


def nameless_resources(spans: SpanBatch) -> npt.NDArray[np.bool_] | None:
    """bool per row of the resource table: no usable service.name; None where all have one. Cost: per resource."""
    field = _field(spans, SERVICE_COLUMN)
    records = spans.records
    first = records.first[Level.RESOURCE] + field.word
    if scan.all_texts(records.words, first, records.width[Level.RESOURCE], records.count[Level.RESOURCE]):
        return None
    kinds = records.column(Level.RESOURCE, field.word).tolist()
    texts = records.column(Level.RESOURCE, field.word + 1).tolist()
    nameless = [kind != _STRING or not text & _LENGTH for kind, text in zip(kinds, texts, strict=True)]
    return np.array(nameless)


def without_service_name(spans: SpanBatch, nameless: npt.NDArray[np.bool_]) -> SpanBatch:
    """The batch with service.name absent where it is not usable, so that the label takes its default."""
    field = _field(spans, SERVICE_COLUMN)
    records = spans.records
    words = records.words.copy()
    words[records.first[0] + field.word + np.flatnonzero(nameless) * records.width[0]] = ValueType.ABSENT
    return replaced(spans, words)


def with_span_names(spans: SpanBatch) -> SpanBatch:
    """The batch with a name for each span; the same object where all have one."""
    field = _field(spans, "name")
    records = spans.records
    first = records.first[Level.ITEM] + field.word
    if not scan.any_empty(records.words, first, records.width[Level.ITEM], records.count[Level.ITEM]):
        return spans
    lengths = records.column(Level.ITEM, field.word).astype(np.uint32)  # the lower half of a range
    words = records.words.copy()
    name = UNKNOWN_SPAN.encode()
    place = np.uint64(len(records.payload) << 32 | len(name))
    words[first + np.flatnonzero(lengths == 0) * records.width[Level.ITEM]] = place
    return replaced(spans, words, records.payload + name)


def _field(spans: SpanBatch, column: str) -> Field:
    field = spans.projection.field(column)
    if field is None:
        raise KeyError(f"column {column!r} is not in this batch: declare it in `reads`")
    return field
