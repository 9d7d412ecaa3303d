"""One queue in front of each destination: bounded, batching, retrying, draining.

    export (engine's thread)                       consumers (the queue's own threads)
        put ──▶ store ──▶ batch of min_size or flush_timeout ──▶ deliver ──▶ count, give room back
          └ full: refuse

Each exporter has a queue of its own per signal, so a destination that is slow or gone holds up nobody else. Keys and
defaults are those of the Collector's ``sending_queue``. With one consumer requests leave in the order in which they
came, retries included. Room is held until a request was delivered or given up.

How one message gets to its end is in ``delivery``. Threads are started when there is work for them. All waiting is done
through a ``Waiter``, so tests own the time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.errors import PermanentError, RetryableError
from pipeline.exporters.delivery import Delivery, Outcome, OutcomeCounters, Shipping
from pipeline.exporters.queue_config import QueueConfig
from pipeline.exporters.queued import MemoryStore, QueueStore, Request, Waiting
from pipeline.exporters.retry import RetryConfig
from pipeline.exporters.verdict import Fate
from pipeline.telemetry.edges import log_fault

if TYPE_CHECKING:
    from pipeline.api import Clock
    from pipeline.telemetry import ComponentTelemetry

FULL_RETRY_S = 1.0


class Waiter(Protocol):
    """Lets time pass."""

    def __call__(self, condition: threading.Condition, timeout_s: float | None) -> object:
        """Wait, with the condition's lock held, until it is notified or the time is over."""


def wait_on(condition: threading.Condition, timeout_s: float | None) -> object:
    """The waiter of a running Weir."""
    return condition.wait(timeout_s)


class SendingQueue:
    """See the module. ``put`` may be called from any thread.

    Args:
        shipping: Where to and how.
        config: See there.
        retry_config: See there.
        clock: Time.
        telemetry: Of the exporter.
        store: Holds what waits.
        wait: Lets time pass.
        seed: Of the jitter; None: unpredictable.
    """

    def __init__(
        self,
        shipping: Shipping,
        config: QueueConfig,
        retry_config: RetryConfig,
        clock: Clock,
        telemetry: ComponentTelemetry,
        *,
        store: QueueStore | None = None,
        wait: Waiter = wait_on,
        seed: int | None = None,
    ) -> None:
        self._shipping = shipping
        self._config = config
        self._clock = clock
        self._telemetry = telemetry
        self._store: QueueStore = MemoryStore() if store is None else store
        self._wait = wait
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        """Idle consumers wait here; everybody else waits for ``_changed``."""
        self._changed = threading.Condition(lock)
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closing = self._abandoned = False
        self._failed_closing = 0
        self._deadline_nano: int | None = None
        self._used = 0
        self._waiting_size = 0
        self._under_way: dict[int, Request] = {}
        self._kept: list[Request] = []
        """Taken, not sent before the stop, and left to the next start."""
        self._counts = OutcomeCounters(shipping.signal, telemetry)
        self._delivery = Delivery(
            shipping,
            config.batch,
            retry_config,
            clock,
            telemetry,
            attempt_s=self._attempt_s,
            has_time=self._has_time,
            pause=self._pause,
            seed=seed,
        )
        self._recount()
        label = {"data_type": shipping.signal, **shipping.labels}
        telemetry.gauge("otelcol_exporter_queue_size", lambda: self._used, unit=f"{{{config.sizer}}}", **label)
        capacity = config.queue_size
        telemetry.gauge("otelcol_exporter_queue_capacity", lambda: capacity, unit=f"{{{config.sizer}}}", **label)

    def start(self) -> None:
        """Go on with what a store holds from before."""
        with self._changed:
            if self._store and not self._threads:
                self._start_consumer()

    # In

    def put(self, payload: bytes, items: int) -> None:
        """Take a request over.

        Raises:
            RetryableError: The queue is full, or closing. With ``enabled: false``: the destination says "not now".
            PermanentError: With ``enabled: false``: the destination says "never".

        With ``drop_on_overflow`` a lack of room is counted and raises nothing.
        """
        request = Request(payload, items, self._clock.monotonic_nano())
        if not self._config.enabled:
            self._send_at_once(request)
            return
        with self._changed:
            while self._config.block_on_overflow and self._is_full() and not self._closing:
                self._wait(self._changed, None)
            if self._drops(items):
                return
            self._refuse_if_full(items)
            try:
                self._store.append(request)
            except RetryableError:
                self._counts.refused(items)
                raise
            self._used += self._room_of(request)
            self._waiting_size += self._batch_size(request)
            if self._needs_consumer():
                self._start_consumer()
            self._work.notify()

    def admit(self, items: int) -> None:
        """Say now whether the next ``put`` would be refused. Raises as ``put`` does, and counts alike."""
        if self._config.enabled and not (self._config.block_on_overflow or self._config.drop_on_overflow):
            with self._changed:
                self._refuse_if_full(items)

    def _is_full(self) -> bool:
        """The last request may go beyond the limit: whether there is room must not depend on its size."""
        return self._used >= self._config.queue_size

    def _drops(self, items: int) -> bool:
        """Whether there is no room, and a lack of room is not the sender's business."""
        if not self._config.drop_on_overflow or not (self._closing or self._is_full()):
            return False
        self._counts.refused(items)
        self._telemetry.logger.limited("overflow", "the sending queue has no room; the items are dropped", items=items)
        return True

    def _refuse_if_full(self, items: int) -> None:
        if self._closing or self._is_full():
            self._counts.refused(items)
            state = "shutting down" if self._closing else "full"
            raise RetryableError(f"the sending queue of {self._telemetry.id} is {state}", FULL_RETRY_S)

    # Out

    def close(self, timeout_s: float) -> None:
        """Take nothing more, and come to an end within the time."""
        with self._changed:
            if not self._closing:
                self._closing = True
                self._deadline_nano = self._clock.monotonic_nano() + round(timeout_s * 1e9)
                self._work.notify_all()
                self._changed.notify_all()

    def drain(self, timeout_s: float) -> int:
        """Send what waits, within the time. What is left then is counted and given up. From a store that survives
        nothing more is taken: what is under way has its attempt, and the rest is sent after the next start.

        Returns:
            Items that were not sent.
        """
        self.close(timeout_s)
        with self._changed:
            while self._under_way or (self._store and not self._store.survives):
                left_s = self._left_s()
                if left_s <= 0:
                    break
                self._wait(self._changed, left_s)
            if self._abandoned:
                return 0
            self._abandoned = True
            left: list[Waiting] = [*self._kept, *self._under_way.values(), *self._store]
            self._under_way.clear()
            self._used = 0
            self._store.close()
            self._work.notify_all()
            self._changed.notify_all()
        not_sent = self._report(left)
        for thread in self._threads:
            thread.join(0 if left else 1.0)
        return not_sent

    def _report(self, left: Sequence[Waiting]) -> int:
        """Say what was not sent during the stop; how many items that is."""
        items, failed = _items(left), self._failed_closing
        about: dict[str, Any] = {"signal": self._shipping.signal}
        if left and self._store.survives:
            self._telemetry.logger.info(
                "not everything was sent before the stop; the rest waits on disk", items=items, **about
            )
        elif left:
            self._counts.ended(Outcome(failed={"shutdown": items}))
        lost = failed if self._store.survives else failed + items
        if lost:
            self._telemetry.logger.warning("not everything could be sent before the stop", items=lost, **about)
        return items + failed

    def _needs_consumer(self) -> bool:
        """More waits than those who sleep can take."""
        if len(self._threads) >= self._config.num_consumers:
            return False
        return not self._threads or (len(self._store) > self._idle and not self._seconds_to_flush())

    def _start_consumer(self) -> None:
        name = f"weir-{self._telemetry.id}-{self._shipping.signal}-{len(self._threads)}"
        thread = threading.Thread(target=self._consume, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _consume(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                self._deliver(batch)
            except _Stopped:
                self._keep(batch)
            except Exception as error:  # a fault of ours must not end the thread
                if self._abandoned:
                    return  # the drain has counted the batch; its connection is closed
                log_fault(self._telemetry, "sending failed; the batch is dropped", error, items=_items(batch))
                self._settle(batch, Outcome(failed={"internal": _items(batch)}))

    def _next_batch(self) -> list[Request] | None:
        """Requests to send as one; None when there will be no more."""
        with self._work:
            while True:
                if self._abandoned or (self._closing and (self._store.survives or not self._store)):
                    return None
                wait_s = self._seconds_to_flush() if self._store else None
                if wait_s == 0:
                    if taken := self._take():
                        return taken
                    continue
                self._idle += 1
                self._wait(self._work, wait_s)
                self._idle -= 1

    def _seconds_to_flush(self) -> float:
        batch = self._config.batch
        if batch is None or self._closing or self._waiting_size >= batch.min_size:
            return 0.0
        oldest = next(iter(self._store))
        return max(0.0, batch.flush_timeout - (self._clock.monotonic_nano() - oldest.since_nano) / 1e9)

    def _take(self) -> list[Request]:
        batch = self._config.batch
        taken: list[Request] = []
        size = 0
        while self._store and (not taken or (batch is not None and size < batch.min_size)):
            request = self._store.take()
            if request is None:
                self._recount()
                continue
            taken.append(request)
            size += self._batch_size(request)
            self._under_way[id(request)] = request
        self._waiting_size = max(0, self._waiting_size - size)
        return taken

    def _recount(self) -> None:
        """The room that is taken: at the start, and when a store could not read a request."""
        self._waiting_size = sum(map(self._batch_size, self._store))
        self._used = sum(map(self._room_of, (*self._store, *self._under_way.values())))

    def _deliver(self, batch: list[Request]) -> None:
        """Send a batch until each part of it has found its end."""
        payload = batch[0].payload if len(batch) == 1 else self._shipping.join([request.payload for request in batch])
        self._settle(batch, self._delivery.deliver(payload, _items(batch)))

    def _has_time(self, wait_s: float) -> bool:
        """Whether the next attempt comes before the stop; raises as ``_pause``."""
        with self._changed:
            return self._goes_on_at(self._clock.monotonic_nano() + round(wait_s * 1e9))

    def _pause(self, wait_s: float) -> bool:
        """Wait between attempts; False where the stop comes first.

        Raises:
            _Stopped: It does, and the batch is somebody else's: of the drain, which gave it up, or of the next start.
        """
        until = self._clock.monotonic_nano() + round(wait_s * 1e9)
        with self._changed:
            while self._goes_on_at(until):
                left = until - self._clock.monotonic_nano()
                if left <= 0:
                    return True
                self._wait(self._changed, left / 1e9)
            return False

    def _goes_on_at(self, nano: int) -> bool:
        if self._abandoned or (self._closing and self._store.survives):
            raise _Stopped
        return self._deadline_nano is None or nano < self._deadline_nano

    def _attempt_s(self) -> float:
        """An attempt during the last drain must not outlast it."""
        timeout_s = self._shipping.timeout_s
        if self._deadline_nano is None:
            return timeout_s
        return min(timeout_s, max(self._left_s(), 0.05)) if timeout_s else max(self._left_s(), 0.05)

    def _left_s(self) -> float:
        return ((self._deadline_nano or 0) - self._clock.monotonic_nano()) / 1e9

    def _keep(self, batch: list[Request]) -> None:
        with self._changed:
            for request in batch:
                if self._under_way.pop(id(request), None) is not None:
                    self._kept.append(request)
            self._changed.notify_all()

    def _settle(self, batch: list[Request], outcome: Outcome) -> None:
        """Count the end of a batch, once, and give its room back."""
        with self._changed:
            if any(id(request) not in self._under_way for request in batch):
                return  # the drain gave it up and has counted it
            for request in batch:
                del self._under_way[id(request)]
                self._store.done(request)
                self._used -= self._room_of(request)
            self._counts.ended(outcome)
            if self._closing:
                self._failed_closing += sum(outcome.failed.values())
            self._changed.notify_all()

    def _send_at_once(self, request: Request) -> None:
        verdict, outcome = self._delivery.deliver_once(request.payload, request.items)
        self._counts.ended(outcome)
        if verdict.fate is Fate.RETRY:
            raise RetryableError(f"{self._telemetry.id}: {verdict.reason}", verdict.retry_after_s or FULL_RETRY_S)
        if verdict.fate is not Fate.SENT:
            raise PermanentError(f"{self._telemetry.id}: {verdict.reason}")

    def _room_of(self, request: Waiting) -> int:
        return _size(request, self._config.sizer)

    def _batch_size(self, request: Waiting) -> int:
        return _size(request, self._config.batch.sizer) if self._config.batch is not None else 0


class _Stopped(Exception):  # noqa: N818 - no error
    """The stop came before the next attempt."""


def _size(request: Waiting, sizer: str) -> int:
    if sizer == "requests":
        return 1
    return request.items if sizer == "items" else request.size


def _items(batch: Sequence[Waiting]) -> int:
    return sum(request.items for request in batch)
