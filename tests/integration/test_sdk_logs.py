"""Log records of the stock Python SDK, written through ``logging`` and through the API, over gRPC and HTTP: what the
SDK encoded arrives at an exporter as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from tests.integration.sdk_target import SdkTarget

CONFIG = """
processors: {memory_limiter: {check_interval: 1s, limit_percentage: 90}}
exporters: {logs: }
service:
  pipelines: {logs: {receivers: [otlp], processors: [memory_limiter], exporters: [logs]}}
  telemetry: {metrics: {level: none}}
"""
RESOURCE = Resource({"service.name": "cart", "service.namespace": "shop", "service.instance.id": "i-1"})
LINES = 700
"""More than the SDK sends at once."""


@pytest.fixture
def weir() -> Iterator[SdkTarget]:
    with SdkTarget(CONFIG) as target:
        yield target


def exporter_to(weir: SdkTarget, transport: str) -> Any:
    if transport == "grpc":
        return GrpcExporter(endpoint=weir.grpc, insecure=True)
    compression = Compression.Gzip if transport == "http gzip" else Compression.NoCompression
    return HttpExporter(endpoint=f"{weir.http}/v1/logs", compression=compression)


def write(exporter: Any) -> tuple[list[ExportLogsServiceRequest], bytes]:
    """Write lines in every way; what the SDK encoded, and the trace that one of them belongs to."""
    sent: list[ExportLogsServiceRequest] = []
    export = exporter.export

    def recording(batch: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(encode_logs(batch))
        return export(batch, *arguments, **options)

    exporter.export = recording
    provider = LoggerProvider(RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    with pytest.warns(DeprecationWarning, match="LoggingHandler"):
        handler = LoggingHandler(logger_provider=provider)
    logger = logging.Logger("shop.orders")
    logger.addHandler(handler)
    for number in range(LINES):
        logger.warning("order %d", number, extra={"order.id": number, "parts": ["a", "ü"], "paid": True})
    try:
        raise ValueError("no such item")
    except ValueError:
        logger.exception("failed")
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    with tracer_provider.get_tracer("t").start_as_current_span("one") as span:
        logger.info({"event": "paid", "items": [1, "two", {"deep": 2.5}]})
        trace_id = span.get_span_context().trace_id.to_bytes(16, "big")
    api = provider.get_logger("app", "1.0", attributes={"tier": "web"})
    api.emit(body=None, severity_number=SeverityNumber.FATAL4, attributes={"empty": ""}, event_name="login")
    api.emit(body="plain", severity_text="NOTICE", timestamp=5, observed_timestamp=6)
    provider.shutdown()
    tracer_provider.shutdown()
    return sent, trace_id


@pytest.mark.parametrize("transport", ["grpc", "http", "http gzip"])
def test_what_the_sdk_wrote_is_what_an_exporter_gets(weir: SdkTarget, transport: str) -> None:
    sent, trace_id = write(exporter_to(weir, transport))
    received = weir.received("logs")
    assert received == sent
    assert len(sent) > 1
    records = [record for one in received for scope in one.resource_logs[0].scope_logs for record in scope.log_records]
    assert len(records) == LINES + 4
    assert weir.own("otelcol_receiver_accepted_log_records", transport=transport.split()[0]) == LINES + 4
    orders = [record for record in records if record.body.string_value.startswith("order ")]
    assert [record.body.string_value for record in orders] == [f"order {number}" for number in range(LINES)]
    assert {(record.severity_number, record.severity_text) for record in orders} == {(13, "WARN")}
    assert [attribute(record, "order.id").int_value for record in orders] == list(range(LINES))
    failed, paid, login, plain = (record for record in records if record not in orders)
    assert attribute(failed, "exception.message").string_value == "no such item"
    assert "ValueError" in attribute(failed, "exception.stacktrace").string_value
    assert (paid.trace_id, paid.body.kvlist_value.values[0].value.string_value) == (trace_id, "paid")
    assert (login.event_name, login.severity_number, login.body.WhichOneof("value")) == ("login", 24, None)
    assert (plain.time_unix_nano, plain.observed_time_unix_nano, plain.severity_text) == (5, 6, "NOTICE")


def attribute(record: Any, key: str) -> Any:
    (found,) = (pair.value for pair in record.attributes if pair.key == key)
    return found
