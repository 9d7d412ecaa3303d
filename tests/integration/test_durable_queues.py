"""Catalogue B: killed with a full queue. Must never regress: with ``sending_queue.storage``, what was acknowledged
reaches the destination, whatever happens to the process in between.
"""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

from pipeline.testing import export_request
from tests.integration.destinations import Ledger, Reply, http_destination
from tests.integration.weir_process import free_ports, post, running, terminate
from tests.waiting import eventually

CONFIG = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:${env:HTTP}"}}}}
exporters:
  otlphttp:
    endpoint: "http://127.0.0.1:${env:SINK}"
    retry_on_failure: {initial_interval: 20ms, max_interval: 100ms, max_elapsed_time: 0}
    sending_queue: {storage: file_storage}
extensions: {file_storage: {directory: "${env:QUEUES}"}}
service:
  extensions: [file_storage]
  pipelines: {traces: {receivers: [otlp], exporters: [otlphttp]}}
  telemetry: {metrics: {level: none}}
"""
BATCH = 5


def send(port: int, first: int, batches: int) -> set[str]:
    """Batches that Weir has acknowledged; the ids of their spans."""
    acknowledged = set()
    for batch in range(batches):
        ids = [(first + batch * BATCH + number).to_bytes(8, "big") for number in range(BATCH)]
        spans = [{"service": "cart", "name": "GET", "span_id": span_id} for span_id in ids]
        status, _ = post(f"http://127.0.0.1:{port}/v1/traces", export_request(spans).SerializeToString())
        assert status == 200
        acknowledged |= {span_id.hex() for span_id in ids}
    return acknowledged


def assert_equal(ledger: Ledger, sent: set[str]) -> None:
    assert set(ledger.acknowledged) == sent


def test_kill_9_with_the_destination_away_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    (tmp_path / "weir.yaml").write_text(CONFIG)
    port, sink = free_ports(2)
    env = {"HTTP": str(port), "SINK": str(sink), "QUEUES": str(tmp_path / "queues")}
    arguments = ("run", "--config", str(tmp_path / "weir.yaml"))
    sent: set[str] = set()
    for life in range(3):
        with running(*arguments, env=env) as weir:
            sent |= send(port, 1 + life * 1000, 20)
            weir.signal(signal.SIGKILL)
            assert weir.wait() == -signal.SIGKILL
    # a clean stop with the destination away, then one with it there, and busy at first
    with running(*arguments, env=env) as weir:
        sent |= send(port, 10_000, 20)
        assert terminate(weir) == 0
    with http_destination(*[Reply(503)] * 3, port=sink) as (_, ledger), running(*arguments, env=env) as weir:
        eventually(partial(assert_equal, ledger, sent))
        assert terminate(weir) == 0
    assert set(ledger.acknowledged.values()) == {1}, "what waited was sent once"
    with http_destination(port=sink) as (_, after), running(*arguments, env=env) as weir:
        assert terminate(weir) == 0
    assert not after.acknowledged
