"""``forward``: a connector that hands on what it gets, so that pipelines can branch and join.

traces/in:   {receivers: [otlp], processors: [resource], exporters: [forward]}
traces/all:  {receivers: [forward], exporters: [otlp/archive]}
traces/some: {receivers: [forward], processors: [probabilistic_sampler], exporters: [otlp/tempo]}
"""

from __future__ import annotations

from typing import ClassVar

from pipeline.api import ComponentConfig, LogBatch, MetricBatch, Processor, Settings, SpanBatch


class Forward(Processor):
    """Changes nothing."""

    forwards: ClassVar[bool] = True

    def __init__(self, config: ComponentConfig, settings: Settings) -> None:
        """There is nothing to configure."""

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """All spans."""
        return spans

    def process_metrics(self, metrics: MetricBatch) -> MetricBatch:
        """All data points."""
        return metrics

    def process_logs(self, logs: LogBatch) -> LogBatch:
        """All log records."""
        return logs
