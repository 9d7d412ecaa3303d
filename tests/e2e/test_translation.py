"""The same OTLP metrics, straight to Prometheus' own OTLP endpoint and through Weir: the same series.

Prometheus is the oracle for names, units, suffixes, labels, scopes, resources and values, in every strategy.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline.codec.prometheus_names import Strategy
from pipeline.service.clock import SystemClock
from tests.e2e.app_metrics import request
from tests.e2e.metrics_server import Labels, MetricsServer
from tests.e2e.prometheus import Prometheus
from tests.integration.weir_process import free_ports, running
from tests.programs import PROMETHEUS3
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, PROMETHEUS3.needed, pytest.mark.timeout(120)]

CONFIG = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:${env:HTTP}"}}}}
exporters:
  prometheusremotewrite:
    endpoint: "${env:WRITE}"
    protobuf_message: io.prometheus.write.v2.Request
    translation_strategy: ${env:STRATEGY}
  prometheus: {endpoint: "127.0.0.1:${env:PAGE}", translation_strategy: "${env:STRATEGY}", leading_zero: false}
service:
  pipelines: {metrics: {receivers: [otlp], exporters: [prometheusremotewrite, prometheus]}}
  telemetry: {metrics: {level: none}}
"""
OTLP_SECTION = {
    "promote_scope_metadata": True,
    # What the Collector and otlptranslator do; Prometheus keeps older habits unless told.
    "label_name_underscore_sanitization": False,
    "label_name_preserve_multiple_underscores": False,
}

SCRAPED_AS = {
    # Native histograms travel over protobuf alone, and Prometheus asks for no UTF-8 names there.
    Strategy.UNDERSCORES_WITH_SUFFIXES: "PrometheusProto",
    Strategy.UNDERSCORES_WITHOUT_SUFFIXES: "PrometheusProto",
    Strategy.UTF8_WITH_SUFFIXES: "PrometheusText1.0.0",
    Strategy.NO_TRANSLATION: "PrometheusText1.0.0",
}

Stored = dict[Labels, Any]
"""Series → its number, or its native histogram."""


def stored(server: MetricsServer) -> Stored:
    found = server.ask("query", query='{__name__!="",__name__!~"up|scrape_.+"}')["result"]
    return {
        common(one["metric"]): one["histogram"][1] if "histogram" in one else float(one["value"][1]) for one in found
    }


def common(labels: Mapping[str, str]) -> Labels:
    """Without what a scrape adds: its target, in place of an instance that the resource lacks, and ``10.0`` for 10."""
    left = {name: text for name, text in labels.items() if name != "page"}
    if left.get("instance", "").startswith("127.0.0.1:"):
        del left["instance"]
    return frozenset((name, f"{float(text):g}" if name == "le" else text) for name, text in left.items())


def post(url: str, body: bytes) -> None:
    headers = {"content-type": "application/x-protobuf"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        assert (answer.status, answer.read()) == (200, b"")


def differences(expected: Stored, found: Stored) -> Iterator[str]:
    """What is in one alone, and what has another value."""
    for name, one, other in (("missing", expected, found), ("too many", found, expected)):
        yield from (f"{name}: {sorted(labels)}" for labels in one.keys() - other.keys())
    for labels in expected.keys() & found.keys():
        if expected[labels] != found[labels]:
            yield f"{sorted(labels)}: {found[labels]} instead of {expected[labels]}"


@pytest.mark.parametrize("strategy", list(Strategy))
def test_weir_translates_as_prometheus_does(strategy: Strategy, tmp_path: Path) -> None:
    """Series that were written are all equal; of those on the page, native histograms only where they can travel."""
    sections = {"otlp": {**OTLP_SECTION, "translation_strategy": str(strategy)}}
    body = request(SystemClock().unix_nano()).SerializeToString()
    http, page = free_ports(2)
    scrape = {"scrape_protocols": [SCRAPED_AS[strategy]], "scrape_native_histograms": True}
    with (
        Prometheus(tmp_path / "straight", {}, program=PROMETHEUS3, receives=True, sections=sections) as straight,
        Prometheus(tmp_path / "written", {}, program=PROMETHEUS3, receives=True) as written,
        running(
            *("run", "--config", f"yaml:{CONFIG}"),
            env={"HTTP": str(http), "PAGE": str(page), "WRITE": written.write_url, "STRATEGY": str(strategy)},
        ),
        Prometheus(
            tmp_path / "scraped", {"p": f"127.0.0.1:{page}"}, program=PROMETHEUS3, scrape={"p": scrape}
        ) as scraped,
    ):
        post(f"{straight.otlp_url}/v1/metrics", body)
        post(f"http://127.0.0.1:{http}/v1/metrics", body)
        expected = stored(straight)
        numbers = {labels: value for labels, value in expected.items() if isinstance(value, float)}
        assert len(numbers) > 900
        assert len(expected) > len(numbers) + 70

        def equal(expected: Stored, server: MetricsServer) -> None:
            found = list(differences(expected, stored(server)))
            assert not found, (len(found), found[:5])

        eventually(partial(equal, expected, written))
        with_native = scrape["scrape_protocols"] == ["PrometheusProto"]
        eventually(partial(equal, expected if with_native else numbers, scraped))
