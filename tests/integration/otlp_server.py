"""A real ``otlp`` receiver on loopback in front of a real decoder and a list; what it counts and logs can be asked."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.api import Settings, SpanBatch
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.receivers.otlp import OtlpReceiver
from pipeline.service.clock import SystemClock
from pipeline.service.intake import SignalIntake
from pipeline.telemetry import ComponentTelemetry
from pipeline.testing import FakeClock, export_request
from pipeline.testing_spans import BASIC_COLUMNS
from tests.integration.raw_http import Client, post

PROTOBUF, JSON = "application/x-protobuf", "application/json"
TRACES = "/v1/traces"
# Far from what a loaded machine needs, for tests that are not about deadlines.
CALM = {"read_header_timeout": "30s", "read_timeout": "30s", "idle_timeout": "60s"}


def spans(n: int = 1, **fields: Any) -> ExportTraceServiceRequest:
    """A request with ``n`` spans that are all fine."""
    return export_request([{"number": number, "service": "shop", **fields} for number in range(n)])


def traces(body: bytes, content_type: str = PROTOBUF, *headers: str, path: str = TRACES) -> bytes:
    """The bytes of a request to the traces path."""
    return post(body, f"Content-Type: {content_type}", *headers, path=path)


_NUMBERS = itertools.count()


class OtlpServer:
    """A receiver under test.

    Attributes:
        received: The batches that have come through.
        fault: Raised instead of taking a batch, when set.
        gate: Cleared: batches wait.
        waiting: How many do.
        log: What was logged.
    """

    def __init__(
        self, *, http: dict[str, Any] | None = None, grpc: dict[str, Any] | None = None, **config: Any
    ) -> None:
        local = {"endpoint": "127.0.0.1:0"}
        protocols = {"http": {**local, **CALM, **(http or {})}, "grpc": {**local, **(grpc or {})}}
        self.received: list[SpanBatch] = []
        self.fault: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = 0
        self.log = _LogList()
        # A clock that stands still: one line per reason. A name of its own: no lines of other servers.
        self.telemetry = ComponentTelemetry("receiver", f"otlp/{next(_NUMBERS)}", FakeClock())
        settings = Settings(self.telemetry.id, SystemClock(), None, self.telemetry)  # type: ignore[arg-type]  # receivers have no meter
        self.receiver = OtlpReceiver(OtlpReceiver.Config.model_validate({"protocols": protocols, **config}), settings)

    def __enter__(self) -> OtlpServer:
        self.telemetry.logger.logger.addHandler(self.log)
        self.telemetry.logger.logger.setLevel(logging.INFO)
        decode = TracesProjection(BASIC_COLUMNS).decode
        intake = SignalIntake("traces", decode, self.consume, threading.Lock(), self.telemetry)
        self.receiver.start({"traces": intake})
        addresses = self.receiver.addresses
        self.http = addresses["http"]
        self.grpc = "{}:{}".format(*addresses["grpc"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self.receiver.shutdown()
        self.telemetry.logger.logger.removeHandler(self.log)

    @property
    def accepted(self) -> int:
        """Spans that have come through."""
        return sum(len(batch) for batch in self.received)

    @property
    def rejected(self) -> int:
        """Spans that were rejected for ever."""
        return int(self.telemetry.metrics.value("otelcol_receiver_rejected_spans"))

    def outcomes(self) -> Counter[str]:
        """Requests by outcome."""
        counts: Counter[str] = Counter()
        for name, labels, value in self.telemetry.metrics.samples():
            if name == "weir_receiver_requests":
                counts[labels["outcome"]] += int(value)
        return counts

    def outcomes_reach(self, expected: dict[str, int]) -> bool:
        """Wait until so many requests have been counted, which can be a moment after the answer, and compare."""
        wait_for(lambda: sum(self.outcomes().values()) >= sum(expected.values()))
        return dict(self.outcomes()) == expected

    def is_alive(self) -> bool:
        """The next good request succeeds."""
        with Client(self.http) as client:
            client.send(traces(spans(1).SerializeToString()))
            return client.answer().status == 200

    def consume(self, batch: Any) -> None:
        """The pipelines; a test may put its own here before it enters."""
        self.waiting += 1
        self.gate.wait()
        self.waiting -= 1
        if self.fault is not None:
            raise self.fault
        self.received.append(batch)


class _LogList(logging.Handler):
    """Log lines with their fields, as somebody would read them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.reasons: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "fields", {})
        self.lines.append(f"{record.getMessage()} {fields} {record.exc_info or ''}")
        if "reason" in fields:
            self.reasons.append(fields["reason"])


def wait_for(claim: Callable[[], bool]) -> None:
    """Wait until something has become true; pytest's time limit ends it otherwise."""
    pause = threading.Event()
    while not claim():
        pause.wait(0.005)
