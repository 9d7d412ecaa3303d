"""An example plug-in: drop the spans of health checks and what was logged and measured in them, and count the spans.

Everything it needs comes from ``pipeline.api``. The engine calls one method per signal with one batch at a time; the
batch holds the columns named in ``reads``, as numpy arrays and dictionary-encoded strings.
"""

from pipeline.api import ComponentConfig, LogBatch, MetricBatch, Processor, Settings, SpanBatch


class DropHealthChecks(Processor):
    """Drops what has the ``url.path`` of a health check; keeps what has no path."""

    class Config(ComponentConfig):
        """The YAML below ``drop_health_checks:``. Unknown keys are refused with the nearest name."""

        paths: tuple[str, ...] = ("/healthz", "/livez", "/readyz")
        """Paths to drop, compared exactly."""

    reads = ("span.url.path", "point.url.path", "log.url.path", "resource.service.name")
    emits_metrics = True

    def __init__(self, config: Config, settings: Settings) -> None:
        self.paths = config.paths
        self.dropped = settings.meter.counter(
            "traces.health_checks.dropped", unit="{span}", labels=("resource.service.name",)
        )

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """The spans that are not health checks."""
        is_check = spans["span.url.path"].isin(self.paths)
        self.dropped.add(spans.where(is_check))
        return spans.where(~is_check)

    def process_metrics(self, metrics: MetricBatch) -> MetricBatch:
        """The data points that are not about health checks."""
        return metrics.where(~metrics["point.url.path"].isin(self.paths))

    def process_logs(self, logs: LogBatch) -> LogBatch:
        """The log records that are not about health checks."""
        return logs.where(~logs["log.url.path"].isin(self.paths))
