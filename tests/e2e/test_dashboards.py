"""Every expression of every dashboard, run on a real Prometheus that scrapes Weir under the demo's load.

Must never regress: a dashboard that is imported shows data. A query may be empty only for a reason given here.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.promql.own import exposed
from processors.anomaly import names as anomaly
from processors.slo import names as slo
from tests.e2e.prometheus import VERSIONS, Prometheus
from tests.integration.weir_process import free_ports, running
from tests.unit.dashboards.reading import EDITIONS, SLUGS, VARIABLES, Expression, expressions, load, substitute
from tests.unit.rules.test_rules import BUNDLED, rules
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CONFIG = """
receivers:
  otlp: {protocols: {grpc: {endpoint: "127.0.0.1:${env:GRPC}"}, http: {endpoint: "127.0.0.1:${env:HTTP}"}}}
connectors:
  span_metrics/s: {histogram: {unit: s}, exemplars: {enabled: true}}
  span_metrics/ms: {histogram: {unit: ms}, exemplars: {enabled: true}}
  span_metrics/s-native: {histogram: {unit: s, exponential: {}}}
  span_metrics/ms-native: {histogram: {unit: ms, exponential: {}}}
  span_metrics/tempo: {naming: tempo, enable_target_info: true}
  span_metrics/tempo-native: {naming: tempo, enable_target_info: true, generate_native_histograms: native}
  service_graph: {store: {ttl: 2s, max_items: 100000}, exemplars: {enabled: true}}
  anomaly: {window: 1s, lateness: 1s}
  slo:
    objectives:
      - {name: checkout-availability, service: checkout, objective: 99.5}
      - {name: frontend-latency, service: frontend, objective: 99, latency: 250ms}
  service_graph/native: {store: {ttl: 2s, max_items: 100000}, exponential_histogram_max_size: 160}
exporters:
  prometheus/classic: {endpoint: "127.0.0.1:${env:CLASSIC}", enable_open_metrics: true}
  prometheus/ms: {endpoint: "127.0.0.1:${env:MS}", enable_open_metrics: true}
  prometheus/native: {endpoint: "127.0.0.1:${env:NATIVE}"}
  prometheus/ms-native: {endpoint: "127.0.0.1:${env:MS_NATIVE}"}
service:
  telemetry: {metrics: {address: "127.0.0.1:${env:OWN}"}}
  pipelines:
    traces:
      receivers: [otlp]
      exporters:
        - span_metrics/s
        - span_metrics/ms
        - span_metrics/s-native
        - span_metrics/ms-native
        - span_metrics/tempo
        - span_metrics/tempo-native
        - service_graph
        - service_graph/native
        - anomaly
        - slo
    metrics/classic:
      receivers: [span_metrics/s, span_metrics/tempo, service_graph, anomaly, slo]
      exporters: [prometheus/classic]
    metrics/ms: {receivers: [span_metrics/ms], exporters: [prometheus/ms]}
    metrics/native:
      receivers: [span_metrics/s-native, span_metrics/tempo-native, service_graph/native]
      exporters: [prometheus/native]
    metrics/ms-native: {receivers: [span_metrics/ms-native], exporters: [prometheus/ms-native]}
"""
PAGES = ("CLASSIC", "MS", "NATIVE", "MS_NATIVE", "OWN")

HEALTHY = "nothing is wrong here; the expression is about what is"
FETCHED = "all exporters are fetched from; in the preview one pushes"
MAY_BE_EMPTY = {
    f"{anomaly.INCIDENT_ACTIVE} == 1": HEALTHY,
    anomaly.INCIDENT_SUSPECT_SHARE: HEALTHY,
    anomaly.INCIDENT_TIME_TO_DETECT: HEALTHY,
    anomaly.INCIDENT_TIME_TO_RESOLVE: HEALTHY,
    f"{anomaly.ANOMALY_ACTIVE}{{{anomaly.SERVICE_NAME}": HEALTHY,
    "otelcol_receiver_rejected_spans_total": "the stock SDK sends no span without ids",
    "otelcol_connector_overflowed_items_total": "no limit was reached",
    "otelcol_processor_memory_limiter_": "not configured here",
    "otelcol_exporter_sent_": FETCHED,
    "otelcol_exporter_send_failed_": FETCHED,
    "otelcol_exporter_queue_": FETCHED,
    'ALERTS{alertstate="firing",': HEALTHY,
    f"max_over_time({anomaly.ANOMALY_ACTIVE}": HEALTHY,
    "unless count by (job, service_version)": "no service changes its version here; in the preview one does",
    exposed(slo.SLO_DETECT_SECONDS): "no objective has burned too fast",
    exposed(slo.SLO_RESOLVE_SECONDS): "no objective has burned too fast",
}
"""Part of an expression → why it may give nothing."""

VALUES = {
    **VARIABLES,
    "$__rate_interval": "6s",
    "$__range": "30s",
    "$service": "checkout",
    "$node": "checkout",
}


@pytest.fixture(scope="module", params=VERSIONS)
def prometheus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("dashboards")
    ports = dict(zip(("GRPC", "HTTP", *PAGES), map(str, free_ports(2 + len(PAGES))), strict=True))
    load_command = [sys.executable, "-m", "pipeline.demo.load", "--truth", str(folder / "truth.json")]
    load_command += ["--grpc", f"127.0.0.1:{ports['GRPC']}", "--http", f"127.0.0.1:{ports['HTTP']}"]
    with running("--config", f"yaml:{CONFIG}", env=ports):
        child = subprocess.Popen(load_command, stdin=subprocess.PIPE)
        try:
            targets = {page.lower(): f"127.0.0.1:{ports[page]}" for page in PAGES}
            with Prometheus(
                folder / "prometheus", targets, "native-histograms", program=request.param, rules=quick_rules(folder)
            ) as server:
                yield server
        finally:
            child.kill()
            child.communicate()


def quick_rules(folder: Path) -> Path:
    """The bundled rules, evaluated each second, with windows that a short test can fill."""
    text = re.sub(r"interval: \w+", "interval: 1s", BUNDLED.read_text())
    path = folder / "rules.yaml"
    path.write_text(text.replace("[5m]", "[6s]"))
    return path


def values_for(slug: str) -> dict[str, str]:
    """Of the anomalies, not every service has every signal."""
    return VALUES | {"$service": ".+"} if slug == "anomalies" else VALUES


def excuse(expression: Expression) -> str:
    return next((reason for part, reason in MAY_BE_EMPTY.items() if part in expression.text), "")


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("edition", EDITIONS)
def test_every_expression_has_data(prometheus: Prometheus, edition: str, slug: str) -> None:
    values = values_for(slug)
    pending = [one for one in expressions(load(edition, slug)) if not excuse(one)]

    def answered() -> None:
        pending[:] = [one for one in pending if not prometheus.has_data(substitute(one.text, values))]
        assert not pending, [f"{one.place}: {substitute(one.text, values)}" for one in pending]

    eventually(answered)


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("edition", EDITIONS)
def test_expressions_that_may_be_empty_are_valid_all_the_same(prometheus: Prometheus, edition: str, slug: str) -> None:
    for expression in expressions(load(edition, slug)):
        if excuse(expression):
            prometheus.has_data(substitute(expression.text, values_for(slug)))


def test_an_error_ratio_is_zero_where_nothing_fails_and_absent_where_nothing_comes(prometheus: Prometheus) -> None:
    ratio = next(one.text for one in expressions(load("otelcol-classic", "service")) if one.place == "Errors A")

    def healthy() -> None:
        assert set(prometheus.values(substitute(ratio, VALUES | {"$service": "recommendation"})).values()) != set()

    eventually(healthy)
    assert prometheus.values(substitute(ratio, VALUES | {"$service": "nobody"})) == {}


def test_duration_panels_have_exemplars_with_trace_ids(prometheus: Prometheus) -> None:
    def found() -> None:
        exemplars = prometheus.exemplars("traces_span_metrics_duration_seconds_bucket")
        assert any("trace_id" in one["labels"] for several in exemplars.values() for one in several)

    eventually(found)


def test_every_recording_of_the_bundled_rules_has_data(prometheus: Prometheus) -> None:
    pending = {rule["record"] for rule in rules(BUNDLED.read_text()) if "record" in rule}

    def recorded() -> None:
        pending.difference_update([name for name in pending if prometheus.has_data(name)])
        assert not pending

    eventually(recorded)


def test_the_watchdog_fires_and_nothing_pages(prometheus: Prometheus) -> None:
    def firing() -> None:
        assert prometheus.has_data('ALERTS{alertname="Watchdog",alertstate="firing"}')

    eventually(firing)
    paged = prometheus.values('ALERTS{alertstate="firing",severity="page"}')
    assert {dict(labels)["alertname"] for labels in paged} <= {"SLOErrorBudgetBurnFast"}


ENTRANCE = 'page="classic",span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"'
EVENTS, BAD = (exposed(name) for name in (slo.SLO_EVENTS, slo.SLO_BAD_EVENTS))


@pytest.mark.parametrize(
    ("live", "counted"),
    [
        (
            f'{BAD}{{slo="checkout-availability"}}',
            f'traces_span_metrics_calls_total{{{ENTRANCE},service_name="checkout",status_code="STATUS_CODE_ERROR"}}',
        ),
        (
            f'{EVENTS}{{slo="frontend-latency"}}',
            f'traces_span_metrics_calls_total{{{ENTRANCE},service_name="frontend"}}',
        ),
        (
            f'{EVENTS}{{slo="frontend-latency"}} - {BAD}',
            f'traces_span_metrics_duration_seconds_bucket{{{ENTRANCE},service_name="frontend",le="0.25"}}',
        ),
    ],
)
def test_live_slos_count_what_the_metrics_count(prometheus: Prometheus, live: str, counted: str) -> None:
    """The bucket of 250 ms is no default bound: the objective has brought it."""

    def equal() -> None:
        assert prometheus.scalar(f"sum({live}) - sum({counted})") == 0
        assert prometheus.scalar(f"sum({counted})") > 0

    eventually(equal)
