"""The child process: six services, each with its own provider, resource and exporter of the stock OpenTelemetry SDK.

    python -m pipeline.demo.load --grpc 127.0.0.1:4317 --http 127.0.0.1:4318 --truth truth.json

Latencies are simulated: spans carry explicit times that end now, and nothing sleeps on their behalf. Which traces are
sent in which step depends on the seed and the rate alone, so two runs of equal length send equal counts. The load ends
after ``--duration`` or on SIGTERM; then it flushes and writes what it sent. It ends at once when its standard input
closes, which is how it notices that its parent is gone: nobody wants the rest.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Span, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pipeline.api import Clock
from pipeline.demo.plan import STEP_S, PlannedTrace, Planner, arrivals
from pipeline.demo.shop import FAULT, FAULT_LASTS_S, SERVICES, Transport
from pipeline.demo.truth import SpanKey, Truth
from pipeline.service.clock import SystemClock

EXPORT_DELAY_MS = 500
# Both halves of an edge leave within this delay, far inside the service graph's time to live.
QUEUE_SPANS = 65_536
# About a minute of spans of one busy service: a pipeline that pauses loses none.


class SeededIds(IdGenerator):
    """Trace and span ids from the seed, so that a run can be repeated."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def generate_trace_id(self) -> int:
        """Return 128 bits, not zero."""
        return self._random.getrandbits(128) or 1

    def generate_span_id(self) -> int:
        """Return 64 bits, not zero."""
        return self._random.getrandbits(64) or 1


class CountingExporter(SpanExporter):
    """Count the spans of every export that the receiver confirmed. One thread at a time exports."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.exporter = exporter
        self.sent: Counter[SpanKey] = Counter()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand on, then count."""
        result = self.exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.sent.update(map(_key, spans))
        return result

    def shutdown(self) -> None:
        """Close the connection."""
        self.exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back here."""
        return self.exporter.force_flush(timeout_millis)


def _key(span: ReadableSpan) -> SpanKey:
    return (
        str(span.resource.attributes["service.name"]),
        span.name,
        f"SPAN_KIND_{span.kind.name}",
        f"STATUS_CODE_{span.status.status_code.name}",
    )


class Service:
    """One simulated service: a tracer provider with its own resource and exporter."""

    def __init__(self, name: str, transport: Transport, grpc: str, http: str, ids: IdGenerator) -> None:
        if transport is Transport.GRPC:
            self.exporter = CountingExporter(GrpcExporter(endpoint=f"http://{grpc}", insecure=True))
        else:
            self.exporter = CountingExporter(HttpExporter(endpoint=f"http://{http}/v1/traces"))
        resource = Resource.create(
            {
                "service.name": name,
                "service.namespace": "shop",
                "service.version": "1.4.2",
                "service.instance.id": f"{name}-0",
                "deployment.environment.name": "demo",
            }
        )
        self.provider = TracerProvider(resource=resource, id_generator=ids, shutdown_on_exit=False)
        self.provider.add_span_processor(
            BatchSpanProcessor(self.exporter, max_queue_size=QUEUE_SPANS, schedule_delay_millis=EXPORT_DELAY_MS)
        )
        self.tracer = self.provider.get_tracer("weir.demo", "1.0")


class Load:
    """Sends planned traces through the SDK and counts them."""

    def __init__(self, grpc: str, http: str, seed: int, clock: Clock) -> None:
        ids = SeededIds(seed)
        self.clock = clock
        self.planner = Planner(seed)
        self.propagator = TraceContextTextMapPropagator()
        self.services = {name: Service(name, transport, grpc, http, ids) for name, transport in SERVICES.items()}
        self.truth = Truth()
        self.made = 0

    def run(
        self, rate: float, duration_s: float | None, stop: threading.Event, fault_after_s: float = math.inf
    ) -> None:
        """Send until the duration is over or ``stop`` is set, in steps that catch up when late."""
        steps = None if duration_s is None else round(duration_s / STEP_S)
        begin = self.clock.monotonic_nano()
        step = 0
        while (steps is None or step < steps) and not stop.is_set():
            due_s = step * STEP_S - (self.clock.monotonic_nano() - begin) / 1e9
            if due_s > 0 and stop.wait(due_s):
                break
            self._set_fault(fault_after_s <= step * STEP_S < fault_after_s + FAULT_LASTS_S)
            for _ in range(arrivals(rate, step)):
                self.send(self.planner.trace())
            step += 1

    def _set_fault(self, is_on: bool) -> None:
        self.planner.fault = FAULT if is_on else None
        if is_on and self.truth.fault_began_unix_s is None:
            self.truth.fault_began_unix_s = self.clock.unix_nano() / 1e9

    def send(self, trace: PlannedTrace) -> None:
        """Make the spans of one trace; it ends now."""
        begin = self.clock.unix_nano() - trace.duration
        spans: list[Span] = []
        for planned in trace.spans:
            context = None
            if planned.parent is not None:
                context = self._context(spans[planned.parent], trace.spans[planned.parent].service == planned.service)
            span = self.services[planned.service].tracer.start_span(
                planned.name,
                context=context if context is not None else Context(),
                kind=planned.kind,
                attributes=planned.attributes,
                start_time=begin + planned.start,
            )
            if planned.failed:
                span.set_status(Status(StatusCode.ERROR, "simulated failure"))
            spans.append(span)
        for span, planned in zip(reversed(spans), reversed(trace.spans), strict=True):
            span.end(begin + planned.end)

        self.made += len(spans)
        self.truth.traces += 1
        for edge in trace.edges:
            key = (edge.client, edge.server, edge.connection_type)
            self.truth.edges[key] += 1
            if edge.failed:
                self.truth.failed_edges[key] += 1

    def _context(self, parent: Span, local: bool) -> Context:
        context = set_span_in_context(parent, Context())
        if local:
            return context
        headers: dict[str, str] = {}
        self.propagator.inject(headers, context)
        return self.propagator.extract(headers, Context())

    def finish(self) -> Truth:
        """Flush and return what was sent."""
        for service in self.services.values():
            service.provider.shutdown()
            self.truth.spans.update(service.exporter.sent)
        self.truth.unsent = self.made - self.truth.spans.total()
        return self.truth


def main() -> int:
    """Run the load from the command line."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.demo.load")
    parser.add_argument("--grpc", required=True, help="host:port of OTLP/gRPC")
    parser.add_argument("--http", required=True, help="host:port of OTLP/HTTP")
    parser.add_argument("--truth", required=True, type=Path, help="where to write what was sent")
    parser.add_argument("--rate", type=float, default=50.0, help="traces per second")
    parser.add_argument("--duration", type=float, help="seconds; without it, until told to stop")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fault-after", type=float, default=math.inf, help="seconds; without it, nothing goes wrong")
    arguments = parser.parse_args()

    logging.basicConfig(level=logging.WARNING, format="load: %(message)s", stream=sys.stderr)
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_end_when_orphaned, daemon=True).start()

    load = Load(arguments.grpc, arguments.http, arguments.seed, SystemClock())
    load.run(arguments.rate, arguments.duration, stop, arguments.fault_after)
    load.finish().write(arguments.truth)
    return 0


def _end_when_orphaned() -> None:
    # Not sys.stdin.buffer.read(): a thread that holds a buffer's lock makes the interpreter abort at its end.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
