"""Streams: the table of running totals.

::

    identity ─▶ Stream ─▶ row of StreamRows: start, time, totals        one StreamRows per type and bounds of histograms

What is kept of a stream is its identity and its totals, some 0.5 KB for a sum; neither attributes nor resources.
Rows of exponential histograms have room for the buckets of the widest of them, 2.5 KB at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.model.exponential_column import ExponentialColumn
from pipeline.model.metrics import EXPONENTIAL_HISTOGRAM, HISTOGRAM
from pipeline.model.value_columns import DeltaColumn, HistogramColumn, NumberColumn
from pipeline.model.value_rows import ValueRows

MAX_BUCKETS = 160
"""Buckets of one sign of an exponential histogram, the most that SDKs send by default; the scale is lowered for it."""
MAX_ALIASES = 4
"""Encodings of one stream that are remembered: senders may order attributes differently."""


class Stream:
    """One stream: where its totals stand, under which keys it is found, and in which turn a point of it came last."""

    __slots__ = ("aliases", "identity", "row", "rows", "turn")

    def __init__(self, identity: bytes, rows: StreamRows) -> None:
        self.identity = identity
        self.rows = rows
        self.row = -1
        self.aliases: list[bytes] = []
        self.turn: object = None


class StreamRows(ValueRows[Stream]):
    """The streams of one type of metric and, if they are histograms, of the same bounds.

    Attributes:
        shape: The bounds as encoded.
    """

    def __init__(self, kind: int, bounds: Sequence[float]) -> None:
        self.kind = kind
        self.bounds = tuple(bounds)
        self.shape = np.array(bounds, np.float64).tobytes()
        self.totals: DeltaColumn
        if kind == HISTOGRAM:
            self.totals = HistogramColumn(bounds, extremes=True)
        elif kind == EXPONENTIAL_HISTOGRAM:
            self.totals = ExponentialColumn(MAX_BUCKETS, extremes=True)
        else:
            self.totals = NumberColumn()
        super().__init__(self.totals)


class Streams:
    """See the module.

    Args:
        max_streams: No more are created.
    Attributes:
        by_alias: The streams by what points of them have in common while they are encoded alike.
    """

    def __init__(self, max_streams: int) -> None:
        self._max_streams = max_streams
        self._by_identity: dict[bytes, Stream] = {}
        self.by_alias: dict[bytes, Stream] = {}
        self._rows: dict[tuple[int, tuple[float, ...]], StreamRows] = {}

    def __len__(self) -> int:
        return len(self._by_identity)

    def __iter__(self) -> Iterator[StreamRows]:
        """All that have streams."""
        return iter(self._rows.values())

    def find(self, identity: bytes, alias: bytes, kind: int, bounds: Sequence[float]) -> Stream | None:
        """The stream with an identity, known by this encoding from now on. Created where it is new, without points;
        None where there are too many.
        """
        stream = self._by_identity.get(identity)
        if stream is None:
            if len(self) >= self._max_streams:
                return None
            stream = self.create(identity, kind, bounds)
        if len(stream.aliases) < MAX_ALIASES:
            stream.aliases.append(alias)
            self.by_alias[alias] = stream
        return stream

    def create(self, identity: bytes, kind: int, bounds: Sequence[float]) -> Stream:
        """A new stream, without points."""
        rows = self._rows_of(kind, bounds)
        stream = self._by_identity[identity] = Stream(identity, rows)
        rows.append(stream)
        return stream

    def move(self, stream: Stream, bounds: Sequence[float]) -> None:
        """The stream begins anew, with other bounds."""
        kind = stream.rows.kind
        self._leave(stream)
        stream.rows = self._rows_of(kind, bounds)
        stream.rows.append(stream)

    def forget(self, stream: Stream) -> None:
        """Its next point begins it anew."""
        self._leave(stream)
        del self._by_identity[stream.identity]
        for alias in stream.aliases:
            del self.by_alias[alias]

    def expire(self, oldest_ns: int) -> None:
        """Forget the streams of which no point has come since this monotonic time."""
        for rows in list(self):
            for stream in rows.idle(oldest_ns):
                self.forget(stream)

    def _rows_of(self, kind: int, bounds: Sequence[float]) -> StreamRows:
        key = (kind, tuple(bounds))
        rows = self._rows.get(key)
        if rows is None:
            rows = self._rows[key] = StreamRows(*key)
        return rows

    def _leave(self, stream: Stream) -> None:
        rows = stream.rows
        rows.remove(stream)
        if not len(rows):
            del self._rows[rows.kind, rows.bounds]
