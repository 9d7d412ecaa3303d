"""SpanBatch: the spans of one request as columns, and the bytes they came from (``model/batch.py``)."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.model.batch import Batch
from pipeline.model.column import Bools, Column, Int32s, Int64s
from pipeline.model.columns import DERIVED
from pipeline.model.labels import Groups, Label, label
from pipeline.model.records import PARENT, Level

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
        "event.span": lambda spans: spans.event_places[0],
    }

    @cached_property
    def event_places(self) -> tuple[Int64s, Int32s]:
        """The events of the spans: index of the span in the batch, and row in the table of events."""
        owners = self.records.column(Level.EVENT, PARENT).astype(np.int64)
        place = np.full(self.records.count[Level.ITEM], -1, np.int64)
        place[self.item_rows] = np.arange(len(self))
        span = place[owners]
        rows = np.flatnonzero(span >= 0)
        return span[rows], rows.astype(np.int32)

    def rows_at(self, level: Level) -> Int32s:
        """int32[n]: row of each span's ancestor in an enclosing table; int32[k]: the rows of their events."""
        return self.event_places[1] if level == Level.EVENT else super().rows_at(level)

    def without_events(self, drop: Bools) -> SpanBatch:
        """The same spans without some of their events.

        Args:
            drop: bool[k] over the events (column ``event.span``), which must have been declared.
        """
        if not drop.any():
            return self
        projection: Any = self.projection
        return type(self)(projection.without_events(self, drop), self.projection, self.rows)

    def message(self, row: int) -> Span:
        """The span in one row of the item table as an official message."""
        return Span.FromString(self.written.body(self.item_level, row))
