"""SpanBatch: the spans of one request as columns, and the bytes they came from (``model/batch.py``)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.model.batch import Batch
from pipeline.model.column import Column, Int64s
from pipeline.model.columns import DERIVED
from pipeline.model.labels import Groups, Label, label

__all__ = ["Column", "Groups", "Label", "SpanBatch", "label"]


def _durations(spans: SpanBatch) -> Int64s:
    start, end = (spans.words(spans._field(name)) for name in DERIVED["duration_nano"])
    return np.where(end > start, end - start, np.uint64(0)).view(np.int64)


class SpanBatch(Batch):
    """n spans of one request."""

    signal = "traces"
    items = "spans"
    prefix = "span."
    derived: ClassVar[dict[str, Any]] = {
        "duration_nano": _durations,
        "span_bytes": Batch.item_bytes,
        "events": lambda spans: [span.events for span in spans.iter()],
        "links": lambda spans: [span.links for span in spans.iter()],
    }

    def message(self, row: int) -> Span:
        """The span in one row of the item table as an official message."""
        return Span.FromString(self.records.body(self.item_level, row))
