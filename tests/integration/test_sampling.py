"""A stock SDK → probabilistic_sampler → span_metrics and an OTLP exporter, over real sockets.

Must never regress: what leaves is a share of what came, and what is counted behind the sampler is all of it.
"""

from __future__ import annotations

import math
import urllib.request
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.destinations import http_destination
from tests.integration.test_delta_to_cumulative import address, weir

CONFIG = """
processors: {{probabilistic_sampler: {{sampling_percentage: 25, mode: proportional}}}}
connectors: {{span_metrics: }}
exporters: {{otlphttp: {{endpoint: "{endpoint}"}}, prometheus: {{endpoint: "127.0.0.1:0"}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [probabilistic_sampler], exporters: [span_metrics, otlphttp]}}
    metrics: {{receivers: [span_metrics], exporters: [prometheus]}}
"""


def test_a_share_leaves_and_all_of_it_is_counted() -> None:
    n, share = 4_000, 0.25
    with http_destination() as (endpoint, ledger), weir(CONFIG.format(endpoint=endpoint)) as engine:
        provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{address(engine)}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=2 * n))
        tracer = provider.get_tracer("test")
        for _ in range(n // 2):
            with tracer.start_as_current_span("GET"), tracer.start_as_current_span("SELECT"):
                pass
        provider.shutdown()
        page: Any = engine.graph.exporters["prometheus"]
        with urllib.request.urlopen("http://{}:{}/metrics".format(*page.address), timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            calls = sum(
                sample.value
                for family in families
                for sample in family.samples
                if sample.name == "traces_span_metrics_calls_total" and sample.labels["span_name"]
            )
    spans = [
        span
        for request in ledger.requests
        for resource in ExportTraceServiceRequest.FromString(request["payload"]).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    traces = {span.trace_id for span in spans}
    assert {span.trace_state for span in spans} == {"ot=th:c"}
    assert len(spans) == 2 * len(traces)  # a trace is kept whole
    assert calls == len(spans) / share
    assert abs(len(traces) - n / 2 * share) < 5 * math.sqrt(n / 2 * share * (1 - share))
