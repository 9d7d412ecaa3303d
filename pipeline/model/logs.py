"""LogBatch: the log records of one request as columns, and the bytes they came from (``model/batch.py``)."""

from __future__ import annotations

from typing import Any, ClassVar

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from pipeline.model.batch import Batch


class LogBatch(Batch):
    """n log records of one request."""

    signal = "logs"
    items = "log records"
    prefix = "log."
    derived: ClassVar[dict[str, Any]] = {"log_bytes": Batch.item_bytes}

    def message(self, row: int) -> LogRecord:
        """The log record in one row of the item table as an official message."""
        return LogRecord.FromString(self.written.body(self.item_level, row))
