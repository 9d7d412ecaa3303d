"""Telemetry into files and out again: equal messages, whole records, the pauses of the recording."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console

from pipeline.api import Outcome, Settings
from pipeline.errors import ConfigError, MalformedPayload, RetryableError
from pipeline.exporters.file import FileExporter
from pipeline.exporters.rotation import RotatingFile, RotationConfig
from pipeline.model.meter import Meter
from pipeline.otlp_records import Format, content_of, encode_record, format_of, read_records
from pipeline.receivers.file import FileReceiver, Pace
from pipeline.replay import replay
from pipeline.service.clock import SystemClock
from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from pipeline.testing import START_UNIX_NANO, export_request, span_batch
from tests.integration.destinations import grpc_destination, http_destination

SECOND = 1_000_000_000


def component(cls: Any, **config: Any) -> tuple[Any, OwnMetrics]:
    clock, own = SystemClock(), OwnMetrics()
    kind = "exporter" if cls is FileExporter else "receiver"
    settings = Settings("file", clock, Meter("test", clock), ComponentTelemetry(kind, "file", clock, own))
    return cls(cls.Config.model_validate(config), settings), own


def request(number: int, seconds: float = 0.0) -> ExportTraceServiceRequest:
    message = export_request([{"number": number, "name": f"ü {number}", "attributes": {"b": b"\x00\xff", "i": 2**60}}])
    message.resource_spans[0].scope_spans[0].spans[0].end_time_unix_nano = START_UNIX_NANO + round(seconds * SECOND)
    return message


def metrics() -> ExportMetricsServiceRequest:
    message = ExportMetricsServiceRequest()
    point = message.resource_metrics.add().scope_metrics.add().metrics.add(name="m").gauge.data_points.add()
    point.as_double, point.time_unix_nano = 1.5, 7
    return message


def logs() -> ExportLogsServiceRequest:
    message = ExportLogsServiceRequest()
    message.resource_logs.add().scope_logs.add().log_records.add(observed_time_unix_nano=5).body.string_value = "line\n"
    return message


class Sink:
    """An intake that keeps what it gets."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.payloads: list[bytes] = []

    def accept(self, payload: bytes, transport: str) -> Outcome:
        assert transport == "file"
        if self.errors:
            raise self.errors.pop(0)
        self.payloads.append(payload)
        return Outcome(1)


@contextmanager
def reading(sinks: dict[str, Any], **config: Any) -> Iterator[OwnMetrics]:
    receiver, own = component(FileReceiver, **config)
    receiver.start(sinks)
    try:
        receiver._thread.join(20)
        yield own
    finally:
        receiver.drain(1)
        receiver.shutdown()


@pytest.mark.parametrize("form", ["json", "proto"])
def test_what_is_exported_is_received_again(tmp_path: Path, form: Format) -> None:
    path = tmp_path / "spans"
    exporter, own = component(FileExporter, path=path, format=form)
    exporter.start(lambda: ())
    batches = [span_batch(n=n, attributes={"a": "ü"}) for n in (1, 5, 3)]
    for spans in batches:
        exporter.export_traces(spans)
    exporter.drain(20)
    exporter.shutdown()
    sink = Sink()
    with reading({"traces": sink}, path=path):
        decoded = [ExportTraceServiceRequest.FromString(payload) for payload in sink.payloads]
    assert decoded == [ExportTraceServiceRequest.FromString(spans.to_otlp()) for spans in batches]
    assert own.value("otelcol_exporter_sent_spans") == 9


def test_json_holds_all_signals_and_proto_one(tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    everything: list[tuple[str, Any]] = [("traces", request(1)), ("metrics", metrics()), ("logs", logs())]
    path.write_bytes(b"".join(encode_record(m.SerializeToString(), signal, "json") for signal, m in everything))
    assert [json.loads(line) for line in path.read_text().splitlines()]
    assert [(r.signal, r.payload) for r in read_records(path, "json")] == [
        (signal, m.SerializeToString()) for signal, m in everything
    ]

    exporter, own = component(FileExporter, path=tmp_path / "one", format="proto")
    exporter.start(lambda: ())
    exporter.put("traces", request(1).SerializeToString(), 1)
    exporter.drain(20)
    exporter._queues.clear()
    exporter.start(lambda: ())
    exporter.put("logs", logs().SerializeToString(), 1)
    exporter.drain(20)
    exporter.shutdown()
    assert own.value("otelcol_exporter_send_failed_log_records", reason="mixed_signals") == 1


@pytest.mark.parametrize("form", ["json", "proto"])
def test_a_record_that_is_cut_off_is_not_read_and_the_others_are(tmp_path: Path, form: Format) -> None:
    whole = [encode_record(request(number).SerializeToString(), "traces", form) for number in (1, 2)]
    path = tmp_path / "cut"
    for end in range(len(whole[0]), len(whole[0]) + len(whole[1]) - 1):
        path.write_bytes(b"".join(whole)[:end])
        assert [r.payload for r in read_records(path, form)] == [request(1).SerializeToString()]
    assert format_of(path) == form


def test_bad_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    good = encode_record(request(1).SerializeToString(), "traces", "json")
    path = tmp_path / "bad.json"
    path.write_bytes(b'nonsense\n{"resourceSpans": 1}\n{"other": []}\n\n' + good)
    sink = Sink()
    with reading({"traces": sink}, path=path, format="json") as own:
        assert sink.payloads == [request(1).SerializeToString()]
        assert own.value("otelcol_receiver_file_skipped_records", reason="malformed") == 3


def test_a_length_that_is_none_ends_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(MalformedPayload, match="256 MiB"):
        list(read_records(path, "proto"))


def test_a_refused_record_is_offered_again(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_bytes(encode_record(request(1).SerializeToString(), "traces", "json"))
    sink = Sink(RetryableError("full", 0.01), RetryableError("full", 0.01))
    with reading({"traces": sink}, path=path):
        assert len(sink.payloads) == 1


def test_a_file_that_is_not_there_is_an_error_at_the_start(tmp_path: Path) -> None:
    for cls in (FileReceiver, FileExporter):
        part, _ = component(cls, path=tmp_path / "no" / "such")
        with pytest.raises(ConfigError, match="No such file"):
            part.start({})


class TestRotation:
    def test_a_full_file_is_put_aside_and_the_oldest_removed(self, tmp_path: Path) -> None:
        file = RotatingFile(tmp_path / "a.json", RotationConfig(max_megabytes=1, max_backups=2), append=False)
        file.open()
        for number in range(8):
            file.write(bytes([65 + number]) * (600 << 10), number * SECOND)
        file.close()
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["a-1970-01-01T00-00-06.000.json", "a-1970-01-01T00-00-07.000.json", "a.json"]
        assert (tmp_path / "a.json").read_bytes()[:1] == b"H"

    def test_a_write_that_fails_leaves_no_half_record(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import os

        file = RotatingFile(tmp_path / "a", None, append=False)
        file.open()
        file.write(b"first", 0)
        real, calls = os.write, []

        def full(target: int, data: Any) -> int:
            calls.append(1)
            if len(calls) > 1:
                raise OSError(28, "No space left on device")
            return real(target, bytes(data)[:3])

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            file.write(b"second", 0)
        file.close()
        assert (tmp_path / "a").read_bytes() == b"first"

    @pytest.mark.parametrize(("append", "content"), [(True, b"oldnew"), (False, b"new")])
    def test_append(self, tmp_path: Path, append: bool, content: bytes) -> None:
        (tmp_path / "a").write_bytes(b"old")
        file = RotatingFile(tmp_path / "a", None, append=append)
        file.open()
        file.write(b"new", 0)
        file.close()
        file.close()
        assert (tmp_path / "a").read_bytes() == content


def test_the_pace_is_that_of_the_recording_with_long_pauses_cut() -> None:
    pace = Pace(10.0)
    times = [100, 101.5, 101, 101.5, 500, 0, 501]
    assert [pace.pause_s(round(t * SECOND)) for t in times] == [0, 1.5, 0, 0, 10, 0, 1]


def test_the_content_is_counted_and_timed() -> None:
    assert content_of(request(1, 2.0).SerializeToString(), "traces") == (1, START_UNIX_NANO + 2 * SECOND)
    assert content_of(metrics().SerializeToString(), "metrics") == (1, 7)
    assert content_of(logs().SerializeToString(), "logs") == (1, 5)
    with pytest.raises(MalformedPayload):
        content_of(b"\xff", "traces")


class TestReplay:
    @pytest.mark.parametrize("form", ["json", "proto"])
    @pytest.mark.parametrize("destination", [grpc_destination, http_destination])
    def test_everything_arrives_once(self, tmp_path: Path, form: Format, destination: Any) -> None:
        paths = [tmp_path / "a", tmp_path / "b"]
        for part, path in enumerate(paths):
            numbers = range(200 * part, 200 * part + 200)
            path.write_bytes(b"".join(encode_record(request(n).SerializeToString(), "traces", form) for n in numbers))
        shown = io.StringIO()
        with destination() as (address, ledger):
            status = replay(paths, address, SystemClock(), recorded=False, signal="traces", console=Console(file=shown))
            assert status == 0
            assert len(ledger.acknowledged) == 400
            assert set(ledger.acknowledged.values()) == {1}
        assert "400 spans accepted, 0 not" in shown.getvalue()

    def test_recorded_speed_waits(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(
            b"".join(encode_record(request(n, n * 0.15).SerializeToString(), "traces", "json") for n in range(5))
        )
        clock = SystemClock()
        begin = clock.monotonic_nano()
        with grpc_destination() as (address, _):
            assert (
                replay([path], address, clock, recorded=True, signal="traces", console=Console(file=io.StringIO())) == 0
            )
        assert clock.monotonic_nano() - begin > 0.55e9

    def test_what_cannot_be_read_is_reported(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"{bad\n" + encode_record(request(1).SerializeToString(), "traces", "json"))
        shown = io.StringIO()
        with grpc_destination() as (address, _):
            assert replay([path], address, SystemClock(), recorded=False, signal="traces", console=Console(file=shown))
        assert "1 records could not be read" in shown.getvalue()


def test_the_threads_end_with_the_receiver(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(encode_record(request(1).SerializeToString(), "traces", "json") * 3)
    receiver, _ = component(FileReceiver, path=path)
    gate, entered = threading.Event(), threading.Event()

    class Slow(Sink):
        def accept(self, payload: bytes, transport: str) -> Outcome:
            entered.set()
            assert gate.wait(10)
            return super().accept(payload, transport)

    sink = Slow()
    receiver.start({"traces": sink})
    assert entered.wait(10)
    receiver.drain(0)
    gate.set()
    receiver.drain(10)
    assert len(sink.payloads) == 1
