"""Payloads to measure with: seeded ``ExportTraceServiceRequest`` bytes like those of a shop of eight services.

Traces are whole (a client span and the server span it caused share a request), cut to exactly the wanted number of
spans, and grouped by service and pod into ResourceSpans with nine resource attributes and one or two scopes. About 480
bytes and nine attributes a span, one span in twenty-two failed with a stack trace. ``python -m benchmarks.workload``
prints what they are like.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

PAYLOADS = 64
DIMENSIONS = ("http.route", "http.response.status_code")
"""The two attributes that span_metrics takes as dimensions in all measurements."""

SERVICES = (
    "frontend",
    "cart-service",
    "checkout-service",
    "payment-service",
    "product-catalog",
    "shipping-service",
    "recommendation-service",
    "user-accounts",
)
NOUNS = ("orders", "items", "users", "carts", "payments", "products", "quotes", "sessions", "reviews", "addresses")
USER_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "python-requests/2.32.3",
    "Go-http-client/1.1",
    "okhttp/4.12.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
)
FRAMES = (
    ("web", "routing", 214, "dispatch"),
    ("web", "middleware", 88, "call_next"),
    ("orders", "views", 412, "create_order"),
    ("orders", "services", 97, "reserve_stock"),
    ("db", "session", 301, "execute"),
    ("db", "pool", 155, "checkout"),
)
STACK_TRACE = (
    "Traceback (most recent call last):\n"
    + "".join(
        f'  File "/usr/src/app/site-packages/{module}/handlers/{file}.py", line {line}, in {function}\n'
        f"    return self._{function}(request, context)\n"
        for module, file, line, function in FRAMES
    )
    + "TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00\n"
)
QUERY = "SELECT id, state, created_at FROM ? WHERE id = $1 AND tenant_id = $2 LIMIT 50"
SCOPES = ("opentelemetry.instrumentation.fastapi", "app.business")
INSTRUMENTED, BUSINESS = range(2)
MAX_DEPTH = 4
PODS = 2
BEGIN_UNIX_NANO = 1_753_000_000_000_000_000

AttributeValue = str | int | float | bool
Attributes = Iterable[tuple[str, AttributeValue]]


@dataclass(frozen=True)
class Operations:
    """What one service does."""

    routes: list[tuple[str, str]]
    peers: list[str]
    statements: list[tuple[str, str]]
    functions: list[str]


@functools.cache
def payloads(spans: int, count: int = PAYLOADS) -> tuple[bytes, ...]:
    """Return ``count`` requests of exactly ``spans`` spans each; always the same ones."""
    generator = Generator(seed=spans)
    return tuple(generator.request(spans).SerializeToString() for _ in range(count))


def one_span_each(attributes: Sequence[Mapping[str, AttributeValue]]) -> bytes:
    """Return a request of one service with a server span for each set of attributes: to make series."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    set_attributes(resource_spans.resource.attributes, (("service.name", "shop"),))
    spans = resource_spans.scope_spans.add().spans
    for number, values in enumerate(attributes, start=1):
        span = spans.add(
            trace_id=number.to_bytes(16),
            span_id=number.to_bytes(8),
            name="GET /api/v1/orders/{id}",
            kind=Span.SPAN_KIND_SERVER,
            start_time_unix_nano=BEGIN_UNIX_NANO,
            end_time_unix_nano=BEGIN_UNIX_NANO + number * 1000,
        )
        set_attributes(span.attributes, values.items())
    return request.SerializeToString()


def _operations() -> dict[str, Operations]:
    chance = random.Random(7)
    made = {}
    for service in SERVICES:
        nouns = chance.sample(NOUNS, 6)
        routes = []
        for noun in nouns[:5]:
            routes.append(("GET", f"/api/v1/{noun}/{{id}}"))
            routes.append((chance.choice(("POST", "PUT", "DELETE")), f"/api/v1/{noun}"))
        prefix = service.replace("-", "_")
        made[service] = Operations(
            routes=routes,
            peers=chance.sample([other for other in SERVICES if other != service], 3),
            statements=[(verb, noun) for noun in nouns[:3] for verb in ("SELECT", "INSERT")],
            functions=[
                f"{prefix}.{verb}_{noun}"
                for verb, noun in zip(("validate", "render", "price", "load", "cache"), nouns[:5], strict=True)
            ],
        )
    return made


OPERATIONS = _operations()


class Generator:
    """Draws requests."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = BEGIN_UNIX_NANO
        self.rows: list[tuple[str, int, Span]] = []

    def request(self, count: int) -> ExportTraceServiceRequest:
        """Return one request of ``count`` spans."""
        self.rows = []
        while len(self.rows) < count:
            service = "frontend" if self.random.random() < 0.7 else self.random.choice(SERVICES)
            self._serve(self.random.randbytes(16), b"", service, 0)
        request = ExportTraceServiceRequest()
        scopes: dict[str, dict[int, ScopeSpans]] = {}
        for service, scope, span in self.rows[:count]:
            if service not in scopes:
                resource_spans = request.resource_spans.add()
                set_attributes(
                    resource_spans.resource.attributes, resource_attributes(service, self.random.randrange(PODS))
                )
                scopes[service] = {}
            if scope not in scopes[service]:
                added = request.resource_spans[list(scopes).index(service)].scope_spans.add()
                added.scope.name, added.scope.version = SCOPES[scope], "0.55b1"
                scopes[service][scope] = added
            scopes[service][scope].spans.append(span)
        return request

    def _serve(self, trace: bytes, parent: bytes, service: str, depth: int) -> None:
        chance, operations = self.random, OPERATIONS[service]
        method, route = chance.choice(operations.routes)
        failed = chance.random() < 0.05
        status = chance.choice((500, 503)) if failed else chance.choice((200, 200, 200, 200, 201, 204, 404))
        server = self._span(
            trace,
            parent,
            f"{method} {route}",
            Span.SPAN_KIND_SERVER,
            (
                ("http.request.method", method),
                ("http.route", route),
                ("http.response.status_code", status),
                ("url.path", route.replace("{id}", str(chance.randrange(1, 10**7)))),
                ("url.scheme", "https"),
                ("server.address", f"{service}.prod.svc.cluster.local"),
                ("server.port", 8080),
                ("network.protocol.version", "1.1"),
                ("client.address", f"10.{chance.randrange(256)}.{chance.randrange(256)}.7"),
                ("user_agent.original", chance.choice(USER_AGENTS)),
            ),
            failed,
        )
        self.rows.append((service, INSTRUMENTED, server))
        for _ in range(chance.randrange(3)):
            self._work(trace, server.span_id, service)
        for _ in range(chance.randrange(1, 3)):
            self._query(trace, server.span_id, service)
        if depth < MAX_DEPTH:
            for _ in range(chance.randrange(3)):
                self._call(trace, server.span_id, service, depth)

    def _work(self, trace: bytes, parent: bytes, service: str) -> None:
        chance, functions = self.random, OPERATIONS[service].functions
        attributes = (
            ("code.function.name", chance.choice(functions)),
            ("code.file.path", "/usr/src/app/orders/services.py"),
            ("code.line.number", chance.randrange(1, 900)),
            ("thread.id", chance.randrange(1, 64)),
            ("thread.name", f"worker-{chance.randrange(16)}"),
            ("app.tenant", f"tenant-{chance.randrange(40)}"),
            ("app.cache.hit", chance.random() < 0.7),
            ("app.retry", 0),
        )
        failed = chance.random() < 0.03
        span = self._span(trace, parent, chance.choice(functions), Span.SPAN_KIND_INTERNAL, attributes, failed)
        self.rows.append((service, BUSINESS, span))

    def _query(self, trace: bytes, parent: bytes, service: str) -> None:
        chance = self.random
        verb, table = chance.choice(OPERATIONS[service].statements)
        attributes = (
            ("db.system", "postgresql"),
            ("db.namespace", "shop"),
            ("db.operation.name", verb),
            ("db.collection.name", table),
            ("db.query.text", QUERY.replace("?", table)),
            ("server.address", "pg-primary.data.svc.cluster.local"),
            ("server.port", 5432),
            ("network.transport", "tcp"),
            ("db.response.returned_rows", chance.randrange(50)),
        )
        span = self._span(trace, parent, f"{verb} {table}", Span.SPAN_KIND_CLIENT, attributes, chance.random() < 0.05)
        self.rows.append((service, INSTRUMENTED, span))

    def _call(self, trace: bytes, parent: bytes, service: str, depth: int) -> None:
        chance = self.random
        peer = chance.choice(OPERATIONS[service].peers)
        failed = chance.random() < 0.05
        host = f"{peer}.prod.svc.cluster.local"
        attributes = (
            ("http.request.method", "GET"),
            ("http.response.status_code", 503 if failed else 200),
            ("url.full", f"https://{host}:8080/api/v1/{chance.choice(NOUNS)}/{chance.randrange(10**7)}"),
            ("server.address", host),
            ("server.port", 8080),
            ("network.protocol.version", "1.1"),
            ("network.peer.address", f"10.{chance.randrange(256)}.{chance.randrange(256)}.9"),
            ("peer.service", peer),
        )
        client = self._span(trace, parent, chance.choice(("GET", "POST")), Span.SPAN_KIND_CLIENT, attributes, failed)
        self.rows.append((service, INSTRUMENTED, client))
        self._serve(trace, client.span_id, peer, depth + 1)

    def _span(
        self,
        trace: bytes,
        parent: bytes,
        name: str,
        kind: Span.SpanKind.ValueType,
        attributes: Attributes,
        failed: bool,
    ) -> Span:
        chance = self.random
        self.now += chance.randrange(1000, 2_000_000)
        span = Span(
            trace_id=trace,
            span_id=chance.randbytes(8),
            parent_span_id=parent,
            name=name,
            kind=kind,
            start_time_unix_nano=self.now,
            end_time_unix_nano=self.now + int(chance.lognormvariate(16.5, 1.4)),
            flags=0x101,
        )
        set_attributes(span.attributes, attributes)
        if failed:
            span.status.code, span.status.message = Status.STATUS_CODE_ERROR, "connection timed out"
            event = span.events.add(name="exception", time_unix_nano=span.end_time_unix_nano - 1000)
            set_attributes(
                event.attributes,
                (
                    ("exception.type", "TimeoutError"),
                    ("exception.message", "QueuePool limit of size 5 overflow 10 reached"),
                    ("exception.stacktrace", STACK_TRACE),
                    ("exception.escaped", False),
                ),
            )
        return span


def resource_attributes(service: str, pod: int) -> Attributes:
    """Return what a process says about itself."""
    return (
        ("service.name", service),
        ("service.version", "2.14.3"),
        ("service.namespace", "shop"),
        ("k8s.namespace.name", "prod"),
        ("k8s.pod.name", f"{service}-6d4b75cb6d-{pod:05x}"),
        ("host.name", f"ip-10-0-{SERVICES.index(service)}-{pod}.ec2.internal"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.language", "python"),
        ("telemetry.sdk.version", "1.34.1"),
    )


def set_attributes(target: object, attributes: Attributes) -> None:
    """Add ``attributes`` to the repeated field ``target``."""
    for key, value in attributes:
        added: KeyValue = target.add(key=key)  # type: ignore[attr-defined]
        if isinstance(value, bool):
            added.value.bool_value = value
        elif isinstance(value, int):
            added.value.int_value = value
        elif isinstance(value, float):
            added.value.double_value = value
        else:
            added.value.string_value = value


def main() -> None:
    """Print what the payloads are like."""
    for size in (512, 50):
        made = payloads(size)
        requests = [ExportTraceServiceRequest.FromString(payload) for payload in made]
        spans = [
            (resource_spans.resource.SerializeToString(), span)
            for request in requests
            for resource_spans in request.resource_spans
            for scope_spans in resource_spans.scope_spans
            for span in scope_spans.spans
        ]
        keys = {
            (resource, span.name, span.kind, span.status.code, *(_value(span, key) for key in DIMENSIONS))
            for resource, span in spans
        }
        total = sum(map(len, made))
        attributes = sum(len(span.attributes) for _, span in spans)
        failed = sum(span.status.code == Status.STATUS_CODE_ERROR for _, span in spans)
        print(
            f"{len(made)} requests of {size} spans: {total / len(spans):.0f} bytes and {attributes / len(spans):.1f} "
            f"attributes a span, {total / len(made):.0f} bytes a request, {failed / len(spans):.1%} failed, "
            f"{len(keys)} series"
        )


def _value(span: Span, key: str) -> str:
    return next((str(attribute.value) for attribute in span.attributes if attribute.key == key), "")


if __name__ == "__main__":
    main()
