"""ExemplarPool: at most one exemplar per row and bucket of an instrument, in memory that only those take which
exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.model.batch import Batch
from pipeline.model.exemplar_sampling import offer
from pipeline.model.key_store import enlarged, grown
from pipeline.model.records import Level
from pipeline.model.snapshot import Exemplars

Int32s = npt.NDArray[np.int32]

INTERVAL_NS = 15 * 1_000_000_000
"""A newer interval's exemplar replaces the older one. As long as Prometheus' usual scrape interval: every scrape may
see new ones.
"""


class SpanIds(NamedTuple):
    """Spans of which nothing but the ids is known any more, in place of a batch.

    Attributes:
        words: uint64[n, 3], the bytes of trace id and span id.
    """

    words: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, ids: Sequence[tuple[str, str]]) -> SpanIds:
        """From trace and span ids in hexadecimal; raises ValueError where one is of another length."""
        packed = b"".join(bytes.fromhex(trace_id + span_id) for trace_id, span_id in ids)
        return cls(np.frombuffer(packed, np.uint64).reshape(-1, 3))


class ExemplarPool:
    """Slots that are handed out to (row, bucket) when its first exemplar comes.

    Args:
        per_row: Buckets of a row.

    Attributes:
        index: int32[rows * per_row], slot + 1; 0: none.
        owners: int64 per slot, row * per_row + bucket; -1: free.
    """

    def __init__(self, per_row: int) -> None:
        self.per_row = per_row
        self.index: Int32s = np.zeros(0, np.int32)
        self.ids = np.zeros((0, 3), np.uint64)
        self.ranks = np.zeros(0, np.uint64)
        self.values = np.zeros(0, np.float64)
        self.times = np.zeros(0, np.int64)
        self.epochs = np.zeros(0, np.int64)
        self.owners = np.zeros(0, np.int64)
        self._free: Int32s = np.zeros(0, np.int32)
        self._free_count = 0

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        arrays = (self.index, self.ids, self.ranks, self.values, self.times, self.epochs, self.owners, self._free)
        return sum(array.nbytes for array in arrays)

    def resize(self, capacity: int) -> None:
        """Make room for this many rows."""
        self.index = enlarged(self.index, capacity * self.per_row)

    def clear(self, rows: Int32s) -> None:
        """Forget the exemplars of rows."""
        cells = (rows.astype(np.int64)[:, None] * self.per_row + np.arange(self.per_row)).reshape(-1)
        slots = self.index[cells] - 1
        slots = slots[slots >= 0]
        self.index[cells] = 0
        self.owners[slots] = -1
        self._free[self._free_count : self._free_count + len(slots)] = slots
        self._free_count += len(slots)

    def offer(
        self,
        spans: Batch | SpanIds,
        rows: Int32s,
        buckets: Int32s,
        values: npt.NDArray[np.float64],
        unix_nano: int,
        monotonic_nano: int,
    ) -> None:
        """Consider measurement i, made of span i, for its row and bucket; a negative row or bucket is passed over.

        Raises:
            KeyError: ``trace_id`` or ``span_id`` is not in the batch.
        """
        words, first, width, trace_word, span_word, items = _places(spans)
        if self._free_count < len(rows):
            self._make_room(len(rows))
        self._free_count = offer(
            self.index,
            self.per_row,
            self.ids.reshape(-1),
            self.ranks,
            self.values,
            self.times,
            self.epochs,
            self.owners,
            self._free,
            self._free_count,
            rows,
            buckets,
            values,
            words,
            first,
            width,
            trace_word,
            span_word,
            items,
            unix_nano,
            monotonic_nano // INTERVAL_NS,
        )

    def collect(self, rows: Int32s, bucketed: bool, since_unix_nano: int = 0) -> Exemplars | None:
        """Exemplars of these rows (ascending) taken at or after a time, or None; ``point`` is the index in ``rows``."""
        taken = np.flatnonzero((self.owners >= 0) & (self.times >= since_unix_nano))
        owner_rows = self.owners[taken] // self.per_row
        points = np.searchsorted(rows, owner_rows)
        found = points < len(rows)
        found[found] = rows[points[found]] == owner_rows[found]
        taken, points = taken[found], points[found]
        if not len(taken):
            return None
        order = np.argsort(self.owners[taken])
        taken, points = taken[order], points[order]
        buckets = self.owners[taken] % self.per_row if bucketed else np.full(len(taken), -1)
        ids = self.ids[taken].astype("<u8").view(np.uint8)
        return Exemplars(
            points.astype(np.int32),
            buckets.astype(np.int32),
            self.values[taken],
            self.times[taken],
            np.ascontiguousarray(ids[:, :16]),
            np.ascontiguousarray(ids[:, 16:]),
        )

    def state(self, rows: Int32s, epoch: int) -> dict[str, npt.NDArray[Any]]:
        """The exemplars of these rows as arrays; ``owners`` and ``epochs`` are relative to the rows and to
        ``epoch``.
        """
        taken = np.flatnonzero(self.owners >= 0)
        points = np.searchsorted(rows, self.owners[taken] // self.per_row)
        return {
            "owners": points * self.per_row + self.owners[taken] % self.per_row,
            "ids": self.ids[taken],
            "ranks": self.ranks[taken],
            "values": self.values[taken],
            "times": self.times[taken],
            "epochs": self.epochs[taken] - epoch,
        }

    def check_state(self, state: dict[str, npt.NDArray[Any]], rows: int) -> None:
        """Raise ValueError where ``restore`` would not understand the arrays."""
        count = len(state["owners"])
        for name, array in state.items():
            expected: npt.NDArray[Any] = getattr(self, name)
            if array.dtype != expected.dtype or array.shape != (count, *expected.shape[1:]):
                raise ValueError(f"exemplars.{name} has another shape or type")
        owners = state["owners"]
        if count and not 0 <= owners.min() <= owners.max() < rows * self.per_row:
            raise ValueError("exemplars of series that are not there")
        if len(np.unique(owners)) != count:
            raise ValueError("two exemplars of one bucket")

    def restore(self, state: dict[str, npt.NDArray[Any]], rows: Int32s, epoch: int) -> None:
        """Take up what ``state`` gave; ``rows`` are the rows' new numbers."""
        owners: npt.NDArray[np.int64] = state["owners"]
        if not len(owners):
            return
        self._make_room(len(owners))
        self._free_count -= len(owners)
        slots = self._free[self._free_count : self._free_count + len(owners)].copy()
        owners = rows[owners // self.per_row].astype(np.int64) * self.per_row + owners % self.per_row
        self.index[owners] = slots + 1
        self.owners[slots] = owners
        self.ids[slots] = state["ids"]
        self.ranks[slots] = state["ranks"]
        self.values[slots] = state["values"]
        self.times[slots] = state["times"]
        self.epochs[slots] = state["epochs"] + epoch

    def _make_room(self, needed: int) -> None:
        """Have at least ``needed`` free slots."""
        old = len(self.owners)
        size = grown(old, old + needed - self._free_count)
        self.ids = enlarged(self.ids, size)
        self.ranks = enlarged(self.ranks, size)
        self.values = enlarged(self.values, size)
        self.times = enlarged(self.times, size)
        self.epochs = enlarged(self.epochs, size)
        self.owners = enlarged(self.owners, size)
        self.owners[old:] = -1
        self._free = enlarged(self._free, size)
        self._free[self._free_count : self._free_count + size - old] = np.arange(size - 1, old - 1, -1)
        self._free_count += size - old


def _places(spans: Batch | SpanIds) -> tuple[npt.NDArray[np.uint64], int, int, int, int, Int32s | None]:
    """Words with ids, first word, words of a row, where the ids begin in a row, and the rows; None: all."""
    if isinstance(spans, SpanIds):
        return spans.words.reshape(-1), 0, 3, 0, 2, None
    trace_id, span_id = (spans.projection.field(column) for column in ("trace_id", "span_id"))
    if trace_id is None or span_id is None:
        raise KeyError("exemplars take columns 'trace_id' and 'span_id': declare them in `reads`")
    records = spans.records
    place = records.first[Level.ITEM], records.width[Level.ITEM], trace_id.word, span_id.word
    return records.words, *place, spans.rows
