"""Read ``/metrics`` as a stranger would: over HTTP, with the parser of prometheus-client."""

from __future__ import annotations

import datetime
import math
import urllib.request
from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

from pipeline.demo.truth import EdgeKey, SpanKey
from processors.anomaly import names as anomaly

CALLS = "traces_span_metrics_calls_total"
DURATION = "traces_span_metrics_duration_seconds"
REQUESTS = "traces_service_graph_request_total"
FAILED_REQUESTS = "traces_service_graph_request_failed_total"
REQUEST_SERVER = "traces_service_graph_request_server_seconds"
ENTRANCE_KINDS = ("SPAN_KIND_SERVER", "SPAN_KIND_CONSUMER")

Buckets = dict[float, float]
"""Upper bound in seconds → cumulative count."""
Key = TypeVar("Key", bound=Hashable)


@dataclass
class Incident:
    """What the metrics say about an incident; ``suspects``: attribute=value."""

    id: str
    root: str = ""
    severity: str = ""
    active: bool = False
    suspects: set[str] = field(default_factory=set)

    @property
    def opened_unix_s(self) -> float:
        """When it opened; ids begin with that."""
        stamp = datetime.datetime.strptime(self.id[:16], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007 - it ends in Z
        return stamp.replace(tzinfo=datetime.UTC).timestamp()


@dataclass
class Scrape:
    """One reading of ``/metrics``, summed over all labels that are not in the keys."""

    spans: dict[SpanKey, float] = field(default_factory=lambda: defaultdict(float))
    observed: dict[SpanKey, float] = field(default_factory=lambda: defaultdict(float))
    edges: dict[EdgeKey, float] = field(default_factory=lambda: defaultdict(float))
    failed_edges: dict[EdgeKey, float] = field(default_factory=lambda: defaultdict(float))
    latency: dict[str, Buckets] = field(default_factory=dict)
    edge_latency: dict[EdgeKey, Buckets] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)

    @property
    def total_spans(self) -> float:
        """All calls."""
        return sum(self.spans.values())


def read(address: str, timeout_s: float = 5.0) -> Scrape:
    """Fetch and parse ``http://<address>/metrics``.

    Raises:
        OSError: Nobody answers there, or not with 200.
    """
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=timeout_s) as answer:
        return parse(answer.read().decode())


def parse(text: str) -> Scrape:
    """Parse text exposition."""
    scrape = Scrape()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            _take(scrape, sample.name, sample.labels, sample.value)
    return scrape


def _take(scrape: Scrape, name: str, labels: Mapping[str, str], value: float) -> None:
    if name == CALLS:
        scrape.spans[_span_key(labels)] += value
    elif name == f"{DURATION}_count":
        scrape.observed[_span_key(labels)] += value
    elif name == f"{DURATION}_bucket" and labels["span_kind"] in ENTRANCE_KINDS:
        _add(scrape.latency, labels["service_name"], labels, value)
    elif name == REQUESTS:
        scrape.edges[_edge_key(labels)] += value
    elif name == FAILED_REQUESTS:
        scrape.failed_edges[_edge_key(labels)] += value
    elif name == f"{REQUEST_SERVER}_bucket":
        _add(scrape.edge_latency, _edge_key(labels), labels, value)
    elif name in (anomaly.INCIDENT_ACTIVE, anomaly.INCIDENT_SUSPECT_SHARE):
        _take_incident(scrape, name, labels, value)


def _take_incident(scrape: Scrape, name: str, labels: Mapping[str, str], value: float) -> None:
    number = labels[anomaly.INCIDENT]
    incident = scrape.incidents.setdefault(number, Incident(number))
    if name == anomaly.INCIDENT_SUSPECT_SHARE:
        incident.suspects.add(f"{labels[anomaly.ATTRIBUTE]}={labels[anomaly.VALUE]}")
        return
    incident.root = labels[anomaly.ROOT_SERVICE]
    if value > 0 or not incident.active:  # it has a series for each severity that it has had
        incident.severity = labels[anomaly.SEVERITY]
    incident.active |= value > 0


def _add(latency: dict[Key, Buckets], key: Key, labels: Mapping[str, str], value: float) -> None:
    latency.setdefault(key, defaultdict(float))[float(labels["le"])] += value


def _span_key(labels: Mapping[str, str]) -> SpanKey:
    return labels["service_name"], labels["span_name"], labels["span_kind"], labels["status_code"]


def _edge_key(labels: Mapping[str, str]) -> EdgeKey:
    return labels["client"], labels["server"], labels.get("connection_type", "")


def quantile(q: float, buckets: Mapping[float, float]) -> float | None:
    """Estimate a quantile from cumulative buckets as ``histogram_quantile`` does; None without observations."""
    bounds = sorted(buckets)
    if not bounds or buckets[bounds[-1]] <= 0:
        return None
    rank = q * buckets[bounds[-1]]
    lower, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if math.isinf(bound):
                return lower
            inside = buckets[bound] - below
            return lower + (bound - lower) * ((rank - below) / inside if inside else 1.0)
        lower, below = bound, buckets[bound]
    return lower
