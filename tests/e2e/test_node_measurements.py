"""Metrics and logs of the stock Node SDK over each protocol it has: the page says what was measured, and an exporter
gets what was sent.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.model.attribute_text import plain_value
from tests.integration.sdk_target import SdkTarget
from tests.oracles.otlp_requests import items_of
from tests.oracles.sdk_instruments import COLLECTIONS, PROTOBUF, SECONDS, TEXT, assert_page, samples_of

CONFIG = """
exporters: {metrics: , logs: , prometheus: {endpoint: "127.0.0.1:0", enable_open_metrics: true}}
service:
  pipelines:
    metrics: {receivers: [otlp], exporters: [prometheus, metrics]}
    logs: {receivers: [otlp], exporters: [logs]}
  telemetry: {metrics: {level: none}}
"""
LINES = 600

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
@pytest.mark.parametrize("protocol", ["proto", "json", "grpc"])
def test_what_the_sdk_measured_and_wrote_is_what_everybody_gets(
    protocol: str, temporality: str, node_programs: Path
) -> None:
    with SdkTarget(CONFIG) as weir:
        url = f"http://{weir.grpc}" if protocol == "grpc" else weir.http
        command = ["node", str(node_programs / "measure.js"), protocol, url, temporality]
        sent = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert sent.returncode == 0, sent.stderr
        codes = json.loads(sent.stdout)
        assert set(codes) == {0}
        assert len(codes) > COLLECTIONS
        assert_page(samples_of(weir.page(TEXT)), weir.page(PROTOBUF), job="cart")
        metrics, logs = weir.received("metrics"), weir.received("logs")
    assert_latencies(metrics, temporality)
    assert_logs([records[index] for one in logs for records, index in items_of("logs", one)])


def assert_latencies(requests: list[Any], temporality: str) -> None:
    """Histograms with their optional sum, min and max, which JSON writes as well."""
    points = [
        point
        for one in requests
        for points, index in items_of("metrics", one)
        if (point := points[index]).DESCRIPTOR.name == "HistogramDataPoint"
    ]
    counts = [1, 1, 1] if temporality == "delta" else [1, 2, 3]
    assert [list(point.bucket_counts) for point in points[:COLLECTIONS]] == [[n, n, n] for n in counts]
    assert [point.sum for point in points[:COLLECTIONS]] == [n * sum(SECONDS) for n in counts]
    assert {(point.min, point.max) for point in points[:COLLECTIONS]} == {(min(SECONDS), max(SECONDS))}


def assert_logs(records: list[Any]) -> None:
    assert len(records) == LINES + 2
    *orders, paid, login = records
    assert [record.body.string_value for record in orders] == [f"order {number}" for number in range(LINES)]
    attributes = [{pair.key: plain_value(pair.value) for pair in record.attributes} for record in orders]
    assert attributes == [{"order.id": number, "parts": ["a", "ü"], "paid": True} for number in range(LINES)]
    assert {(record.severity_number, record.severity_text) for record in orders} == {(13, "WARN")}
    assert plain_value(paid.body) == {"event": "paid", "items": [1, "two", {"deep": 2.5}]}
    assert (paid.trace_id.hex(), paid.span_id.hex()) == ("0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7")
    assert (login.event_name, login.time_unix_nano, login.observed_time_unix_nano) == (
        "login",
        5 * 10**9 + 7,
        6 * 10**9,
    )
