"""A batch → bytes of an export request, without decoding what is passed on.

A batch that nobody changed *is* its payload. Otherwise each ResourceSpans, ScopeSpans (…Metrics, …Logs) and Metric is
written as an *envelope*, all bytes of its body besides the repeated children (resource, scope, schema_url, name, unit
and whatever a newer protocol adds), followed by the children that remain. Empty envelopes are left out, which the
specification allows. Items and envelopes that were changed have been written before (``codec/item_edits.py``).

    payload   ┃R resource ┃S scope │item│item│item│item┃S scope │item┃schema_url┃ …
    without:  ┃R resource schema_url┃S scope │item│    │item│  ┃                        one slice per run of kept items
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.model.records import HEADER, PARENT, RANGE, Level, Records

if TYPE_CHECKING:
    from pipeline.model.batch import Batch

Offsets = npt.NDArray[np.int64]

ELEMENT_TAGS = {Level.RESOURCE: b"\x0a", Level.SCOPE: b"\x12", Level.ITEM: b"\x12", Level.POINT: b"\x0a"}
"""Tags of the repeated fields that are written anew: the same in trace.proto, metrics.proto and logs.proto."""


class Children(NamedTuple):
    """The elements below one row: int64[k] where they begin and end in the payload."""

    begin: Offsets
    end: Offsets

    def extents(self) -> list[tuple[int, int]]:
        """Neighbours that touch as one."""
        begin, end = self.begin, self.end
        gaps = np.flatnonzero(begin[1:] != end[:-1])
        begins, ends = begin[np.append(0, gaps + 1)], end[np.append(gaps, len(end) - 1)]
        return list(zip(begins.tolist(), ends.tolist(), strict=True))


class Encoder:
    """Writes batches of one signal."""

    def encode(self, batch: Batch) -> bytes:
        """See the module. Cost: nothing where no item was dropped or changed, else one copy of what remains."""
        records = batch.written
        if batch.rows is None and records is records.decoded:
            return records.payload
        if not len(batch):
            return b""
        level = batch.item_level
        kept = self._elements(batch)
        while level > Level.RESOURCE:
            level = Level(level - 1)
            kept = self._wrap(batch, level, kept)
        decoded = records.decoded
        around = Children(*_extents(decoded, Level.RESOURCE)).extents()
        return outside(decoded.payload, 0, len(decoded.payload), around) + b"".join(kept.values())

    def enclose(self, batch: Batch, level: Level, row: int, inner: bytes, children: Children) -> bytes:
        """The body of a row with ``inner`` in place of its children."""
        begin, end = _body(batch.records.decoded, level, row)
        return outside(batch.records.payload, begin, end, children.extents()) + inner

    def _elements(self, batch: Batch) -> dict[int, bytes]:
        """Per row of the table above the items, the encoded items (tag, length, body) that remain."""
        records = batch.written
        rows = batch.item_rows
        begin, end = _extents(records, batch.item_level)
        begin, end = begin[rows], end[rows]
        parents = records.column(batch.item_level, PARENT)[rows].astype(np.int64)
        # items that lie side by side leave as one slice
        first = np.ones(len(rows), bool)
        first[1:] = (begin[1:] != end[:-1]) | (parents[1:] != parents[:-1])
        at = np.flatnonzero(first)
        stop = end[np.append(at[1:], len(rows)) - 1]
        out: dict[int, list[bytes]] = {}
        payload = records.payload
        runs = zip(parents[at].tolist(), begin[at].tolist(), stop.tolist(), strict=True)
        for parent, run_begin, run_end in runs:
            out.setdefault(parent, []).append(payload[run_begin:run_end])
        return {parent: b"".join(pieces) for parent, pieces in out.items()}

    def _wrap(self, batch: Batch, level: Level, children: dict[int, bytes]) -> dict[int, bytes]:
        """Per row of the enclosing table, the encoded elements of ``level`` that have children."""
        records, written = batch.records.decoded, batch.written
        out: dict[int, list[bytes]] = {}
        parents = records.column(level, PARENT).tolist()
        changed = (written.column(level, RANGE) != records.column(level, RANGE)).tolist()
        begin, end = _extents(records, Level(level + 1))
        owners = records.column(Level(level + 1), PARENT)
        rows = np.fromiter(children, np.uint64, len(children))
        # a walk writes the children of a row one after the other
        spans = zip(
            np.searchsorted(owners, rows).tolist(), np.searchsorted(owners, rows, "right").tolist(), strict=True
        )
        for (row, inner), (low, high) in zip(children.items(), spans, strict=True):
            if changed[row]:
                body = written.body(level, row) + inner
            else:
                body = self.enclose(batch, level, row, inner, Children(begin[low:high], end[low:high]))
            out.setdefault(parents[row], []).append(element(ELEMENT_TAGS[level], body))
        return {parent: b"".join(elements) for parent, elements in out.items()}


def varint(value: int) -> bytes:
    """Protobuf's base-128 form of a non-negative number.

    >>> varint(300)
    b'\\xac\\x02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def element(tag: bytes, body: bytes) -> bytes:
    """A length-delimited field."""
    return tag + varint(len(body)) + body


def outside(payload: bytes, begin: int, end: int, holes: Iterable[tuple[int, int]]) -> bytes:
    """``payload[begin:end]`` without ``holes``, which lie in it in order."""
    parts = []
    for hole_begin, hole_end in holes:
        if hole_begin > begin:
            parts.append(payload[begin:hole_begin])
        begin = hole_end
    parts.append(payload[begin:end])
    return b"".join(parts)


def _body(records: Records, level: Level, row: int) -> tuple[int, int]:
    """Begin and end of a message in the payload."""
    word = int(records.words[records.first[level] + row * records.width[level] + RANGE])
    return word >> 32, (word >> 32) + (word & 0xFFFF_FFFF)


def _extents(records: Records, level: Level) -> tuple[Offsets, Offsets]:
    """int64[rows] begin and end of each element of a table in the payload, tag and length included."""
    word = records.column(level, RANGE)
    body = (word >> np.uint64(32)).astype(np.int64)
    header = (records.column(level, HEADER) >> np.uint64(8)).astype(np.int64)
    return body - header, body + (word & np.uint64(0xFFFF_FFFF)).astype(np.int64)
