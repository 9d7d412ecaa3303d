"""Request, error and duration metrics from spans, as the Collector's span metrics connector or Tempo makes them."""

from processors.span_metrics.processor import SpanMetrics

__all__ = ["SpanMetrics"]
