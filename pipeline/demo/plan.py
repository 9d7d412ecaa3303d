"""Decide what happens in one trace, without a clock and without the SDK: times are offsets, parents are positions.

All chance is in ``Planner``, whose generator is seeded, so equal seeds give equal traces. ``Planner._visit`` is the one
place where latency and failure of an operation are drawn.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from opentelemetry.trace import SpanKind

from pipeline.demo.shop import ENTRANCES, AttributeValue, Fault, Operation, Query

NANOS_PER_MS = 1_000_000
STEP_S = 0.1
WAVE_PERIOD_S = 60.0
WAVE_HEIGHT = 0.25


@dataclass
class PlannedSpan:
    """One span to send. ``parent`` is a position in the trace's list; times are nanoseconds from its start."""

    service: str
    name: str
    kind: SpanKind
    parent: int | None
    start: int
    end: int = 0
    failed: bool = False
    attributes: dict[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Edge:
    """One call as the service graph should see it."""

    client: str
    server: str
    connection_type: str
    failed: bool


@dataclass
class PlannedTrace:
    """The spans of one trace, parents first, and the edges they imply."""

    spans: list[PlannedSpan] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    @property
    def duration(self) -> int:
        """Nanoseconds from the first start to the last end."""
        return max(span.end for span in self.spans)


def arrivals(rate: float, step: int) -> int:
    """Return how many traces begin in one step: a steady rate under a wave, like day and night in a minute."""
    return _arrived(rate, (step + 1) * STEP_S) - _arrived(rate, step * STEP_S)


def _arrived(rate: float, until_s: float) -> int:
    omega = 2 * math.pi / WAVE_PERIOD_S
    return int(rate * (until_s + WAVE_HEIGHT / omega * (1 - math.cos(omega * until_s))))


class Planner:
    """Draws traces.

    Args:
        seed: Equal seeds give equal traces.
        entrances: What users do, with weights.

    Attributes:
        fault: What goes wrong now.
    """

    def __init__(self, seed: int, entrances: Sequence[tuple[float, Operation]] = ENTRANCES) -> None:
        self.fault: Fault | None = None
        self.random = random.Random(seed)
        self._weights = [weight for weight, _ in entrances]
        self._operations = [operation for _, operation in entrances]

    def trace(self) -> PlannedTrace:
        """Plan one visit of a user."""
        (operation,) = self.random.choices(self._operations, self._weights)
        trace = PlannedTrace()
        root = self._visit(trace, operation, None, 0)
        # The root has no caller among our spans: the service graph shows it as a call by "user".
        trace.edges.append(Edge("user", operation.service, "virtual_node", root.failed))
        return trace

    def _visit(self, trace: PlannedTrace, operation: Operation, parent: int | None, start: int) -> PlannedSpan:
        kind = SpanKind.CONSUMER if operation.queue else SpanKind.SERVER
        span = PlannedSpan(operation.service, operation.name, kind, parent, start)
        position = len(trace.spans)
        trace.spans.append(span)
        own_time = self._duration(operation.latency_ms, operation.spread)
        span.failed = self.random.random() < operation.error_ratio
        span.attributes |= {key: self.random.choice(values) for key, values in operation.choices.items()}
        if self.fault is not None and self.fault.hits(operation, span.attributes):
            own_time = round(own_time * self.fault.slower)

        cursor = start + own_time // 2
        for call in operation.calls:
            if isinstance(call, Query):
                called = self._query(trace, operation.service, call, position, cursor)
            elif call.queue:
                called = self._publish(trace, operation.service, call, position, cursor)
            else:
                called = self._request(trace, operation.service, call, position, cursor)
            cursor = called.end
            span.failed |= called.failed
            if called.failed:
                break
        span.end = cursor + own_time - own_time // 2
        span.attributes |= _describe(operation, span.failed)
        return span

    def _query(self, trace: PlannedTrace, service: str, query: Query, parent: int, start: int) -> PlannedSpan:
        span = PlannedSpan(service, query.name, SpanKind.CLIENT, parent, start)
        span.end = start + self._duration(query.latency_ms, 0.5)
        span.failed = self.random.random() < query.error_ratio
        span.attributes = {"db.system": query.store.system, "db.name": query.store.name, "db.operation": query.name}
        trace.spans.append(span)
        trace.edges.append(Edge(service, query.store.name, "database", span.failed))
        return span

    def _request(self, trace: PlannedTrace, service: str, operation: Operation, parent: int, start: int) -> PlannedSpan:
        method, _, path = operation.name.partition(" ")
        span = PlannedSpan(service, method, SpanKind.CLIENT, parent, start)
        span.attributes = {
            "http.request.method": method,
            "server.address": operation.service,
            "url.full": f"http://{operation.service}:8080{path}",
        }
        position = len(trace.spans)
        trace.spans.append(span)
        server = self._visit(trace, operation, position, start + self._duration(0.4, 0.3))
        span.end = server.end + self._duration(0.4, 0.3)
        span.failed = server.failed
        span.attributes["http.response.status_code"] = 500 if span.failed else 200
        trace.edges.append(Edge(service, operation.service, "", span.failed))
        return span

    def _publish(self, trace: PlannedTrace, service: str, operation: Operation, parent: int, start: int) -> PlannedSpan:
        span = PlannedSpan(service, f"{operation.queue} publish", SpanKind.PRODUCER, parent, start)
        span.end = start + self._duration(1.0, 0.3)
        span.attributes = {"messaging.system": "kafka", "messaging.destination.name": operation.queue}
        position = len(trace.spans)
        trace.spans.append(span)
        # The consumer starts later and nobody waits for it: its failure is not the producer's.
        consumer = self._visit(trace, operation, position, span.end + self._duration(20.0, 0.8))
        trace.edges.append(Edge(service, operation.service, "messaging_system", consumer.failed))
        return span

    def _duration(self, median_ms: float, spread: float) -> int:
        return int(self.random.lognormvariate(math.log(median_ms), spread) * NANOS_PER_MS)


def _describe(operation: Operation, failed: bool) -> dict[str, AttributeValue]:
    if operation.queue:
        return {"messaging.system": "kafka", "messaging.destination.name": operation.queue}
    method, _, route = operation.name.partition(" ")
    return {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": 500 if failed else 200,
        "url.path": route.replace("{product}", "8127").replace("{user}", "42"),
    }
