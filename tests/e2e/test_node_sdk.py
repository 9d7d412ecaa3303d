"""Applications in JavaScript: the stock Node SDK exports over each protocol it has, and every span is counted.

Must never regress: what the SDK holds for acknowledged is on /metrics, with attributes of every type.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.weir_process import free_ports, get, running

TRACES = 200
CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:${env:GRPC}"}
      http: {endpoint: "127.0.0.1:${env:HTTP}"}
connectors:
  span_metrics:
    dimensions: [{name: http.route}, {name: even}, {name: process.command_args}]
    zero_error_series: false
  service_graph: {store: {ttl: 30s, max_items: 10000}}
exporters:
  prometheus: {endpoint: "127.0.0.1:${env:METRICS}"}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [span_metrics, service_graph]}
    metrics: {receivers: [span_metrics, service_graph], exporters: [prometheus]}
  telemetry:
    metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: "${env:OWN}"}}}}]}
"""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """A Weir, by its ports."""
    config = tmp_path_factory.mktemp("weir") / "weir.yaml"
    config.write_text(CONFIG)
    ports = dict(zip(("GRPC", "HTTP", "METRICS", "OWN"), free_ports(4), strict=True))
    with running("run", "--config", str(config), env={name: str(port) for name, port in ports.items()}):
        yield ports


def samples(port: int, name: str, **labels: str) -> dict[tuple[str, ...], float]:
    """Values of a metric by the values of some labels, all others added up; "" asks for any value."""
    _, page = get(f"http://127.0.0.1:{port}/metrics")
    found: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            known = {label: sample.labels.get(label, "") for label in labels}
            if sample.name == name and all(not labels[label] or labels[label] == known[label] for label in labels):
                found[tuple(known.values())] += sample.value
    return dict(found)


@pytest.mark.parametrize(
    ("protocol", "url", "transport"),
    [
        ("proto", "http://127.0.0.1:{HTTP}/v1/traces", "http"),
        ("json", "http://127.0.0.1:{HTTP}/v1/traces", "http"),
        ("grpc", "http://127.0.0.1:{GRPC}", "grpc"),
    ],
)
def test_every_span_of_the_sdk_is_counted(
    protocol: str, url: str, transport: str, node_programs: Path, ports: dict[str, int]
) -> None:
    accepted = "otelcol_receiver_accepted_spans_total"
    before = samples(ports["OWN"], accepted, transport=transport).get((transport,), 0)
    command = ["node", str(node_programs / "send.js"), protocol, url.format(**ports), str(TRACES)]
    sent = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert sent.returncode == 0, sent.stderr
    results = json.loads(sent.stdout)
    assert [result for result in results if result["code"]] == []
    assert sum(result["spans"] for result in results) == 3 * TRACES
    assert samples(ports["OWN"], accepted, transport=transport) == {(transport,): before + 3 * TRACES}

    front, back, errors = f"{protocol}-front", f"{protocol}-back", TRACES // 5
    for service, name, kind in ((front, "page", "SERVER"), (front, "call", "CLIENT"), (back, "serve", "SERVER")):
        labels = {
            "service_name": service,
            "span_name": name,
            "span_kind": f"SPAN_KIND_{kind}",
            "http_route": f"/{name}",
        }
        calls = samples(ports["METRICS"], "traces_span_metrics_calls_total", status_code="", **labels)
        assert calls == {
            ("STATUS_CODE_UNSET", *labels.values()): TRACES - errors,
            ("STATUS_CODE_ERROR", *labels.values()): errors,
        }
    durations = samples(ports["METRICS"], "traces_span_metrics_duration_milliseconds_sum", service_name=front)
    assert durations == {(front,): 30.0 * TRACES}
    typed = samples(
        ports["METRICS"], "traces_span_metrics_calls_total", service_name=back, even="", process_command_args=""
    )
    assert typed == {(back, value, '["node","send.js"]'): TRACES / 2 for value in ("true", "false")}
    edges = samples(ports["METRICS"], "traces_service_graph_request_total", client="", server=back, failed="")
    assert edges == {(front, back, "false"): TRACES - errors, (front, back, "true"): errors}
