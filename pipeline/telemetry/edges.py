"""The edges of the graph: what goes into a component and comes out, how long it takes, how it ends.

Components do not count their own traffic; the edge in front of each does, in plain integers that a scrape reads. An
edge calls the next one, so a refusal further down passes each edge on its way up and is counted there (``outcome`` as
in the Collector: success, failure, refused).

    receiver → [edge processor] → [edge processor] → fan-out → [edge exporter]
                                                             → [edge connector]
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import PermanentError, RetryableError
from pipeline.telemetry.component import ComponentTelemetry
from pipeline.telemetry.logs import place_of
from pipeline.telemetry.own_metrics import Durations

if TYPE_CHECKING:
    from pipeline.api import Clock

Items = Any
"""A batch of any signal: it has a length."""
Consume = Callable[[Items], object]

ITEM_NAMES = {"traces": "spans", "metrics": "metric_points", "logs": "log_records"}

_BOUNDS = Durations.BOUNDS_NS


class FaultError(RetryableError):
    """A component raised what it should not. To a sender it is "not now", unless others took the batch (``FanOut``)."""


class Traffic:
    """What went through a processor or connector, for one signal, in all pipelines that list it."""

    __slots__ = ("durations", "failed", "incoming", "outgoing", "refused")

    def __init__(self, telemetry: ComponentTelemetry, signal: str) -> None:
        self.incoming = self.outgoing = self.failed = self.refused = 0
        prefix, label = f"otelcol_{telemetry.kind}", {telemetry.kind: telemetry.id, "otel_signal": signal}
        metrics = telemetry.metrics
        metrics.observe(f"{prefix}_incoming_items", "counter", lambda: self.incoming, unit="{item}", **label)
        metrics.observe(f"{prefix}_outgoing_items", "counter", lambda: self.outgoing, unit="{item}", **label)
        for outcome, read in (
            ("success", lambda: self.incoming - self.failed - self.refused),
            ("failure", lambda: self.failed),
            ("refused", lambda: self.refused),
        ):
            metrics.observe(f"{prefix}_consumed_items", "counter", read, unit="{item}", outcome=outcome, **label)
        self.durations = metrics.durations(f"{prefix}_internal_duration", **label)


class ProcessorEdge:
    """The way into a processor or connector, through it, and on to ``following``.

    Called under the engine's lock, so plain additions suffice.
    """

    __slots__ = ("_counts", "_following", "_ignore", "_now", "_process", "_telemetry", "_traffic")

    def __init__(
        self,
        process: Callable[[Items], Items],
        following: Consume | None,
        *,
        ignore: bool,
        traffic: Traffic,
        telemetry: ComponentTelemetry,
        clock: Clock,
    ) -> None:
        self._process = process
        self._following = following
        self._ignore = ignore
        self._traffic = traffic
        self._counts = traffic.durations.counts
        self._telemetry = telemetry
        self._now = clock.monotonic_nano

    def __call__(self, items: Items) -> Items:
        """Process a batch that is not empty and hand on what is left of it; returns it too."""
        n = len(items)
        traffic = self._traffic
        traffic.incoming += n
        started = self._now()
        try:
            out = self._process(items)
            left = len(out)
        except Exception as error:
            out, left = self._fault(error, items, n)
        elapsed = self._now() - started
        self._counts[bisect_left(_BOUNDS, elapsed)] += 1
        traffic.durations.total_ns += elapsed
        traffic.outgoing += left
        if left and self._following is not None:
            try:
                self._following(out)
            except (RetryableError, PermanentError):
                traffic.refused += n
                raise
        return out

    def _fault(self, error: Exception, items: Items, n: int) -> tuple[Items, int]:
        if isinstance(error, (RetryableError, PermanentError)):
            self._traffic.refused += n
            raise error
        self._traffic.failed += n
        fate = "passed on unchanged" if self._ignore else "refused"
        log_fault(self._telemetry, f"processing failed; the batch is {fate}", error, items=n)
        if self._ignore:
            return items, n
        raise FaultError(f"{self._telemetry.id} failed") from error


class ExporterEdge:
    """The way into an exporter. ``counts``: False where the exporter has a queue and counts what leaves that."""

    __slots__ = ("_export", "_telemetry", "failed", "sent")

    def __init__(self, export: Consume, signal: str, telemetry: ComponentTelemetry, *, counts: bool = True) -> None:
        self._export = export
        self._telemetry = telemetry
        self.sent = self.failed = 0
        if not counts:
            return
        items = ITEM_NAMES[signal]
        label = {telemetry.kind: telemetry.id}
        telemetry.metrics.observe(f"otelcol_exporter_sent_{items}", "counter", lambda: self.sent, **label)
        telemetry.metrics.observe(f"otelcol_exporter_send_failed_{items}", "counter", lambda: self.failed, **label)

    def __call__(self, items: Items) -> None:
        """Send a batch. Raises ``RetryableError``, ``FaultError`` among them, or ``PermanentError``."""
        n = len(items)
        try:
            self._export(items)
        except (RetryableError, PermanentError):
            self.failed += n
            raise
        except Exception as error:
            self.failed += n
            log_fault(self._telemetry, "sending failed", error, items=n)
            raise FaultError(f"{self._telemetry.id} failed") from error
        self.sent += n


class FanOut:
    """Gives a batch to several consumers, in order. What each of them makes of it does not depend on the others.

    One that fails (``FaultError``) or says "never" keeps it from nobody. What somebody has taken must not come again,
    since each who has it would count it twice, so "try again" is answered only where nobody has taken it. A refusal is
    another matter: "not now" is said on purpose, before anything is lost, and ends the round; the sender repeats it.
    """

    __slots__ = ("_consumers",)

    def __init__(self, consumers: Sequence[Consume]) -> None:
        self._consumers = tuple(consumers)

    def __call__(self, items: Items) -> None:
        """Raises a ``RetryableError`` at once; after all have been asked the first ``PermanentError``, as the Collector
        does, or the first ``FaultError``, which has become a ``PermanentError`` where another consumer took the batch.
        """
        refusal: PermanentError | None = None
        fault: FaultError | None = None
        is_taken = False
        for consume in self._consumers:
            try:
                consume(items)
                is_taken = True
            except PermanentError as error:
                refusal = refusal or error
            except FaultError as error:
                fault = fault or error
        if refusal is not None:
            raise refusal
        if fault is not None and is_taken:
            raise PermanentError(f"{fault}; others have the data") from fault
        if fault is not None:
            raise fault


def admitted(consume: Consume, admits: Sequence[Callable[[int], None]]) -> Consume:
    """``consume``, but only when every exporter behind it has room.

    A refusal after some components have counted a batch would make them count it twice.
    """
    if not admits:
        return consume

    def consume_if_admitted(items: Items) -> None:
        for admit in admits:
            admit(len(items))
        consume(items)

    return consume_if_admitted


def fan_out(consumers: Sequence[Consume]) -> Consume | None:
    """One consumer for several; None for none."""
    if len(consumers) > 1:
        return FanOut(consumers)
    return consumers[0] if consumers else None


def log_fault(telemetry: ComponentTelemetry, message: str, error: BaseException, **fields: object) -> None:
    """One line with the kind of error and the innermost place; the traceback at level debug.

    The text of the error is the component's own and may quote data; it goes to the operator, never to a client.
    """
    kind = type(error).__name__
    telemetry.logger.limited(
        kind, message, level=logging.ERROR, error=f"{kind}: {error}"[:500], at=place_of(error), **fields
    )
    telemetry.logger.logger.debug("traceback of %s", telemetry.id, exc_info=error)
