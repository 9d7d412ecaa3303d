"""Log records that a processor makes itself: events about what it has seen.

    processor ── emit ──▶ LogEmitter ── take, within a second ──▶ logs pipelines that list the processor as a receiver

Where no pipeline does, nothing is kept. What waits is bounded: of too many records the oldest are evicted and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Severity = Literal["trace", "debug", "info", "warn", "error", "fatal"]

MAX_WAITING = 1024


@dataclass(frozen=True)
class LogRecord:
    """One log record to emit.

    Attributes:
        body: A sentence for people.
        event_name: What kind of event it is; ``""``: a plain log record.
        attributes: Plain values, also lists and mappings of them.
        resource: Attributes of what the record is about, first of all ``service.name``.
        time_unix_nano: When it happened; 0: when it is handed on.
        observed_unix_nano: Set when it is handed on.
        trace_id, span_id: 16 and 8 bytes, or empty.
    """

    body: str
    event_name: str = ""
    severity: Severity = "info"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    resource: Mapping[str, Any] = field(default_factory=dict)
    time_unix_nano: int = 0
    observed_unix_nano: int = 0
    trace_id: bytes = b""
    span_id: bytes = b""


class LogEmitter:
    """``settings.logs``.

    Args:
        wanted: Some pipeline takes the records.

    Attributes:
        evicted: Records for which there was no room.
    """

    def __init__(self, *, wanted: bool = False) -> None:
        self.wanted = wanted
        self.evicted = 0
        self._waiting: deque[LogRecord] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def emit(self, record: LogRecord) -> None:
        """Hand a record on, soon. Does nothing where nobody wants it; ask ``wanted`` before costly preparations."""
        if self.wanted:
            self._waiting.append(record)
            self._evict()

    def take(self, now_unix_nano: int) -> list[LogRecord]:
        """All that waits, in the order in which it was emitted."""
        records = [
            replace(record, time_unix_nano=record.time_unix_nano or now_unix_nano, observed_unix_nano=now_unix_nano)
            for record in self._waiting
        ]
        self._waiting.clear()
        return records

    def put_back(self, records: Iterable[LogRecord]) -> None:
        """Keep what was taken and found no taker; it comes first the next time."""
        self._waiting.extendleft(reversed(list(records)))
        self._evict()

    def _evict(self) -> None:
        while len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.evicted += 1
