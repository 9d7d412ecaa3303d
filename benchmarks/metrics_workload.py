"""Payloads to measure with: seeded ``ExportMetricsServiceRequest`` bytes as SDKs and a Collector in front of them send.

Every request holds the points of a few processes of the shop (``benchmarks/workload.py``), a third of them histograms
with 14 bounds (the semantic conventions' advice for HTTP), a tenth exponential histograms of scale 3 with some 60
buckets in use, the rest sums and gauges. Five to eight attributes a point, temporality cumulative, an exemplar on every
tenth histogram. ``python -m benchmarks.metrics_workload`` prints what they are like.
"""

from __future__ import annotations

import functools
import random
from collections import Counter

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, ScopeMetrics

from benchmarks.workload import (
    BEGIN_UNIX_NANO,
    OPERATIONS,
    PAYLOADS,
    SERVICES,
    Attributes,
    resource_attributes,
    set_attributes,
)

HTTP_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
PROCESSES = 4
"""Resources in one request."""
SHARES = (("histogram", 0.3), ("exponential_histogram", 0.1), ("sum", 0.35), ("gauge", 0.25))
POINTS_A_METRIC = 8
"""Points of one metric differ in their attributes: routes, statements, pools."""
NAMES = {
    "histogram": ("http.server.request.duration", "db.client.operation.duration", "rpc.server.duration"),
    "exponential_histogram": ("messaging.process.duration", "http.client.request.duration"),
    "sum": ("http.server.requests", "app.orders.placed", "process.cpu.time", "system.network.io", "cache.hits"),
    "gauge": ("process.memory.usage", "db.client.connection.count", "queue.depth", "cpython.gc.collected_objects"),
}
EXPORT_INTERVAL_NS = 60 * 10**9


@functools.cache
def metrics_payloads(points: int, count: int = PAYLOADS) -> tuple[bytes, ...]:
    """Return ``count`` requests of exactly ``points`` points each; always the same ones."""
    generator = Generator(seed=points)
    return tuple(generator.request(points).SerializeToString() for _ in range(count))


class Generator:
    """Draws requests."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = BEGIN_UNIX_NANO

    def request(self, count: int) -> ExportMetricsServiceRequest:
        """Return one request of ``count`` points."""
        self.now += EXPORT_INTERVAL_NS // PROCESSES
        request = ExportMetricsServiceRequest()
        shares = [count // PROCESSES + (number < count % PROCESSES) for number in range(PROCESSES)]
        for service, share in zip(self.random.sample(SERVICES, PROCESSES), shares, strict=True):
            resource_metrics = request.resource_metrics.add()
            set_attributes(resource_metrics.resource.attributes, resource_attributes(service, self.random.randrange(2)))
            self._process(resource_metrics.scope_metrics.add(), service, share)
        return request

    def _process(self, scope_metrics: ScopeMetrics, service: str, count: int) -> None:
        scope_metrics.scope.name, scope_metrics.scope.version = "opentelemetry.instrumentation.asgi", "0.55b1"
        kinds, weights = zip(*SHARES, strict=True)
        while count:
            kind = self.random.choices(kinds, weights)[0]
            metric = scope_metrics.metrics.add(
                name=self.random.choice(NAMES[kind]), description="Duration of what was done.", unit="s"
            )
            points = min(count, POINTS_A_METRIC)
            for _ in range(points):
                self._point(metric, kind, service)
            count -= points

    def _point(self, metric: Metric, kind: str, service: str) -> None:
        times = {"start_time_unix_nano": BEGIN_UNIX_NANO, "time_unix_nano": self.now}
        match kind:
            case "sum":
                metric.sum.aggregation_temporality, metric.sum.is_monotonic = CUMULATIVE, True
                number = metric.sum.data_points.add(**times, as_int=self.random.randrange(10**6))
                set_attributes(number.attributes, self._attributes(service))
            case "gauge":
                number = metric.gauge.data_points.add(**times, as_double=self.random.random() * 1e9)
                set_attributes(number.attributes, self._attributes(service))
            case "histogram":
                metric.histogram.aggregation_temporality = CUMULATIVE
                self._histogram(metric, times, service)
            case _:
                metric.exponential_histogram.aggregation_temporality = CUMULATIVE
                self._exponential(metric, times, service)

    def _histogram(self, metric: Metric, times: dict[str, int], service: str) -> None:
        counts = [self._bucket(abs(5 - i)) for i in range(len(HTTP_BOUNDS_S) + 1)]
        point = metric.histogram.data_points.add(
            **times, count=sum(counts), sum=sum(counts) * 0.08, bucket_counts=counts, explicit_bounds=HTTP_BOUNDS_S
        )
        point.min, point.max = 0.0021, 3.2
        set_attributes(point.attributes, self._attributes(service))
        if self.random.random() < 0.1:
            exemplar = point.exemplars.add(time_unix_nano=self.now - 1000, as_double=0.31)
            exemplar.trace_id, exemplar.span_id = self.random.randbytes(16), self.random.randbytes(8)

    def _exponential(self, metric: Metric, times: dict[str, int], service: str) -> None:
        buckets = self.random.randrange(40, 80)
        counts = [self._bucket(abs(buckets // 2 - i) / 8) for i in range(buckets)]
        point = metric.exponential_histogram.data_points.add(
            **times, count=sum(counts), sum=sum(counts) * 0.08, scale=3, zero_count=0
        )
        point.positive.offset = -40
        point.positive.bucket_counts.extend(counts)
        point.min, point.max = 0.0021, 3.2
        set_attributes(point.attributes, self._attributes(service))

    def _bucket(self, distance: float) -> int:
        return int(self.random.lognormvariate(5.5 - distance, 0.8))

    def _attributes(self, service: str) -> Attributes:
        method, route = self.random.choice(OPERATIONS[service].routes)
        optional = (
            ("server.address", f"{service}.prod.svc.cluster.local"),
            ("server.port", 8080),
            ("error.type", "timeout"),
        )
        return (
            ("http.request.method", method),
            ("http.route", route),
            ("http.response.status_code", self.random.choice((200, 200, 201, 404, 500))),
            ("url.scheme", "https"),
            ("network.protocol.version", "1.1"),
            *optional[: self.random.randrange(4)],
        )


def main() -> None:
    """Print what the payloads are like."""
    for size in (100, 200, 500):
        made = metrics_payloads(size)
        kinds: Counter[str] = Counter()
        attributes = 0
        for payload in made:
            for resource_metrics in ExportMetricsServiceRequest.FromString(payload).resource_metrics:
                for metric in resource_metrics.scope_metrics[0].metrics:
                    kind = str(metric.WhichOneof("data"))
                    points = getattr(metric, kind).data_points
                    kinds[kind] += len(points)
                    attributes += sum(len(point.attributes) for point in points)
        total = kinds.total()
        shares = ", ".join(f"{number / total:.0%} {kind}" for kind, number in kinds.most_common())
        print(
            f"{len(made)} requests of {total // len(made)} points: {sum(map(len, made)) / total:.0f} bytes and "
            f"{attributes / total:.1f} attributes a point; {shares}"
        )


if __name__ == "__main__":
    main()
