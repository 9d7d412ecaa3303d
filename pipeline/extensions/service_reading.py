"""What the metrics of all components say about services at one moment, whatever naming they have.

The metrics are recognised by their names and labels, so span metrics, service graph, SLOs and anomalies may each be
there or not. Counters stay apart by series: only then is a difference of two readings right when series come and go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pipeline.model.snapshot import ExponentialValues, HistogramValues, Metric, MetricKind, MetricSnapshot, NumberValues
from processors.anomaly import names as anomaly
from processors.service_graph import names as graph
from processors.service_graph.edge_metrics import REQUEST_SERVER, REQUEST_TOTAL
from processors.slo import names as slo
from processors.span_metrics import names as span_metrics

Buckets = dict[tuple[float, float], float]
"""Lower and upper bound in seconds → count; empty buckets are left out."""
Group = tuple[int, str]
"""The metric that a series belongs to: place of its component, name. Two groups may count the same spans."""

LATENCY_KINDS = ("SPAN_KIND_SERVER", "SPAN_KIND_CONSUMER")
SECONDS = {"s": 1.0, "ms": 1e-3}
SERVICES_AT_BOTH_ENDS = ("", "messaging_system")
"""Connection types of edges whose ends are services, not databases or nodes that send no spans."""


class SeriesId(NamedTuple):
    """A series that began at some time."""

    group: Group
    key: bytes
    start_unix_nano: int


class Calls(NamedTuple):
    """Spans of a service; ``failed`` is None where the status is not a label."""

    service: str
    failed: bool | None
    spans: float


class Durations(NamedTuple):
    """Durations of spans with which a service answered somebody."""

    service: str
    buckets: Buckets


class Slo(NamedTuple):
    """An objective and the share of its error budget that is left."""

    name: str
    budget_remaining: float


class Incident(NamedTuple):
    """An incident; ids ascend with time."""

    id: str
    severity: str
    active: bool
    seen_unix_nano: int


@dataclass
class Reading:
    """See the module. Services are keys of the dictionaries.

    Attributes:
        has_edges: There is a service graph, though it may be empty.
        alarmed: Services with an active anomaly or a burning SLO.
    """

    calls: dict[SeriesId, Calls] = field(default_factory=dict)
    durations: dict[SeriesId, Durations] = field(default_factory=dict)
    services: set[str] = field(default_factory=set)
    has_edges: bool = False
    edges: set[tuple[str, str]] = field(default_factory=set)
    alarmed: set[str] = field(default_factory=set)
    slos: dict[str, list[Slo]] = field(default_factory=dict)
    incidents: dict[str, dict[str, Incident]] = field(default_factory=dict)


def read(snapshots: Sequence[MetricSnapshot]) -> Reading:
    """A reading of the metrics of all components."""
    reading = Reading()
    for place, snapshot in enumerate(snapshots):
        for metric in snapshot.metrics:
            group = (place, metric.name)
            if metric.name in _BY_NAME:
                _BY_NAME[metric.name](reading, metric)
            elif metric.kind == MetricKind.SUM and metric.name.rpartition(".")[2] in _CALLS:
                _read_calls(reading, snapshot, metric, group)
            elif metric.kind in _HISTOGRAMS and metric.name.rpartition(".")[2] in _DURATIONS:
                _read_durations(reading, snapshot, metric, group)
    return reading


_CALLS = (span_metrics.CALLS, span_metrics.TEMPO_CALLS)
_DURATIONS = (span_metrics.DURATION, span_metrics.TEMPO_LATENCY)
_HISTOGRAMS = (MetricKind.HISTOGRAM, MetricKind.EXPONENTIAL_HISTOGRAM)


def _read_calls(reading: Reading, snapshot: MetricSnapshot, metric: Metric, group: Group) -> None:
    values = metric.values
    if not isinstance(values, NumberValues):
        return
    key = _present(metric, span_metrics.STATUS_CODE, span_metrics.TEMPO_STATUS_CODE)
    for i, service, labels in _of_services(snapshot, metric):
        failed = labels.get(key) == span_metrics.STATUS_ERROR if key else None
        reading.services.add(service)
        reading.calls[_series_id(metric, group, i)] = Calls(service, failed, float(values.values[i]))


def _read_durations(reading: Reading, snapshot: MetricSnapshot, metric: Metric, group: Group) -> None:
    key = _present(metric, span_metrics.SPAN_KIND, span_metrics.TEMPO_SPAN_KIND)
    for i, service, labels in _of_services(snapshot, metric):
        if labels.get(key) in LATENCY_KINDS:
            reading.durations[_series_id(metric, group, i)] = Durations(service, _buckets(metric, i))


def _read_edges(reading: Reading, metric: Metric) -> None:
    reading.has_edges = True
    for _, labels, _ in _points(metric):
        client, server = labels.get(graph.CLIENT), labels.get(graph.SERVER)
        if client and server:
            reading.edges.add((client, server))
            if labels.get(graph.CONNECTION_TYPE, "") in SERVICES_AT_BOTH_ENDS:
                reading.services.update((client, server))


def _read_alarms(reading: Reading, metric: Metric) -> None:
    for _, labels, value in _points(metric):
        if value > 0 and (service := labels.get(anomaly.SERVICE_NAME)):
            reading.services.add(service)
            reading.alarmed.add(service)


def _read_budgets(reading: Reading, metric: Metric) -> None:
    for _, labels, value in _points(metric):
        if math.isfinite(value) and (service := labels.get(slo.SERVICE_NAME)):
            reading.services.add(service)
            reading.slos.setdefault(service, []).append(Slo(labels.get(slo.SLO, ""), value))


def _read_incidents(reading: Reading, metric: Metric) -> None:
    """An incident has a series for each severity that it had; the one it has now is the active one."""
    for i, labels, value in _points(metric):
        service, number = labels.get(anomaly.ROOT_SERVICE), labels.get(anomaly.INCIDENT)
        if not service or not number:
            continue
        seen = int(metric.series.start_unix_nano[i])
        found = Incident(number, labels.get(anomaly.SEVERITY, ""), value > 0, seen)
        known = reading.incidents.setdefault(service, {})
        reading.services.add(service)
        earlier = known.get(number)
        if earlier is not None:
            latest = max(found, earlier, key=lambda one: (one.active, one.seen_unix_nano))
            found = latest._replace(seen_unix_nano=min(seen, earlier.seen_unix_nano))
        known[number] = found


_BY_NAME: dict[str, Callable[[Reading, Metric], None]] = {
    REQUEST_TOTAL: _read_edges,
    REQUEST_SERVER: _read_edges,
    anomaly.ANOMALY_ACTIVE: _read_alarms,
    slo.SLO_BURNING: _read_alarms,
    slo.SLO_BUDGET_REMAINING: _read_budgets,
    anomaly.INCIDENT_ACTIVE: _read_incidents,
}


def _points(metric: Metric) -> Iterator[tuple[int, dict[str, str], Any]]:
    for i in range(len(metric.series)):
        yield i, metric.series.attributes(i), metric.values.plain(i)


def _of_services(snapshot: MetricSnapshot, metric: Metric) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Series whose labels or resource name a service; the overflow series does not."""
    for i, index in enumerate(metric.series.resource.tolist()):
        labels = metric.series.attributes(i)
        service = labels.get(span_metrics.SERVICE_NAME) or labels.get(span_metrics.TEMPO_SERVICE)
        if not service and index >= 0:
            service = str(snapshot.resources[index].attributes.get(span_metrics.SERVICE_NAME, ""))
        if service:
            yield i, service, labels


def _present(metric: Metric, *labels: str) -> str:
    return next((label for label in labels if label in metric.series.labels), "")


def _series_id(metric: Metric, group: Group, i: int) -> SeriesId:
    return SeriesId(group, metric.series.key(i), int(metric.series.start_unix_nano[i]))


def _buckets(metric: Metric, i: int) -> Buckets:
    values, scale = metric.values, SECONDS.get(metric.unit, 1.0)
    if isinstance(values, HistogramValues):
        edges = (0.0, *values.bounds, math.inf)
        counts = values.counts[i]
        return {(edges[j] * scale, edges[j + 1] * scale): float(counts[j]) for j in np.flatnonzero(counts).tolist()}
    if not isinstance(values, ExponentialValues):
        return {}
    base, first, counts = 2.0**2.0 ** -int(values.scale[i]), int(values.offset[i]), values.counts[i]
    buckets: Buckets = {
        (base ** (first + j) * scale, base ** (first + j + 1) * scale): float(counts[j])
        for j in np.flatnonzero(counts).tolist()
    }
    if values.zero_count[i]:
        buckets[0.0, 0.0] = float(values.zero_count[i])
    return buckets
