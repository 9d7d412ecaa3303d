"""Where the bytes of a request become a batch and run through the pipelines.

    receiver's thread:  bytes ─ decode (GIL released, many at once) ─ lock ─ processors, connectors, exporters ─ answer

The answer is given when everything has been done, so "accepted" means processed; nothing waits in a queue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pipeline.api import Outcome
from pipeline.errors import PermanentError, RetryableError
from pipeline.telemetry import ComponentTelemetry
from pipeline.telemetry.edges import ITEM_NAMES, Consume, Items, log_fault

Decode = Callable[[bytes], tuple[Items, dict[str, int]]]
"""Bytes → items that can be accepted, and how many never can be, by reason."""

RETRY_AFTER_S = 1.0


class _Counts:
    """Items of one transport."""

    __slots__ = ("accepted", "failed", "refused")

    def __init__(self) -> None:
        self.accepted = self.failed = self.refused = 0


class SignalIntake:
    """The intake of one receiver for one signal. Implements ``pipeline.api.Intake``.

    Args:
        signal: ``traces``, ``metrics`` or ``logs``.
        decode: Bound to the columns that the pipelines behind this receiver read.
        consume: The pipelines.
        lock: The engine's; held while the pipelines run.
        telemetry: Of the receiver.
    """

    def __init__(
        self, signal: str, decode: Decode, consume: Consume, lock: threading.Lock, telemetry: ComponentTelemetry
    ) -> None:
        self._signal = signal
        self._items = ITEM_NAMES[signal]
        self._decode = decode
        self._consume = consume
        self._lock = lock
        self._telemetry = telemetry
        self._counts: dict[str, _Counts] = {}
        self._open = True

    def accept(self, payload: bytes, transport: str) -> Outcome:
        """See ``pipeline.api.Intake.accept``. Own cost besides decoding and pipelines: a few microseconds."""
        items, rejected = self._decode(payload)
        n = len(items)
        counts = self._counts.get(transport) or self._counts_of(transport)
        if n:
            with self._lock:
                if not self._open:
                    counts.refused += n
                    raise RetryableError("shutting down", RETRY_AFTER_S)
                try:
                    self._consume(items)
                except (RetryableError, PermanentError):
                    counts.refused += n
                    raise
                except Exception as error:
                    counts.failed += n
                    log_fault(self._telemetry, "a pipeline failed", error, items=n)
                    raise RetryableError("internal error", RETRY_AFTER_S) from error
                counts.accepted += n
        if rejected:
            return self._partly(n, rejected, transport)
        return Outcome(n)

    def close(self) -> None:
        """Refuse from now on; returns when no batch is under way."""
        with self._lock:
            self._open = False

    def _partly(self, accepted: int, rejected: dict[str, int], transport: str) -> Outcome:
        for reason, n in rejected.items():
            self._telemetry.count(f"otelcol_receiver_rejected_{self._items}", n, transport=transport, reason=reason)
            self._telemetry.logger.limited(reason, f"{self._items} rejected for ever", transport=transport, items=n)
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(rejected.items()))
        return Outcome(accepted, sum(rejected.values()), f"rejected {self._items}: {reasons}")

    def _counts_of(self, transport: str) -> _Counts:
        """Counters of a transport seen for the first time. Receivers pass a few fixed words."""
        with self._lock:
            counts = self._counts.get(transport)
            if counts is None:
                counts = self._counts[transport] = _Counts()
                labels = {self._telemetry.kind: self._telemetry.id, "transport": transport}
                for name, read in (
                    ("accepted", lambda: counts.accepted),
                    ("refused", lambda: counts.refused),
                    ("failed", lambda: counts.failed),
                ):
                    self._telemetry.metrics.observe(f"otelcol_receiver_{name}_{self._items}", "counter", read, **labels)
            return counts
