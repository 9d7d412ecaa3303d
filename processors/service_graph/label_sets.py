"""The label sets of one side: a private series table that numbers them, and a memo of what it answered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.api import Clock, Label, SpanBatch
from pipeline.model.records import Field, Level
from pipeline.model.resources import Resource
from pipeline.model.series import LabelValues, Limits, SeriesTable
from processors.service_graph.halves import LONELY
from processors.service_graph.label_memo import USED, LabelMemo, memo_plan
from processors.service_graph.nodes import Half

Int32s = npt.NDArray[np.int32]

CHECK_NANO = 30 * 10**9
"""Label sets are idle for a quarter of an hour before they are given up, so it is enough to look twice a minute."""
_RESOURCE, _SCOPE = int(Level.RESOURCE), int(Level.SCOPE)


class LabelSets:
    """See the module.

    Args:
        is_lonely: Of a client's label set, whether it needs no server; None: none is.

    Attributes:
        table: The authority.
        memo: Answers for spans like those that came before.
    """

    def __init__(
        self,
        labels: tuple[Label, ...],
        clock: Clock,
        limits: Limits,
        is_lonely: Callable[[Half], bool] | None = None,
    ) -> None:
        self.table = SeriesTable(labels, clock, limits=limits)
        self._clock = clock
        self._checked_nano: int | None = None
        self.memo = LabelMemo()
        self._flags = np.zeros(1, np.uint8)
        self._is_lonely = is_lonely
        self._generation = self.table.generation
        self._projection: object = None
        self._plan = np.zeros(2, np.int32)
        self.table.attach(self)
        if is_lonely is not None:
            self.table.on_new_row = self._look_at

    def resize(self, capacity: int) -> None:
        """Make room for the flags of new label sets."""
        flags = np.zeros(capacity, np.uint8)
        flags[: len(self._flags)] = self._flags[:capacity]
        self._flags = flags
        self.memo.bind_flags(flags)

    def clear(self, rows: Int32s) -> None:
        """Forget the flags of freed label sets."""
        self._flags[rows] = 0

    def begin(self, spans: SpanBatch) -> LabelMemo:
        """The memo, for spans of this batch."""
        if self._generation != self.table.generation:
            self._generation = self.table.generation
            self.memo.clear()
        if spans.projection is not self._projection:
            self._plan = _plan(spans, self.table.labels)
            self._projection = spans.projection
        records = spans.records
        first, width = records.first, records.width
        shape = (first[_RESOURCE], width[_RESOURCE], first[_SCOPE], width[_SCOPE])
        self.memo.begin(records.payload, records.words, shape, records.count[_RESOURCE], self._plan)
        return self.memo

    def learn(self, spans: SpanBatch, first: int, width: int) -> Int32s:
        """int32[n]: numbers of the label sets of spans of the batch, which the memo keeps.

        Args:
            spans: Of them ``rows`` is not None.
            first, width: Where they stand in the records.
        """
        numbers = self.table.rows_of(spans)
        overflow = int(self.table.overflow_rows[self.table.no_resource])
        self.memo.learn(first, width, spans.rows, numbers, overflow)
        return numbers

    def expire(self) -> None:
        """Give up label sets that nobody has used for long. The table does not see what the memo answers, so it is told
        before.
        """
        now = self._clock.monotonic_nano()
        if self._checked_nano is not None and now - self._checked_nano < CHECK_NANO:
            return
        self._checked_nano = now
        used = np.flatnonzero(self._flags & USED).astype(np.int32)
        self._flags &= ~np.uint8(USED)
        self.table.resolve(used)
        self.table.note_collected(delta=False)
        self.table.expire()

    def _look_at(self, table: SeriesTable, row: int, values: LabelValues, resource: Resource | None) -> None:  # noqa: ARG002
        """Flag a new label set."""
        names = (label.name for label in table.labels)
        half = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        if self._is_lonely is not None and self._is_lonely(half):
            self._flags[row] |= LONELY


def _plan(spans: SpanBatch, labels: tuple[Label, ...]) -> Int32s:
    """Where spans of this projection keep the attributes that labels take."""
    fields = [[field_of(spans, column) for column in label.columns] for label in labels]
    resource = {field.word for candidates in fields for field in candidates if field.level == Level.RESOURCE}
    own = [
        [(field.level == Level.ITEM, field.word) for field in candidates]
        for candidates in fields
        if any(field.level == Level.ITEM for field in candidates)
    ]
    return memo_plan(sorted(resource), own)


def field_of(spans: SpanBatch, column: str) -> Field:
    """Where a column stands that must be there."""
    field = spans.projection.field(column)
    if field is None:
        raise KeyError(f"column {column!r} is not in this batch: declare it in `reads`")
    return field
