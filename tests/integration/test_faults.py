"""Catalogue B 4, 22 and 32: stopping under load, ports that are taken, scrapes in the middle of it all.

Must never regress: what was acknowledged is in the data that went on and in the numbers, once; a Weir that cannot
listen says where and ends; a page is one moment of all components.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from pipeline.testing import export_request
from tests.integration import file_sink
from tests.integration.floods import requests
from tests.integration.raw_grpc import EXPORT
from tests.integration.weir_process import WeirProcess, free_ports, get, post, running, terminate
from tests.waiting import eventually

CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:${env:GRPC}"}
      http: {endpoint: "127.0.0.1:${env:HTTP}"}
connectors:
  span_metrics: {histogram: {unit: s}, exemplars: {enabled: true}}
  service_graph: {store: {ttl: 30s, max_items: 100000}}
exporters:
  prometheus: {endpoint: "127.0.0.1:${env:METRICS}", enable_open_metrics: true}
extensions:
  health_check: {endpoint: "127.0.0.1:${env:HEALTH}"}
service:
  extensions: [health_check]
  pipelines:
    traces: {receivers: [otlp], exporters: [span_metrics, service_graph]}
    metrics: {receivers: [span_metrics, service_graph], exporters: [prometheus]}
  telemetry:
    metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: "${env:OWN}"}}}}]}
"""
SINK = """
exporters:
  file_sink: {spans: "${env:SPANS}", metrics: "${env:NUMBERS}"}
service:
  pipelines:
    traces: {exporters: [span_metrics, service_graph, file_sink]}
    metrics: {exporters: [prometheus, file_sink]}
"""
# CANCELLED: a call that arrived while the server closed. OTLP has it among the errors after which to send again.
SEND_AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
PORTS = ("GRPC", "HTTP", "METRICS", "HEALTH", "OWN")
CALLS, DURATION = "traces_span_metrics_calls_total", "traces_span_metrics_duration_seconds"
EDGES = "traces_service_graph_request_total"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Ports, and where the configuration is."""
    (tmp_path / "weir.yaml").write_text(CONFIG)
    (tmp_path / "sink.yaml").write_text(SINK)
    ports = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    return {**ports, "CONFIG": str(tmp_path / "weir.yaml"), "SINK": str(tmp_path / "sink.yaml")}


WHO = {
    "GRPC": "receivers.otlp",
    "HTTP": "receivers.otlp",
    "METRICS": "exporters.prometheus",
    "HEALTH": "extensions.health_check",
    "OWN": "service.telemetry.metrics",
}


@pytest.mark.parametrize("port", PORTS)
def test_row_22_a_port_that_is_taken_is_named_with_its_owner(port: str, env: dict[str, str]) -> None:
    """Also for gRPC, whose library would share the port without a word."""
    with running("run", "--config", env["CONFIG"], env=env):
        others = {name: str(number) for name, number in zip(PORTS, free_ports(len(PORTS)), strict=True)}
        second = WeirProcess("run", "--config", env["CONFIG"], env={**env, **others, port: env[port]})
        try:
            assert second.wait() == 1
            assert any(WHO[port] in line and env[port] in line and "in use" in line for line in second.log), second.log
            assert not any("Traceback" in line for line in second.log)
        finally:
            second.kill()
        assert post(f"http://127.0.0.1:{env['HTTP']}/v1/traces", good_body())[0] == 200
        assert get(f"http://127.0.0.1:{env['HEALTH']}/")[0] == 200


def good_body() -> bytes:
    return export_request([{}]).SerializeToString()


class Sender(threading.Thread):
    """Sends until it is told that nobody listens any more; keeps the trace ids that were acknowledged.

    A ``send`` returns whether the request was acknowledged, and raises what a client may see when a server stops.
    """

    def __init__(self, name: str, send: Callable[[bytes], bool], close: Callable[[], None], a_request: int) -> None:
        super().__init__(daemon=True)
        self._close = close
        self._prefix = name.encode().rjust(8, b".")
        self._send = send
        self._a_request = a_request
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.refusals: list[Exception] = []

    def run(self) -> None:
        self._send_all()
        self._close()

    def _send_all(self) -> None:
        bodies = requests(10_000_000, a_request=self._a_request, kind="internal", trace_id=self._prefix + b"00000000")
        for n, body in enumerate(bodies):
            first = n * self._a_request
            ids = {(self._prefix + b"%08d" % number).hex() for number in range(first, first + self._a_request)}
            self.sent |= ids
            try:
                if not self._send(body):
                    return
            except (grpc.RpcError, OSError, http.client.HTTPException) as error:
                self.refusals.append(error)
                return
            self.acknowledged |= ids


def http_sender(name: str, port: str, a_request: int) -> Sender:
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)

    def send(body: bytes) -> bool:
        connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in {200, 503}
        return answer.status == 200

    return Sender(name, send, connection.close, a_request)


def grpc_sender(name: str, port: str, a_request: int) -> Sender:
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
    call = channel.unary_unary(EXPORT)
    return Sender(name, lambda body: call(body, timeout=30) is not None, channel.close, a_request)


@pytest.mark.parametrize("a_request", [1, 50, 2_000])
def test_row_4_sigterm_under_load_loses_and_doubles_nothing(
    a_request: int, env: dict[str, str], tmp_path: Path
) -> None:
    """N: all acknowledged spans went on. E: the last numbers are those of the spans that went on. D: each once."""
    files = {"SPANS": str(tmp_path / "spans"), "NUMBERS": str(tmp_path / "numbers")}
    plug_in = file_sink.install(tmp_path / "site")
    arguments = ("run", "--config", env["CONFIG"], "--config", env["SINK"])
    senders = [http_sender(f"http {n}", env["HTTP"], a_request) for n in "ab"]
    senders += [grpc_sender(f"grpc {n}", env["GRPC"], a_request) for n in "ab"]
    with running(*arguments, env={**env, **files, **plug_in}) as weir:
        for sender in senders:
            sender.start()
        for sender in senders:
            eventually(partial(has_acknowledged, sender, 20 * a_request))
        assert terminate(weir) == 0
    for sender in senders:
        sender.join(30)
        assert not sender.is_alive()
        for error in sender.refusals:
            assert not isinstance(error, grpc.RpcError) or error.code() in SEND_AGAIN
    acknowledged = set().union(*(sender.acknowledged for sender in senders))
    sent = set().union(*(sender.sent for sender in senders))
    arrived = Counter(Path(files["SPANS"]).read_text().split())
    assert acknowledged <= set(arrived) <= sent
    assert set(arrived.values()) == {1}
    assert last_calls(Path(files["NUMBERS"])) == len(arrived)


def has_acknowledged(sender: Sender, number: int) -> None:
    assert len(sender.acknowledged) >= number, sender.refusals


def last_calls(numbers: Path) -> float:
    """Calls in what was flushed last by span_metrics."""
    flushes = [json.loads(line) for line in numbers.read_text().splitlines()]
    calls = [[value for name, _, value in one if name == "traces.span.metrics.calls"] for one in flushes]
    return float(sum(next(values for values in reversed(calls) if values)))


def pairs(services: int, traces: int) -> Iterator[bytes]:
    """Requests of calls between services, each with both of its sides."""
    for trace in range(1, traces + 1):
        spans = []
        for n in range(services):
            ids = {"trace_id": trace.to_bytes(8, "big") + n.to_bytes(8, "big"), "duration_ms": (trace * n) % 3_000}
            spans.append(
                {"service": f"client {n}", "kind": "client", "span_id": b"c" * 8, "parent_span_id": b"p" * 8, **ids}
            )
            spans.append({"service": f"server {n}", "span_id": b"s" * 8, "parent_span_id": b"c" * 8, **ids})
        yield export_request(spans).SerializeToString()


SERVICES, TRACES, SCRAPERS = 6, 300, 10
LOOKED_AT = 8  # pages of each scraper: reading them takes longer than making them


def test_row_32_ten_scrapers_under_ingest_see_consistent_pages(env: dict[str, str]) -> None:
    """In each page buckets add up to counts, calls to durations and to both sides of edges; counters only grow."""
    done = threading.Event()
    bodies = list(pairs(SERVICES, TRACES))
    with running("run", "--config", env["CONFIG"], env=env), ThreadPoolExecutor(SCRAPERS) as threads:
        port = int(env["METRICS"])
        scrapers = [threads.submit(scrape_until, done, port, openmetrics=bool(n % 2)) for n in range(SCRAPERS)]
        try:
            for body in bodies:
                assert post(f"http://127.0.0.1:{env['HTTP']}/v1/traces", body)[0] == 200
        finally:
            done.set()
        pages = [scraper.result() for scraper in scrapers]
        last = consistent(scrape(port, openmetrics=False), openmetrics=False)
    assert sum(value for (name, _), value in last.items() if name == EDGES) == SERVICES * TRACES
    for n, seen in enumerate(pages):
        before: dict[Series, float] = {}
        for text in seen[:: len(seen) // LOOKED_AT + 1]:
            page = consistent(text, openmetrics=bool(n % 2))
            assert all(page.get(series, -1.0) >= value for series, value in before.items())
            before = page


Series = tuple[str, tuple[tuple[str, str], ...]]


def scrape_until(done: threading.Event, port: int, *, openmetrics: bool) -> list[str]:
    """Pages, one after the other."""
    pages: list[str] = []
    while not done.is_set() or len(pages) < 2:
        pages.append(scrape(port, openmetrics=openmetrics))
    return pages


def scrape(port: int, *, openmetrics: bool) -> str:
    accept = "application/openmetrics-text;version=1.0.0" if openmetrics else "text/plain"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/metrics", headers={"accept": accept})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def consistent(text: str, *, openmetrics: bool) -> dict[Series, float]:
    """Counters, buckets and counts of a page."""
    families = list((parse_openmetrics if openmetrics else parse_text)(text))
    found: dict[Series, float] = {}
    totals: Counter[str] = Counter()
    for family in families:
        for sample in family.samples:
            if sample.name.endswith(("_total", "_bucket", "_count")):
                found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
                totals[sample.name] += sample.value
    assert_buckets_add_up(found)
    assert totals[CALLS] == totals[f"{DURATION}_count"] == 2 * totals[EDGES]
    return found


def assert_buckets_add_up(page: dict[Series, float]) -> None:
    buckets: dict[Series, list[tuple[float, float]]] = {}
    for (name, labels), value in page.items():
        if name.endswith("_bucket"):
            plain = {key: text for key, text in labels if key != "le"}
            key = (name.removesuffix("_bucket"), tuple(sorted(plain.items())))
            buckets.setdefault(key, []).append((float(dict(labels)["le"]), value))
    for (name, labels), values in buckets.items():
        counts = [count for _, count in sorted(values)]
        assert counts == sorted(counts)
        assert counts[-1] == page[f"{name}_count", labels]
