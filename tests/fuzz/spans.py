"""One fuzz target: the way of a span through every native module that reads what senders wrote.

Whatever the bytes, the request is decoded or refused with one of the two documented errors; everything that was decoded
can be read, selected, grouped and written out again; and what is written out decodes to the same spans.
"""

from __future__ import annotations

import numpy as np

from pipeline.codec.otlp_traces import Limits, TracesProjection
from pipeline.errors import MalformedPayload, PayloadTooLarge
from pipeline.model.columns import SPAN_COLUMNS
from pipeline.model.spans import Label

ATTRIBUTES = ("span.http.route", "span.n", "span.list", "span.map", "span.ratio", "resource.service.name")
SLOW = ("events", "links")
COLUMNS = (*(name for name in SPAN_COLUMNS if name not in SLOW), *ATTRIBUTES)
PROJECTION = TracesProjection(COLUMNS, Limits(max_items=2_000, max_children=5_000))
LABELS = (
    Label("service", ("resource.service.name",), "unknown"),
    Label("route", ("span.http.route", "span.n")),
    "kind",
)


def fuzz_one(payload: bytes) -> bool:
    """Run one input. Returns whether it was decoded."""
    try:
        spans, rejected = PROJECTION.decode(payload)
    except (MalformedPayload, PayloadTooLarge):
        return False
    for column in COLUMNS:
        spans[column]
    groups = spans.group_by(*LABELS)
    assert groups.ids.size == len(spans)
    if rejected:
        return True
    some = spans.where(np.arange(len(spans)) % 2 == 0)
    again, _ = PROJECTION.decode(some.to_otlp())
    assert again["trace_id"].tobytes() == some["trace_id"].tobytes()
    assert again["name"].tolist() == some["name"].tolist()
    assert again["span.http.route"].tolist() == some["span.http.route"].tolist()
    return True
