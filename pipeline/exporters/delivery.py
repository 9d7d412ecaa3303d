"""One message to its end: attempts until a verdict is final, cut or encoded anew where the destination asks for it.

deliver ─▶ parts of max_size ─▶ send ─┬─▶ sent, or dropped: outcome, by reason
                             ▲        ├─▶ retry: wait ─┐
                             │        ├─▶ convert      │
                             └────────┴─▶ split: halves┘
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.exporters.queue_config import BatchConfig
from pipeline.exporters.retry import Backoff, RetryConfig
from pipeline.exporters.verdict import Fate, Verdict
from pipeline.telemetry.edges import ITEM_NAMES

if TYPE_CHECKING:
    from pipeline.api import Clock
    from pipeline.telemetry import ComponentTelemetry

MAX_SPLITS = 8
"""Halvings of one request. A destination that finds everything too large must not be sent each item alone."""


@dataclass(frozen=True)
class Shipping:
    """What differs between exporters and signals.

    Attributes:
        signal: ``traces``, ``metrics`` or ``logs``.
        send: Makes one attempt, within the given number of seconds. Called from many threads. May raise: dropped.
        timeout_s: The longest attempt; 0: no end.
        join: Makes one request of several.
        split: Cuts a request into parts of at most so many items.
        convert: Encodes a request anew after ``Fate.CONVERT``.
        labels: Of the queue's own metrics, where an exporter has several queues for a signal.
    """

    signal: str
    send: Callable[[bytes, int, float], Verdict]
    timeout_s: float
    join: Callable[[Sequence[bytes]], bytes] = b"".join
    split: Callable[[bytes, int], list[tuple[bytes, int]]] | None = None
    convert: Callable[[bytes], bytes] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """What became of the items of a message: each is sent, or failed for a reason."""

    sent: int = 0
    failed: dict[str, int] = field(default_factory=dict)

    def add(self, verdict: Verdict, items: int) -> None:
        """A final verdict on so many items."""
        refused = items
        reason = verdict.reason
        if verdict.fate is Fate.SENT:
            refused = min(verdict.rejected, items)
            reason = "partial_success"
            self.sent += items - refused
        if refused:
            self.failed[reason] = self.failed.get(reason, 0) + refused


class OutcomeCounters:
    """What became of all items, under the Collector's names."""

    def __init__(self, signal: str, telemetry: ComponentTelemetry) -> None:
        self._telemetry = telemetry
        items = ITEM_NAMES[signal]
        self._sent = f"otelcol_exporter_sent_{items}"
        self._failed = f"otelcol_exporter_send_failed_{items}"
        self._refused = f"otelcol_exporter_enqueue_failed_{items}"
        for name in (self._sent, self._refused):
            telemetry.count(name, 0)

    def ended(self, outcome: Outcome) -> None:
        """Items that were sent, or will never be."""
        self._telemetry.count(self._sent, outcome.sent)
        for reason, items in outcome.failed.items():
            self._telemetry.count(self._failed, items, reason=reason)

    def refused(self, items: int) -> None:
        """Items for which the queue had no room."""
        self._telemetry.count(self._refused, items)


class Delivery:
    """Sends messages; see the module. Called from many threads.

    Args:
        shipping: Where to and how.
        batch: Says how large a message may be; None: as large as it is.
        retry: See there.
        clock: Time.
        telemetry: Of the exporter.
        attempt_s: Seconds that an attempt may take now.
        has_time: Whether there is time to wait for so many seconds. What it raises ends the delivery.
        pause: Waits for them; False where time ended meanwhile. Raises as ``has_time``.
        seed: Of the jitter; None: unpredictable.
    """

    def __init__(
        self,
        shipping: Shipping,
        batch: BatchConfig | None,
        retry: RetryConfig,
        clock: Clock,
        telemetry: ComponentTelemetry,
        *,
        attempt_s: Callable[[], float],
        has_time: Callable[[float], bool],
        pause: Callable[[float], bool],
        seed: int | None = None,
    ) -> None:
        self._shipping = shipping
        self._batch = batch
        self._retry = retry
        self._clock = clock
        self._telemetry = telemetry
        self._attempt_s = attempt_s
        self._has_time = has_time
        self._pause = pause
        self._random = random.Random(seed)

    def deliver(self, payload: bytes, items: int) -> Outcome:
        """Send a message, in parts where it has to be, until each of them has found its end."""
        outcome = Outcome()
        for part, count in self._parts(payload, items):
            self._send_until_settled(part, count, outcome)
        return outcome

    def deliver_once(self, payload: bytes, items: int) -> tuple[Verdict, Outcome]:
        """Make one attempt, whatever comes of it."""
        outcome = Outcome()
        verdict = self._shipping.send(payload, items, self._attempt_s())
        self._settle(verdict, items, outcome)
        return verdict, outcome

    def _parts(self, payload: bytes, items: int) -> list[tuple[bytes, int]]:
        batch = self._batch
        if batch is None or not batch.max_size or self._shipping.split is None:
            return [(payload, items)]
        size = items if batch.sizer == "items" else len(payload)
        if size <= batch.max_size:
            return [(payload, items)]
        return self._shipping.split(payload, max(1, items * batch.max_size // size))

    def _send_until_settled(self, payload: bytes, items: int, outcome: Outcome) -> None:
        """Send a message, or the halves that it has to be cut into."""
        todo = [(payload, items, 0)]
        while todo:
            payload, items, halvings = todo.pop()
            verdict = self._send_with_retries(payload, items)
            if verdict.fate is Fate.SPLIT:
                parts = self._halves(payload, items) if halvings < MAX_SPLITS else []
                todo += [(part, count, halvings + 1) for part, count in reversed(parts)]
                if parts:
                    self._telemetry.count("weir_exporter_splits", reason=verdict.reason)
                    continue
            self._settle(verdict, items, outcome)

    def _halves(self, payload: bytes, items: int) -> list[tuple[bytes, int]]:
        if self._shipping.split is None or items < 2:
            return []
        parts = self._shipping.split(payload, (items + 1) // 2)
        return parts if len(parts) > 1 else []

    def _send_with_retries(self, payload: bytes, items: int) -> Verdict:
        """Attempts until one is final."""
        backoff = Backoff(self._retry, self._clock.monotonic_nano(), self._random)
        converted = False
        while True:
            verdict = self._shipping.send(payload, items, self._attempt_s())
            if verdict.fate is Fate.CONVERT and self._shipping.convert is not None and not converted:
                payload, converted = self._shipping.convert(payload), True
                continue
            if verdict.fate is not Fate.RETRY:
                return verdict
            wait_s = backoff.next_wait(self._clock.monotonic_nano(), verdict.retry_after_s)
            if wait_s is None or not self._has_time(wait_s):
                return verdict
            self._telemetry.count("weir_exporter_retries", reason=verdict.reason)
            self._telemetry.logger.limited(
                verdict.reason,
                "sending failed; trying again",
                error=verdict.message,
                wait_s=round(wait_s, 3),
                items=items,
            )
            if not self._pause(wait_s):
                return verdict

    def _settle(self, verdict: Verdict, items: int, outcome: Outcome) -> None:
        """A verdict that is final: add it up, and say in one line what did not arrive."""
        outcome.add(verdict, items)
        if verdict.fate is not Fate.SENT:
            self._tell(verdict, logging.ERROR, "sending failed for good; the items are dropped", items)
        elif verdict.rejected:
            self._tell(verdict, logging.WARNING, "the destination rejected a part for ever", verdict.rejected)
        elif verdict.message:
            self._tell(verdict, logging.WARNING, "the destination warns", 0)

    def _tell(self, verdict: Verdict, level: int, what: str, items: int) -> None:
        self._telemetry.logger.limited(f"final {verdict.reason}", what, level=level, error=verdict.message, items=items)
