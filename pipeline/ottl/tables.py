"""The rows that a condition looks at, table by table.

Telemetry is a tree: resources, scopes, items, and below them events or points. What a condition says about a resource
is worked out once per resource and then spread to the rows below it.

    traces    resource ─ scope ─ span ─ event
    metrics   resource ─ scope ─ metric ─ point
    logs      resource ─ scope ─ log record
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.model import dictionary, scan
from pipeline.model.batch import Batch
from pipeline.model.column import Bools, Int32s
from pipeline.model.records import PARENT, Field, Kind, Level, Records, Words

Index = npt.NDArray[Any]


class Tables:
    """A batch as tables. Of the items only those in the batch are looked at, and what lies below those; tables above
    are small and looked at as a whole.

    Args:
        now_unix_nano: What ``Now()`` is.
    """

    __slots__ = ("_field", "_index", "_item_level", "batch", "now_unix_nano", "records")

    def __init__(self, batch: Batch, now_unix_nano: int) -> None:
        self.batch = batch
        self.records: Records = batch.records
        self.now_unix_nano = now_unix_nano
        self._field = batch.projection.field
        self._item_level = batch.item_level
        self._index: dict[tuple[Level, Level], Index] = {}

    def rows(self, level: Level) -> Int32s | None:
        """Rows of a table that are looked at; None: all."""
        if level < self._item_level:
            return None
        return self.batch.rows if level == self._item_level else self.batch.rows_at(level)

    def size(self, level: Level) -> int:
        """How many rows that are."""
        rows = self.rows(level)
        return self.records.count[level] if rows is None else len(rows)

    def field(self, column: str) -> Field:
        """Where a column stands. It has been declared, else the condition would not be here."""
        field = self._field(column)
        if field is None:
            raise KeyError(f"column {column!r} is not in this batch: declare what Condition.reads says")
        return field

    def words(self, level: Level, word: int) -> Words:
        """uint64[size], a view where all rows are looked at."""
        column = self.records.column(level, word)
        rows = self.rows(level)
        return column if rows is None else column[rows]

    def codes(self, field: Field) -> tuple[Int32s, list[int], list[int]]:
        """A code per row, -1 where the cell is absent, and type and value word of each code's cell."""
        records = self.records
        level = field.level
        first = records.first[level] + field.word
        typed = field.kind == Kind.ATTRIBUTE
        return dictionary.encode(
            records.payload, records.words, first, records.width[level], self.rows(level), self.size(level), typed
        )

    def index(self, above: Level, below: Level) -> Index:
        """For each row of the lower table, the place of its ancestor among the rows of the upper one."""
        known = self._index.get((above, below))
        if known is None:
            known = self._index[above, below] = self._climb(above, below)
        return known

    def spread(self, hits: Bools, above: Level, below: Level) -> Bools:
        """For each row of the lower table, what is known of its ancestor. Cost: one native pass."""
        size = self.size(below)
        if below > self.batch.item_level or not size:  # the place of a span in the batch is not its row
            return hits[self.index(above, below)]
        records = self.records
        levels = range(below, above, -1)
        steps = np.array([part for level in levels for part in (records.first[level], records.width[level])], np.int64)
        out = np.empty(size, bool)
        scan.spread(records.words, steps, len(levels), self.rows(below), size, hits.view(np.uint8), out.view(np.uint8))
        return out

    def _climb(self, above: Level, below: Level) -> Index:
        batch = self.batch
        if below == batch.item_level:
            return batch.rows_at(above)
        if below > batch.item_level:
            parents: Index = batch["event.span"]
            return parents if above == batch.item_level else self.index(above, batch.item_level)[parents]
        index = self.records.column(below, PARENT).astype(np.int64)
        level = Level(below - 1)
        while level > above:
            index = self.records.column(level, PARENT).astype(np.int64)[index]
            level = Level(level - 1)
        return index
