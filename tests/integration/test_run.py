"""``weir run`` from the outside: spans in, metrics out, signals, exit statuses.

Must never regress: what was answered with success is on /metrics; SIGTERM finishes what is under way and exits 0.
"""

import contextlib
import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.testing import export_request
from tests.integration.weir_process import WeirProcess, free_ports, get, post, running, terminate

CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:${env:GRPC}"}
      http: {endpoint: "127.0.0.1:${env:HTTP}"}
processors:
  memory_limiter: {check_interval: 1s, limit_percentage: 75}
  batch:
connectors:
  span_metrics: {histogram: {unit: s}}
  service_graph:
exporters:
  prometheus: {endpoint: "127.0.0.1:${env:METRICS}"}
extensions:
  health_check: {endpoint: "127.0.0.1:${env:HEALTH}"}
service:
  extensions: [health_check]
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [span_metrics, service_graph]
    metrics:
      receivers: [span_metrics, service_graph]
      exporters: [prometheus]
  telemetry:
    metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: "${env:OWN}"}}}}]}
    logs: {encoding: json}
"""


class Setting(NamedTuple):
    """A configuration and its ports."""

    config: str
    env: dict[str, str]

    def url(self, port: str, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.env[port]}{path}"


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    names = ("GRPC", "HTTP", "METRICS", "HEALTH", "OWN")
    return Setting(str(path), {name: str(port) for name, port in zip(names, free_ports(5), strict=True)})


def payload(n: int = 3) -> bytes:
    spans = []
    for number in range(n):
        ids = {"trace_id": bytes([number + 1] * 16)}
        spans.append({"service": "frontend", "kind": "client", "name": "GET", "span_id": bytes([1] * 8), **ids})
        spans.append({"service": "cart", "kind": "server", "name": "GET /", "parent_span_id": bytes([1] * 8), **ids})
    return export_request(spans).SerializeToString()


def samples(page: str) -> dict[str, float]:
    """Sum over all series of each sample name."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_spans_become_red_metrics_and_edges_on_the_metrics_page(setting: Setting) -> None:
    with running("run", "--config", setting.config, env=setting.env) as weir:
        assert post(setting.url("HTTP", "/v1/traces"), payload(3))[0] == 200
        page = samples(get(setting.url("METRICS", "/metrics"))[1])
        assert page["traces_span_metrics_calls_total"] == 6
        assert page["traces_span_metrics_duration_seconds_count"] == 6
        assert page["traces_service_graph_request_total"] == 3
        own = samples(get(setting.url("OWN", "/metrics"))[1])
        assert own["otelcol_receiver_accepted_spans_total"] == 6
        assert own["otelcol_connector_incoming_items_total"] == 12
        assert own["otelcol_process_memory_rss_bytes"] < 200 << 20
        status, body = get(setting.url("HEALTH"))
        assert (status, json.loads(body)["status"]) == (200, "Server available")
        assert terminate(weir) == 0
        assert json.loads(weir.log[-1])["msg"] == "stopped"


def test_bare_weir_runs_too_and_sigint_is_a_clean_stop(setting: Setting) -> None:
    with running("--config", setting.config, env=setting.env) as weir:
        weir.signal(signal.SIGINT)
        assert weir.wait() == 0


@contextlib.contextmanager
def half_a_request(setting: Setting) -> Iterator[Callable[[], bytes]]:
    """A request of which only the beginning has arrived; call what it gives to send the rest and get the answer."""
    body = payload(3)
    head = (
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", int(setting.env["HTTP"])), timeout=10) as connection:
        connection.sendall(head.encode() + body[:10])
        # A whole request on another connection: when it is answered, the half one has surely been read.
        assert post(setting.url("HTTP", "/v1/traces"), b"")[0] == 200

        def finish() -> bytes:
            connection.sendall(body[10:])
            return connection.recv(1000)

        yield finish


def test_a_request_under_way_is_finished_when_stopping(setting: Setting) -> None:
    with running("run", "--config", setting.config, env=setting.env) as weir:
        with half_a_request(setting) as finish:
            weir.signal(signal.SIGTERM)
            weir.wait_for_line("stopping")
            assert finish().startswith(b"HTTP/1.1 200 OK")
        assert weir.wait() == 0


def test_a_request_that_never_ends_is_given_up_at_the_drain_time(setting: Setting) -> None:
    arguments = ("run", "--config", setting.config, "--drain-timeout", "0.5")
    with running(*arguments, env=setting.env) as weir, half_a_request(setting):
        assert terminate(weir) == 0


def test_a_second_signal_ends_at_once(setting: Setting) -> None:
    with running("run", "--config", setting.config, env=setting.env) as weir, half_a_request(setting):
        weir.signal(signal.SIGTERM)
        weir.wait_for_line("stopping")
        weir.signal(signal.SIGTERM)
        assert weir.wait() == 128 + signal.SIGTERM


def counted(setting: Setting) -> dict[str, float]:
    return samples(get(setting.url("METRICS", "/metrics"))[1])


def own(setting: Setting, name: str) -> float:
    return samples(get(setting.url("OWN", "/metrics"))[1])[name]


def test_sighup_puts_a_new_configuration_in_force_and_counters_go_on(setting: Setting) -> None:
    with running("run", "--config", setting.config, env=setting.env) as weir:
        post(setting.url("HTTP", "/v1/traces"), payload(3))
        before = counted(setting)
        config = Path(setting.config)
        config.write_text(CONFIG.replace("histogram: {unit: s}", "histogram: {unit: s}, namespace: shop"))
        weir.signal(signal.SIGHUP)
        weir.wait_for_line("the configuration has been read again")
        # span_metrics has other names now, and so no state that fits; service_graph is what it was
        post(setting.url("HTTP", "/v1/traces"), payload(2))
        after = counted(setting)
        assert after["traces_service_graph_request_total"] == before["traces_service_graph_request_total"] + 2 == 5
        assert after["shop_calls_total"] == 4
        assert "traces_span_metrics_calls_total" not in after
        weir.signal(signal.SIGHUP)
        weir.wait_for_line("the configuration has been read again")
        assert counted(setting)["shop_calls_total"] == 4
        assert own(setting, "weir_config_last_reload_successful") == 1
        assert terminate(weir) == 0


def test_a_configuration_that_cannot_be_used_changes_nothing_on_sighup(setting: Setting) -> None:
    with running("run", "--config", setting.config, env=setting.env) as weir:
        post(setting.url("HTTP", "/v1/traces"), payload(3))
        Path(setting.config).write_text(CONFIG.replace("service_graph:\n", "service_graf:\n", 1))
        weir.signal(signal.SIGHUP)
        line = weir.wait_for_line("the configuration is not used; the one before stays in force")
        assert "service_graf" in line
        post(setting.url("HTTP", "/v1/traces"), payload(2))
        assert counted(setting)["traces_span_metrics_calls_total"] == 10
        assert own(setting, "weir_config_last_reload_successful") == 0
        assert terminate(weir) == 0


def test_a_configuration_that_does_not_start_gives_way_to_the_one_before(setting: Setting) -> None:
    with running("run", "--config", setting.config, env=setting.env) as weir:
        post(setting.url("HTTP", "/v1/traces"), payload(3))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            Path(setting.config).write_text(CONFIG.replace("${env:METRICS}", port))
            weir.signal(signal.SIGHUP)
            assert port in weir.wait_for_line("the configuration does not start; the one before is in force again")
        post(setting.url("HTTP", "/v1/traces"), payload(2))
        assert counted(setting)["traces_span_metrics_calls_total"] == 10
        assert terminate(weir) == 0


def test_a_restart_with_a_directory_for_checkpoints_goes_on_where_it_was(setting: Setting, tmp_path: Path) -> None:
    arguments = ("run", "--config", setting.config, "--set", f"service.checkpoint.directory={tmp_path / 'state'}")
    for lives in (1, 2):
        with running(*arguments, env=setting.env) as weir:
            post(setting.url("HTTP", "/v1/traces"), payload(3))
            page = counted(setting)
            assert page["traces_span_metrics_calls_total"] == 6 * lives
            assert page["traces_span_metrics_duration_seconds_count"] == 6 * lives
            assert page["traces_service_graph_request_total"] == 3 * lives
            assert terminate(weir) == 0


def test_a_busy_port_is_named_and_the_exit_status_is_one(setting: Setting) -> None:
    with socket.create_server(("127.0.0.1", int(setting.env["METRICS"]))):
        weir = WeirProcess("run", "--config", setting.config, env=setting.env)
        try:
            assert weir.wait() == 1
            assert any("exporters.prometheus" in line and setting.env["METRICS"] in line for line in weir.log), weir.log
            assert any("in use" in line for line in weir.log)
        finally:
            weir.kill()


def test_a_wrong_configuration_ends_before_anything_starts(setting: Setting) -> None:
    weir = WeirProcess("run", "--config", setting.config, "--set", "exporters.prometheus.endpont=x", env=setting.env)
    try:
        assert weir.wait() == 1
        assert 'did you mean "endpoint"?' in weir.log[-1]
    finally:
        weir.kill()


def test_protobufs_slow_backend_is_refused(setting: Setting) -> None:
    env = {**setting.env, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    weir = WeirProcess("run", "--config", setting.config, env=env)
    try:
        assert weir.wait() == 1
        assert any("unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION" in line for line in weir.log)
    finally:
        weir.kill()
