"""One page of ``/metrics`` with 50 000 counters and 5 000 histograms, against prometheus-client on the same series."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import prometheus_client

from benchmarks.measure import Row, Settings, compare, cpu_in_turns
from pipeline.api import Limits, Meter
from pipeline.exporters.exposition import Exposition, ExpositionOptions
from pipeline.http_server import Request
from pipeline.service.clock import SystemClock
from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from processors.span_metrics.config import DEFAULT_BUCKETS_S

COUNTERS, HISTOGRAMS = 50_000, 5_000
LABELS = ("service.name", "span.name", "span.kind", "status.code", "http.route")
LIMIT = 0.05
MILLI = 1e3


def values(number: int) -> tuple[str, ...]:
    """Label values of one series; as long as those of real ones."""
    route = f"/api/v1/orders/{number}"
    return (f"service-{number % 50}", f"GET {route}", "SPAN_KIND_SERVER", "STATUS_CODE_UNSET", route)


def weir_page(counters: int, histograms: int) -> Exposition:
    """Return what answers scrapes of a meter with these series."""
    clock = SystemClock()
    meter = Meter("benchmark", clock)
    calls = meter.counter("traces.span.metrics.calls", labels=LABELS, limits=Limits(max_series=counters))
    duration = meter.histogram(
        "traces.span.metrics.duration",
        unit="s",
        labels=LABELS,
        buckets=DEFAULT_BUCKETS_S,
        limits=Limits(max_series=histograms),
    )
    for number in range(counters):
        calls.add(values(number), float(number))
    for number in range(histograms):
        duration.record(values(number), 0.001 * (number % 1000))
    telemetry = ComponentTelemetry("exporter", "prometheus", clock, OwnMetrics())
    return Exposition(ExpositionOptions(), lambda: [meter.collect(clock.unix_nano())], clock, telemetry)


def prometheus_client_registry(counters: int, histograms: int) -> prometheus_client.CollectorRegistry:
    """Return the same series in prometheus-client."""
    registry = prometheus_client.CollectorRegistry()
    names = [label.replace(".", "_") for label in LABELS]
    calls = prometheus_client.Counter("traces_span_metrics_calls", "", names, registry=registry)
    duration = prometheus_client.Histogram(
        "traces_span_metrics_duration_seconds", "", names, buckets=DEFAULT_BUCKETS_S, registry=registry
    )
    for number in range(counters):
        calls.labels(*values(number)).inc(number)
    for number in range(histograms):
        duration.labels(*values(number)).observe(0.001 * (number % 1000))
    return registry


def group(settings: Settings) -> Iterator[Row]:
    """Collect, translate names, render text 0.0.4; no compression."""
    counters, histograms = settings.amount(COUNTERS), settings.amount(HISTOGRAMS)
    exposition = weir_page(counters, histograms)
    registry = prometheus_client_registry(counters, histograms)
    request = Request("GET", "/metrics", "", {}, b"", "")
    ours = sum(bytes(part).count(b"\n") for part in exposition.respond(request).parts)
    measured = cpu_in_turns(
        min(settings.repetitions, 7),  # a page of prometheus-client takes seconds
        MILLI,
        {
            "weir": partial(exposition.respond, request),
            "prometheus-client": partial(prometheus_client.generate_latest, registry),
        },
    )
    yield compare(
        f"exposition/{counters} counters and {histograms} histograms, {ours} lines",
        "ms",
        measured["weir"],
        measured["prometheus-client"],
        against="prometheus_client.generate_latest of the same series",
        limit=LIMIT,
    )
