"""The way of a log record: whatever the bytes, the request is decoded or refused with one of the two documented errors;
every column of what was decoded can be read, and what is written out decodes to the same records.
"""

from __future__ import annotations

import numpy as np

from pipeline.codec.otlp_logs import LogsProjection
from pipeline.codec.projection import Limits
from pipeline.errors import MalformedPayload, PayloadTooLarge
from pipeline.model.columns import LOG_COLUMNS

COLUMNS = (*LOG_COLUMNS, "log.route", "log.n", "resource.service.name", "scope.name")
PROJECTION = LogsProjection(COLUMNS, Limits(max_items=2_000, max_children=5_000))


def fuzz_one(payload: bytes) -> bool:
    """Run one input. Returns whether it was decoded."""
    try:
        logs, rejected = PROJECTION.decode(payload)
    except (MalformedPayload, PayloadTooLarge):
        return False
    assert rejected == {}
    for column in COLUMNS:
        logs[column]
    some = logs.where(np.arange(len(logs)) % 2 == 0)
    again, _ = PROJECTION.decode(some.to_otlp())
    for column in ("body", "severity_text", "log.route"):
        assert again[column].tolist() == some[column].tolist()
    assert again["trace_id"].tobytes() == some["trace_id"].tobytes()
    return True
