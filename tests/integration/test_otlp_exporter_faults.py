"""OTLP exporters against destinations that fail. What must never regress: each span handed over is acknowledged by the
destination exactly once, or counted with the reason why not (catalogue of faults, part B).
"""

from __future__ import annotations

import datetime
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from typing import Any

import grpc
import pytest

from benchmarks.processes import free_port
from pipeline.api import Exporter, Settings
from pipeline.exporters.otlp import OtlpExporter
from pipeline.exporters.otlphttp import OtlpHttpExporter
from pipeline.model.meter import Meter
from pipeline.service.clock import SystemClock
from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from pipeline.testing import span_batch
from tests.integration.destinations import (
    Failure,
    Reply,
    busy,
    dripping,
    endless,
    grpc_destination,
    http_destination,
    partial,
    reset,
    silent,
)
from tests.waiting import eventually

FAST = {"initial_interval": "10ms", "max_interval": "50ms", "max_elapsed_time": "30s"}
KEEPS = Reply(keeps=True)


class Sender:
    """A real exporter, started, with what it counted and what it was given."""

    def __init__(self, cls: type[Exporter], **config: Any) -> None:
        clock = SystemClock()
        self.own = OwnMetrics()
        telemetry = ComponentTelemetry("exporter", "otlp", clock, self.own)
        checked = cls.Config.model_validate({"retry_on_failure": FAST, **config})
        self.exporter = cls(checked, Settings("otlp", clock, Meter("test", clock), telemetry))
        self.exporter.start(lambda: ())
        self.given: set[str] = set()
        self._number = 0

    def send(self, spans: int = 1, batches: int = 1) -> None:
        for _ in range(batches):
            numbers = range(self._number + 1, self._number + spans + 1)
            self._number += spans
            batch = span_batch(spans=[{"span_id": number.to_bytes(8, "big")} for number in numbers])
            self.given |= {number.to_bytes(8, "big").hex() for number in numbers}
            self.exporter.export_traces(batch)

    def drain(self, timeout_s: float = 30) -> None:
        self.exporter.drain(timeout_s)

    @property
    def sent(self) -> float:
        return self.own.value("otelcol_exporter_sent_spans")

    def failed(self, reason: str = "") -> float:
        labels = {"reason": reason} if reason else {}
        return self.own.value("otelcol_exporter_send_failed_spans", **labels)

    def retries(self, reason: str) -> float:
        return self.own.value("weir_exporter_retries", reason=reason)


@contextmanager
def over_http(endpoint: str, **config: Any) -> Iterator[Sender]:
    sender = Sender(OtlpHttpExporter, endpoint=endpoint, **config)
    try:
        yield sender
    finally:
        sender.exporter.shutdown()


@contextmanager
def over_grpc(endpoint: str, **config: Any) -> Iterator[Sender]:
    sender = Sender(OtlpExporter, endpoint=endpoint, tls={"insecure": True}, **config)
    try:
        yield sender
    finally:
        sender.exporter.shutdown()


def once(ids: set[str]) -> Counter[str]:
    return Counter(ids)


class TestHttp:
    def test_everything_arrives_once(self) -> None:
        with http_destination() as (address, ledger), over_http(address) as sender:
            sender.send(spans=7, batches=20)
            sender.drain()
            assert ledger.acknowledged == once(sender.given)
            assert sender.sent == 140
            assert {request["path"] for request in ledger.requests} == {"/v1/traces"}
            assert ledger.requests[0]["headers"]["content-encoding"] == "gzip"

    @pytest.mark.parametrize("compression", ["none", "gzip"])
    @pytest.mark.parametrize("encoding", ["proto", "json"])
    def test_encodings(self, compression: str, encoding: str) -> None:
        with (
            http_destination() as (address, ledger),
            over_http(address, compression=compression, encoding=encoding) as sender,
        ):
            sender.send(3)
            sender.drain()
            assert sender.sent == 3
            (request,) = ledger.requests
            assert (
                request["headers"]["content-type"]
                == {"proto": "application/x-protobuf", "json": "application/json"}[encoding]
            )
            assert (request["payload"][:1] == b"{") == (encoding == "json")

    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_what_may_pass_is_tried_again(self, status: int) -> None:
        with http_destination(*[Reply(status)] * 3) as (address, ledger), over_http(address) as sender:
            sender.send(2, batches=3)
            sender.drain()
            assert ledger.acknowledged == once(sender.given)
            assert sender.retries(f"http_{status}") == 3

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 415, 500, 501])
    def test_what_never_passes_is_dropped_and_counted(self, status: int) -> None:
        with http_destination(Reply(status)) as (address, ledger), over_http(address) as sender:
            sender.send(2)
            sender.drain()
            assert len(ledger.requests) == 1
            assert sender.failed(f"http_{status}") == 2

    def test_a_destination_cannot_invent_labels(self) -> None:
        with http_destination(Reply(477), Reply(599)) as (address, _), over_http(address) as sender:
            sender.send(1, batches=2)
            sender.drain()
            assert sender.failed("http_4xx") == 1
            assert sender.failed("http_5xx") == 1

    def test_a_redirect_gets_neither_data_nor_credentials(self) -> None:
        with (
            http_destination() as (elsewhere, thief),
            http_destination(
                *[Reply(status, {"location": f"{elsewhere}/v1/traces"}) for status in (301, 302, 307, 308)]
            ) as (address, _),
            over_http(address, headers={"Authorization": "Bearer secret"}) as sender,
        ):
            sender.send(1, batches=4)
            sender.drain()
            assert thief.requests == []
            assert sender.failed() == 4

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_retry_after_is_kept(self, form: str) -> None:
        moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
        text = "1" if form == "seconds" else format_datetime(moment, usegmt=True)
        with http_destination(Reply(503, {"retry-after": text})) as (address, ledger), over_http(address) as sender:
            begin = SystemClock().monotonic_nano()
            sender.send(1)
            sender.drain()
            assert SystemClock().monotonic_nano() - begin > 0.9e9
            assert ledger.acknowledged == once(sender.given)

    @pytest.mark.parametrize("text", ["-1", "soon", "", "1e9"])
    def test_nonsense_in_retry_after_is_no_reason_to_wait(self, text: str) -> None:
        with http_destination(Reply(429, {"retry-after": text})) as (address, ledger), over_http(address) as sender:
            sender.send(1)
            sender.drain(10)
            assert ledger.acknowledged == once(sender.given)

    def test_an_absurd_retry_after_does_not_hold_the_stop(self) -> None:
        with (
            http_destination(Reply(503, {"retry-after": "1000000000"})) as (address, _),
            over_http(address, retry_on_failure={"max_elapsed_time": 0}) as sender,
        ):
            sender.send(4)
            eventually(lambda: asserted(sender.retries("http_503") == 1))
            sender.drain(5)
            assert sender.failed() == 4

    def test_a_partial_success_is_final(self) -> None:
        with (
            http_destination(Reply(body=partial(2, "bad ids"), keeps=True)) as (address, ledger),
            over_http(address) as sender,
        ):
            sender.send(5)
            sender.drain()
            assert len(ledger.requests) == 1
            assert (sender.sent, sender.failed("partial_success")) == (3, 2)

    def test_413_splits_the_batch(self) -> None:
        with http_destination(Reply(413), Reply(413)) as (address, ledger), over_http(address) as sender:
            sender.send(8)
            sender.drain()
            assert ledger.acknowledged == once(sender.given)
            assert len(ledger.requests) == 5

    def test_a_reset_half_way_is_tried_again(self) -> None:
        with http_destination(Reply(act=reset), Reply(act=reset)) as (address, ledger), over_http(address) as sender:
            sender.send(3)
            sender.drain()
            assert ledger.acknowledged == once(sender.given)

    def test_of_an_endless_answer_4_mib_are_read(self) -> None:
        with http_destination(Reply(act=endless)) as (address, ledger), over_http(address) as sender:
            sender.send(3)
            sender.drain()
            assert len(ledger.requests) == 1
            assert sender.sent == 3

    @pytest.mark.parametrize("slow", [dripping, silent])
    def test_a_slow_destination_times_out_and_delays_nobody_else(self, slow: Any) -> None:
        stop = threading.Event()
        with (
            http_destination(*[Reply(act=slow(stop))] * 2) as (address, ledger),
            http_destination() as (
                other_address,
                other_ledger,
            ),
            over_http(address, timeout="300ms") as sender,
            over_http(other_address) as other,
        ):
            sender.send(2)
            other.send(2, batches=10)
            other.drain()
            assert other_ledger.acknowledged == once(other.given)
            sender.drain()
            stop.set()
            assert ledger.acknowledged == once(sender.given)
            assert sender.retries("timeout") == 2

    def test_a_destination_that_goes_and_comes_back(self) -> None:
        port = free_port()
        with over_http(f"http://127.0.0.1:{port}") as sender:
            sender.send(3, batches=5)
            eventually(lambda: asserted(sender.retries("refused") >= 5))
            with http_destination(port=port) as (_, ledger):
                eventually(lambda: asserted(ledger.acknowledged == once(sender.given)))
            sender.send(3, batches=5)
            eventually(lambda: asserted(sender.retries("refused") + sender.retries("connection") >= 10))
            first = ledger.acknowledged
            with http_destination(port=port) as (_, ledger):
                sender.drain()
                assert first + ledger.acknowledged == once(sender.given)

    def test_a_name_that_does_not_resolve_is_tried_again_and_then_counted(self) -> None:
        with over_http(
            "http://no-such-host.invalid:4318",
            retry_on_failure={**FAST, "max_interval": "10ms", "max_elapsed_time": "100ms"},
        ) as sender:
            sender.send(2)
            eventually(lambda: asserted(sender.failed("dns") == 2))
            assert sender.retries("dns") > 0

    def test_a_full_queue_refuses(self) -> None:
        stop = threading.Event()
        with (
            http_destination(Reply(act=silent(stop))) as (address, _),
            over_http(address, sending_queue={"queue_size": 1}) as sender,
        ):
            sender.send(1)
            with pytest.raises(Exception, match="full"):
                sender.send(1)
            stop.set()

    def test_what_could_not_be_sent_at_the_stop_is_counted(self) -> None:
        with over_http(f"http://127.0.0.1:{free_port()}") as sender:
            sender.send(3, batches=20)
            sender.drain(0.5)
            assert sender.failed() == 60


def asserted(claim: bool) -> None:
    assert claim


CODES = grpc.StatusCode


class TestGrpc:
    def test_everything_arrives_once(self) -> None:
        with grpc_destination() as (address, ledger), over_grpc(address, headers={"X-Tenant": "a"}) as sender:
            sender.send(spans=7, batches=20)
            sender.drain()
            assert ledger.acknowledged == once(sender.given)
            assert sender.sent == 140
            assert ledger.requests[0]["headers"]["x-tenant"] == "a"

    @pytest.mark.parametrize(
        "code",
        [
            CODES.CANCELLED,
            CODES.DEADLINE_EXCEEDED,
            CODES.ABORTED,
            CODES.OUT_OF_RANGE,
            CODES.UNAVAILABLE,
            CODES.DATA_LOSS,
        ],
    )
    def test_what_may_pass_is_tried_again(self, code: grpc.StatusCode) -> None:
        with grpc_destination(*[Failure(code)] * 2) as (address, ledger), over_grpc(address) as sender:
            sender.send(2, batches=3)
            sender.drain()
            assert ledger.acknowledged == once(sender.given)
            assert sender.retries(f"grpc_{code.name.lower()}") == 2

    @pytest.mark.parametrize(
        "code",
        [CODES.INVALID_ARGUMENT, CODES.UNAUTHENTICATED, CODES.INTERNAL, CODES.UNIMPLEMENTED, CODES.RESOURCE_EXHAUSTED],
    )
    def test_what_never_passes_is_dropped_and_counted(self, code: grpc.StatusCode) -> None:
        with grpc_destination(Failure(code, "no")) as (address, ledger), over_grpc(address) as sender:
            sender.send(2)
            sender.drain()
            assert len(ledger.requests) == 1
            assert sender.failed(f"grpc_{code.name.lower()}") == 2

    @pytest.mark.parametrize("code", [CODES.UNAVAILABLE, CODES.RESOURCE_EXHAUSTED])
    def test_retry_info_is_kept(self, code: grpc.StatusCode) -> None:
        with grpc_destination(busy(1.0, code)) as (address, ledger), over_grpc(address) as sender:
            begin = SystemClock().monotonic_nano()
            sender.send(1)
            sender.drain()
            assert SystemClock().monotonic_nano() - begin > 0.9e9
            assert ledger.acknowledged == once(sender.given)

    @pytest.mark.parametrize("details", [b"\xff\xff\xff", b"", b"\x1a\x02\x0a\x00"])
    def test_unreadable_details_are_ignored(self, details: bytes) -> None:
        with (
            grpc_destination(Failure(CODES.UNAVAILABLE, "", details)) as (address, ledger),
            over_grpc(address) as sender,
        ):
            sender.send(1)
            sender.drain()
            assert ledger.acknowledged == once(sender.given)

    def test_a_partial_success_is_final(self) -> None:
        with grpc_destination(partial(2, "bad ids")) as (address, ledger), over_grpc(address) as sender:
            sender.send(5)
            sender.drain()
            assert len(ledger.requests) == 1
            assert (sender.sent, sender.failed("partial_success")) == (3, 2)

    def test_a_response_that_cannot_be_read_is_a_success(self) -> None:
        with grpc_destination(b"\xff\xff") as (address, ledger), over_grpc(address) as sender:
            sender.send(5)
            sender.drain()
            assert (len(ledger.requests), sender.sent) == (1, 5)

    def test_a_response_beyond_4_mib_is_not_read(self) -> None:
        with grpc_destination(bytes(5 << 20)) as (address, ledger), over_grpc(address) as sender:
            sender.send(5)
            sender.drain()
            assert len(ledger.requests) == 1
            assert sender.sent + sender.failed() == 5

    def test_a_message_beyond_the_limit_of_the_destination_is_split(self) -> None:
        with grpc_destination(max_receive_message_length=600) as (address, ledger), over_grpc(address) as sender:
            sender.send(64)
            sender.drain()
            assert ledger.acknowledged == once(sender.given)
            assert sender.sent == 64

    def test_a_destination_that_goes_and_comes_back(self) -> None:
        port = free_port()
        with over_grpc(f"127.0.0.1:{port}") as sender:
            sender.send(3, batches=5)
            eventually(lambda: asserted(sender.retries("grpc_unavailable") >= 5))
            with grpc_destination(port=port) as (_, ledger):
                eventually(lambda: asserted(ledger.acknowledged == once(sender.given)))

    def test_a_name_that_does_not_resolve_is_tried_again_and_then_counted(self) -> None:
        with over_grpc(
            "no-such-host.invalid:4317", retry_on_failure={**FAST, "max_interval": "10ms", "max_elapsed_time": "100ms"}
        ) as sender:
            sender.send(2)
            eventually(lambda: asserted(sender.failed("grpc_unavailable") == 2))
