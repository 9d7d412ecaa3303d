"""The configurations that are measured, as text: what a user would write."""

from __future__ import annotations

from benchmarks.workload import DIMENSIONS

CONFIGURATION = """
receivers:
  otlp:
    protocols:
      {protocol}: {{endpoint: 127.0.0.1:{port}}}
connectors:
  span_metrics: {span_metrics}
{service_graph}
exporters:
  prometheus: {{endpoint: 127.0.0.1:{metrics_port}}}
service:
  telemetry:
    metrics: {{level: none}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [{connectors}]}}
    metrics: {{receivers: [{connectors}], exporters: [prometheus]}}
"""
SPAN_METRICS = f"{{dimensions: [{', '.join(f'{{name: {key}}}' for key in DIMENSIONS)}]}}"
SERVICE_GRAPH = """
  service_graph:
    database_name_attributes: [db.namespace]
    store: {ttl: 10s, max_items: 100000}
"""

FORWARDING = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: 127.0.0.1:{port}}}
exporters:
  otlp:
    endpoint: 127.0.0.1:{sink_port}
    tls: {{insecure: true}}
    compression: none
    sending_queue: {{block_on_overflow: true, queue_size: 64}}
service:
  telemetry:
    metrics: {{level: none}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp]}}
"""


def pass_through(port: int, sink_port: int) -> str:
    """Return OTLP in, OTLP out, not compressed; a full queue makes senders wait, so that nothing is lost."""
    return FORWARDING.format(port=port, sink_port=sink_port)


def red_and_graph(protocol: str, port: int, metrics_port: int) -> str:
    """Return OTLP in, RED metrics with two dimensions and the service graph out to ``/metrics``."""
    return _configuration(protocol, port, metrics_port, SPAN_METRICS, SERVICE_GRAPH)


def red(protocol: str, port: int, metrics_port: int) -> str:
    """Return the same without the service graph."""
    return _configuration(protocol, port, metrics_port, SPAN_METRICS)


def many_series(protocol: str, port: int, metrics_port: int) -> str:
    """Return RED metrics and the service graph with a counter per ``app.order`` and a histogram per ``app.group``."""
    span_metrics = "{dimensions: [{name: app.group}], calls_dimensions: [{name: app.order}], zero_error_series: false}"
    return _configuration(protocol, port, metrics_port, span_metrics, SERVICE_GRAPH)


def _configuration(protocol: str, port: int, metrics_port: int, span_metrics: str, service_graph: str = "") -> str:
    return CONFIGURATION.format(
        protocol=protocol,
        port=port,
        metrics_port=metrics_port,
        span_metrics=span_metrics,
        service_graph=service_graph,
        connectors="span_metrics, service_graph" if service_graph else "span_metrics",
    )
