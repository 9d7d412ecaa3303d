"""Remote write against receivers that fail. What must never regress: the samples of a series arrive in order, each
once, or are counted with the reason why not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import cramjam
import pytest

from benchmarks.processes import free_port
from pipeline.api import Settings
from pipeline.exporters.http_client import Answer
from pipeline.exporters.prometheusremotewrite import RemoteWriteConfig, RemoteWriteExporter, verdict_of
from pipeline.exporters.verdict import Fate
from pipeline.model.meter import Meter
from pipeline.service.clock import SystemClock
from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from tests.integration.destinations import Ledger, Reply, http_destination
from tests.oracles.remote_write_proto import series_of
from tests.unit.codec.metric_batches import NOW, batch, number
from tests.waiting import eventually

V2 = "io.prometheus.write.v2.Request"
WRITTEN = "X-Prometheus-Remote-Write-Samples-Written"
SECOND = 1_000_000_000


class Writer:
    """A real exporter, started."""

    def __init__(self, url: str, **config: Any) -> None:
        clock = SystemClock()
        self.own = OwnMetrics()
        telemetry = ComponentTelemetry("exporter", "rw", clock, self.own)
        retries = {"initial_interval": "10ms", "max_interval": "20ms", "max_elapsed_time": "20s"}
        checked = RemoteWriteConfig.model_validate({"endpoint": url, "retry_on_failure": retries, **config})
        self.exporter = RemoteWriteExporter(checked, Settings("rw", clock, Meter("test", clock), telemetry))
        self.exporter.start(lambda: ())

    def write(self, step: int = 0, series: int = 1) -> None:
        whole = batch(number("c", [({"id": str(i)}, float(step)) for i in range(series)]))
        self.exporter.export_snapshot(replace(whole, time_unix_nano=NOW + step * SECOND))

    def failed(self, reason: str) -> float:
        return self.own.value("otelcol_exporter_send_failed_metric_points", reason=reason)

    @property
    def sent(self) -> float:
        return self.own.value("otelcol_exporter_sent_metric_points")


@contextmanager
def writing(url: str, **config: Any) -> Iterator[Writer]:
    writer = Writer(url, **config)
    try:
        yield writer
    finally:
        writer.exporter.shutdown()


def received(ledger: Ledger) -> list[tuple[str, Any]]:
    """Version and series of each request."""
    found = []
    for request in ledger.requests:
        payload = bytes(cramjam.snappy.decompress_raw(request["payload"]))
        version = request["headers"]["x-prometheus-remote-write-version"]
        found.append((version, series_of(payload, v2=version == "2.0.0")))
    return found


def test_1_0_says_what_it_is() -> None:
    with http_destination() as (url, ledger), writing(f"{url}/api/v1/write", headers={"X-Scope-OrgID": "a"}) as writer:
        writer.write()
        writer.exporter.drain(20)
        (request,) = ledger.requests
        assert request["path"] == "/api/v1/write"
        assert request["headers"]["content-type"] == "application/x-protobuf"
        assert request["headers"]["content-encoding"] == "snappy"
        assert request["headers"]["x-scope-orgid"] == "a"
        assert received(ledger)[0][0] == "0.1.0"


def test_2_0_is_kept_where_it_is_understood() -> None:
    with (
        http_destination(*[Reply(204, {WRITTEN: "1"})] * 2) as (url, ledger),
        writing(url, protobuf_message=V2) as writer,
    ):
        writer.write(0)
        writer.write(1)
        writer.exporter.drain(20)
        assert [version for version, _ in received(ledger)] == ["2.0.0", "2.0.0"]
        assert ledger.requests[0]["headers"]["content-type"] == f"application/x-protobuf;proto={V2}"
        assert writer.sent == 2


@pytest.mark.parametrize("refusal", [Reply(415), Reply(204)])
def test_a_receiver_without_2_0_gets_1_0_from_then_on(refusal: Reply) -> None:
    with (
        http_destination(refusal) as (url, ledger),
        writing(url, protobuf_message=V2, remote_write_queue={"num_consumers": 1}) as writer,
    ):
        for step in range(3):
            writer.write(step)
        writer.exporter.drain(20)
        requests = received(ledger)
        assert [version for version, _ in requests] == ["2.0.0", "0.1.0", "0.1.0", "0.1.0"]
        values = [s.samples[0].value for _, series in requests[1:] for _, s in series]
        assert values == [0, 1, 2]
        assert writer.sent == 3


def test_what_was_not_written_is_counted_and_not_repeated() -> None:
    with (
        http_destination(Reply(200, {WRITTEN: "3"})) as (url, ledger),
        writing(url, protobuf_message=V2, remote_write_queue={"num_consumers": 1}) as writer,
    ):
        writer.write(series=5)
        writer.exporter.drain(20)
        assert len(ledger.requests) == 1
        assert (writer.sent, writer.failed("partial_success")) == (3, 2)


def test_one_bad_series_loses_its_request_alone() -> None:
    with http_destination(Reply(400, body=b"out of order sample")) as (url, ledger), writing(url) as writer:
        writer.write(0)
        writer.write(1)
        writer.exporter.drain(20)
        assert len(ledger.requests) == 2
        assert (writer.failed("http_400"), writer.sent) == (1, 1)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_pass_is_tried_again_in_order(status: int) -> None:
    with http_destination(*[Reply(status)] * 4) as (url, ledger), writing(url) as writer:
        for step in range(5):
            writer.write(step)
        writer.exporter.drain(20)
        values = [s.samples[0].value for _, series in received(ledger) for _, s in series]
        assert values == [0, 0, 0, 0, 0, 1, 2, 3, 4]
        assert writer.sent == 5


def test_a_receiver_that_comes_back_gets_each_series_in_order() -> None:
    port = free_port()
    with writing(f"http://127.0.0.1:{port}", max_batch_size_bytes=2_000) as writer:
        for step in range(10):
            writer.write(step, series=50)
        eventually(lambda: asserted(writer.own.value("weir_exporter_retries", reason="refused") > 5))
        with http_destination(port=port) as (_, ledger):
            writer.exporter.drain(30)
            by_series: dict[Any, list[float]] = {}
            for _, series in received(ledger):
                for labels, found in series:
                    by_series.setdefault(tuple(labels), []).append(found.samples[0].value)
            assert len(by_series) == 50
            assert all(values == list(range(10)) for values in by_series.values())
            assert writer.sent == 500


def asserted(claim: bool) -> None:
    assert claim


def test_a_full_shard_is_counted_and_holds_up_nobody() -> None:
    with writing(f"http://127.0.0.1:{free_port()}", remote_write_queue={"num_consumers": 1, "queue_size": 2}) as writer:
        for step in range(5):
            writer.write(step)
        assert writer.own.value("otelcol_exporter_enqueue_failed_metric_points") == 3


@pytest.mark.parametrize(
    ("status", "headers", "fate", "reason", "rejected"),
    [
        (204, {WRITTEN.lower(): "7"}, Fate.SENT, "", 0),
        (204, {WRITTEN.lower(): "5", "x-prometheus-remote-write-histograms-written": "2"}, Fate.SENT, "", 0),
        (200, {WRITTEN.lower(): "-1"}, Fate.SENT, "partial_success", 7),
        (200, {WRITTEN.lower(): "9" * 50}, Fate.SENT, "partial_success", 7),
        (400, {WRITTEN.lower(): "6"}, Fate.SENT, "partial_success", 1),
        (400, {}, Fate.DROP, "http_400", 0),
        (302, {"location": "http://elsewhere"}, Fate.DROP, "http_302", 0),
        (599, {}, Fate.RETRY, "http_5xx", 0),
        (200, {}, Fate.CONVERT, "http_2xx", 0),
    ],
)
def test_the_meaning_of_answers(status: int, headers: dict[str, str], fate: Fate, reason: str, rejected: int) -> None:
    verdict = verdict_of(Answer(status, headers, b""), 7, is_v2=True, now_unix_nano=NOW)
    assert (verdict.fate, verdict.reason, verdict.rejected) == (fate, reason, rejected)
