"""Metrics derived from spans, pushed to real servers: over OTLP and by remote write.

Must never regress: what PromQL answers is what was sent, counted independently, whichever way it came.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

from pipeline.service.clock import SystemClock
from tests.e2e.metrics_server import Labels, MetricsServer
from tests.e2e.prometheus import Prometheus
from tests.e2e.sdk_shop import Shop
from tests.e2e.truth import Family, Truth
from tests.e2e.victoriametrics import VictoriaMetrics
from tests.integration.weir_process import free_ports, running
from tests.programs import PROMETHEUS, PROMETHEUS3, VICTORIAMETRICS, Program
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

CONFIG = """
receivers:
  otlp: {protocols: {grpc: {endpoint: "127.0.0.1:${env:GRPC}"}}}
connectors:
  span_metrics:
    dimensions: [{name: http.route}]
    histogram: {unit: s}
    exemplars: {enabled: true}
    zero_error_series: false
    metrics_flush_interval: 1s
  span_metrics/native:
    namespace: native
    dimensions: [{name: http.route}]
    histogram: {unit: s, exponential: {}}
    zero_error_series: false
    metrics_flush_interval: 1s
  span_metrics/delta:
    namespace: delta
    dimensions: [{name: http.route}]
    histogram: {unit: s}
    zero_error_series: false
    aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA
    metrics_flush_interval: 1s
  service_graph: {store: {ttl: 4s, max_items: 100000}, metrics_flush_interval: 1s}
exporters: {}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [span_metrics, span_metrics/native, span_metrics/delta, service_graph]}
    metrics: {receivers: [span_metrics, span_metrics/native, service_graph], exporters: []}
    metrics/delta: {receivers: [span_metrics/delta], exporters: []}
  telemetry: {metrics: {level: none}}
"""
DELTAS = "otlphttp/prometheus3"
"""The one destination that takes deltas."""
VISITS = 60
CALLS, DURATION = "traces_span_metrics_calls_total", "traces_span_metrics_duration_seconds"
REQUESTS, FAILED = "traces_service_graph_request_total", "traces_service_graph_request_failed_total"
RECEIVER_FEATURES = ("native-histograms", "otlp-deltatocumulative", "created-timestamp-zero-ingestion")


class Destination(NamedTuple):
    """A way to a server.

    Attributes:
        exporter: Id in the configuration.
        start: Makes the server, given a folder.
        settings: Of the exporter, given the server.
    """

    program: Program
    exporter: str
    start: Callable[[Path], MetricsServer]
    settings: Callable[[MetricsServer], Mapping[str, object]]


def prometheus(program: Program, *features: str) -> Callable[[Path], MetricsServer]:
    return lambda folder: Prometheus(folder, {}, *features, program=program, receives=True)


def otlp_to_prometheus(server: MetricsServer) -> Mapping[str, object]:
    assert isinstance(server, Prometheus)
    return {"endpoint": server.otlp_url}


def otlp_to_victoriametrics(server: MetricsServer) -> Mapping[str, object]:
    assert isinstance(server, VictoriaMetrics)
    return {"metrics_endpoint": server.otlp_metrics_url}


def remote_write(server: MetricsServer, message: str = "prometheus.WriteRequest") -> Mapping[str, object]:
    return {"endpoint": server.write_url, "protobuf_message": message}


V2 = partial(remote_write, message="io.prometheus.write.v2.Request")
DESTINATIONS = [
    Destination(PROMETHEUS3, DELTAS, prometheus(PROMETHEUS3, *RECEIVER_FEATURES), otlp_to_prometheus),
    Destination(
        PROMETHEUS3, "prometheusremotewrite/prometheus3", prometheus(PROMETHEUS3, *RECEIVER_FEATURES), remote_write
    ),
    Destination(PROMETHEUS3, "prometheusremotewrite/prometheus3-v2", prometheus(PROMETHEUS3, *RECEIVER_FEATURES), V2),
    Destination(
        PROMETHEUS, "prometheusremotewrite/prometheus", prometheus(PROMETHEUS, "native-histograms"), remote_write
    ),
    Destination(VICTORIAMETRICS, "otlphttp/victoria-metrics", VictoriaMetrics, otlp_to_victoriametrics),
    Destination(VICTORIAMETRICS, "prometheusremotewrite/victoria-metrics", VictoriaMetrics, remote_write),
]


def of(*parts: str) -> list[object]:
    """Parameters: the exporters whose id holds one of ``parts``."""
    chosen = [one for one in DESTINATIONS if any(part in one.exporter for part in parts)]
    return [pytest.param(one.exporter, marks=one.program.needed, id=one.exporter.replace("/", "-")) for one in chosen]


EVERY, WITH_NATIVE = of("/"), of("/prometheus")


class Stack(NamedTuple):
    """What was sent, and the server behind each exporter."""

    truth: Truth
    servers: dict[str, MetricsServer]

    def values(self, exporter: str, metric: str) -> dict[Labels, float]:
        """Series of a metric that are not 0."""
        found = self.servers[exporter].values(metric)
        return {bare(labels): value for labels, value in found.items() if value}

    def histogram(self, exporter: str, metric: str) -> Family:
        """A classic histogram."""
        buckets = {}
        for labels, value in self.servers[exporter].values(f"{metric}_bucket").items():
            bound = dict(labels)["le"]
            buckets[frozenset(bare(labels) - {("le", bound)}), float(bound)] = value
        return Family(buckets, self.values(exporter, f"{metric}_count"), self.values(exporter, f"{metric}_sum"))


def bare(labels: Labels) -> Labels:
    """Labels without name and scope. VictoriaMetrics makes labels of all attributes of the resource, where Prometheus
    makes job and instance.
    """
    left = {name: text for name, text in labels if name != "__name__" and not name.startswith("otel_")}
    if "job" not in left and "service_instance_id" in left:
        left["job"] = f"{left.pop('service_namespace')}/{left['service_name']}"
        left["instance"] = left.pop("service_instance_id")
        assert left.pop("host_name") in {"node-1", "node-2"}
        left = {name: text for name, text in left.items() if not name.startswith("telemetry_sdk_")}
    return frozenset(left.items())


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("pushed")
    (port,) = free_ports(1)
    with ExitStack() as running_servers:
        servers, settings = {}, {}
        for one in DESTINATIONS:
            if one.program.is_there:
                servers[one.exporter] = running_servers.enter_context(
                    one.start(folder / one.exporter.replace("/", "-"))
                )
                settings[one.exporter] = one.settings(servers[one.exporter])
        configuration = yaml.safe_load(CONFIG)
        configuration["exporters"] = settings
        pipelines = configuration["service"]["pipelines"]
        pipelines["metrics"]["exporters"] = list(settings)
        if DELTAS in settings:
            pipelines["metrics/delta"]["exporters"] = [DELTAS]
        else:
            del pipelines["metrics/delta"]
            pipelines["traces"]["exporters"].remove("span_metrics/delta")
        (folder / "weir.yaml").write_text(yaml.safe_dump(configuration))
        with running("run", "--config", str(folder / "weir.yaml"), env={"GRPC": str(port)}):
            shop = Shop([OTLPSpanExporter(f"http://127.0.0.1:{port}", insecure=True)])
            yield Stack(feed(shop, servers), servers)


def feed(shop: Shop, servers: Mapping[str, MetricsServer]) -> Truth:
    """Send in two waves, and wait until every server has the end of each."""
    for wave in (range(0, VISITS, 2), range(1, VISITS, 2)):
        begin_ns = SystemClock().unix_nano() - 16_000_000_000
        for n in wave:
            shop.visit(n, begin_ns)
        shop.flush()
        truth = Truth(shop.requests())
        for server in servers.values():
            eventually(partial(has_seen, server, CALLS, sum(truth.calls().values())))
    for server in servers.values():
        eventually(partial(has_seen, server, REQUESTS, sum(truth.edges().values())))
    return truth


def has_seen(server: MetricsServer, metric: str, total: float) -> None:
    assert server.scalar(f"sum({metric})") == total, server.log[-2000:]


@pytest.mark.parametrize("exporter", EVERY)
def test_calls_and_edges_are_those_that_were_sent(exporter: str, stack: Stack) -> None:
    assert stack.values(exporter, CALLS) == stack.truth.calls()
    assert stack.values(exporter, REQUESTS) == stack.truth.edges()
    assert stack.values(exporter, FAILED) == stack.truth.failed_edges()


@pytest.mark.parametrize("exporter", EVERY)
def test_durations_fall_into_the_buckets_they_belong_to(exporter: str, stack: Stack) -> None:
    assert_equal(stack.histogram(exporter, DURATION), stack.truth.durations())
    for side in ("client", "server"):
        found = stack.histogram(exporter, f"traces_service_graph_request_{side}_seconds")
        assert_equal(found, stack.truth.edge_durations(side))


def assert_equal(found: Family, expected: Family) -> None:
    """Counts exactly, sums as exactly as floats of any order allow."""
    assert found.buckets == expected.buckets
    assert found.counts == {labels: count for labels, count in expected.counts.items() if count}
    assert found.sums == pytest.approx({labels: value for labels, value in expected.sums.items() if value}, rel=1e-12)


@pytest.mark.parametrize("exporter", WITH_NATIVE)
def test_native_histograms_hold_every_duration(exporter: str, stack: Stack) -> None:
    found = stack.servers[exporter].histograms("native_duration_seconds")
    durations = stack.truth.raw_durations({})
    assert {bare(labels) for labels in found} == set(durations)
    for labels, one in found.items():
        seconds = [ns / 1e9 for ns in durations[bare(labels)]]
        assert float(one["count"]) == len(seconds)
        assert float(one["sum"]) == pytest.approx(math.fsum(seconds), rel=1e-12)
        for _, left, right, count in one["buckets"]:
            assert float(count) == sum(float(left) < value <= float(right) for value in seconds), (left, right)


@pytest.mark.parametrize("exporter", of("otlphttp/victoria"))
def test_exponential_histograms_keep_count_and_sum_where_there_are_no_native_ones(exporter: str, stack: Stack) -> None:
    durations = stack.truth.raw_durations({})
    counts = {labels: float(len(several)) for labels, several in durations.items()}
    sums = {labels: math.fsum(several) / 1e9 for labels, several in durations.items()}
    assert stack.values(exporter, "native_duration_seconds_count") == counts
    assert stack.values(exporter, "native_duration_seconds_sum") == pytest.approx(sums, rel=1e-9)


@pytest.mark.parametrize("exporter", of(DELTAS))
def test_deltas_add_up_to_the_same(exporter: str, stack: Stack) -> None:
    assert stack.values(exporter, "delta_calls_total") == stack.truth.calls()
    assert_equal(stack.histogram(exporter, "delta_duration_seconds"), stack.truth.durations())


@pytest.mark.parametrize("exporter", of("otlphttp/prometheus3", "prometheus3-v2"))
def test_series_begin_at_zero_when_they_were_created(exporter: str, stack: Stack) -> None:
    """So that ``increase`` sees the first increment: 2.0 and OTLP carry when a series began."""
    first = {bare(labels): samples[0] for labels, samples in stack.servers[exporter].ranges(f"{CALLS}[10m]").items()}
    assert set(first) == set(stack.truth.calls())
    assert {sample.value for sample in first.values()} == {0.0}


@pytest.mark.parametrize("exporter", of("/prometheus"))
def test_durations_have_exemplars_that_name_their_spans(exporter: str, stack: Stack) -> None:
    ids = {span_id for _, span_id, _ in stack.truth.spans({})}
    found = stack.servers[exporter].exemplars(f"{DURATION}_bucket")
    named = {f"{one['labels']['trace_id']}:{one['labels']['span_id']}" for several in found.values() for one in several}
    assert named
    assert named <= ids


@pytest.mark.parametrize("exporter", of("/prometheus", "prometheusremotewrite/"))
def test_target_info_describes_every_instance(exporter: str, stack: Stack) -> None:
    found = stack.servers[exporter].values("target_info")
    instances = {(dict(labels)["job"], dict(labels)["instance"]): dict(labels)["host_name"] for labels in found}
    expected = {key: attributes["host_name"] for key, attributes in stack.truth.resources().items()}
    assert instances == expected
