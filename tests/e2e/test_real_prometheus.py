"""The main job on real input: services with the stock SDK export to Weir, a real Prometheus scrapes it.

Must never regress: what Prometheus answers is what was sent, counted independently; exactly so for counts and buckets,
in each format of the page, from the first increment of a series on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

from pipeline.service.clock import SystemClock
from tests.e2e.metrics_server import Labels
from tests.e2e.prometheus import VERSIONS, Prometheus
from tests.e2e.sdk_shop import Shop
from tests.e2e.truth import TEMPO_BOUNDS_NS, TEMPO_NAMES, Family, Truth, nanoseconds
from tests.integration.weir_process import free_ports, running
from tests.oracles.red import BOUNDS_NS
from tests.programs import Program
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

# Two sets of pipelines: classic buckets on three pages, read in three formats, and native histograms on a fourth.
CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:${env:GRPC}"}
      http: {endpoint: "127.0.0.1:${env:HTTP}"}
connectors:
  span_metrics:
    naming: both
    dimensions: [{name: http.route}]
    histogram: {unit: s}
    exemplars: {enabled: true}
    enable_target_info: true
  span_metrics/native:
    naming: both
    dimensions: [{name: http.route}]
    histogram: {unit: s, exponential: {}}
    generate_native_histograms: native
    enable_target_info: true
  service_graph: {store: {ttl: 8s, max_items: 100000}, exemplars: {enabled: true}}
  service_graph/native: {naming: tempo, wait: 8s, generate_native_histograms: native}
exporters:
  prometheus/text: {endpoint: "127.0.0.1:${env:TEXT}"}
  prometheus/openmetrics: {endpoint: "127.0.0.1:${env:OPENMETRICS}", enable_open_metrics: true}
  prometheus/protobuf: {endpoint: "127.0.0.1:${env:PROTOBUF}", enable_open_metrics: true}
  prometheus/native: {endpoint: "127.0.0.1:${env:NATIVE}"}
service:
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [span_metrics, service_graph, span_metrics/native, service_graph/native]
    metrics/classic:
      receivers: [span_metrics, service_graph]
      exporters: [prometheus/text, prometheus/openmetrics, prometheus/protobuf]
    metrics/native:
      receivers: [span_metrics/native, service_graph/native]
      exporters: [prometheus/native]
  telemetry:
    metrics: {level: none}
"""
CLASSIC_PAGES = ("text", "openmetrics", "protobuf")
PAGES = (*CLASSIC_PAGES, "native")
VISITS = 150
CALLS, DURATION = "traces_span_metrics_calls_total", "traces_span_metrics_duration_seconds"
TEMPO_CALLS, LATENCY, SIZE = (
    "traces_spanmetrics_calls_total",
    "traces_spanmetrics_latency",
    "traces_spanmetrics_size_total",
)
REQUESTS, FAILED = "traces_service_graph_request_total", "traces_service_graph_request_failed_total"
COUNTERS = (CALLS, TEMPO_CALLS, SIZE, REQUESTS, FAILED)
HISTOGRAMS = (
    DURATION,
    LATENCY,
    "traces_service_graph_request_server_seconds",
    "traces_service_graph_request_client_seconds",
)


class Stack(NamedTuple):
    """What was sent, and the Prometheus of each page."""

    truth: Truth
    by_page: dict[str, Prometheus]

    def values(self, page: str, metric: str, time: str = "") -> dict[Labels, float]:
        """Series of a metric on a page that are not 0, without the labels that are the same on all."""
        found = self.by_page[page].values(f'{metric}{{page="{page}"}}', time)
        return {bare(labels): value for labels, value in found.items() if value}


def bare(labels: Labels) -> Labels:
    """Labels without name, scope and page; job and instance only where they are those of an application."""
    left = {name: value for name, value in labels if name not in {"__name__", "page"} and not name.startswith("otel_")}
    if left.get("job") in PAGES:
        del left["job"], left["instance"]
    return frozenset(left.items())


@pytest.fixture(scope="module", params=VERSIONS)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("real")
    (folder / "weir.yaml").write_text(CONFIG)
    names = ("GRPC", "HTTP", *(page.upper() for page in PAGES))
    ports = {name: str(port) for name, port in zip(names, free_ports(len(names)), strict=True)}
    address = {page: f"127.0.0.1:{ports[page.upper()]}" for page in PAGES}
    grpc = GrpcExporter(f"http://127.0.0.1:{ports['GRPC']}", insecure=True)
    http = HttpExporter(f"http://127.0.0.1:{ports['HTTP']}/v1/traces")
    with (
        running("run", "--config", str(folder / "weir.yaml"), env=ports),
        prometheus(request.param, folder, address, ("text", "openmetrics")) as plain,
        prometheus(request.param, folder, address, ("protobuf", "native"), "native-histograms") as featured,
    ):
        by_page = {"text": plain, "openmetrics": plain, "protobuf": featured, "native": featured}
        yield Stack(feed(Shop([grpc, http]), by_page), by_page)


def prometheus(
    program: Program, folder: Path, address: dict[str, str], pages: tuple[str, ...], *features: str
) -> Prometheus:
    return Prometheus(folder / "-".join(pages), {page: address[page] for page in pages}, *features, program=program)


def feed(shop: Shop, by_page: dict[str, Prometheus]) -> Truth:
    """Send in two waves, with a scrape in between, and wait until Prometheus has seen the end."""
    for wave in (range(0, VISITS, 2), range(1, VISITS, 2)):
        begin_ns = SystemClock().unix_nano() - 16_000_000_000
        for n in wave:
            shop.visit(n, begin_ns)
        shop.flush()
        truth = Truth(shop.requests())
        for page in PAGES:
            eventually(partial(has_seen, by_page[page], page, CALLS, sum(truth.calls().values())))
    for page in PAGES:
        edges = truth.edges(tempo=page == "native")
        eventually(partial(has_seen, by_page[page], page, REQUESTS, sum(edges.values())))
    return truth


def has_seen(prometheus: Prometheus, page: str, metric: str, total: float) -> None:
    assert prometheus.scalar(f'sum({metric}{{page="{page}"}})') == total, prometheus.targets()[page]["lastError"]


@pytest.mark.parametrize("page", PAGES)
def test_every_scrape_was_understood(page: str, stack: Stack) -> None:
    assert stack.by_page[page].scalar(f'min_over_time(up{{page="{page}"}}[10m])') == 1
    types = stack.by_page[page].types()
    assert {
        metric: types.get(metric.removesuffix("_total"), types.get(metric)) for metric in COUNTERS
    } == dict.fromkeys(COUNTERS, "counter")
    assert {metric: types[metric] for metric in HISTOGRAMS} == dict.fromkeys(HISTOGRAMS, "histogram")
    assert types["target_info"] in {"gauge", "info"}


@pytest.mark.parametrize("page", PAGES)
def test_calls_and_errors_are_those_that_were_sent(page: str, stack: Stack) -> None:
    assert stack.values(page, CALLS) == stack.truth.calls()
    assert stack.values(page, TEMPO_CALLS) == stack.truth.calls(TEMPO_NAMES)
    assert stack.values(page, SIZE) == stack.truth.sizes()


@pytest.mark.parametrize("page", PAGES)
def test_each_success_has_a_twin_for_errors(page: str, stack: Stack) -> None:
    found = {bare(labels) for labels in stack.by_page[page].values(f'{CALLS}{{page="{page}"}}')}
    expected = set()
    for labels in stack.truth.calls():
        expected |= {labels, frozenset({**dict(labels), "status_code": "STATUS_CODE_ERROR"}.items())}
    assert found == expected


def histogram(stack: Stack, page: str, metric: str) -> Family:
    """A classic histogram, of which no series is 0."""
    found = stack.by_page[page].values(f'{metric}_bucket{{page="{page}"}}')
    buckets = {}
    for labels, value in found.items():
        bound = dict(labels)["le"]
        buckets[frozenset(bare(labels) - {("le", bound)}), float(bound)] = value
    sums = stack.by_page[page].values(f'{metric}_sum{{page="{page}"}}')
    return Family(
        buckets, stack.values(page, f"{metric}_count"), {bare(labels): sum_s for labels, sum_s in sums.items()}
    )


@pytest.mark.parametrize("page", CLASSIC_PAGES)
def test_durations_fall_into_the_buckets_they_belong_to(page: str, stack: Stack) -> None:
    assert_equal(histogram(stack, page, DURATION), stack.truth.durations())
    assert_equal(histogram(stack, page, LATENCY), stack.truth.durations(TEMPO_NAMES, TEMPO_BOUNDS_NS))
    for side in ("client", "server"):
        found = histogram(stack, page, f"traces_service_graph_request_{side}_seconds")
        assert_equal(found, stack.truth.edge_durations(side))


def assert_equal(found: Family, expected: Family) -> None:
    assert found.buckets == expected.buckets
    assert found.counts == expected.counts
    assert found.sums == pytest.approx(expected.sums, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("page", PAGES)
def test_edges_and_failed_edges_are_those_that_were_sent(page: str, stack: Stack) -> None:
    tempo = page == "native"
    assert stack.values(page, REQUESTS) == stack.truth.edges(tempo=tempo)
    assert stack.values(page, FAILED) == stack.truth.failed_edges(tempo=tempo)


BY_PAGE = [(metric, page) for metric in (CALLS, TEMPO_CALLS, SIZE, REQUESTS) for page in PAGES]
BY_PAGE += [
    (f"{metric}_{part}", page) for metric in HISTOGRAMS for part in ("count", "bucket") for page in CLASSIC_PAGES
]


@pytest.mark.parametrize(("metric", "page"), BY_PAGE)
def test_increase_sees_the_first_value_of_every_series(metric: str, page: str, stack: Stack) -> None:
    """Each series begins at 0, so nothing is lost to increase() and, as of the last scrape, nothing extrapolated."""
    queried, selector = stack.by_page[page], f'{metric}{{page="{page}"}}'
    assert {samples[0].value for samples in queried.ranges(f"{selector}[10m]").values()} == {0}
    last = f"{queried.scalar(f'max(timestamp({selector}))'):.3f}"
    assert increases(stack, page, metric, last) == stack.values(page, metric, last)


def increases(stack: Stack, page: str, metric: str, time: str) -> dict[Labels, float]:
    found = stack.by_page[page].values(f'increase({metric}{{page="{page}"}}[10m])', time)
    return {bare(labels): value for labels, value in found.items() if value}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("info", ["target_info", "traces_target_info"])
def test_resource_attributes_join_on_job_and_instance(info: str, page: str, stack: Stack) -> None:
    joined = stack.by_page[page].values(
        f'sum by (job, instance, host_name, telemetry_sdk_language) ({CALLS}{{page="{page}"}} * on (job, instance) '
        f'group_left (host_name, telemetry_sdk_language) {info}{{page="{page}"}})'
    )
    expected: dict[Labels, float] = {}
    for labels, calls in stack.truth.calls().items():
        plain = dict(labels)
        resource = stack.truth.resources()[plain["job"], plain["instance"]]
        attributes = {key: resource[key] for key in ("host_name", "telemetry_sdk_language")}
        key = frozenset({"job": plain["job"], "instance": plain["instance"], **attributes}.items())
        expected[key] = expected.get(key, 0) + calls
    assert joined == expected


@pytest.mark.parametrize("page", ["openmetrics", "protobuf"])
def test_exemplars_lead_to_spans_of_their_series_and_bucket(page: str, stack: Stack) -> None:
    """Every bucket that anything fell into has one."""
    spans = {ids: (labels, nanoseconds(span) / 1e9) for labels, ids, span in stack.truth.spans({})}
    found = set()
    for labels, exemplars in stack.by_page[page].exemplars(f'{DURATION}_bucket{{page="{page}"}}').items():
        bound = dict(labels)["le"]
        series = frozenset(bare(labels) - {("le", bound)})
        found.add((series, float(bound)))
        for exemplar in exemplars:
            home, seconds = spans["{trace_id}:{span_id}".format(**exemplar["labels"])]
            assert home == series
            assert float(exemplar["value"]) == pytest.approx(seconds, rel=1e-12)
            assert bucket_of(seconds) == float(bound)
    assert found == {(labels, bucket_of(seconds)) for labels, seconds in spans.values()}


def bucket_of(seconds: float) -> float:
    return min((ns / 1e9 for ns in BOUNDS_NS if ns / 1e9 >= seconds), default=math.inf)


@pytest.mark.parametrize("page", ["openmetrics", "protobuf"])
def test_exemplars_of_edges_lead_to_their_spans(page: str, stack: Stack) -> None:
    ids = {ids for _, ids, _ in stack.truth.spans()}
    query = f'traces_service_graph_request_client_seconds_bucket{{page="{page}"}}'
    found = [exemplar["labels"] for one in stack.by_page[page].exemplars(query).values() for exemplar in one]
    assert found
    assert {"{trace_id}:{span_id}".format(**labels) for labels in found} <= ids


def test_the_text_format_has_no_exemplars(stack: Stack) -> None:
    assert stack.by_page["text"].exemplars(f'{DURATION}_bucket{{page="text"}}') == {}


@pytest.mark.parametrize(("metric", "names"), [(DURATION, {}), (LATENCY, TEMPO_NAMES)])
def test_native_histograms_hold_every_duration(metric: str, names: dict[str, str], stack: Stack) -> None:
    """Prometheus tells the bounds of each bucket; exactly the durations between them must be in it."""
    found = stack.by_page["native"].histograms(f'{metric}{{page="native"}}')
    durations = stack.truth.raw_durations(names)
    assert {bare(labels) for labels in found} == set(durations)
    for labels, one in found.items():
        seconds = [ns / 1e9 for ns in durations[bare(labels)]]
        assert float(one["count"]) == len(seconds)
        assert float(one["sum"]) == pytest.approx(math.fsum(seconds), rel=1e-12)
        assert len(one["buckets"]) <= 160
        for _, left, right, count in one["buckets"]:
            assert float(count) == sum(float(left) < value <= float(right) for value in seconds), (left, right)
        assert sum(float(bucket[3]) for bucket in one["buckets"]) == len(seconds)


def test_native_histograms_begin_at_zero(stack: Stack) -> None:
    first = stack.by_page["native"].scalar(
        f'max(min_over_time(histogram_count({DURATION}{{page="native"}})[10m:500ms]))'
    )
    assert first == 0


def test_quantiles_of_native_histograms_are_close(stack: Stack) -> None:
    durations = sorted(ns / 1e9 for all_of in stack.truth.raw_durations({}).values() for ns in all_of)
    median = stack.by_page["native"].scalar(f'histogram_quantile(0.5, sum({DURATION}{{page="native"}}))')
    assert durations[int(len(durations) * 0.45)] <= median <= durations[int(len(durations) * 0.55)] * 1.05
