"""An example plug-in: drop the spans of health checks, and count what was dropped.

Everything it needs comes from ``pipeline.api``. The engine calls ``process_traces`` with one batch at a time; the batch
holds the columns named in ``reads``, as numpy arrays and dictionary-encoded strings.
"""

from pipeline.api import ComponentConfig, Processor, Settings, SpanBatch


class DropHealthChecks(Processor):
    """Drops spans whose ``url.path`` is a health check; keeps spans without a path."""

    class Config(ComponentConfig):
        """The YAML below ``drop_health_checks:``. Unknown keys are refused with the nearest name."""

        paths: tuple[str, ...] = ("/healthz", "/livez", "/readyz")
        """Paths to drop, compared exactly."""

    reads = ("span.url.path", "resource.service.name")
    emits_metrics = True

    def __init__(self, config: Config, settings: Settings) -> None:
        self.paths = config.paths
        self.dropped = settings.meter.counter(
            "traces.health_checks.dropped", unit="{span}", labels=("resource.service.name",)
        )

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """The spans that are not health checks."""
        is_check = spans["span.url.path"].isin(self.paths)
        checks = spans.where(is_check)
        if len(checks):
            self.dropped.add(checks.group_by("resource.service.name"))
        return spans.where(~is_check)
