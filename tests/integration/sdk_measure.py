"""Every instrument of the stock Python SDK in use (``tests/oracles/sdk_instruments.py`` says with what values)."""

from __future__ import annotations

from typing import Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from tests.oracles.sdk_instruments import COLLECTIONS, SECONDS, sizes_of

RESOURCE = Resource({"service.name": "cart", "service.namespace": "shop", "service.instance.id": "i-1", "zone": "b"})


def measure(exporter: Any) -> tuple[list[ExportMetricsServiceRequest], str]:
    """Use every instrument, three times; what the SDK encoded, and the trace that the last values belong to."""
    sent: list[ExportMetricsServiceRequest] = []
    export = exporter.export

    def recording(data: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(encode_metrics(data))
        return export(data, *arguments, **options)

    exporter.export = recording
    reader = PeriodicExportingMetricReader(exporter, 3_600_000)
    view = View(instrument_name="sizes", aggregation=ExponentialBucketHistogramAggregation(max_size=8))
    provider = MeterProvider([reader], RESOURCE, views=[view], shutdown_on_exit=False)
    meter = provider.get_meter("app", "1.2", attributes={"tier": "web"})
    ticks = {"n": 0}

    def observe(factor: float) -> Any:
        def callback(_: CallbackOptions) -> list[Observation]:
            return [Observation(factor * ticks["n"], {"pool": "a"}), Observation(factor, {"pool": "b"})]

        return callback

    meter.create_observable_counter("gc.collections", [observe(2)])
    meter.create_observable_up_down_counter("connections", [observe(-3)])
    meter.create_observable_gauge("temperature", [observe(0.5)], unit="Cel")
    requests = meter.create_counter("requests", unit="{request}", description='with "quotes"\nand lines')
    bytes_sent = meter.create_counter("sent", unit="By")
    queue = meter.create_up_down_counter("queue.length")
    fill = meter.create_gauge("fill", unit="1")
    latency = meter.create_histogram("latency", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1.0])
    sizes = meter.create_histogram("sizes", unit="By")
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    for number in range(1, COLLECTIONS + 1):
        ticks["n"] = number
        with tracer_provider.get_tracer("t").start_as_current_span("one") as span:
            trace_id = f"{span.get_span_context().trace_id:032x}"
            requests.add(number, {"route": "/a", "ok": True, "codes": [1, 2]})
            requests.add(1, {"route": "/b"})
            bytes_sent.add(0.5 * number)
            queue.add(-2, {"route": 'quo"te\\'})
            fill.set(number / 4)
            for seconds in SECONDS:
                latency.record(seconds)
            for size in sizes_of(number):
                sizes.record(size)
        provider.force_flush()
    provider.shutdown()
    tracer_provider.shutdown()
    return sent, trace_id
