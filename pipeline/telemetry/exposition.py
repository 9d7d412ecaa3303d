"""Own metrics through the OpenTelemetry SDK to a Prometheus page, ``http://localhost:8888/metrics`` by default.

Imported only when a page is served, because the SDK and the Prometheus client take some megabytes and a tenth of a
second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from pipeline import __version__
from pipeline.http_server import HttpServer, Request, Response
from pipeline.telemetry.config import PrometheusReader
from pipeline.telemetry.own_metrics import DURATION_BOUNDS_S, Family, OwnMetrics

SCOPE = "weir"
PATHS = {"/metrics", "/"}


class Exposition:
    """Serves the metrics of one engine at one address."""

    def __init__(self, config: PrometheusReader, metrics: OwnMetrics, resource: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Durations(metrics))
        reader = PrometheusMetricReader(scope_info_enabled=not config.without_scope_info, registry=self._registry)
        self._provider = MeterProvider([reader], resource=Resource(dict(resource)), shutdown_on_exit=False)
        self._meter = self._provider.get_meter(SCOPE, __version__)
        host = f"[{config.host}]" if ":" in config.host else config.host
        self._server = HttpServer(f"{host}:{config.port}", self._answer, max_body_bytes=0, name="own-metrics")

    def start(self) -> None:
        """Bind and serve. Raises ``OSError`` or ``ConfigError`` when the port is taken."""
        self._server.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port in use."""
        return self._server.address

    def stop(self) -> None:
        """Close the page."""
        self._server.stop(1.0)
        self._provider.shutdown()

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The page in the format that ``accept`` asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        with self._lock:  # the reader keeps what it collected in one place for all who ask
            self._add_new_instruments()
            return encode(self._registry), content_type

    def _answer(self, request: Request) -> Response:
        if request.path not in PATHS:
            return Response(404, b"not found\n")
        if request.method not in {"GET", "HEAD"}:
            return Response(405, b"method not allowed\n", headers={"allow": "GET, HEAD"})
        return Response(200, *self.render(request.headers.get("accept", "")))

    def _add_new_instruments(self) -> None:
        for family in self._metrics.families():
            if family.name in self._known or family.kind == "histogram":
                continue
            self._known.add(family.name)
            create = self._meter.create_observable_counter
            if family.kind == "gauge":
                create = self._meter.create_observable_gauge  # type: ignore[assignment]  # same signature
            create(family.name, [_callback(family)], family.unit, family.description)


def _callback(family: Family) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(options: CallbackOptions) -> Iterable[Observation]:  # noqa: ARG001 - the SDK's signature
        return [Observation(read(), dict(attributes)) for attributes, read in list(family.readings.items())]

    return observe


class _Durations(Collector):
    """Histograms, which the SDK cannot observe, given to the same registry directly."""

    def __init__(self, metrics: OwnMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[HistogramMetricFamily]:
        for family in self._metrics.families():
            if family.kind != "histogram":
                continue
            labels = sorted({key for attributes in family.durations for key, _ in attributes})
            exposed = HistogramMetricFamily(family.name, family.description, labels=labels, unit="seconds")
            for attributes, durations in list(family.durations.items()):
                given = dict(attributes)
                total, buckets = 0, []
                for bound, count in zip([*map(str, DURATION_BOUNDS_S), "+Inf"], list(durations.counts), strict=True):
                    total += count
                    buckets.append((bound, total))
                exposed.add_metric([given.get(label, "") for label in labels], buckets, durations.total_ns / 1e9)
            yield exposed
