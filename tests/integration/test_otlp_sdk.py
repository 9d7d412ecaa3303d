"""The stock OpenTelemetry SDK sends to us as it comes: over gRPC and HTTP, plain and compressed."""

from __future__ import annotations

import logging
from collections.abc import Callable

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

from pipeline.errors import PermanentError, RetryableError
from tests.integration.otlp_server import TRACES, OtlpServer

EXPORTERS: dict[str, Callable[[OtlpServer], SpanExporter]] = {
    "grpc": lambda server: GrpcExporter(server.grpc, insecure=True),
    "grpc gzip": lambda server: GrpcExporter(server.grpc, insecure=True, compression=grpc.Compression.Gzip),
    "http": lambda server: HttpExporter("http://{}:{}".format(*server.http) + TRACES),
    "http gzip": lambda server: HttpExporter(
        "http://{}:{}".format(*server.http) + TRACES, compression=Compression.Gzip
    ),
    "http deflate": lambda server: HttpExporter(
        "http://{}:{}".format(*server.http) + TRACES, compression=Compression.Deflate
    ),
}


def send(exporter: SpanExporter, n: int) -> None:
    """``n`` spans through a whole SDK, every tenth an error."""
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=10_000))
    tracer = provider.get_tracer("test")
    for number in range(n):
        with tracer.start_as_current_span(f"GET /{number % 3}", kind=SpanKind.SERVER) as span:
            span.set_attribute("http.response.status_code", 200)
            if number % 10 == 0:
                span.set_status(Status(StatusCode.ERROR, "boom"))
    provider.shutdown()


@pytest.mark.parametrize("name", EXPORTERS)
def test_what_the_sdk_sends_arrives_once(name: str) -> None:
    with OtlpServer() as server:
        send(EXPORTERS[name](server), 1_500)
        assert server.accepted == 1_500
        assert set(server.outcomes()) == {"ok"}
        services = {value for batch in server.received for value in batch["resource.service.name"].tolist()}
        errors = sum((batch["status_code"] == "STATUS_CODE_ERROR").sum() for batch in server.received)
        assert (services, errors) == ({"shop"}, 150)


@pytest.mark.parametrize("name", ["grpc", "http"])
def test_the_sdk_sends_again_what_we_refused_for_now(name: str) -> None:
    server = OtlpServer()
    faults, take = [RetryableError("later", 0.01)], server.consume

    def refuse_once(batch: object) -> None:
        if faults:
            raise faults.pop()
        take(batch)

    server.consume = refuse_once  # type: ignore[method-assign]
    with server:
        send(EXPORTERS[name](server), 10)
        assert server.accepted == 10
        assert server.outcomes() == {"refused": 1, "ok": 1}


@pytest.mark.parametrize("name", ["grpc", "http"])
def test_the_sdk_gives_up_on_what_we_can_never_accept(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with OtlpServer() as server, caplog.at_level(logging.ERROR):
        server.fault = PermanentError("not wanted")
        send(EXPORTERS[name](server), 10)
        assert server.outcomes() == {"rejected": 1}
        assert server.accepted == 0
    assert caplog.records, "the SDK says so"
