"""A small shop, instrumented with the stock SDK: what it did is exported to Weir and told as official messages.

    user → frontend ─HTTP→ cart ─→ database
                    └publishes─→ mail        and calls to a service that sends no spans

Spans have fixed durations, bounds of buckets among them, and began a few seconds ago, as real ones do.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, set_span_in_context

MS = 1_000_000
# Bounds of the Collector's buckets, of Tempo's and of powers of two, and values between them and above all.
DURATIONS_MS = (0.2, 2, 2.000001, 3, 4, 8, 9.5, 10, 50, 64, 77, 100, 250, 400, 999, 1000, 2000, 15_000, 16_000)
DURATIONS_NS = tuple(round(ms * MS) for ms in DURATIONS_MS)
ROUTES = ("/", "/product/{id}", "/cart", '/odd/"quoted"\\{name}')


@dataclass
class Service:
    """One instance of a service; ``sent`` gets what its exporter gets."""

    name: str
    instance: str
    exporter: SpanExporter
    sent: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def __post_init__(self) -> None:
        attributes = {
            "service.name": self.name,
            "service.namespace": "shop",
            "service.instance.id": f"{self.name}-{self.instance}",
            "host.name": f"node-{self.instance}",
        }
        self.provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.sent))
        # Long enough that only the flush at the end exports: one batch whatever the machine's speed.
        batches = BatchSpanProcessor(self.exporter, max_queue_size=100_000, schedule_delay_millis=600_000)
        self.provider.add_span_processor(batches)
        self.tracer = self.provider.get_tracer("shop", "1.0")

    def flush(self) -> None:
        """Export and wait for the answer."""
        assert self.provider.force_flush(60_000)

    def requests(self) -> ExportTraceServiceRequest:
        """What it has exported."""
        return encode_spans(self.sent.get_finished_spans())


@dataclass
class Visit:
    """One trace, number ``n`` of a run."""

    n: int
    begin_ns: int

    def span(
        self,
        service: Service,
        name: str,
        kind: SpanKind,
        parent: Span | None,
        *,
        longer: int = 0,
        failed: bool = False,
        links: tuple[Link, ...] = (),
        **attributes: str | int,
    ) -> Span:
        """A finished span; its duration follows from the number of the visit and ``longer``."""
        span = service.tracer.start_span(
            name,
            context=Context() if parent is None else set_span_in_context(parent, Context()),
            kind=kind,
            links=links,
            attributes={key.replace("_", "."): value for key, value in attributes.items()},
            start_time=self.begin_ns,
        )
        if failed:
            span.set_status(Status(StatusCode.ERROR, "no"))
        elif self.n % 4 == 0:
            span.set_status(Status(StatusCode.OK))
        span.end(self.begin_ns + DURATIONS_NS[(self.n + longer) % len(DURATIONS_NS)])
        assert isinstance(span, Span)
        return span


@dataclass
class Shop:
    """The services; ``exporters`` are used in turn, so that both ends of a call come in over different transports."""

    exporters: list[SpanExporter]

    def __post_init__(self) -> None:
        names = [("frontend", "1"), ("frontend", "2"), ("cart", "1"), ("mail", "1")]
        self.services = [
            Service(name, instance, self.exporters[n % len(self.exporters)]) for n, (name, instance) in enumerate(names)
        ]

    def visit(self, n: int, begin_ns: int) -> None:
        """Somebody looks at something, and every few visits more happens."""
        visit = Visit(n, begin_ns)
        frontend, cart, mail = self.services[n % 2], self.services[2], self.services[3]
        route, failed = ROUTES[n % len(ROUTES)], n % 5 == 0
        root = visit.span(frontend, f"GET {route}", SpanKind.SERVER, None, failed=failed, http_route=route)
        visit.span(frontend, "render", SpanKind.INTERNAL, root, longer=3)
        call = visit.span(frontend, "POST", SpanKind.CLIENT, root, longer=1, failed=n % 7 == 0, http_route="/add")
        served = visit.span(cart, "POST /add", SpanKind.SERVER, call, longer=2, failed=n % 6 == 0, http_route="/add")
        visit.span(cart, "SELECT", SpanKind.CLIENT, served, longer=4, db_name="carts", db_system="postgresql")
        if n % 3 == 0:
            sent = visit.span(frontend, "orders publish", SpanKind.PRODUCER, root)
            visit.span(mail, "orders process", SpanKind.CONSUMER, sent, longer=5)
            linked = (Link(sent.get_span_context()),)
            visit.span(mail, "orders audit", SpanKind.CONSUMER, None, longer=6, links=linked)
            visit.span(mail, "POST", SpanKind.CLIENT, None, longer=7, failed=n % 2 == 0, peer_service="smtp")

    def flush(self) -> None:
        """Export everything; on return Weir has acknowledged it."""
        for service in self.services:
            service.flush()

    def requests(self) -> list[ExportTraceServiceRequest]:
        """What has been exported."""
        return [service.requests() for service in self.services]
