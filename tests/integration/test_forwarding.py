"""A whole Weir between a sender and its destinations. What must never regress: what passes through leaves as the bytes
that came, each destination gets each span once, and a full queue counts nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.service.clock import SystemClock
from pipeline.service.engine import Engine
from pipeline.service.registry import Registry
from pipeline.testing import SpanSink, export_request
from tests.integration.destinations import Reply, grpc_destination, http_destination, ids, silent
from tests.integration.raw_http import Client, post
from tests.waiting import eventually

RECEIVER = 'receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}}\n'
SERVICE = (
    "service: {telemetry: {metrics: {level: none}}, pipelines: {traces: {receivers: [otlp], exporters: [%s]}%s}}\n"
)


@contextmanager
def running(config: str, drain_s: float = 20) -> Iterator[Engine]:
    document = load_document(
        ["env:CONFIG"], environ={"CONFIG": config if "receivers: {file" in config else RECEIVER + config}
    )
    engine = Engine(check(document, Registry({"exporters": {"spans": SpanSink}})), SystemClock())
    engine.start()
    try:
        yield engine
    finally:
        engine.stop(drain_s)


def send(engine: Engine, body: bytes) -> int:
    receiver: Any = engine.graph.receivers["otlp"]
    client = Client(receiver.addresses["http"])
    try:
        client.send(post(body, "Content-Type: application/x-protobuf", path="/v1/traces"))
        return int(client.answer().status)
    finally:
        client.close()


def request(first: int, n: int = 5) -> bytes:
    body = export_request([{"number": first + i, "service": "cart"} for i in range(n)]).SerializeToString()
    return body + b"\xfa\x3e\x03abc"  # an unknown field stays where it is


def value(engine: Engine, name: str, **labels: str) -> float:
    return engine.metrics.value(name, **labels)


def test_the_bytes_that_come_are_the_bytes_that_go() -> None:
    with grpc_destination() as (grpc_address, over_grpc), http_destination() as (http_address, over_http):
        config = f"""
exporters:
  otlp: {{endpoint: "{grpc_address}", tls: {{insecure: true}}}}
  otlphttp: {{endpoint: "{http_address}"}}
"""
        bodies = [request(10 * number) for number in range(20)]
        with running(config + SERVICE % ("otlp, otlphttp", "")) as engine:
            assert [send(engine, body) for body in bodies] == [200] * 20
        for ledger in (over_grpc, over_http):
            assert sorted(found["payload"] for found in ledger.requests) == sorted(bodies)
            assert set(ledger.acknowledged.values()) == {1}
        for exporter in ("otlp", "otlphttp"):
            assert value(engine, "otelcol_exporter_sent_spans", exporter=exporter) == 100


@pytest.mark.parametrize("exporter", ["otlp", "otlphttp", "otlp_grpc", "otlp_http"])
def test_from_weir_to_weir(exporter: str) -> None:
    with running("exporters: {spans: }\n" + SERVICE % ("spans", "")) as sink:
        receiver: Any = sink.graph.receivers["otlp"]
        is_grpc = exporter in {"otlp", "otlp_grpc"}
        host, port = receiver.addresses["grpc" if is_grpc else "http"]
        endpoint = f"{host}:{port}" if is_grpc else f"http://{host}:{port}"
        tls = ", tls: {insecure: true}" if is_grpc else ""
        config = f'exporters: {{{exporter}: {{endpoint: "{endpoint}"{tls}}}}}\n'
        with running(config + SERVICE % (exporter, "")) as engine:
            for number in range(10):
                assert send(engine, request(10 * number)) == 200
        received: Any = sink.graph.exporters["spans"]
        found = [id_ for batch in received.batches for id_ in ids(batch.to_otlp())]
        assert sorted(found) == sorted(id_ for number in range(10) for id_ in ids(request(10 * number)))


def test_metrics_of_components_leave_over_otlp_on_the_last_flush() -> None:
    with http_destination() as (address, ledger):
        config = f"""
connectors: {{span_metrics: {{metrics_flush_interval: 1h}}}}
exporters: {{otlphttp: {{endpoint: "{address}"}}}}
"""
        pipeline = ", metrics: {receivers: [span_metrics], exporters: [otlphttp]}"
        with running(config + SERVICE % ("span_metrics", pipeline)) as engine:
            assert send(engine, request(0)) == 200
        (found,) = ledger.requests
        assert found["path"] == "/v1/metrics"
        message = ExportMetricsServiceRequest.FromString(found["payload"])
        (calls,) = [
            m for r in message.resource_metrics for s in r.scope_metrics for m in s.metrics if "calls" in m.name
        ]
        assert sum(point.as_int or point.as_double for point in calls.sum.data_points) == 5


def test_a_full_queue_counts_nothing_twice_and_delays_nobody() -> None:
    stop = threading.Event()
    with (
        http_destination(*[Reply(act=silent(stop))] * 10) as (slow_address, _),
        http_destination() as (address, ledger),
    ):
        config = f"""
exporters:
  otlphttp/slow: {{endpoint: "{slow_address}", timeout: 20s, sending_queue: {{queue_size: 3}}}}
  otlphttp: {{endpoint: "{address}"}}
connectors: {{span_metrics: }}
"""
        pipeline = ", metrics: {receivers: [span_metrics], exporters: [otlphttp]}"
        with running(config + SERVICE % ("span_metrics, otlphttp, otlphttp/slow", pipeline), drain_s=2) as engine:
            answers = [send(engine, request(10 * number)) for number in range(6)]
            assert answers == [200, 200, 200, 503, 503, 503]
            eventually(lambda: _is(len(ledger.acknowledged) == 15))
            assert set(ledger.acknowledged.values()) == {1}
            assert value(engine, "otelcol_connector_incoming_items", connector="span_metrics") == 15
            assert value(engine, "otelcol_exporter_enqueue_failed_spans", exporter="otlphttp/slow") == 15
        assert value(engine, "otelcol_exporter_send_failed_spans", exporter="otlphttp/slow") == 15
        stop.set()


def test_without_a_queue_the_sender_hears_what_the_destination_says() -> None:
    with http_destination(Reply(503), Reply(400)) as (address, _):
        config = f'exporters: {{otlphttp: {{endpoint: "{address}", sending_queue: {{enabled: false}}}}}}\n'
        with running(config + SERVICE % ("otlphttp", "")) as engine:
            assert [send(engine, request(0)) for _ in range(3)] == [503, 400, 200]


def test_files_pass_through_a_weir(tmp_path: Any) -> None:
    """Into a file by one Weir, out of it by the receiver of another."""
    path = tmp_path / "spans.json"
    with running(f'exporters: {{file: {{path: "{path}"}}}}\n' + SERVICE % ("file", "")) as engine:
        assert send(engine, request(0)) == 200
    second = f'exporters: {{spans: }}\nreceivers: {{file: {{path: "{path}"}}}}\n'
    with running(second + (SERVICE % ("spans", "")).replace("[otlp]", "[file]")) as engine:
        sink: Any = engine.graph.exporters["spans"]
        eventually(lambda: _is(bool(sink.batches)))
        assert ids(sink.batches[0].to_otlp()) == ids(request(0))


def test_a_destination_without_an_endpoint_for_a_signal_is_refused() -> None:
    config = 'exporters: {otlphttp: {metrics_endpoint: "http://127.0.0.1:1/v1/metrics"}}\n'
    with running(config + SERVICE % ("otlphttp", "")) as engine:
        assert send(engine, request(0)) == 400


def _is(claim: bool) -> None:
    assert claim
