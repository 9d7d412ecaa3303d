"""SpanStore: the spans of the ticks that are still open, and children that wait for their parent.

A tick is a window of event time; a span belongs to the tick in which it ends::

    spans ─┬─ tick already closed ──→ late: dropped, or taken into the oldest open tick
           ├─ ends far in the future → refused
           └─ otherwise ───────────→ pending ── tick closes ──→ joined ──→ waits for its parent, for some ticks

Where more spans come than fit, traces are thinned: only those whose hashed id begins with enough zero bits are kept,
and which ones follows from the ids alone, so no order of arrival changes it. Shares, means and calls per root survive
that; every span is counted as one of ``FATES``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.api import SpanBatch
from pipeline.model.records import Level
from processors.anomaly import span_words
from processors.anomaly.joined import END, SPAN, TRACE, Joined
from processors.anomaly.span_join import DUPLICATE, UNKNOWN, WORDS, join

Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]

FATES = ("joined", "late", "future", "thinned", "duplicate")
"""What becomes of a span."""
MAX_THINNING = 30
FUTURE_TICKS = 6
"""Spans that end more ticks than this after the current one are refused: a sender's clock is wrong."""


class SpanStore:
    """See the module.

    Args:
        window_nano: Length of a tick.
        max_spans: Pending spans and waiting children, each. 56 bytes a span.
        wait_ticks: How long a child waits for its parent.
        seed: Of the join's hash.
        keep_late: Take late spans into the oldest open tick.

    Attributes:
        open_tick: Oldest tick that is not closed; -1 before the first span.
        thinning: Traces are kept with a chance of 2^-thinning.
        fates: int64, spans by ``FATES``.
    """

    def __init__(
        self, window_nano: int, max_spans: int, wait_ticks: int, seed: int, *, keep_late: bool = False
    ) -> None:
        self.window = np.uint64(window_nano)
        self.max_spans = max_spans
        self.wait_ticks = wait_ticks
        self.keep_late = keep_late
        self.open_tick = -1
        self.thinning = 0
        self.fates = np.zeros(len(FATES), np.int64)
        self.waiting = np.empty((0, WORDS), np.uint64)
        self._seed = seed
        self._projection: object = None
        self._fields: tuple[int, ...] = ()
        self._words = np.empty((1024, WORDS), np.uint64)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def nbytes(self) -> int:
        """Memory of the buffers."""
        return self._words.nbytes + self.waiting.nbytes

    def thinned(self, spans: SpanBatch) -> SpanBatch | None:
        """The spans that are to be looked at, None for none: all, unless traces are being thinned out."""
        if not self.thinning:
            return spans
        n = len(spans)
        kept = np.empty(n, np.uint8)
        records, fields = spans.records, self._fields_of(spans)
        first, width = records.first[Level.ITEM], records.width[Level.ITEM]
        left = span_words.sample(records.words, first, width, fields, spans.rows, n, self.thinning, kept)
        self.fates[FATES.index("thinned")] += n - left
        return spans.where(kept.view(np.bool_)) if left else None

    def add(self, spans: SpanBatch, operations: Int32s, current_tick: int) -> tuple[int, int]:
        """Take in a batch, which is not empty; the first and the last end of its spans, Unix nanoseconds.

        Args:
            operations: int32[n], number of each span's operation.
            current_tick: The tick that the clock is in.
        """
        out = self._room(len(spans))
        records, fields = spans.records, self._fields_of(spans)
        first, width = records.first[Level.ITEM], records.width[Level.ITEM]
        begin = max(self.open_tick, 0) * int(self.window)
        until = (current_tick + FUTURE_TICKS + 1) * int(self.window)
        n, late, future, earliest, latest = span_words.fill(
            out, records.words, first, width, fields, spans.rows, operations, begin, until, self.keep_late
        )
        self.fates[FATES.index("late")] += late
        self.fates[FATES.index("future")] += future
        self._used += n
        while self._used > self.max_spans and self.thinning < MAX_THINNING:
            self._thin()
        return earliest, latest

    def close(self, service_of: Int32s) -> Joined | None:
        """Close the oldest open tick and join its spans; None where it had none.

        Args:
            service_of: int32, number of the service by operation.
        """
        tick = self.open_tick
        self.open_tick += 1
        words = np.empty((self._used + len(self.waiting), WORDS), np.uint64)
        until = (max(tick, 0) + 1) * int(self.window)
        new = span_words.split(self._words, self._used, until, words) if self._used else 0
        self._used -= new
        if new < self.max_spans // 4 and self.thinning:
            self.thinning -= 1
        if not new:
            return None
        words = words[: new + len(self.waiting)]
        words[new:] = self.waiting
        return self._join(words, new, service_of, tick)

    def skip_to(self, tick: int) -> None:
        """Make ``tick`` the oldest open one. For gaps in which nothing came."""
        self.open_tick = tick

    def load(self, pending: UInt64s, waiting: UInt64s, open_tick: int, thinning: int) -> None:
        """Take up what ``pending``, ``waiting`` and the attributes of another store held."""
        self._room(len(pending))[:] = pending
        self._used = len(pending)
        self.waiting = waiting
        self.open_tick = open_tick
        self.thinning = thinning

    @property
    def pending(self) -> UInt64s:
        """uint64[n, 7], spans of open ticks."""
        return self._words[: self._used]

    def _join(self, words: UInt64s, new: int, service_of: Int32s, tick: int) -> Joined:
        n = len(words)
        parents, callees = np.empty((2, n), np.int32)
        children, remote = np.zeros((2, n), np.uint64)
        table = np.zeros(1 << (2 * new).bit_length(), np.int32)
        join(words, new, table, self._seed, service_of, parents, children, remote, callees)
        self._keep_waiting(words, parents, tick)
        duplicate = int(np.count_nonzero(parents[:new] == DUPLICATE))
        self.fates[FATES.index("duplicate")] += duplicate
        self.fates[FATES.index("joined")] += new - duplicate
        return Joined(words, new, parents, callees, children, remote)

    def _keep_waiting(self, words: UInt64s, parents: Int32s, tick: int) -> None:
        """Children without parent wait on; the youngest ones where there are too many."""
        oldest = max(tick - self.wait_ticks, 0)
        kept = (parents == UNKNOWN) & (words[:, END] // self.window > np.uint64(oldest))
        waiting = words[kept]
        if len(waiting) > self.max_spans:
            order = np.lexsort((waiting[:, SPAN], waiting[:, END]))
            waiting = waiting[order[-self.max_spans :]]
        self.waiting = waiting

    def _fields_of(self, spans: SpanBatch) -> tuple[int, ...]:
        """Where the rows of a batch have the columns that are read."""
        if spans.projection is not self._projection:
            found = [spans.projection.field(column) for column in span_words.COLUMNS]
            self._fields = tuple(field.word for field in found if field is not None)
            self._projection = spans.projection
        return self._fields

    def _thin(self) -> None:
        self.thinning += 1
        mask = np.empty(self._used, np.uint8)
        words = self._words.reshape(-1)
        span_words.sample(words, 0, WORDS, (TRACE,), None, self._used, self.thinning, mask)
        kept = self.pending[mask.view(np.bool_)]
        self.fates[FATES.index("thinned")] += self._used - len(kept)
        self._words[: len(kept)] = kept
        self._used = len(kept)

    def _room(self, n: int) -> UInt64s:
        """The next n rows of the buffer."""
        needed = self._used + n
        if needed > len(self._words):
            larger = np.empty((1 << (needed - 1).bit_length(), WORDS), np.uint64)
            larger[: self._used] = self._words[: self._used]
            self._words = larger
        return self._words[self._used : needed]
