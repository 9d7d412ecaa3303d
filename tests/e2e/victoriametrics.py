"""A real VictoriaMetrics."""

from __future__ import annotations

from tests.e2e.metrics_server import MetricsServer
from tests.programs import VICTORIAMETRICS


class VictoriaMetrics(MetricsServer):
    """Receives and answers. What it is sent shows after a moment; ``-search.latencyOffset`` hides the newest samples
    otherwise.
    """

    ready_path = "/health"

    @property
    def otlp_metrics_url(self) -> str:
        """Where it takes OTLP: the ``metrics_endpoint`` of ``otlphttp``."""
        return f"{self.url}/opentelemetry/v1/metrics"

    def command(self) -> list[str]:
        return [
            VICTORIAMETRICS.path,
            f"-httpListenAddr={self.url.removeprefix('http://')}",
            f"-storageDataPath={self.folder / 'data'}",
            "-retentionPeriod=1d",
            "-search.latencyOffset=0s",
            "-search.disableCache",
            "-inmemoryDataFlushInterval=1s",
            "-opentelemetry.usePrometheusNaming",
        ]
