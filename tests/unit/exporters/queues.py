"""A sending queue with a scripted destination, on time that passes by itself when everybody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from pipeline.exporters.delivery import Shipping
from pipeline.exporters.queue_config import QueueConfig
from pipeline.exporters.queued import QueueStore
from pipeline.exporters.retry import RetryConfig
from pipeline.exporters.sending_queue import SendingQueue
from pipeline.exporters.verdict import SENT, Verdict
from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from pipeline.testing import FakeClock

Answer = Verdict | Exception | Callable[[bytes], Verdict]


class FlyingTime:
    """A waiter: where a consumer waits with an end, that is over at once, and the clock has moved by it. Whoever else
    waits does so really, until notified.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.waits: list[float] = []

    def __call__(self, condition: threading.Condition, timeout_s: float | None) -> None:
        if timeout_s is None or threading.current_thread() is threading.main_thread():
            condition.wait(10)
            return
        self.waits.append(round(timeout_s, 6))
        self.clock.advance(timeout_s)


class Destination:
    """Answers by script, then with success; keeps what it has accepted. One item is one letter."""

    def __init__(self, script: Iterable[Answer] = ()) -> None:
        self.script = list(script)
        self.accepted: list[bytes] = []
        self.attempts: list[bytes] = []
        self.timeouts: list[float] = []
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Semaphore(0)
        self._lock = threading.Lock()

    def send(self, payload: bytes, items: int, timeout_s: float) -> Verdict:
        with self._lock:
            self.attempts.append(payload)
            self.timeouts.append(timeout_s)
            answer: Answer = self.script.pop(0) if self.script else SENT
        self.busy.release()
        assert self.gate.wait(10)
        if isinstance(answer, Exception):
            raise answer
        verdict = answer if isinstance(answer, Verdict) else answer(payload)
        if verdict.fate is SENT.fate:
            with self._lock:
                self.accepted.append(payload)
        return verdict


def halves(payload: bytes, max_items: int) -> list[tuple[bytes, int]]:
    parts = [payload[at : at + max_items] for at in range(0, len(payload), max_items)]
    return [(part, len(part)) for part in parts]


class Run:
    """A queue under test; ``close`` drains it."""

    def __init__(
        self,
        destination: Destination,
        retry: dict[str, Any] | None = None,
        convert: Callable[[bytes], bytes] | None = None,
        store: QueueStore | None = None,
        **config: Any,
    ) -> None:
        self.clock = FakeClock()
        self.time = FlyingTime(self.clock)
        self.own = OwnMetrics()
        telemetry = ComponentTelemetry("exporter", "otlp", self.clock, self.own)
        shipping = Shipping("traces", destination.send, 5.0, split=halves, convert=convert)
        retry_config = RetryConfig.model_validate({"randomization_factor": 0, **(retry or {})})
        queue_config = QueueConfig.model_validate({"num_consumers": 1, **config})
        self.queue = SendingQueue(
            shipping, queue_config, retry_config, self.clock, telemetry, store=store, wait=self.time, seed=1
        )

    def put(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.queue.put(payload, len(payload))

    def close(self, timeout_s: float = 1e6) -> int:
        return self.queue.drain(timeout_s)

    def value(self, name: str, **attributes: str) -> float:
        return self.own.value(name, exporter="otlp", **attributes)

    @property
    def sent(self) -> float:
        return self.value("otelcol_exporter_sent_spans")

    def failed(self, reason: str) -> float:
        return self.value("otelcol_exporter_send_failed_spans", reason=reason)
