"""The configurations that are measured, as text: what a user would write."""

from __future__ import annotations

from benchmarks.workload import DIMENSIONS

RED_AND_GRAPH = """
receivers:
  otlp:
    protocols:
      {protocol}: {{endpoint: 127.0.0.1:{port}}}
connectors:
  span_metrics: {span_metrics}
  service_graph:
    database_name_attributes: [db.namespace]
    store: {{ttl: 10s, max_items: 100000}}
exporters:
  prometheus: {{endpoint: 127.0.0.1:{metrics_port}}}
service:
  telemetry:
    metrics: {{level: none}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics, service_graph]}}
    metrics: {{receivers: [span_metrics, service_graph], exporters: [prometheus]}}
"""


def red_and_graph(protocol: str, port: int, metrics_port: int) -> str:
    """Return OTLP in, RED metrics with two dimensions and the service graph out to ``/metrics``."""
    dimensions = ", ".join(f"{{name: {key}}}" for key in DIMENSIONS)
    return _configuration(protocol, port, metrics_port, f"{{dimensions: [{dimensions}]}}")


def many_series(protocol: str, port: int, metrics_port: int) -> str:
    """Return the same with a counter per ``app.order`` and a histogram per ``app.group``."""
    span_metrics = "{dimensions: [{name: app.group}], calls_dimensions: [{name: app.order}], zero_error_series: false}"
    return _configuration(protocol, port, metrics_port, span_metrics)


def _configuration(protocol: str, port: int, metrics_port: int, span_metrics: str) -> str:
    return RED_AND_GRAPH.format(protocol=protocol, port=port, metrics_port=metrics_port, span_metrics=span_metrics)
