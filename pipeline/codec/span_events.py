"""Spans without some of their events: the bytes of the others stay as they are.

A span that loses events gets a new body behind the payload, as one that was edited does (``codec/item_edits.py``); its
row names the new place, and the rows of the events are gone. Other spans are not touched.
"""

from __future__ import annotations

from itertools import count

import numpy as np

from pipeline.codec.otlp_encode import outside, varint
from pipeline.codec.otlp_split import fields
from pipeline.model.column import Bools
from pipeline.model.records import HEADER, RANGE, Level, Records
from pipeline.model.spans import SpanBatch

EVENTS = 11
"""Field number of ``Span.events``."""
_SPAN = b"\x12"
"""Tag of ``ScopeSpans.spans``."""


def without_events(spans: SpanBatch, drop: Bools) -> Records:
    """The records of a batch without some events.

    Args:
        spans: A batch whose events were decoded.
        drop: bool[k], those of its events that go.
    Cost: one copy of the words and of the payload, and Python per span that loses an event.
    """
    records = spans.written
    of_span, rows = spans.event_places
    losing = np.unique(of_span[drop])
    begins, ends = (np.searchsorted(of_span, losing, side).tolist() for side in ("left", "right"))
    words = records.words.copy()
    appended = bytearray()
    base = len(records.payload)
    for row, begin, end in zip(spans.item_rows[losing].tolist(), begins, ends, strict=True):
        body = _without(records.body(Level.ITEM, row), drop[begin:end].tolist())
        head = _SPAN + varint(len(body))
        at = records.first[Level.ITEM] + row * records.width[Level.ITEM]
        words[at + RANGE] = (base + len(appended) + len(head)) << 32 | len(body)
        words[at + HEADER] = len(head) << 8
        appended += head + body
    kept = np.ones(records.count[Level.EVENT], bool)
    kept[rows[drop]] = False
    changed = records.replaced(words, records.payload + bytes(appended), records.edits)
    changed.count = (*records.count[: Level.EVENT], int(kept.sum()))
    first, width = records.first[Level.EVENT], records.width[Level.EVENT]
    table = words[first : first + len(kept) * width].reshape(-1, width)[kept]
    words[first : first + table.size] = table.reshape(-1)
    return changed


def _without(body: bytes, dropped: list[bool]) -> bytes:
    """The body of a span without the events at some positions."""
    number = count()
    holes = [
        (field.begin, field.end)
        for field in fields(body, 0, len(body))
        if field.number == EVENTS and dropped[next(number)]
    ]
    return outside(body, 0, len(body), holes)
