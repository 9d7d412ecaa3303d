"""Families → remote-write requests, 1.0 (``prometheus.WriteRequest``) and 2.0 (``io.prometheus.write.v2.Request``).

Python runs per family and per few thousand rows; what is per series is in the kernel (``remote_write_rows.py``).
Every series belongs to a *shard*, by a hash of its labels: one shard's requests are sent one after another, which keeps
the samples of a series in order without an out-of-order window at the receiver. A series that was in the last batch of
its source and is not in this one ends with a stale marker.

Sources: Prometheus "Remote-Write 1.0" and "2.0" specifications; ``prompb/types.proto`` and ``write/v2/types.proto``.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from pipeline.codec.native_histograms import SMALLEST_SCHEMA, native_histogram
from pipeline.codec.prometheus_families import Family, Part, Report
from pipeline.codec.prometheus_labels import utf8, varint
from pipeline.codec.prometheus_names import MetricType
from pipeline.codec.prometheus_page import go_float
from pipeline.codec.remote_write_messages import (
    Exemplar,
    encode_exemplar,
    encode_metadata,
    encode_native,
    exemplars_by_series,
    stale_histogram,
)
from pipeline.codec.remote_write_rows import Block, Symbols, hashes
from pipeline.model.snapshot import ExponentialValues, HistogramValues, NumberValues, SummaryValues

STALE_BITS = 0x7FF0_0000_0000_0002
"""The NaN that ends a series. Nothing else may have these bits."""
QUIET_BITS = 0x7FF8_0000_0000_0001
ROWS_AT_ONCE = 4096
LABEL_BYTES = 1 << 20
MILLI = 1_000_000

Hashes = npt.NDArray[np.uint64]


class Message(StrEnum):
    """The two messages, under the names by which ``protobuf_message`` calls them."""

    V1 = "prometheus.WriteRequest"
    V2 = "io.prometheus.write.v2.Request"


@dataclass(frozen=True)
class WriteRequest:
    """One encoded request, not compressed yet.

    Attributes:
        shard: Requests of one shard must be sent in order.
        samples: Samples and native histograms in it.
    """

    shard: int
    payload: bytes
    samples: int


@dataclass(eq=False)
class Written:
    """What a source wrote last: family name → the parts and the hashes of their rows."""

    families: dict[str, tuple[Family, list[Hashes]]]


class RemoteWriter:
    """Encodes batch after batch of one exporter. One thread at a time.

    Args:
        message: 1.0 or 2.0; may be changed between batches.
        shards: How many.
        max_bytes: Of one request before compression, as long as a single row fits.
        report: Told about what has no form in remote write.
    """

    def __init__(self, message: Message, shards: int, max_bytes: int, report: Report) -> None:
        self.message = message
        self._shards = shards
        self._max_bytes = max_bytes
        self._report = report
        self._last: dict[str, Written] = {}

    def encode(
        self, families: Sequence[Family], source: str | None, time_unix_nano: int, *, ended: bool = False
    ) -> Iterator[WriteRequest]:
        """The requests of a batch.

        Args:
            families: From ``prometheus_families.assemble`` with ``Format.PROTOBUF``.
            source: Whose complete state this is; None for a batch that is not complete, of which no series can end.
            time_unix_nano: Of the stale markers of series that are not there any more.
            ended: All series end: they get stale markers in place of their values.
        """
        parcels = [_Parcel(shard, self.message, self._max_bytes) for shard in range(self._shards)]
        written = Written({})
        for family in families:
            marks: list[Hashes] = []
            for part in family.parts:
                mark = np.empty(len(part.view), dtype=np.uint64)
                yield from self._part(family, part, parcels, mark, ended)
                marks.append(mark)
            written.families[family.name] = (family, marks)
        if source is not None:
            last = self._last.get(source)
            if last is not None:
                yield from self._ended(last, written, time_unix_nano, parcels)
            self._last[source] = written
        for parcel in parcels:
            yield from parcel.close()

    def _part(
        self, family: Family, part: Part, parcels: Sequence[_Parcel], mark: Hashes, ended: bool
    ) -> Iterator[WriteRequest]:
        # An application that ends a series does not say whether it had sums.
        kinds = [_SeriesOfRow(family, part, self._report, stale=True)] if ended else _kinds(family, part, self._report)
        for first, labels, ends, rows in _label_blocks(part, family.name):
            mark[first : first + len(ends)] = rows
            shards = (rows % np.uint64(len(parcels))).astype(np.int32)
            for series in kinds:
                yield from series.write(parcels, first, labels, ends, shards)

    def _ended(
        self, last: Written, now: Written, time_unix_nano: int, parcels: Sequence[_Parcel]
    ) -> Iterator[WriteRequest]:
        """Stale markers for the series of ``last`` that ``now`` does not have."""
        nothing: Hashes = np.zeros(0, dtype=np.uint64)
        for name, (family, marks) in last.families.items():
            _, present = now.families.get(name, (family, [nothing]))
            here = np.concatenate([nothing, *present])
            for part, mark in zip(family.parts, marks, strict=True):
                gone = ~np.isin(mark, here)
                if gone.any():
                    yield from self._stale(family, part, gone, time_unix_nano, parcels)

    def _stale(
        self,
        family: Family,
        part: Part,
        gone: npt.NDArray[np.bool_],
        time_unix_nano: int,
        parcels: Sequence[_Parcel],
    ) -> Iterator[WriteRequest]:
        kinds = _kinds(family, replace(part, time_unix_nano=time_unix_nano), self._report, stale=True)
        for first, labels, ends, rows in _label_blocks(part, family.name):
            shards = (rows % np.uint64(len(parcels))).astype(np.int32)
            shards[~gone[first : first + len(ends)]] = -1
            for series in kinds:
                yield from series.write(parcels, first, labels, ends, shards)


def _label_blocks(part: Part, name: str) -> Iterator[tuple[int, npt.NDArray[np.uint8], npt.NDArray[np.int64], Hashes]]:
    """First row, label sets, their ends, and a hash of each with the family's name."""
    buffer: npt.NDArray[np.uint8] = np.empty(max(LABEL_BYTES, part.series.room()), dtype=np.uint8)
    seed = zlib.crc32(utf8(name))
    row, count = 0, len(part.view)
    while row < count:
        first = row
        row, ends = part.series.label_sets(buffer, first, min(first + ROWS_AT_ONCE, count))
        yield first, buffer, ends, hashes(buffer, ends, seed)


def _kinds(family: Family, part: Part, report: Report, *, stale: bool = False) -> list[_SeriesOfRow]:
    """What the rows of a part become. Where the sum of a histogram is unknown, there is no series of sums."""
    lacks = np.isnan(part.values.sums) if isinstance(part.values, HistogramValues) else np.zeros(0, bool)
    if not lacks.any():
        return [_SeriesOfRow(family, part, report, stale=stale)]
    return [
        _SeriesOfRow(family, part, report, stale=stale, left_out=lacks),
        _SeriesOfRow(family, part, report, stale=stale, left_out=~lacks, has_sum=False),
    ]


class _SeriesOfRow:
    """The series that each row of a part becomes: names, bounds, values.

    Args:
        stale: They end.
        left_out: bool[rows], rows that are not written; None: none.
        has_sum: Whether histograms have series of sums.
    """

    def __init__(
        self,
        family: Family,
        part: Part,
        report: Report,
        *,
        stale: bool = False,
        left_out: npt.NDArray[np.bool_] | None = None,
        has_sum: bool = True,
    ) -> None:
        self._family = family
        self._part = part
        self._stale = stale
        values = part.values
        names = [family.name]
        bounds = [""]
        if isinstance(values, HistogramValues):
            more = [f"{family.name}_sum", f"{family.name}_count"] if has_sum else [f"{family.name}_count"]
            bounds = [*map(go_float, (*values.bounds, math.inf)), *[""] * len(more)]
            names = [f"{family.name}_bucket"] * (len(values.bounds) + 1) + more
        elif isinstance(values, SummaryValues):
            bounds = [*map(go_float, values.quantiles), "", ""]
            names = [family.name] * len(values.quantiles) + [f"{family.name}_sum", f"{family.name}_count"]
        self._bound_name = b"quantile" if isinstance(values, SummaryValues) else b"le"
        self._k = len(names)
        self._names, self._name_at = _joined(names)
        self._bounds, self._bound_at = _joined(bounds)
        self._starts = np.maximum(part.view.start_unix_nano, 0) // MILLI
        if family.kind is MetricType.GAUGE:
            self._starts = np.zeros(len(part.view), dtype=np.int64)
        self._time_ms = max(part.time_unix_nano, 0) // MILLI
        self._exemplars: dict[int, list[Exemplar]] = {}
        if family.kind is not MetricType.GAUGE and not stale:
            self._exemplars = exemplars_by_series(values.exemplars, self._k)
        self._has_sum = has_sum
        self._left_out = left_out
        if isinstance(values, ExponentialValues):
            self._left_out = values.scale < SMALLEST_SCHEMA
            if not stale and self._left_out.any():
                report("scale", family.name, int(self._left_out.sum()))

    def write(
        self,
        parcels: Sequence[_Parcel],
        first: int,
        labels: npt.NDArray[np.uint8],
        ends: npt.NDArray[np.int64],
        shards: npt.NDArray[np.int32],
    ) -> Iterator[WriteRequest]:
        """Rows from ``first`` on, into the requests of their shards."""
        count = len(ends)
        if self._left_out is not None:
            shards = np.where(self._left_out[first : first + count], np.int32(-1), shards)
        times = np.full(count, self._time_ms, dtype=np.int64)
        values = self._values(first, first + count)
        wanted = set(np.unique(shards).tolist())
        for parcel in parcels:
            if parcel.shard not in wanted:
                continue

            def block(row: int, parcel: _Parcel = parcel) -> Block:
                more, more_at = self._more(first, row, count, shards, parcel)
                return Block(
                    labels,
                    ends,
                    self._names,
                    self._name_at,
                    self._bounds,
                    self._bound_at,
                    self._bound_name,
                    values,
                    times,
                    self._starts[first : first + count],
                    more,
                    more_at,
                    shards,
                )

            yield from parcel.add(block, count, self._family, rebuilt=bool(self._exemplars))

    def _values(self, first: int, last: int) -> npt.NDArray[np.uint64]:
        """Bits of the samples, by row and series; empty for native histograms."""
        values = self._part.values
        if isinstance(values, ExponentialValues):
            return np.zeros(0, dtype=np.uint64)
        if self._stale:
            return np.full((last - first) * self._k, STALE_BITS, dtype=np.uint64)
        if isinstance(values, NumberValues):
            bits = np.ascontiguousarray(values.values[first:last]).view(np.uint64)
        elif isinstance(values, SummaryValues):
            columns = (values.values, values.sums[:, None], values.counts[:, None])
            bits = np.hstack([column[first:last] for column in columns]).view(np.uint64).reshape(-1)
        else:
            buckets = values.counts.shape[1]
            cumulated = np.empty((last - first, self._k))
            np.cumsum(values.counts[first:last], axis=1, out=cumulated[:, :buckets])
            cumulated[:, -1] = cumulated[:, buckets - 1]
            if self._has_sum:
                cumulated[:, -2] = values.sums[first:last]
            bits = cumulated.view(np.uint64).reshape(-1)
        # Somebody's data may hold the marker; only we end series.
        marked = bits == np.uint64(STALE_BITS)
        return np.where(marked, np.uint64(QUIET_BITS), bits) if marked.any() else bits

    def _more(
        self, first: int, row: int, count: int, shards: npt.NDArray[np.int32], parcel: _Parcel
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Native histograms and exemplars of the rows from ``row`` on that belong to the shard."""
        values = self._part.values
        is_native = isinstance(values, ExponentialValues)
        if not is_native and not self._exemplars:
            return np.zeros(0, dtype=np.uint8), np.zeros(count * self._k + 1, dtype=np.int64)
        pieces: list[bytes] = [b""] * (count * self._k)
        for place in np.flatnonzero(shards == parcel.shard).tolist():
            if place < row:
                continue
            for i in range(self._k):
                piece = b""
                if isinstance(values, ExponentialValues):
                    piece = self._native(values, first + place, parcel.is_v2)
                for exemplar in self._exemplars.get((first + place) * self._k + i, ()):
                    piece += encode_exemplar(exemplar, parcel.symbols)
                pieces[place * self._k + i] = piece
        ends = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
        return np.frombuffer(b"".join(pieces), dtype=np.uint8), ends

    def _native(self, values: ExponentialValues, row: int, is_v2: bool) -> bytes:
        times = (self._time_ms, int(self._starts[row]) if is_v2 else 0)
        if self._stale:
            message = stale_histogram(STALE_BITS, *times)
        else:
            message = encode_native(native_histogram(values, row), *times)
        return (b"\x1a" if is_v2 else b"\x22") + varint(len(message)) + message


class _Parcel:
    """The request of one shard under construction."""

    def __init__(self, shard: int, message: Message, max_bytes: int) -> None:
        self.shard = shard
        self.is_v2 = message is Message.V2
        self._max_bytes = max_bytes
        self._out: npt.NDArray[np.uint8] = np.empty(0, dtype=np.uint8)
        self.symbols: Symbols | None = None
        self._used = self._samples = 0

    def add(
        self, block_from: Callable[[int], Block], count: int, family: Family, *, rebuilt: bool
    ) -> Iterator[WriteRequest]:
        """Append the shard's rows of a block; gives the requests that became full on the way.

        Args:
            block_from: Makes the block, with what stands in the symbols for the rows from the given one on.
            rebuilt: Whether the block has to be made anew for a new table of symbols.
        """
        if not len(self._out):
            self._reserve(self._max_bytes)
        row = 0
        block = block_from(row)
        while True:
            common = self._common(family)
            row, used, samples = block.write(self._out, self._used, row, self.shard, self.symbols, common)
            self._used, self._samples = used, self._samples + samples
            if row == count:
                return
            if self._samples:
                yield self._request()
            else:
                self._reserve(2 * max(len(self._out), block.room(common)))
            if rebuilt:
                block = block_from(row)

    def close(self) -> Iterator[WriteRequest]:
        """The last request, if there is anything in it."""
        if self._samples:
            yield self._request()

    def _reserve(self, room: int) -> None:
        self._out = np.empty(room, dtype=np.uint8)
        self._used = 0
        if self.is_v2:
            self.symbols = Symbols(room, seed=zlib.crc32(id(self).to_bytes(8, "little")))

    def _common(self, family: Family) -> bytes:
        if self.symbols is None:
            return b""
        help_ref, unit_ref = (max(self.symbols.ref(utf8(text)), 0) for text in (family.help_text, family.unit))
        message = encode_metadata(True, family.kind, help_ref, unit_ref)
        return b"\x2a" + varint(len(message)) + message

    def _request(self) -> WriteRequest:
        head = self.symbols.encoded() if self.symbols is not None else b""
        request = WriteRequest(self.shard, head + self._out[: self._used].tobytes(), self._samples)
        self._used = self._samples = 0
        if self.symbols is not None:
            self.symbols.clear()
        return request


def _joined(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    encoded = [utf8(text) for text in texts]
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), np.cumsum([0, *map(len, encoded)], dtype=np.int64)
