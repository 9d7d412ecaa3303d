"""The same OTLP metrics, straight to Prometheus' own OTLP endpoint and through Weir by remote write: the same series.

Prometheus is the oracle for names, units, suffixes, labels, scopes, resources and values, in every strategy.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
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
service:
  pipelines: {metrics: {receivers: [otlp], exporters: [prometheusremotewrite]}}
  telemetry: {metrics: {level: none}}
"""
OTLP_SECTION = {
    "promote_scope_metadata": True,
    # What the Collector and otlptranslator do; Prometheus keeps older habits unless told.
    "label_name_underscore_sanitization": False,
    "label_name_preserve_multiple_underscores": False,
}

Stored = dict[Labels, Any]
"""Series → its number, or its native histogram."""


def stored(server: MetricsServer) -> Stored:
    found = server.ask("query", query='{__name__!=""}')["result"]
    return {
        frozenset(one["metric"].items()): one["histogram"][1] if "histogram" in one else float(one["value"][1])
        for one in found
    }


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
    sections = {"otlp": {**OTLP_SECTION, "translation_strategy": str(strategy)}}
    body = request(SystemClock().unix_nano()).SerializeToString()
    (port,) = free_ports(1)
    with (
        Prometheus(tmp_path / "straight", {}, program=PROMETHEUS3, receives=True, sections=sections) as straight,
        Prometheus(tmp_path / "through", {}, program=PROMETHEUS3, receives=True) as through,
        running(
            *("run", "--config", f"yaml:{CONFIG}"),
            env={"HTTP": str(port), "WRITE": through.write_url, "STRATEGY": str(strategy)},
        ),
    ):
        post(f"{straight.otlp_url}/v1/metrics", body)
        post(f"http://127.0.0.1:{port}/v1/metrics", body)
        expected = stored(straight)
        assert len(expected) > 1000

        def equal() -> None:
            found = list(differences(expected, stored(through)))
            assert not found, (len(found), found[:5])

        eventually(equal)
