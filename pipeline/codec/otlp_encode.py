"""A batch → bytes of an export request, without decoding what is passed on.

A batch that nobody changed *is* its payload. Otherwise each ResourceSpans, ScopeSpans (…Metrics, …Logs) and Metric is
written as an *envelope*, all bytes of its body besides the repeated children (resource, scope, schema_url, name, unit
and whatever a newer protocol adds), followed by the children that remain. Empty envelopes are left out, which the
specification allows.

    payload   ┃R resource ┃S scope │item│item│item│item┃S scope │item┃schema_url┃ …
    without:  ┃R resource schema_url┃S scope │item│    │item│  ┃                        one copy per run of kept items
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.codec import request_writer
from pipeline.model.records import HEADER, RANGE, Level, Records

if TYPE_CHECKING:
    from pipeline.codec.item_edits import ItemEdits
    from pipeline.model.batch import Batch


def encode(batch: Batch, edits: ItemEdits, cumulative: npt.NDArray[np.uint8] | None = None) -> bytes:
    """See the module.

    Args:
        cumulative: uint8[rows of metrics]; which are written as of cumulative temporality. None: none.
    Cost: nothing where no item was dropped or changed, else one native pass over what remains.
    """
    records = batch.records
    if batch.rows is None and records is records.decoded and cumulative is None:
        return records.payload
    if not len(batch):
        return b""
    resources, scopes, *others = (edits.table(records, Level(number)) for number in range(batch.item_level + 1))
    metrics, items = others[0], others[-1]  # the same, but for data points
    body = request_writer.write_request(resources, scopes, metrics, items, batch.item_rows, cumulative)
    return _around(records.decoded) + body


def _around(records: Records) -> bytes:
    """What a request holds besides its resources."""
    words = records.column(Level.RESOURCE, RANGE).tolist()
    headers = records.column(Level.RESOURCE, HEADER).tolist()
    holes = [
        ((word >> 32) - (header >> 8), (word >> 32) + (word & 0xFFFF_FFFF))
        for word, header in zip(words, headers, strict=True)
    ]
    return outside(records.payload, 0, len(records.payload), holes)


def outside(payload: bytes, begin: int, end: int, holes: Iterable[tuple[int, int]]) -> bytes:
    """``payload[begin:end]`` without ``holes``, which lie in it in order."""
    parts = []
    for hole_begin, hole_end in holes:
        if hole_begin > begin:
            parts.append(payload[begin:hole_begin])
        begin = hole_end
    parts.append(payload[begin:end])
    return b"".join(parts)


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
