"""The metric that counts span events.

Each dimension is looked for in the span's attributes, the resource's, then the event's, as the Collector does. Slow:
the decoder does not look into events, so every span is decoded once more with the official classes (some 5 µs), and
each event takes a few more.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from pipeline.api import Counter, SpanBatch
from pipeline.model.attribute_text import plain_value, value_text
from pipeline.model.series import Rows, SeriesTable
from processors.adjusted_count import Adjusted

READS = ("events",)


class SpanEvents:
    """Counts the events of spans.

    Args:
        counter: The metric. Its table has the labels.
        calls: The table of the calls, which knows the resources of spans.
        dimensions: Names of the labels that may take their value from the event.
    """

    def __init__(self, counter: Counter, calls: SeriesTable, dimensions: Collection[str | None]) -> None:
        self._counter = counter
        self._calls = calls
        # Defaults come after the event's attributes; row_of fills them in.
        self._labels = [label._replace(default=None) for label in counter.table.labels]
        self._keys = [label.name if label.name in dimensions else None for label in self._labels]

    def add(self, spans: SpanBatch, calls_rows: Rows, adjusted: Adjusted | None) -> None:
        """Count the events of a batch, each as often as its span counts."""
        lists = spans["events"]
        busy = np.array([bool(events) for events in lists])
        if not busy.any():
            return
        chosen = spans.where(busy)
        counts = np.ones(len(spans)) if adjusted is None else adjusted.counts
        cells = [chosen.coalesce(label).tolist() if label.columns else [None] * len(chosen) for label in self._labels]
        tally: Tally[tuple[int, tuple[str | None, ...]]] = Tally()
        per_span = zip(zip(*cells, strict=True), calls_rows[busy].tolist(), counts[busy].tolist(), strict=True)
        for (values, calls_row, count), number in zip(per_span, np.flatnonzero(busy).tolist(), strict=True):
            for event in lists[number]:
                tally[calls_row, self._filled(values, event.attributes)] += count
        self._count(tally)

    def _filled(self, values: Sequence[str | None], attributes: Any) -> tuple[str | None, ...]:
        """The values of the span, and the event's where the span has none."""
        found: dict[str, Any] = {}
        for pair in attributes:
            found.setdefault(pair.key, pair.value)
        return tuple(
            value_text(plain_value(found[key])) if value is None and key in found else value
            for value, key in zip(values, self._keys, strict=True)
        )

    def _count(self, tally: Tally[tuple[int, tuple[str | None, ...]]]) -> None:
        table = self._counter.table
        rows = [
            table.row_of(values, self._calls.resource_of(row) if table.per_resource else None) for row, values in tally
        ]
        self._counter.add(np.array(rows, np.int32), np.array(list(tally.values()), np.float64))
