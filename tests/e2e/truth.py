"""Ground truth in the shape of query results: series by their labels as Prometheus is to have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.e2e.metrics_server import Labels
from tests.oracles.red import BOUNDS_NS, Key, red, spans_of
from tests.oracles.service_graph import OTELCOL_BOUNDS_NS, Durations, service_graph

DIMENSIONS = ["http.route"]
TEMPO_BOUNDS_NS = tuple(2_000_000 * 2**n for n in range(14))
IDENTITY = ("service.namespace", "service.instance.id")
TEMPO_NAMES = {"service_name": "service"}

Requests = Sequence[ExportTraceServiceRequest]


def labels_of(key: Key, names: dict[str, str] | None = None) -> Labels:
    """Labels after translation; what identifies the resource becomes job and instance, what is empty disappears."""
    labels = {name.replace(".", "_"): value for name, value in key if value}
    instance, namespace = labels.pop("service_instance_id", ""), labels.pop("service_namespace", "")
    if namespace:
        labels["job"] = f"{namespace}/{labels['service_name']}"
    if instance:
        labels["instance"] = instance
    return frozenset(((names or {}).get(name, name), value) for name, value in labels.items())


@dataclass
class Family:
    """Series of a histogram: cumulative counts by series and bound (in seconds), counts, sums in seconds."""

    buckets: dict[tuple[Labels, float], float]
    counts: dict[Labels, float]
    sums: dict[Labels, float]

    @classmethod
    def of(cls, series: Iterable[tuple[Labels, list[int], int]], bounds_ns: Sequence[int]) -> Family:
        """From series with observations per bucket and their sum in nanoseconds."""
        family = cls({}, {}, {})
        bounds = [*(ns / 1e9 for ns in bounds_ns), float("inf")]
        for labels, buckets, sum_ns in series:
            for n, bound in enumerate(bounds):
                family.buckets[labels, bound] = sum(buckets[: n + 1])
            family.counts[labels] = sum(buckets)
            family.sums[labels] = sum_ns / 1e9
        return family


@dataclass
class Truth:
    """What was sent, counted the slow way."""

    requests: Requests

    def calls(self, names: dict[str, str] | None = None) -> dict[Labels, float]:
        """Calls of span_metrics, in the Collector's labels or renamed."""
        series = red(self.requests, dimensions=DIMENSIONS, resource_labels=IDENTITY)
        return {labels_of(key, names): float(one.calls) for key, one in series.items()}

    def durations(self, names: dict[str, str] | None = None, bounds_ns: Sequence[int] = BOUNDS_NS) -> Family:
        """The duration histogram of span_metrics."""
        series = red(self.requests, dimensions=DIMENSIONS, resource_labels=IDENTITY, bounds_ns=bounds_ns)
        return Family.of(((labels_of(key, names), one.buckets, one.sum_ns) for key, one in series.items()), bounds_ns)

    def sizes(self) -> dict[Labels, float]:
        """Bytes of spans by Tempo's labels."""
        found: dict[Labels, float] = {}
        for labels, _, span in self.spans():
            found[labels] = found.get(labels, 0) + span.ByteSize()
        return found

    def raw_durations(self, names: dict[str, str] | None = None) -> dict[Labels, list[int]]:
        """Nanoseconds of each span by series."""
        found: dict[Labels, list[int]] = {}
        for labels, _, span in self.spans(TEMPO_NAMES if names is None else names):
            found.setdefault(labels, []).append(nanoseconds(span))
        return found

    def spans(self, names: dict[str, str] = TEMPO_NAMES) -> Iterable[tuple[Labels, str, Span]]:
        """Labels of the series a span belongs to, its trace and span id in hex, and the span."""
        for request in self.requests:
            for one in request.resource_spans:
                for scope in one.scope_spans:
                    for span in scope.spans:
                        alone = ExportTraceServiceRequest()
                        alone.resource_spans.add(resource=one.resource).scope_spans.add(spans=[span])
                        (key,) = red([alone], dimensions=DIMENSIONS, resource_labels=IDENTITY)
                        yield labels_of(key, names), f"{span.trace_id.hex()}:{span.span_id.hex()}", span

    def edges(self, *, tempo: bool = False) -> dict[Labels, float]:
        """Requests between nodes."""
        return {labels_of(key): float(edge.requests) for key, edge in service_graph(self.requests, tempo=tempo).items()}

    def failed_edges(self, *, tempo: bool = False) -> dict[Labels, float]:
        """Failed requests between nodes, without those at 0."""
        found = service_graph(self.requests, tempo=tempo)
        return {labels_of(key): float(edge.failed) for key, edge in found.items() if edge.failed}

    def edge_durations(self, side: str) -> Family:
        """Histogram of what the ``client`` or the ``server`` measured."""
        sides: list[tuple[Labels, Durations]] = [
            (labels_of(key), getattr(edge, side)) for key, edge in service_graph(self.requests).items()
        ]
        return Family.of(((key, one.buckets, one.sum_ns) for key, one in sides), OTELCOL_BOUNDS_NS)

    def resources(self) -> dict[tuple[str, str], dict[str, str]]:
        """Attributes by job and instance."""
        found: dict[tuple[str, str], dict[str, str]] = {}
        for resource, _, _ in spans_of(self.requests):
            job = f"{resource['service.namespace']}/{resource['service.name']}"
            found[job, resource["service.instance.id"]] = {k.replace(".", "_"): v for k, v in resource.items()}
        return found


def nanoseconds(span: Any) -> int:
    """Duration."""
    return int(span.end_time_unix_nano - span.start_time_unix_nano)
