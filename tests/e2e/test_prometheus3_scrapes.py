"""Prometheus 3 scrapes a page in each format and with each way to escape names: what it stores is what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pipeline.api import Meter, Settings
from pipeline.exporters.prometheus import PrometheusConfig, PrometheusExporter
from pipeline.service.clock import SystemClock
from pipeline.telemetry import ComponentTelemetry
from tests.e2e.metrics_server import Labels
from tests.e2e.prometheus import Prometheus
from tests.programs import PROMETHEUS3
from tests.unit.codec.metric_batches import batch, exponential, gauge, histogram, number, resource

pytestmark = [pytest.mark.e2e, PROMETHEUS3.needed, pytest.mark.timeout(120)]

PROTOCOLS = (
    "PrometheusProto",
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
)
ESCAPING = ("allow-utf-8", "underscores", "dots", "values")
CASES = [(protocol, escaping) for protocol in PROTOCOLS for escaping in ESCAPING]
ASK_FOR_ESCAPING = ("OpenMetricsText1.0.0", "PrometheusText1.0.0")
"""Protocols whose request says how names are to be escaped; in others, all names are of the legacy alphabet."""
OF_THE_TARGET = ("job", "instance", "page")
SECOND = 1_000_000_000


def job_of(protocol: str, escaping: str) -> str:
    return f"{protocol}-{escaping}"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One page; a job for each way to fetch it."""
    clock = SystemClock()
    began = [clock.unix_nano() - 60 * SECOND]
    metrics = (
        number("http.server.requests", [({"http.method": "GET"}, 3.0)], start=began),
        gauge("queue-depth λ", [({"queue_name": "a b"}, -1.5)], start=began),
        histogram("rpc.duration", [({"rpc.system": "grpc"}, [1.0, 2.0, 3.0], 7.5)], unit="s", start=began),
        exponential("native.size", [({}, 3, 2.0, -1, [1.0, 0.0, 4.0], 7.5)], start=began),
    )
    page = replace(batch(*metrics, resources=[resource(1, service__name="cart")]), time_unix_nano=clock.unix_nano())
    settings = Settings(
        "prometheus", clock, Meter("prometheus", clock), ComponentTelemetry("exporter", "prometheus", clock)
    )
    keys = {"translation_strategy": "NoUTF8EscapingWithSuffixes", "enable_open_metrics": True, "leading_zero": False}
    exporter = PrometheusExporter(PrometheusConfig.model_validate({"endpoint": "127.0.0.1:0", **keys}), settings)
    exporter.start(lambda: [page])
    host, port = exporter.address
    scrape: dict[str, dict[str, Any]] = {
        job_of(protocol, escaping): {
            "scrape_protocols": [protocol],
            "metric_name_escaping_scheme": escaping,
            "metric_name_validation_scheme": "utf8" if escaping == "allow-utf-8" else "legacy",
        }
        for protocol, escaping in CASES
    }
    features = ("native-histograms", "created-timestamp-zero-ingestion")
    try:
        with Prometheus(
            tmp_path_factory.mktemp("scrapes") / "prometheus",
            dict.fromkeys(scrape, f"{host}:{port}"),
            *features,
            program=PROMETHEUS3,
            scrape=scrape,
        ) as server:
            yield server
    finally:
        exporter.shutdown()


def escaped(name: str, escaping: str) -> str:
    """As prometheus/common does it: names of the legacy alphabet are left alone."""
    if escaping == "allow-utf-8" or re.fullmatch("[a-zA-Z_:][a-zA-Z0-9_:]*", name):
        return name
    if escaping == "underscores":
        return re.sub("[^a-zA-Z0-9_:]", "_", name)
    written = {".": "_dot_", "_": "__"} if escaping == "dots" else {"_": "__"}
    other = "__" if escaping == "dots" else "_{:x}_"
    text = "".join(written.get(c, c if re.fullmatch("[a-zA-Z0-9:]", c) else other.format(ord(c))) for c in name)
    return text if escaping == "dots" else f"U__{text}"


def expected(escaping: str, *, native: bool) -> dict[Labels, float]:
    """Series by name and labels. A bound is written as OpenMetrics wants it: Prometheus 3 stores all others so too."""

    def name(text: str) -> str:
        return escaped(text, escaping)

    def series(metric: str, value: float, **labels: str) -> tuple[Labels, float]:
        return frozenset({"__name__": metric, "otel_scope_name": "test", **labels}.items()), value

    grpc = {name("rpc.system"): "grpc"}
    duration = name("rpc.duration_seconds")
    found = [
        series(name("http.server.requests_total"), 3.0, **{name("http.method"): "GET"}),
        series(name("queue-depth λ"), -1.5, queue_name="a b"),
        *(series(f"{duration}_bucket", n, le=le, **grpc) for le, n in (("0.5", 1.0), ("10.0", 3.0), ("+Inf", 6.0))),
        series(f"{duration}_count", 6.0, **grpc),
        series(f"{duration}_sum", 7.5, **grpc),
    ]
    if native:
        found.append(series(name("native.size"), 7.0))
    return dict(found)


@pytest.mark.parametrize(("protocol", "escaping"), CASES)
def test_names_and_values_are_stored_as_asked_for(protocol: str, escaping: str, prometheus: Prometheus) -> None:
    """Native histograms travel over protobuf alone."""
    page = f'page="{job_of(protocol, escaping)}"'
    asked = escaping if protocol in ASK_FOR_ESCAPING else "underscores"
    native = escaped("native.size", asked)
    found = prometheus.values(f'{{{page},__name__!~"up|scrape_.+|{native}"}}')
    found |= {
        labels | {("__name__", native)}: float(one["count"])
        for labels, one in prometheus.histograms(f'{{{page},__name__="{native}"}}').items()
    }
    stored = {frozenset((k, v) for k, v in labels if k not in OF_THE_TARGET): n for labels, n in found.items()}
    assert stored == expected(asked, native=protocol == "PrometheusProto")


@pytest.mark.parametrize("protocol", ["PrometheusProto", "OpenMetricsText1.0.0"])
def test_a_series_begins_at_zero_when_it_was_created(protocol: str, prometheus: Prometheus) -> None:
    """Formats that say when a series began, to a Prometheus that uses it: the first increments are not lost."""
    page = f'page="{job_of(protocol, "underscores")}"'
    (samples,) = prometheus.ranges(f"http_server_requests_total{{{page}}}[10m]").values()
    assert samples[0].value == 0.0
    assert float(samples[1].time) - float(samples[0].time) > 50
    assert samples[1].value == 3.0
