"""``prometheus``: metrics at ``/metrics`` for Prometheus to fetch. Keys, defaults and names as the Collector's
exporter.

The page shows what the components hold at the moment of the scrape, so nothing is stored here. That has one
consequence for
users of the Collector: ``metric_expiration`` has nothing left to do, since a series is shown as long as its producer
keeps it (``metrics_expiration`` and ``series_expiration`` there).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from pipeline.api import Collect, ComponentConfig, Exporter, MetricBatch, MetricSnapshot, Settings
from pipeline.codec.prometheus_labels import LabelOptions
from pipeline.codec.prometheus_names import Namer, Strategy
from pipeline.config.durations import Duration
from pipeline.endpoint import Endpoint, is_local
from pipeline.exporters.exposition import REASONS, Exposition, ExpositionOptions
from pipeline.exporters.leading_zero import Mode
from pipeline.http_server import HttpServer
from pipeline.model.last_values import READS, LastValues
from pipeline.tls import ServerTls, TlsConfig

THREADS = 16
"""Scrapes that can wait for one render together. Threads are made when needed and mostly sleep."""


class ResourceToTelemetry(ComponentConfig):
    """``resource_to_telemetry_conversion``: resource attributes as labels of every metric."""

    enabled: bool = False
    exclude_service_attributes: bool = False
    """Leave out what ``job`` and ``instance`` say already."""


class PrometheusConfig(ComponentConfig):
    """The Collector's keys, and ``leading_zero``."""

    endpoint: Endpoint
    tls: TlsConfig | None = None
    namespace: str = ""
    const_labels: dict[str, str] = Field(default_factory=dict)
    send_timestamps: bool = False
    metric_expiration: Annotated[Duration, Field(gt=0)] = 300.0
    """How long a series of an application is shown after its last point. Longer than the interval at which
    applications send, else series come and go."""
    resource_to_telemetry_conversion: ResourceToTelemetry = ResourceToTelemetry()
    enable_open_metrics: bool = False
    """Offer OpenMetrics, which carries exemplars, to scrapers that ask for it."""
    add_metric_suffixes: bool = True
    """Of no effect where ``translation_strategy`` is given."""
    translation_strategy: Strategy | None = None
    without_scope_info: bool = False
    leading_zero: Mode = "auto"
    """Show a new series at 0 first: ``auto`` to Prometheus alone, true to everybody, false never."""

    @field_validator("const_labels", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: str(text) if isinstance(text, int | float) else text for key, text in value.items()}

    def options(self) -> ExpositionOptions:
        """The configuration as the exposition takes it."""
        strategy = self.translation_strategy
        if strategy is None:
            strategy = Strategy.UNDERSCORES_WITH_SUFFIXES
            if not self.add_metric_suffixes:
                strategy = Strategy.UNDERSCORES_WITHOUT_SUFFIXES
        labels = LabelOptions(
            tuple(self.const_labels.items()),
            self.resource_to_telemetry_conversion.enabled,
            self.resource_to_telemetry_conversion.exclude_service_attributes,
            not self.without_scope_info,
        )
        return ExpositionOptions(
            Namer(strategy, self.namespace),
            labels,
            self.enable_open_metrics,
            self.send_timestamps,
            self.leading_zero,
        )


class PrometheusExporter(Exporter):
    """Serves the page."""

    Config = PrometheusConfig
    signals: ClassVar[tuple[str, ...]] = ("metrics",)
    pulls: ClassVar[bool] = True
    reads = READS

    def __init__(self, config: PrometheusConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._server: HttpServer | None = None
        # Points come in under the engine's lock, scrapes in threads of their own.
        self._lock = threading.Lock()
        by_instance = not config.resource_to_telemetry_conversion.enabled
        self._received = LastValues(
            settings.clock.monotonic_nano, self._report, config.metric_expiration, by_instance=by_instance
        )

    def start(self, collect: Collect) -> None:
        """Bind and serve.

        Raises:
            ConfigError: The endpoint or a certificate cannot be used.
        """
        settings, endpoint = self._settings, self._config.endpoint
        if not is_local(endpoint):
            settings.telemetry.logger.warning("metrics can be read from other machines", endpoint=endpoint)
        tls = None
        if self._config.tls is not None:
            tls = ServerTls(self._config.tls, settings.clock, settings.telemetry.logger)
            tls.load()
        everything = partial(self._collect, collect)
        exposition = Exposition(self._config.options(), everything, settings.clock, settings.telemetry)
        self._server = HttpServer(
            endpoint,
            exposition.respond,
            admit=exposition.admit,
            max_body_bytes=0,
            threads=THREADS,
            tls=tls.context if tls is not None else None,
            name=settings.id,
        )
        self._server.start()
        host, port = self._server.address
        settings.telemetry.logger.info("serving metrics", endpoint=f"{host}:{port}", path="/metrics")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port in use; the exporter must have been started."""
        if self._server is None:
            raise RuntimeError("the exporter has not been started")
        return self._server.address

    def export_metrics(self, metrics: MetricBatch) -> None:
        """Take over what applications sent."""
        with self._lock:
            self._received.add(metrics)

    def _collect(self, collect: Collect) -> Sequence[MetricSnapshot]:
        """What components hold and what applications sent."""
        own = collect()
        with self._lock:
            now = self._settings.clock.unix_nano()
            return [*own, *self._received.snapshots(now, split_times=self._config.send_timestamps)]

    def _report(self, reason: str, metric: str, points: int) -> None:
        self._settings.telemetry.count("dropped_points", points, reason=reason)
        self._settings.telemetry.logger.limited(reason, REASONS[reason], metric=metric, points=points)

    def shutdown(self) -> None:
        """Answer what has begun, close the page."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()
